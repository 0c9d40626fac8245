// The client engine against a remote that answers from a table.
#include "core/text.hpp"
#include "tests/dialogue/scripted_remote.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::dialogue {
namespace {

using smtp::BodyType;

constexpr std::string_view kNoOffers = "250 mx\r\n";

struct Row {
  std::string name;
  std::vector<std::pair<std::string, std::string>> rows;
  std::size_t recipients = 1;
  std::string outcomes;
  bool hangs_up = false;
};

const std::string kLost = "451 4.4.2";

std::vector<Row> rows() {
  return {
      {"accepted", {}, 2, "250 2.0.0@end_of_data, 250 2.0.0@end_of_data"},
      {"251 is accepted", {{"RCPT", "251 2.1.5 will forward\r\n"}}, 1, "250 2.0.0@end_of_data"},
      {"sender refused",
       {{"MAIL", "550 5.7.1 no\r\n"}, {"RCPT", "503 x\r\n"}, {"DATA", "503 x\r\n"}},
       2,
       "550 5.7.1@mail, 550 5.7.1@mail"},
      {"sender refused, 354 all the same", {{"MAIL", "450 4.7.1 no\r\n"}}, 1, "450 4.7.1@mail"},
      {"one recipient refused",
       {{"RCPT TO:<r1", "550 5.1.1 who\r\n"}},
       3,
       "250 2.0.0@end_of_data, 550 5.1.1@rcpt, 250 2.0.0@end_of_data"},
      {"all recipients refused, DATA refused",
       {{"RCPT", "550 5.1.1 who\r\n"}, {"DATA", "554 5.5.1 none\r\n"}},
       2,
       "550 5.1.1@rcpt, 550 5.1.1@rcpt"},
      {"all recipients refused, DATA accepted",
       {{"RCPT", "450 4.2.1 busy\r\n"}, {".", "554 5.5.1 none\r\n"}},
       1,
       "450 4.2.1@rcpt"},
      {"552 at RCPT is temporary",
       {{"RCPT TO:<r1", "552 5.5.3 too many\r\n"}},
       2,
       "250 2.0.0@end_of_data, 452 4.5.3@rcpt"},
      {"DATA refused",
       {{"DATA", "451 4.3.0 no\r\n"}, {"RCPT TO:<r0", "550 5.1.1 who\r\n"}},
       2,
       "550 5.1.1@rcpt, 451 4.3.0@data"},
      {"content refused",
       {{".", "554 5.7.1 spam\r\n"}, {"RCPT TO:<r0", "450 4.1.1 who\r\n"}},
       2,
       "450 4.1.1@rcpt, 554 5.7.1@end_of_data"},
      {"421 at MAIL", {{"MAIL", "421 4.3.2 bye\r\n"}}, 1, "421 4.3.2@mail", true},
      {"421 at RCPT",
       {{"RCPT TO:<r1", "421 4.3.2 bye\r\n"}},
       3,
       "421 4.3.2@rcpt, 421 4.3.2@rcpt, 421 4.3.2@rcpt",
       true},
      {"421 at DATA",
       {{"DATA", "421 4.3.2 bye\r\n"}, {"RCPT TO:<r0", "550 5.1.1 who\r\n"}},
       2,
       "550 5.1.1@rcpt, 421 4.3.2@data",
       true},
      {"421 after the dot", {{".", "421 4.3.2 bye\r\n"}}, 1, "421 4.3.2@end_of_data", true},
      {"lost at MAIL", {{"MAIL", "drop"}}, 2, kLost + "@mail, " + kLost + "@mail", true},
      {"lost at RCPT",
       {{"RCPT TO:<r0", "550 5.1.1 who\r\n"}, {"RCPT TO:<r1", "drop"}},
       3,
       "550 5.1.1@rcpt, " + kLost + "@rcpt, " + kLost + "@rcpt",
       true},
      {"lost at DATA", {{"DATA", "drop"}}, 1, kLost + "@data", true},
      {"lost after the dot", {{".", "drop"}}, 1, kLost + "@end_of_data", true},
      {"1yz is no reply", {{"RCPT", "150 hm\r\n"}}, 1, "451 4.5.0@rcpt", true},
      {"no code at all", {{"MAIL", "hello\r\n"}}, 1, "451 4.5.0@mail", true},
      {"600 is no reply", {{".", "600 hm\r\n"}}, 1, "451 4.5.0@end_of_data", true},
      {"354 at MAIL", {{"MAIL", "354 hm\r\n"}}, 1, "451 4.5.0@mail", true},
      {"250 at DATA", {{"DATA", "250 hm\r\n"}}, 1, "451 4.5.0@data", true},
      {"lines with different codes", {{"MAIL", "250-a\r\n550 b\r\n"}}, 1, "451 4.5.0@mail", true},
      {"LF only", {{"MAIL", "250 a\n"}}, 1, "451 4.5.0@mail", true},
      {"a reply too many", {{".", "250 2.0.0 ok\r\n250 2.0.0 ok\r\n"}}, 1, "250 2.0.0@end_of_data", true},
  };
}

void expect_row(const Row& row, std::string_view hello, std::size_t cut) {
  SCOPED_TRACE(fmt::format("{}, offers {}, cut at {}", row.name, hello.size(), cut));
  Remote remote{.rows = row.rows, .line = {}};
  remote.rows.emplace_back("EHLO", hello);
  ClientRunner runner(std::ref(remote), "x\r\n", 1000);
  runner.remote_says("220 mx ESMTP\r\n");
  runner.listen(cut);
  ASSERT_TRUE(runner.session().ready());
  runner.begin(transaction(row.recipients));
  runner.listen(cut);
  if (remote.gone) runner.step(smtp::PeerClosed{});
  ASSERT_EQ(runner.done.size(), 1U);
  EXPECT_EQ(shown(runner.done[0].outcomes), row.outcomes);
  EXPECT_EQ(runner.hung_up, row.hangs_up);
  EXPECT_EQ(runner.session().closed(), row.hangs_up);
  EXPECT_EQ(runner.broken, "");
  if (row.hangs_up) return;
  // The session carries the next transaction as if nothing had been.
  remote.rows.clear();
  const bool finished = row.outcomes.contains("end_of_data");
  runner.sent.clear();
  runner.begin(transaction(1));
  runner.listen(cut);
  ASSERT_EQ(runner.done.size(), 2U);
  EXPECT_EQ(shown(runner.done[1].outcomes), "250 2.0.0@end_of_data");
  EXPECT_EQ(runner.sent.starts_with("RSET\r\n"), !finished);
  runner.quit();
  runner.listen(cut);
  EXPECT_TRUE(runner.sent.ends_with("QUIT\r\n"));
  EXPECT_TRUE(runner.hung_up);
}

TEST(SmtpClient, EveryRecipientHasItsOutcome) {
  for (const Row& row : rows()) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100'000}}) {
      expect_row(row, kAllOffers, cut);
      expect_row(row, kNoOffers, cut);
    }
  }
}

