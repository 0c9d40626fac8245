// The client engine where CHUNKING is offered, in LMTP, and where it only asks.
#include "tests/dialogue/scripted_remote.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::dialogue {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kChunking = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
constexpr std::string_view kChunkingOnly = "250-mx\r\n250 CHUNKING\r\n";

/// A session that is ready, with a remote that answers EHLO and LHLO by `hello`.
struct Ready {
  Ready(Rows rows, std::string_view hello, std::string content = "x\r\n", std::size_t content_cut = 1000,
        smtp::Protocol protocol = smtp::Protocol::smtp)
      : remote{.rows = std::move(rows), .line = {}},
        runner(std::ref(remote), std::move(content), content_cut, protocol) {
    remote.rows.emplace_back("EHLO", hello);
    remote.rows.emplace_back("LHLO", hello);
    runner.remote_says("220 mx\r\n");
    runner.listen(1000);
    runner.sent.clear();
    runner.writes.clear();
  }
  void carry(const smtp::ClientTransaction& transaction, std::size_t cut = 1000) {
    runner.begin(transaction);
    runner.listen(cut);
    if (remote.gone) runner.step(smtp::PeerClosed{});
  }
  [[nodiscard]] std::string outcomes() const { return runner.done.empty() ? "" : shown(runner.done.back().outcomes); }
  Remote remote;
  ClientRunner runner;
};

smtp::ClientTransaction big(std::size_t recipients) {
  smtp::ClientTransaction t = transaction(recipients);
  t.size_octets = smtp::kFirstChunkOctetsMax + 1;
  return t;
}

TEST(SmtpClientChunking, ASmallMessageGoesOutInOneWriteHoweverItIsRead) {
  for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{100}}) {
    Ready ready({}, kChunking, "a\r\n.\r\nb\r\n", cut);
    ready.carry(transaction(2), cut);
    ASSERT_EQ(ready.runner.writes.size(), 1U);
    EXPECT_EQ(ready.runner.writes[0],
              "MAIL FROM:<x@client.example>\r\nRCPT TO:<r0@mx.test>\r\nRCPT TO:<r1@mx.test>\r\nBDAT 9 LAST\r\n"
              "a\r\n.\r\nb\r\n");
    EXPECT_EQ(ready.outcomes(), "250 2.0.0@end_of_data, 250 2.0.0@end_of_data");
    EXPECT_TRUE(ready.runner.session().ready());
  }
}

