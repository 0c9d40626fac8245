// What was asked for in MAIL and RCPT, passed on by the client engine as the remote offers it.
#include "core/text.hpp"
#include "tests/dialogue/scripted_remote.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::dialogue {
namespace {

using smtp::BodyType;

/// A session with a remote that offers `offers` (keywords, one a line); the transaction is begun and carried to its
/// end.
struct Carried {
  Carried(const std::string& offers, const smtp::ClientTransaction& transaction, std::string content = "x\r\n",
          std::size_t content_cut = 1000, std::size_t cut = 1000,
          std::vector<std::pair<std::string, std::string>> rows = {})
      : remote{.rows = std::move(rows), .line = {}}, runner(std::ref(remote), std::move(content), content_cut) {
    std::string hello = "250-mx\r\n";
    for (const std::string_view keyword : split(offers, ' ')) hello += fmt::format("250-{}\r\n", keyword);
    remote.rows.emplace_back("EHLO", hello + "250 HELP\r\n");
    runner.remote_says("220 mx\r\n");
    runner.listen(cut);
    runner.sent.clear();
    runner.begin(transaction);
    runner.listen(cut);
    if (remote.gone) runner.step(smtp::PeerClosed{});
  }
  [[nodiscard]] std::string outcomes() const { return runner.done.empty() ? "" : shown(runner.done[0].outcomes); }
  /// The first line that begins so, without CRLF.
  [[nodiscard]] std::string line(std::string_view prefix) const {
    const std::size_t at = runner.sent.find(prefix);
    if (at == std::string::npos) return {};
    return runner.sent.substr(at, runner.sent.find("\r\n", at) - at);
  }
  Remote remote;
  ClientRunner runner;
};

smtp::ClientTransaction with_dsn() {
  smtp::ClientTransaction t = transaction(3);
  t.request.returned = mail::ReturnContent::full;
  t.request.envelope_id = "QQ=+1";
  t.recipient_requests = {
      {.notify = mail::NotifyOn{.success = true, .failure = true, .delay = true},
       .original_type = "rfc822",
       .original = "a+b@x.test"},
      {.notify = mail::NotifyOn{}, .original_type = "utf-8", .original = "j\xc3\xb6rg@x.test"},
      {.notify = std::nullopt, .original_type = {}, .original = {}},
  };
  return t;
}

TEST(SmtpClientRequests, DsnGoesOnWhereItIsOffered) {
  const Carried offered("DSN", with_dsn());
  EXPECT_EQ(offered.line("MAIL"), "MAIL FROM:<x@client.example> RET=FULL ENVID=QQ+3D+2B1");
  EXPECT_EQ(offered.line("RCPT TO:<r0"), "RCPT TO:<r0@mx.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb@x.test");
  EXPECT_EQ(offered.line("RCPT TO:<r1"), "RCPT TO:<r1@mx.test> NOTIFY=NEVER ORCPT=utf-8;j\\x{F6}rg@x.test");
  EXPECT_EQ(offered.line("RCPT TO:<r2"), "RCPT TO:<r2@mx.test>");
  for (const smtp::RecipientOutcome& outcome : offered.runner.done.at(0).outcomes)
    EXPECT_TRUE(outcome.reports_passed_on);
  const Carried absent("SIZE", with_dsn());
  EXPECT_EQ(absent.line("MAIL"), "MAIL FROM:<x@client.example> SIZE=3");
  EXPECT_EQ(absent.line("RCPT TO:<r0"), "RCPT TO:<r0@mx.test>");
  for (const smtp::RecipientOutcome& outcome : absent.runner.done.at(0).outcomes)
    EXPECT_FALSE(outcome.reports_passed_on);
  const Carried refused("DSN", with_dsn(), "x\r\n", 1000, 1000, {{".", "554 5.7.1 no\r\n"}});
  EXPECT_FALSE(refused.runner.done.at(0).outcomes.at(0).reports_passed_on);
}

TEST(SmtpClientRequests, AnOriginalRecipientThatWouldBeTooLongIsLeftOut) {
  smtp::ClientTransaction t = transaction(1);
  t.recipient_requests = {
      {.notify = std::nullopt, .original_type = "rfc822", .original = std::string(200, '+') + "@x.test"}};
  EXPECT_EQ(Carried("DSN", t).line("RCPT"), "RCPT TO:<r0@mx.test>");
}

TEST(SmtpClientRequests, Utf8AddressesNeedSmtpUtf8) {
  smtp::ClientTransaction t = transaction(2);
  t.recipients[1] = mail::Address::parse("j\xc3\xb6rg@mx.test", mail::Utf8::yes).value();
  const Carried offered("SMTPUTF8 8BITMIME", t);
  EXPECT_EQ(offered.line("MAIL"), "MAIL FROM:<x@client.example> SMTPUTF8");
  EXPECT_EQ(offered.line("RCPT TO:<j"), "RCPT TO:<j\xc3\xb6rg@mx.test>");
  EXPECT_EQ(offered.outcomes(), "250 2.0.0@end_of_data, 250 2.0.0@end_of_data");
  for (const std::string offers : {"SIZE", "PIPELINING"}) {
    const Carried absent(offers, t);
    EXPECT_EQ(absent.outcomes(), "250 2.0.0@end_of_data, 553 5.6.7@rcpt");
    EXPECT_FALSE(absent.runner.sent.contains('\xc3'));
    EXPECT_FALSE(absent.runner.sent.contains("SMTPUTF8"));
  }
  t.recipients.erase(t.recipients.begin());
  const Carried nobody("PIPELINING", t);
  EXPECT_EQ(nobody.outcomes(), "553 5.6.7@rcpt");
  EXPECT_EQ(nobody.runner.sent, "");
  EXPECT_TRUE(nobody.runner.session().ready());
  smtp::ClientTransaction from = transaction(1);
  from.reverse_path = mail::Path(t.recipients[0]);
  EXPECT_EQ(Carried("8BITMIME", from).outcomes(), "553 5.6.7@mail");
  EXPECT_EQ(Carried("SMTPUTF8", from).line("MAIL"), "MAIL FROM:<j\xc3\xb6rg@mx.test> SMTPUTF8");
}

TEST(SmtpClientRequests, AUtf8HeaderSectionNeedsSmtpUtf8) {
  smtp::ClientTransaction t = transaction(1);
  t.request.utf8 = mail::Utf8::yes;
  t.request.body = BodyType::eight_bit_mime;
  EXPECT_EQ(Carried("8BITMIME SMTPUTF8", t).line("MAIL"), "MAIL FROM:<x@client.example> BODY=8BITMIME SMTPUTF8");
  const Carried absent("8BITMIME", t);
  EXPECT_EQ(absent.outcomes(), "554 5.6.9@mail");
  EXPECT_EQ(absent.runner.sent, "");
}

TEST(SmtpClientRequests, DeliverByGoesOnOrTheMessageStays) {
  smtp::ClientTransaction t = transaction(1);
  t.request.deliver_by =
      mail::DeliverBy{.within = std::chrono::seconds(120), .mode = mail::DeliverBy::Mode::return_it, .trace = true};
  EXPECT_EQ(Carried("DELIVERBY", t).line("MAIL"), "MAIL FROM:<x@client.example> BY=120;RT");
  const Carried absent("SIZE", t);
  EXPECT_EQ(absent.outcomes(), "554 5.3.3@mail");
  EXPECT_EQ(absent.runner.sent, "");
  t.request.deliver_by->within = std::chrono::seconds(0);
  EXPECT_EQ(Carried("DELIVERBY", t).outcomes(), "554 5.4.7@mail");
  t.request.deliver_by =
      mail::DeliverBy{.within = std::chrono::seconds(-7), .mode = mail::DeliverBy::Mode::notify, .trace = false};
  EXPECT_EQ(Carried("DELIVERBY 60", t).line("MAIL"), "MAIL FROM:<x@client.example> BY=-7;N");
  EXPECT_EQ(Carried("SIZE", t).outcomes(), "250 2.0.0@end_of_data");
  EXPECT_EQ(Carried("SIZE", t).line("MAIL"), "MAIL FROM:<x@client.example> SIZE=3");
}

TEST(SmtpClientRequests, PriorityGoesOnOrIsLeftOut) {
  smtp::ClientTransaction t = transaction(1);
  t.request.priority = -3;
  EXPECT_EQ(Carried("MT-PRIORITY MIXER", t).line("MAIL"), "MAIL FROM:<x@client.example> MT-PRIORITY=-3");
  EXPECT_EQ(Carried("SIZE", t).line("MAIL"), "MAIL FROM:<x@client.example> SIZE=3");
}

const std::string kBinary = std::string("a\r\n.\r\nbare\rlf xx\n") + '\0' + "\xff\r\n.\r\nQUIT\r\n\r";

smtp::ClientTransaction binary(std::size_t recipients) {
  smtp::ClientTransaction t = transaction(recipients);
  t.size_octets = kBinary.size();
  t.request.body = BodyType::binary_mime;
  return t;
}

TEST(SmtpClientBinary, GoesInChunksWithItsOctetsUntouchedHoweverItIsCut) {
  for (const std::string offers : {"BINARYMIME CHUNKING", "BINARYMIME CHUNKING PIPELINING"}) {
    for (std::size_t content_cut = 1; content_cut <= kBinary.size() + 1; ++content_cut) {
      for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{1000}}) {
        const Carried carried(offers, binary(2), kBinary, content_cut, cut);
        EXPECT_EQ(carried.outcomes(), "250 2.0.0@end_of_data, 250 2.0.0@end_of_data");
        EXPECT_EQ(carried.remote.chunks, kBinary);
        EXPECT_EQ(carried.line("MAIL"), "MAIL FROM:<x@client.example> BODY=BINARYMIME");
        EXPECT_FALSE(carried.runner.sent.contains("DATA\r\n"));
        EXPECT_EQ(carried.runner.broken, "");
        EXPECT_TRUE(carried.runner.session().ready());
      }
    }
  }
  const Carried empty("BINARYMIME CHUNKING", binary(1), "");
  EXPECT_TRUE(empty.runner.sent.ends_with("BDAT 0 LAST\r\n"));
  EXPECT_EQ(empty.outcomes(), "250 2.0.0@end_of_data");
}