TEST(SmtpClient, PipelinesTheWholeGroupInOneWrite) {
  ClientRunner runner(Remote{}, "x\r\n", 1000);
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  runner.begin(transaction(2));
  EXPECT_EQ(runner.writes.back(),
            "MAIL FROM:<x@client.example> SIZE=3\r\nRCPT TO:<r0@mx.test>\r\nRCPT TO:<r1@mx.test>\r\nDATA\r\n");
  runner.listen(99);
  EXPECT_EQ(runner.writes.back(), "x\r\n.\r\n");
}

TEST(SmtpClient, SendsALoneDotWhenDataIsAcceptedForNobody) {
  ClientRunner runner(Remote{.rows = {{"RCPT", "550 5.1.1 who\r\n"}}, .line = {}}, "secret\r\n", 1000);
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  runner.begin(transaction(2));
  runner.listen(99);
  EXPECT_EQ(runner.writes.back(), ".\r\n");
  EXPECT_FALSE(runner.sent.contains("secret"));
}

TEST(SmtpClient, RefusedSessions) {
  struct Refused {
    std::string greeting, ehlo, helo, want;
  };
  const Refused table[] = {
      {"554 5.7.1 no\r\n", "", "", "554 5.7.1@greeting"},
      {"421 4.3.2 busy\r\n", "", "", "421 4.3.2@greeting"},
      {"450 later\r\n", "", "", "450 @greeting"},
      {"221 what\r\n", "", "", "451 4.5.0@greeting"},
      {"HTTP/1.1 400 Bad\r\n", "", "", "451 4.5.0@greeting"},
      {"220 mx\r\n", "421 4.3.2 busy\r\n", "", "421 4.3.2@hello"},
      {"220 mx\r\n", "554 5.7.1 no\r\n", "554 5.7.1 no\r\n", "554 5.7.1@hello"},
      {"220 mx\r\n", "451 4.7.1 no\r\n", "", "451 4.7.1@hello"},
      {"220 a\r\n220 b\r\n", "", "", "451 4.5.0@hello"},
      {"220 a\r\n250 b\r\n", "250 b\r\n", "", "451 4.5.0@hello"},
      {"220 a\r\n25", "250 b\r\n", "", "451 4.5.0@hello"},
      {"220 mx\r\n", "502 5.5.1 what\r\n", "550 5.7.1 no\r\n", "550 5.7.1@hello"},
      {"220 mx\r\n", "354 what\r\n", "", "451 4.5.0@hello"},
      {"220 mx\r\n", "drop", "", "451 4.4.2@hello"},
  };
  for (const Refused& row : table) {
    SCOPED_TRACE(row.greeting + row.ehlo + row.helo);
    Remote remote{.rows = {{"EHLO", row.ehlo}, {"HELO", row.helo}}, .line = {}};
    ClientRunner runner(std::ref(remote), "", 1);
    runner.remote_says(row.greeting);
    runner.listen(99);
    if (remote.gone) runner.step(smtp::PeerClosed{});
    EXPECT_EQ(shown(runner.refused), row.want);
    EXPECT_TRUE(runner.hung_up);
    EXPECT_FALSE(runner.session().ready());
    EXPECT_EQ(runner.broken, "");
  }
}