TEST(SmtpClientChunking, EveryRecipientHasItsOutcome) {
  struct Row {
    std::string name;
    Rows rows;
    std::string outcomes;
    bool hangs_up = false;
  };
  const Row table[] = {
      {"accepted", {}, "250 2.0.0@end_of_data, 250 2.0.0@end_of_data"},
      {"sender refused, chunk refused",
       {{"MAIL", "550 5.7.1 no\r\n"}, {"RCPT", "503 5.5.1 x\r\n"}, {"BDAT", "503 5.5.1 x\r\n"}},
       "550 5.7.1@mail, 550 5.7.1@mail"},
      {"sender refused, the rest accepted", {{"MAIL", "450 4.7.1 no\r\n"}}, "450 4.7.1@mail, 450 4.7.1@mail"},
      {"one refused", {{"RCPT TO:<r0", "550 5.1.1 who\r\n"}}, "550 5.1.1@rcpt, 250 2.0.0@end_of_data"},
      {"all refused, chunk refused",
       {{"RCPT", "550 5.1.1 who\r\n"}, {"BDAT", "554 5.5.1 no valid recipients\r\n"}},
       "550 5.1.1@rcpt, 550 5.1.1@rcpt"},
      {"all refused, chunk accepted", {{"RCPT", "450 4.2.1 who\r\n"}}, "450 4.2.1@rcpt, 450 4.2.1@rcpt"},
      {"content refused", {{"BDAT", "554 5.7.1 no\r\n"}}, "554 5.7.1@end_of_data, 554 5.7.1@end_of_data"},
      {"content refused for now",
       {{"BDAT", "452 4.3.1 no\r\n"}, {"RCPT TO:<r1", "550 5.1.1 who\r\n"}},
       "452 4.3.1@end_of_data, 550 5.1.1@rcpt"},
      {"421 at MAIL", {{"MAIL", "421 4.3.2 bye\r\n"}}, "421 4.3.2@mail, 421 4.3.2@mail", true},
      {"421 at RCPT",
       {{"RCPT TO:<r0", "550 5.1.1 who\r\n"}, {"RCPT TO:<r1", "421 4.3.2 bye\r\n"}},
       "550 5.1.1@rcpt, 421 4.3.2@rcpt",
       true},
      {"421 at the chunk", {{"BDAT", "421 4.3.2 bye\r\n"}}, "421 4.3.2@end_of_data, 421 4.3.2@end_of_data", true},
      {"421 to a chunk for nobody",
       {{"RCPT", "550 5.1.1 who\r\n"}, {"BDAT", "421 4.3.2 bye\r\n"}},
       "550 5.1.1@rcpt, 550 5.1.1@rcpt",
       true},
      {"354 is no reply", {{"BDAT", "354 go\r\n"}}, "451 4.5.0@end_of_data, 451 4.5.0@end_of_data", true},
      {"221 is no success", {{"BDAT", "221 2.0.0 bye\r\n"}}, "451 4.5.0@end_of_data, 451 4.5.0@end_of_data", true},
      {"lost at MAIL", {{"MAIL", "drop"}}, "451 4.4.2@mail, 451 4.4.2@mail", true},
      {"lost at the chunk", {{"BDAT", "drop"}}, "451 4.4.2@end_of_data, 451 4.4.2@end_of_data", true},
      {"lost at a chunk for nobody",
       {{"RCPT", "550 5.1.1 who\r\n"}, {"BDAT", "drop"}},
       "550 5.1.1@rcpt, 550 5.1.1@rcpt",
       true},
  };
  for (const Row& row : table) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{10'000}}) {
      for (const bool one_write : {true, false}) {
        SCOPED_TRACE(fmt::format("{}, cut at {}, {}", row.name, cut, one_write));
        if (row.name == "421 to a chunk for nobody" || row.name == "lost at a chunk for nobody") {
          if (!one_write) continue;  // no chunk is sent
        }
        Ready ready(row.rows, kChunking);
        ready.carry(one_write ? transaction(2) : big(2), cut);
        ASSERT_EQ(ready.runner.done.size(), 1U);
        EXPECT_EQ(ready.outcomes(), row.outcomes);
        EXPECT_EQ(ready.runner.hung_up, row.hangs_up);
        EXPECT_EQ(ready.runner.broken, "");
        EXPECT_FALSE(ready.runner.sent.contains("DATA\r\n"));
        if (row.hangs_up) continue;
        ready.remote.rows = {};
        ready.runner.sent.clear();
        ready.carry(transaction(1), cut);  // in step
        EXPECT_EQ(ready.outcomes(), "250 2.0.0@end_of_data");
        const bool failed = !row.outcomes.contains("250 2.0.0");
        EXPECT_EQ(ready.runner.writes.back().starts_with("MAIL"), true);
        EXPECT_EQ(ready.runner.sent.starts_with("RSET\r\nMAIL"), failed);
      }
    }
  }
}