TEST(SmtpClientBinary, NeverLeavesWithoutBothOffers) {
  for (const std::string offers : {"8BITMIME", "8BITMIME CHUNKING", "8BITMIME BINARYMIME", "PIPELINING SMTPUTF8 DSN"}) {
    const Carried carried(offers, binary(2), kBinary);
    EXPECT_EQ(carried.outcomes(), "554 5.6.3@mail, 554 5.6.3@mail");
    EXPECT_EQ(carried.runner.sent, "");
    EXPECT_TRUE(carried.runner.session().ready());
  }
}

TEST(SmtpClientBinary, RepliesToChunksDecide) {
  struct BinaryRow {
    std::string name;
    std::vector<std::pair<std::string, std::string>> rows;
    std::string outcomes;
    bool hangs_up = false;
  };
  const std::vector<BinaryRow> table = {
      {"first chunk refused", {{"BDAT 10\r", "552 5.3.4 big\r\n"}}, "550 5.1.1@rcpt, 552 5.3.4@content"},
      {"last chunk refused", {{"BDAT 1 LAST", "451 4.3.0 no\r\n"}}, "550 5.1.1@rcpt, 451 4.3.0@end_of_data"},
      {"421 at a chunk", {{"BDAT 10\r", "421 4.3.2 bye\r\n"}}, "550 5.1.1@rcpt, 421 4.3.2@content", true},
      {"354 is no reply", {{"BDAT 10\r", "354 go\r\n"}}, "451 4.5.0@content, 451 4.5.0@content", true},
      {"354 is no reply to the last", {{"BDAT 1 ", "354 go\r\n"}}, "550 5.1.1@rcpt, 451 4.5.0@end_of_data", true},
      {"lost at a chunk", {{"BDAT 10\r", "drop"}}, "550 5.1.1@rcpt, 451 4.4.2@content", true},
      {"lost at the last", {{"BDAT 1 ", "drop"}}, "550 5.1.1@rcpt, 451 4.4.2@end_of_data", true},
      {"a reply too many", {{"BDAT 10\r", "250 a\r\n250 b\r\n"}}, "550 5.1.1@rcpt, 451 4.5.0@", true},
      {"MAIL refused", {{"MAIL", "550 5.7.1 no\r\n"}}, "550 5.7.1@mail, 550 5.7.1@mail"},
      {"all refused", {{"RCPT TO:<r1", "450 4.2.1 no\r\n"}}, "550 5.1.1@rcpt, 450 4.2.1@rcpt"},
  };
  for (const BinaryRow& row : table) {
    for (const std::string offers : {"BINARYMIME CHUNKING", "BINARYMIME CHUNKING PIPELINING"}) {
      SCOPED_TRACE(row.name + ' ' + offers);
      auto rows = row.rows;
      if (row.name != "MAIL refused") rows.emplace_back("RCPT TO:<r0", "550 5.1.1 who\r\n");
      smtp::ClientTransaction two = binary(2);
      two.size_octets = smtp::kFirstChunkOctetsMax + 1;  // in chunks, after MAIL and RCPT
      Carried carried(offers, two, kBinary, 10, 1000, rows);
      EXPECT_TRUE(carried.outcomes().starts_with(row.outcomes)) << carried.outcomes();
      EXPECT_EQ(carried.runner.hung_up, row.hangs_up);
      EXPECT_EQ(carried.runner.broken, "");
      if (row.hangs_up) continue;
      carried.remote.rows.erase(carried.remote.rows.begin(), carried.remote.rows.end() - 1);
      carried.runner.sent.clear();
      carried.remote.chunks.clear();
      carried.runner.begin(binary(1));  // in step
      carried.runner.listen(3);
      EXPECT_EQ(shown(carried.runner.done.at(1).outcomes), "250 2.0.0@end_of_data");
      EXPECT_TRUE(carried.runner.sent.starts_with("RSET\r\n"));
      EXPECT_EQ(carried.remote.chunks, kBinary);
    }
  }
}

}  // namespace
}  // namespace postrider::dialogue