TEST(SmtpClient, FallsBackToHelo) {
  for (const char* code : {"500", "501", "502", "504", "550", "554"}) {
    ClientRunner runner(Remote{.rows = {{"EHLO", std::string(code) + " no\r\n"}}, .line = {}}, "x\r\n", 9);
    runner.remote_says("220 mx\r\n");
    runner.listen(99);
    EXPECT_EQ(runner.sent, "EHLO client.example\r\nHELO client.example\r\n");
    ASSERT_TRUE(runner.session().ready());
    runner.begin(transaction(1));
    EXPECT_EQ(runner.writes.back(), "MAIL FROM:<x@client.example>\r\n");
    runner.listen(99);
    EXPECT_EQ(shown(runner.done.at(0).outcomes), "250 2.0.0@end_of_data");
  }
}

TEST(SmtpClient, SendsNothingThatTheRemoteCannotTake) {
  ClientRunner all(Remote{}, "x\r\n", 9);
  all.remote_says("220 mx\r\n");
  all.listen(99);
  all.sent.clear();
  smtp::ClientTransaction big = transaction(2);
  big.size_octets = 1001;
  all.begin(big);
  EXPECT_EQ(shown(all.done.at(0).outcomes), "552 5.3.4@mail, 552 5.3.4@mail");
  EXPECT_EQ(all.sent, "");
  EXPECT_TRUE(all.session().ready());
  smtp::ClientTransaction eight = transaction(1);
  eight.request.body = BodyType::eight_bit_mime;
  all.begin(eight);
  EXPECT_TRUE(all.sent.starts_with("MAIL FROM:<x@client.example> SIZE=3 BODY=8BITMIME\r\n"));

  ClientRunner none(Remote{.rows = {{"EHLO", std::string(kNoOffers)}}, .line = {}}, "x\r\n", 9);
  none.remote_says("220 mx\r\n");
  none.listen(99);
  none.begin(eight);
  EXPECT_EQ(shown(none.done.at(0).outcomes), "554 5.6.3@mail");
  EXPECT_TRUE(none.session().ready());
}