TEST(SmtpClientChunking, AReplyTooManyIsNotTakenForTheContents) {
  for (const std::string& command : {"MAIL", "RCPT"}) {
    const Rows rows = {{command, "250 a\r\n250 b\r\n"}, {"BDAT", "554 5.7.1 no\r\n"}};
    Ready ready(rows, kChunking);
    ready.carry(transaction(1), 10'000);
    EXPECT_EQ(ready.outcomes(), "451 4.5.0@end_of_data") << command;
    EXPECT_TRUE(ready.runner.hung_up);
    Ready later(rows, kChunkingOnly);
    later.carry(transaction(1), 10'000);
    EXPECT_TRUE(later.outcomes().starts_with("451 4.5.0@")) << command;
  }
  // The refusal is another recipient's, or that of the content: nobody knows, so nothing counts.
  for (const std::string_view hello : {kChunking, kAllOffers}) {
    Ready shifted({{"RCPT TO:<r0", "250 a\r\n250 b\r\n"}, {"RCPT TO:<r1", "550 5.1.1 who\r\n"}}, hello);
    shifted.carry(transaction(3), 10'000);
    EXPECT_TRUE(shifted.outcomes().starts_with("451 4.5.0@")) << shifted.outcomes();
    EXPECT_FALSE(shifted.outcomes().contains("550") || shifted.outcomes().contains("250")) << shifted.outcomes();
  }
  Ready asks({{"RCPT TO:<r0", "250 a\r\n250 b\r\n"}, {"RCPT TO:<r1", "550 5.1.1 who\r\n"}}, kAllOffers);
  smtp::ClientTransaction only_ask = transaction(2);
  only_ask.only_ask = true;
  asks.carry(only_ask, 10'000);
  EXPECT_EQ(asks.outcomes(), "451 4.5.0@rcpt, 451 4.5.0@rcpt");
  Ready bye({{"BDAT", "250 2.0.0 ok\r\n421 4.7.0 enough\r\n"}}, kChunking);
  bye.carry(transaction(1), 10'000);
  EXPECT_EQ(bye.outcomes(), "250 2.0.0@end_of_data");
  EXPECT_TRUE(bye.runner.hung_up);
}

TEST(SmtpClientChunking, ABigMessageKeepsSomeChunksAheadAndTheLastInStep) {
  const std::string content = std::string(39, 'x') + "\r\n";
  Ready ready({{"BDAT", ""}}, kChunking, content, 2);
  ready.carry(big(1), 1000);
  EXPECT_EQ(ready.runner.writes.size(), 1 + smtp::kChunksAheadMax);
  for (int i = 0; i < 12; ++i) {
    ready.runner.remote_says("250 ok\r\n");
    ready.runner.listen(1000);
  }
  EXPECT_EQ(ready.runner.writes.size(), 1U + 20U);
  EXPECT_FALSE(ready.runner.sent.contains("LAST"));
  for (int i = 0; i < 8; ++i) {
    ready.runner.remote_says("250 ok\r\n");
    ready.runner.listen(1000);
  }
  EXPECT_TRUE(ready.runner.sent.ends_with("BDAT 1 LAST\r\n\n"));
  EXPECT_EQ(ready.remote.chunks, content);
  EXPECT_TRUE(ready.runner.done.empty());
  ready.runner.remote_says("250 2.0.0 ok\r\n");
  ready.runner.listen(1000);
  EXPECT_EQ(ready.outcomes(), "250 2.0.0@end_of_data");

  Ready refused({{"BDAT", "552 5.3.4 big\r\n"}}, kChunking, content, 2);
  refused.carry(big(1), 10'000);
  EXPECT_EQ(refused.outcomes(), "552 5.3.4@content");
  EXPECT_FALSE(refused.runner.sent.contains("LAST"));
  EXPECT_TRUE(refused.runner.session().ready());
  Ready alone({}, kChunkingOnly, content, 2);
  alone.carry(big(1), 10'000);
  EXPECT_EQ(alone.outcomes(), "250 2.0.0@end_of_data");
  EXPECT_EQ(alone.remote.chunks, content);
}

/// The size that was said is wrong: the gathering stops at its limit.
TEST(SmtpClientChunking, ContentGatheredIsBounded) {
  const std::string content = std::string(smtp::kFirstChunkOctetsMax + 80'000, 'x') + "\r\n";
  Ready ready({}, kChunking, content, 30'000);
  ready.carry(transaction(1));
  EXPECT_EQ(ready.outcomes(), "250 2.0.0@end_of_data");
  EXPECT_EQ(ready.remote.chunks, content);
  EXPECT_EQ(ready.runner.writes.size(), 3U);
  EXPECT_TRUE(ready.runner.writes[0].contains("BDAT 90000\r\n"));
}

TEST(SmtpClientChunking, ABareCrOrLfIsNeverWritten) {
  for (const std::string content : {"a\nb\r\n", "a\rb\r\n", "a\r", "\n", "\r\r\n", "a\r\n.\n", "a\r\n\r", "\n.\r\n"}) {
    for (std::size_t cut = 1; cut <= content.size(); ++cut) {
      Ready small({}, kChunking, content, cut);
      small.carry(transaction(1));
      EXPECT_EQ(small.outcomes(), "554 5.6.0@content");
      EXPECT_EQ(small.runner.sent, "");
      EXPECT_TRUE(small.runner.session().ready());
      Ready large({}, kChunking, content, cut);
      large.carry(big(1));
      EXPECT_EQ(large.outcomes(), "554 5.6.0@content");
      EXPECT_TRUE(large.runner.hung_up);
      EXPECT_FALSE(large.runner.sent.contains("LAST"));
    }
  }
}

TEST(SmtpClientChunking, ContentThatCannotBeRead) {
  Ready small({}, kChunking);
  small.runner.content_fails = true;
  small.carry(transaction(2));
  EXPECT_EQ(small.outcomes(), "451 4.3.0@content, 451 4.3.0@content");
  EXPECT_EQ(small.runner.sent, "");
  EXPECT_TRUE(small.runner.session().ready());
  Ready large({}, kChunking);
  large.runner.content_fails = true;
  large.carry(big(1));
  EXPECT_EQ(large.outcomes(), "451 4.3.0@content");
  EXPECT_TRUE(large.runner.hung_up);
}

/// A remote that gives each row's replies one after the other to the end of the content.
TEST(LmtpClient, EachRecipientHasItsReplyAtTheEnd) {
  struct Row {
    std::string name;
    Rows rows;
    std::string outcomes;
    bool hangs_up = false;
  };
  const Row table[] = {
      {"all accepted",
       {{".", "250 2.0.0 a\r\n250 2.0.0 b\r\n250 2.0.0 c\r\n"}},
       "250 2.0.0@end_of_data, 250 2.0.0@end_of_data, 250 2.0.0@end_of_data"},
      {"each its own",
       {{".", "250 2.0.0 a\r\n552 5.2.2 full\r\n451 4.2.0 later\r\n"}},
       "250 2.0.0@end_of_data, 552 5.2.2@end_of_data, 451 4.2.0@end_of_data"},
      {"those refused before have none",
       {{"RCPT TO:<r1", "550 5.1.1 who\r\n"}, {".", "250 2.0.0 a\r\n450 4.2.1 c\r\n"}},
       "250 2.0.0@end_of_data, 550 5.1.1@rcpt, 450 4.2.1@end_of_data"},
      {"421 in the middle",
       {{".", "250 2.0.0 a\r\n421 4.3.2 bye\r\n"}},
       "250 2.0.0@end_of_data, 421 4.3.2@end_of_data, 421 4.3.2@end_of_data",
       true},
      {"a reply too few, then lost",
       {{".", "250 2.0.0 a\r\n250 2.0.0 b\r\n"}},
       "250 2.0.0@end_of_data, 250 2.0.0@end_of_data, 451 4.4.2@end_of_data",
       true},
      {"a reply too many",
       {{".", "250 2.0.0 a\r\n250 2.0.0 b\r\n250 2.0.0 c\r\n250 2.0.0 d\r\n"}},
       "250 2.0.0@end_of_data, 250 2.0.0@end_of_data, 250 2.0.0@end_of_data",
       true},
      {"354 in the middle",
       {{".", "250 2.0.0 a\r\n354 what\r\n"}},
       "451 4.5.0@end_of_data, 451 4.5.0@end_of_data, 451 4.5.0@end_of_data",
       true},
      {"none accepted",
       {{"RCPT", "550 5.1.1 who\r\n"}, {"DATA", "503 5.5.1 none\r\n"}},
       "550 5.1.1@rcpt, 550 5.1.1@rcpt, 550 5.1.1@rcpt"},
  };
  for (const Row& row : table) {
    for (const std::string_view hello :
         {std::string_view("250-mx\r\n250 PIPELINING\r\n"), std::string_view("250 mx\r\n"), kChunking, kChunkingOnly}) {
      for (const std::size_t cut : {std::size_t{1}, std::size_t{1000}}) {
        SCOPED_TRACE(fmt::format("{}, offers {}, cut at {}", row.name, hello.size(), cut));
        Rows rows = row.rows;
        for (const auto& [command, reply] : row.rows) {
          if (command == ".") rows.emplace_back("BDAT", reply);
        }
        Ready ready(rows, hello, "x\r\n", 1000, smtp::Protocol::lmtp);
        ready.carry(transaction(3), cut);
        if (ready.runner.done.empty()) ready.runner.step(smtp::PeerClosed{});
        EXPECT_EQ(ready.outcomes(), row.outcomes);
        EXPECT_EQ(ready.runner.hung_up, row.hangs_up);
        EXPECT_EQ(ready.runner.broken, "");
        if (row.hangs_up) continue;
        ready.remote.rows = {};
        ready.carry(transaction(1), cut);
        EXPECT_EQ(ready.outcomes(), "250 2.0.0@end_of_data");
      }
    }
  }
}

/// Which of them is the one too many is not known, so that none counts; but where they are read one by one nobody sees
/// it.
TEST(LmtpClient, AReplyTooManyAtTheEndLeavesNoOutcomeBehind) {
  Ready ready({{".", "250 2.0.0 a\r\n250 2.0.0 b\r\n550 5.1.1 c\r\n250 2.0.0 d\r\n"}}, kAllOffers, "x\r\n", 99,
              smtp::Protocol::lmtp);
  ready.carry(transaction(3));
  EXPECT_EQ(ready.outcomes(), "451 4.5.0@end_of_data, 451 4.5.0@end_of_data, 451 4.5.0@end_of_data");
  EXPECT_TRUE(ready.runner.hung_up);
}

/// 2033 §4.2: DATA for nobody is to be refused; what would come after the end of a content for nobody is not known.
TEST(LmtpClient, DataThatIsAcceptedForNobodyEndsTheSession) {
  Ready ready({{"RCPT", "550 5.1.1 who\r\n"}}, "250-mx\r\n250 PIPELINING\r\n", "secret\r\n", 99, smtp::Protocol::lmtp);
  ready.carry(transaction(2));
  EXPECT_EQ(ready.outcomes(), "550 5.1.1@rcpt, 550 5.1.1@rcpt");
  EXPECT_TRUE(ready.runner.hung_up);
  EXPECT_FALSE(ready.runner.sent.contains("secret"));
}

TEST(LmtpClient, SaysLhloAndFallsBackToNothing) {
  ClientRunner runner(Remote{.rows = {{"LHLO", "500 5.5.1 what\r\n"}}, .line = {}}, "", 1, smtp::Protocol::lmtp);
  runner.remote_says("220 mx\r\n");
  runner.listen(99);
  EXPECT_EQ(runner.sent, "LHLO client.example\r\nQUIT\r\n");
  EXPECT_EQ(shown(runner.refused), "500 5.5.1@hello");
}

TEST(SmtpClientAsks, WhetherARecipientWouldBeTaken) {
  for (const std::string_view hello : {kAllOffers, kChunking, std::string_view("250 mx\r\n")}) {
    Ready ready({{"RCPT TO:<r1", "550 5.1.1 who\r\n"}, {"RCPT TO:<r2", "552 5.2.2 full\r\n"}}, hello);
    smtp::ClientTransaction asks = transaction(3);
    asks.reverse_path = mail::Path::null();
    asks.only_ask = true;
    ready.carry(asks, 1);
    EXPECT_EQ(ready.outcomes(), "250 2.0.0@rcpt, 550 5.1.1@rcpt, 452 4.2.2@rcpt");
    EXPECT_TRUE(ready.runner.sent.starts_with("MAIL FROM:<>\r\n"));
    EXPECT_FALSE(ready.runner.sent.contains("DATA"));
    EXPECT_FALSE(ready.runner.sent.contains("BDAT"));
    ready.runner.sent.clear();
    ready.carry(transaction(1));
    EXPECT_EQ(ready.outcomes(), "250 2.0.0@end_of_data");
    EXPECT_TRUE(ready.runner.sent.starts_with("RSET\r\n"));
  }
}

}  // namespace
}  // namespace postrider::dialogue