TEST(SmtpClient, ContentIsReframedHoweverItIsCut) {
  const std::pair<std::string, std::string> table[] = {{"", ".\r\n"},
                                                       {"a\r\n", "a\r\n.\r\n"},
                                                       {"a", "a\r\n.\r\n"},
                                                       {".\r\n", "..\r\n.\r\n"},
                                                       {"..\r\n.a\r\n", "...\r\n..a\r\n.\r\n"},
                                                       {"a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
                                                       {"a.\r\n\r\n", "a.\r\n\r\n.\r\n"}};
  for (const auto& [content, want] : table) {
    for (std::size_t cut = 1; cut <= content.size() + 1; ++cut) {
      ClientRunner runner(Remote{}, content, cut);
      runner.remote_says("220 mx\r\n");
      runner.listen(99);
      runner.begin(transaction(1));
      runner.sent.clear();
      runner.listen(99);
      EXPECT_EQ(runner.sent, want);
      EXPECT_EQ(shown(runner.done.at(0).outcomes), "250 2.0.0@end_of_data");
    }
  }
}

TEST(SmtpClient, ABareCrOrLfIsNeverWritten) {
  for (const std::string content : {"a\nb\r\n", "a\rb\r\n", "a\r", "\n", "\r\r\n", "a\r\n.\n", "a\r\n\r", "\n.\r\n"}) {
    for (std::size_t cut = 1; cut <= content.size(); ++cut) {
      ClientRunner runner(Remote{.rows = {{"RCPT TO:<r0", "550 5.1.1 who\r\n"}}, .line = {}}, content, cut);
      runner.remote_says("220 mx\r\n");
      runner.listen(99);
      runner.begin(transaction(2));
      runner.listen(99);
      EXPECT_EQ(shown(runner.done.at(0).outcomes), "550 5.1.1@rcpt, 554 5.6.0@content");
      EXPECT_TRUE(runner.hung_up);
      EXPECT_FALSE(runner.sent.ends_with("\r\n.\r\n"));
      for (std::size_t i = 0; i < runner.sent.size(); ++i) {
        if (runner.sent[i] == '\n') EXPECT_EQ(runner.sent[i - 1], '\r');
        if (runner.sent[i] == '\r') EXPECT_EQ(runner.sent.at(i + 1), '\n');
      }
    }
  }
}

TEST(SmtpClient, ContentThatCannotBeReadIsBrokenOff) {
  ClientRunner runner(Remote{}, "x\r\n", 9);
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  runner.begin(transaction(1));
  runner.content_fails = true;
  runner.listen(99);
  EXPECT_EQ(shown(runner.done.at(0).outcomes), "451 4.3.0@content");
  EXPECT_TRUE(runner.hung_up);
  EXPECT_TRUE(runner.sent.ends_with("DATA\r\n"));
}

TEST(SmtpClient, TimeoutsAreTransientInEveryPhase) {
  for (const std::string& silent : {"MAIL", "RCPT", "DATA", "."}) {
    ClientRunner runner(Remote{.rows = {{silent, ""}, {"EHLO", std::string(kNoOffers)}}, .line = {}}, "x\r\n", 9);
    runner.remote_says("220 mx\r\n");
    runner.listen(99);
    runner.begin(transaction(1));
    runner.listen(99);
    EXPECT_TRUE(runner.done.empty());
    runner.step(smtp::TimedOut{});
    EXPECT_TRUE(shown(runner.done.at(0).outcomes).starts_with("451 4.4.2@")) << silent;
    EXPECT_TRUE(runner.hung_up);
  }
}

TEST(SmtpClient, RepliesAreBounded) {
  std::string many;
  for (int i = 0; i < 512; ++i) many += "250-x\r\n";
  std::string fits;
  for (int i = 0; i < 511; ++i) fits += "220-x\r\n";
  const std::pair<std::string, bool> table[] = {{fits + "220 mx\r\n", true},
                                                {many + "250 x\r\n", false},
                                                {"220 " + std::string(65'530, 'x') + "\r\n", true},
                                                {"220 " + std::string(65'531, 'x') + "\r\n", false},
                                                {std::string(65'537, 'x'), false}};
  for (const auto& [greeting, good] : table) {
    for (const std::size_t cut : {std::size_t{11}, greeting.size()}) {
      ClientRunner runner(Remote{}, "", 1);
      runner.remote_says(greeting);
      runner.listen(cut);
      EXPECT_EQ(runner.session().ready(), good) << greeting.size();
      EXPECT_EQ(shown(runner.refused), good ? "" : "451 4.5.0@greeting");
    }
  }
}

/// A reply to the end of data that comes before the content went out is no reply to it.
TEST(SmtpClient, AReplyAheadOfTheContentIsNotBelieved) {
  for (const auto& [early, want] :
       {std::pair("250 2.0.0 thanks\r\n", "451 4.5.0@content"), std::pair("552 5.3.4 big\r\n", "552 5.3.4@content")}) {
    ClientRunner runner(Remote{.rows = {{"DATA", std::string("354 go\r\n") + early}}, .line = {}}, "x\r\n", 9);
    runner.remote_says("220 mx\r\n");
    runner.listen(9999);
    runner.begin(transaction(1));
    runner.listen(9999);
    EXPECT_EQ(shown(runner.done.at(0).outcomes), want);
    EXPECT_TRUE(runner.hung_up);
  }
}

TEST(SmtpClient, UnsolicitedOctetsCloseAnIdleSession) {
  ClientRunner runner(Remote{}, "", 1);
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  runner.step(smtp::Received{"421 4.3.2 bye\r\n"});
  EXPECT_TRUE(runner.hung_up);
  EXPECT_TRUE(runner.done.empty());
  EXPECT_TRUE(runner.refused.empty());
}

}  // namespace
}  // namespace postrider::dialogue
