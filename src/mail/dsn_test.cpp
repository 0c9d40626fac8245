#include "mail/dsn.hpp"

#include "core/text.hpp"
#include "mail/dsn_parse.hpp"
#include "mail/dsn_text.hpp"
#include "mail/header_section.hpp"
#include "mail/trace_fields.hpp"

#include <gtest/gtest.h>

namespace postrider::mail {
namespace {

const WallTime kAt{std::chrono::seconds(1'777'878'664)};  // Mon, 4 May 2026 07:11:04 +0000

Address address(std::string_view text) { return Address::parse(text).value(); }

/// Only printable ASCII in CRLF lines of at most 998 octets.
void expect_clean(std::string_view content) {
  ASSERT_TRUE(content.ends_with("\r\n"));
  content.remove_suffix(2);
  for (const std::string_view line : split(content, '\n')) {
    const std::string_view bare = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    EXPECT_LE(bare.size(), 998U);
    for (const char c : bare) EXPECT_TRUE(c == '\t' || (c >= ' ' && c <= '~')) << bare;
  }
  for (std::size_t at = content.find('\n'); at != std::string_view::npos; at = content.find('\n', at + 1))
    EXPECT_EQ(content[at - 1], '\r');
}

TEST(Received, SaysWhatIsKnown) {
  ReceivedClause clause{.hello = "client.example",
                        .client_name = {},
                        .client_ip = "192.0.2.1",
                        .by = "mx.example.test",
                        .protocol = "ESMTP",
                        .queue_id = "q1",
                        .for_address = "ann@example.test",
                        .utf8 = Utf8::no,
                        .at = kAt};
  EXPECT_EQ(received_field(clause),
            "Received: from client.example ([192.0.2.1])\r\n\tby mx.example.test with ESMTP id q1\r\n\tfor "
            "<ann@example.test>;\r\n"
            "\tMon, 4 May 2026 07:11:04 +0000\r\n");
  clause.for_address.clear();
  clause.client_ip = "2001:db8::1";
  clause.hello = "evil)\r\nX-Forged: 1 (;\xff";
  EXPECT_EQ(received_field(clause),
            "Received: from evil???X-Forged:?1???? ([IPv6:2001:db8::1])\r\n\tby mx.example.test with ESMTP id q1;\r\n"
            "\tMon, 4 May 2026 07:11:04 +0000\r\n");
  clause.hello = std::string(5000, 'h');
  expect_clean(received_field(clause));
  clause.hello.clear();
  EXPECT_TRUE(received_field(clause).starts_with("Received: from [IPv6:2001:db8::1]\r\n\tby "));
  clause.client_ip.clear();
  EXPECT_TRUE(received_field(clause).starts_with("Received: by mx.example.test with "));
  clause.hello = "client.example";  // from a Unix socket
  EXPECT_TRUE(received_field(clause).starts_with("Received: from client.example\r\n\tby mx.example.test with "));
}

TEST(Received, NamesTheClientAsSomebodyLookedItUp) {
  ReceivedClause clause{.hello = "me",
                        .client_name = "host.client.example",
                        .client_ip = "192.0.2.1",
                        .by = "mx.example.test",
                        .protocol = "ESMTP",
                        .queue_id = "q1",
                        .for_address = {},
                        .utf8 = Utf8::no,
                        .at = kAt};
  EXPECT_TRUE(received_field(clause).starts_with("Received: from me (host.client.example [192.0.2.1])\r\n"));
  clause.client_name = "a) b\r\nc";
  EXPECT_TRUE(received_field(clause).starts_with("Received: from me (a??b??c [192.0.2.1])\r\n"));
}

TEST(Received, SaysWhatProtectedTheConnection) {
  ReceivedClause clause{.hello = "me",
                        .client_name = {},
                        .client_ip = "192.0.2.1",
                        .by = "mx.example.test",
                        .protocol = "ESMTPSA",
                        .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
                        .queue_id = "q1",
                        .for_address = {},
                        .utf8 = Utf8::no,
                        .at = kAt};
  EXPECT_TRUE(received_field(clause).contains(
      "\r\n\tby mx.example.test with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid q1;\r\n"));
  clause.tls = "a) b\r\n(c";
  EXPECT_TRUE(received_field(clause).contains("with ESMTPSA (a? b???c)\r\n\tid q1;")) << received_field(clause);
}

TEST(Received, KeywordsAreThoseOfTheRegistry) {
  struct Row {
    Carriage carriage;
    std::string_view want;
  };
  for (const Row& row : {
           Row{{.is_extended = false}, "SMTP"},
           Row{{.is_extended = false, .is_secured = true, .is_authenticated = true},
               "SMTP"},  // there is no such keyword
           Row{{}, "ESMTP"},
           Row{{.is_secured = true}, "ESMTPS"},
           Row{{.is_authenticated = true}, "ESMTPA"},
           Row{{.is_secured = true, .is_authenticated = true}, "ESMTPSA"},
           Row{{.is_lmtp = true}, "LMTP"},
           Row{{.is_lmtp = true, .is_secured = true, .is_authenticated = true}, "LMTPSA"},
           Row{{.is_utf8 = true}, "UTF8SMTP"},
           Row{{.is_utf8 = true, .is_secured = true, .is_authenticated = true}, "UTF8SMTPSA"},
           Row{{.is_lmtp = true, .is_utf8 = true, .is_secured = true}, "UTF8LMTPS"},
       })
    EXPECT_EQ(protocol_keyword(row.carriage), row.want);
}

TEST(Received, HasUtf8OnlyInAMessageThatCameWithSmtputf8) {
  ReceivedClause clause{.hello = "client.example",
                        .client_name = {},
                        .client_ip = "192.0.2.1",
                        .by = "mx.example.test",
                        .protocol = "UTF8SMTP",
                        .queue_id = "q1",
                        .for_address = "j\xC3\xB6rg@example.test",
                        .utf8 = Utf8::yes,
                        .at = kAt};
  EXPECT_TRUE(received_field(clause).contains("with UTF8SMTP id q1\r\n\tfor <j\xC3\xB6rg@example.test>;\r\n"));
  clause.utf8 = Utf8::no;
  EXPECT_TRUE(received_field(clause).contains("for <j??rg@example.test>;"));
}

TEST(TraceFields, ReturnPathAndDeliveredTo) {
  EXPECT_EQ(return_path_field(Path::null()), "Return-Path: <>\r\n");
  EXPECT_EQ(return_path_field(Path(address("\"a b\"@x.test"))), "Return-Path: <\"a b\"@x.test>\r\n");
  EXPECT_EQ(delivered_to_field(address("a@x.test")), "Delivered-To: a@x.test\r\n");
  const Address utf8 = Address::parse("j\xC3\xB6rg@x.test", Utf8::yes).value();  // 6531 §3.7.3
  EXPECT_EQ(return_path_field(Path(utf8)), "Return-Path: <j\xC3\xB6rg@x.test>\r\n");
  EXPECT_EQ(delivered_to_field(utf8), "Delivered-To: j\xC3\xB6rg@x.test\r\n");
}

std::string text_of(const Dsn& dsn) { return dsn.before + dsn.after; }

/// In one line.
std::string words_of(const DsnInput& input) {
  std::string text = dsn_text(input, false);
  for (std::size_t at = text.find("\r\n"); at != std::string::npos; at = text.find("\r\n")) text.replace(at, 2, " ");
  return text;
}

DsnInput input() {
  return {.reporting_mta = "mx.example.test",
          .queue_id = "q1",
          .to = address("sender@x.test"),
          .action = DsnAction::failed,
          .recipients = {{.final_recipient = address("bob@y.test"),
                          .original_recipient = std::nullopt,
                          .original_type = {},
                          .original = {},
                          .status = "5.1.1",
                          .diagnostic = "550 5.1.1 no such user",
                          .remote_mta = "mx.y.test"}},
          .envelope_id = {},
          .arrival = kAt,
          .at = kAt + std::chrono::hours(1),
          .will_retry_until = std::nullopt,
          .original_headers = "Subject: hello\r\nFrom: sender@x.test\r\n",
          .boundary = "b0undary"};
}

TEST(Dsn, HasItsThreeParts) {
  const std::string dsn = text_of(build_dsn(input()));
  expect_clean(dsn);
  for (const char* want : {"To: <sender@x.test>\r\n", "Auto-Submitted: auto-replied\r\n",
                           "multipart/report; report-type=delivery-status;\r\n",
                           "--b0undary\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
                           "--b0undary\r\nContent-Type: message/delivery-status\r\n\r\n",
                           "--b0undary\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: hello\r\n",
                           "\r\n--b0undary--\r\n", "Reporting-MTA: dns;mx.example.test\r\n",
                           "\r\n\r\nFinal-Recipient: rfc822;bob@y.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
                           "Remote-MTA: dns;mx.y.test\r\n", "Diagnostic-Code: smtp;550 5.1.1 no such user\r\n"}) {
    EXPECT_TRUE(dsn.contains(want)) << want;
  }
  HeaderCollector collector;
  ASSERT_TRUE(collector.append(dsn));
  EXPECT_TRUE(collector.complete());
  EXPECT_EQ(std::move(collector).finish()->first("to"), "<sender@x.test>");
}

TEST(Dsn, OutsideTextCannotForge) {
  DsnInput forged = input();
  forged.recipients[0].diagnostic = "550 \r\n--b0undary\r\nForged: y\x80\x01" + std::string(5000, 'x');
  forged.recipients[0].remote_mta = "mx\r\nAction: delivered";
  forged.original_headers = "Subject: caf\xc3\xa9 \x01\x7f\r\nX: " + std::string(3000, 'y') + "\r\nZ: a\nb\rc";
  const std::string dsn = text_of(build_dsn(forged));
  expect_clean(dsn);
  EXPECT_FALSE(dsn.contains("\r\nForged"));
  EXPECT_FALSE(dsn.contains("\r\nAction: delivered"));
  EXPECT_TRUE(dsn.contains("Z: a?b?c\r\n"));
}

TEST(Dsn, DelayedSaysUntilWhen) {
  DsnInput delayed = input();
  delayed.action = DsnAction::delayed;
  delayed.will_retry_until = kAt + std::chrono::hours(120);
  delayed.recipients[0].diagnostic.clear();
  delayed.recipients[0].remote_mta.clear();
  delayed.recipients[0].original_recipient = address("list@example.test");
  const std::string dsn = text_of(build_dsn(delayed));
  expect_clean(dsn);
  EXPECT_TRUE(dsn.contains("Action: delayed\r\n"));
  EXPECT_TRUE(dsn.contains("Will-Retry-Until: Sat, 9 May 2026 07:11:04 +0000\r\n"));
  EXPECT_TRUE(dsn.contains("Original-Recipient: rfc822;list@example.test\r\n"));
  EXPECT_FALSE(dsn.contains("Diagnostic-Code"));
  EXPECT_FALSE(dsn.contains("Remote-MTA"));
}

Address utf8_address(std::string_view text) { return Address::parse(text, Utf8::yes).value(); }

TEST(Dsn, SaysWhatTheSenderSaid) {
  DsnInput asked = input();
  asked.envelope_id = "QQ=+1";
  asked.recipients[0].original_recipient = address("list@example.test");
  asked.recipients[0].original_type = "rfc822";
  asked.recipients[0].original = "a+b@x.test";
  const Dsn dsn = build_dsn(asked);
  const std::string text = text_of(dsn);
  expect_clean(text);
  EXPECT_TRUE(text.contains("\r\n\r\nOriginal-Envelope-Id: QQ=+1\r\nReporting-MTA:"));
  EXPECT_TRUE(text.contains("Original-Recipient: rfc822;a+b@x.test\r\nFinal-Recipient: rfc822;bob@y.test\r\n"));
  EXPECT_FALSE(text.contains("rfc822;list@example.test"));
  EXPECT_TRUE(text.contains("(given as <list@example.test>)"));
  EXPECT_EQ(dsn.utf8, Utf8::no);
  EXPECT_FALSE(dsn.has_eight_bit);
}

TEST(Dsn, SuccessIsDeliveredOrRelayed) {
  DsnInput good = input();
  good.action = DsnAction::delivered;
  good.recipients[0].status = "2.0.0";
  EXPECT_TRUE(text_of(build_dsn(good)).contains("Action: delivered\r\nStatus: 2.0.0\r\n"));
  EXPECT_TRUE(text_of(build_dsn(good)).contains("Subject: Your message was delivered\r\n"));
  good.action = DsnAction::relayed;
  EXPECT_TRUE(text_of(build_dsn(good)).contains("Action: relayed\r\n"));
  EXPECT_TRUE(words_of(good).contains("sends no reports of success"));
  good.action = DsnAction::expanded;
  EXPECT_TRUE(text_of(build_dsn(good)).contains("Action: expanded\r\n"));
  EXPECT_TRUE(words_of(good).contains("addresses that they stand for"));
}

TEST(Dsn, TheWholeMessageGoesBetweenItsParts) {
  DsnInput full = input();
  full.returned = ReturnContent::full;
  const Dsn plain = build_dsn(full);
  EXPECT_TRUE(plain.before.ends_with("\r\n--b0undary\r\nContent-Type: message/rfc822\r\n\r\n"));
  EXPECT_EQ(plain.after, "\r\n--b0undary--\r\n");
  EXPECT_FALSE(plain.before.contains("Subject: hello"));
  EXPECT_FALSE(plain.has_eight_bit);
  full.returned_has_eight_bit = true;
  const Dsn eight = build_dsn(full);
  EXPECT_TRUE(eight.has_eight_bit);
  EXPECT_TRUE(eight.before.ends_with("\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"));
  EXPECT_TRUE(eight.before.contains("\tboundary=\"b0undary\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"));
  EXPECT_EQ(eight.utf8, Utf8::no);
}

TEST(Dsn, Utf8GoesToThoseWhoTakeItAndIsEscapedForOthers) {
  DsnInput global = input();
  global.recipients[0].final_recipient = utf8_address("j\xc3\xb6rg@y.test");
  global.recipients[0].original_type = "utf-8";
  global.recipients[0].original = "\xc3\xa4nn@x.test";
  global.original_headers = "Subject: caf\xc3\xa9\r\nX: \xff\r\n";
  const Dsn escaped = build_dsn(global);
  expect_clean(text_of(escaped));
  EXPECT_EQ(escaped.utf8, Utf8::no);
  EXPECT_TRUE(text_of(escaped).contains("Original-Recipient: utf-8;\\x{E4}nn@x.test\r\n"));
  EXPECT_TRUE(text_of(escaped).contains("Final-Recipient: utf-8;j\\x{F6}rg@y.test\r\n"));
  global.utf8 = Utf8::yes;
  const Dsn dsn = build_dsn(global);
  EXPECT_EQ(dsn.utf8, Utf8::yes);
  EXPECT_TRUE(dsn.has_eight_bit);
  const std::string text = text_of(dsn);
  EXPECT_TRUE(is_utf8(text));
  for (const char* want :
       {"report-type=global-delivery-status;", "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        "Content-Type: message/global-headers\r\n", "Original-Recipient: utf-8;\xc3\xa4nn@x.test\r\n",
        "Final-Recipient: utf-8;j\xc3\xb6rg@y.test\r\n", "\r\nSubject: caf\xc3\xa9\r\nX: ?\r\n"}) {
    EXPECT_TRUE(text.contains(want)) << want;
  }
  // Nothing in it needs it: an ordinary report, whatever the reader takes.
  DsnInput ascii = input();
  ascii.utf8 = Utf8::yes;
  EXPECT_EQ(text_of(build_dsn(ascii)), text_of(build_dsn(input())));
  ascii.to = utf8_address("\xc3\xb6@x.test");
  ascii.utf8 = Utf8::no;
  EXPECT_EQ(build_dsn(ascii).utf8, Utf8::yes);
  EXPECT_TRUE(build_dsn(ascii).before.contains("To: <\xc3\xb6@x.test>\r\n"));
}

TEST(Dsn, LongUtf8LinesAreCutBetweenCharacters) {
  DsnInput cut = input();
  cut.utf8 = Utf8::yes;
  std::string line = "S: x";
  for (int i = 0; i < 800; ++i) line += "\xc3\xa9";
  for (const std::string& shift : {"", "y"}) {
    cut.original_headers = shift + line + "\r\n";
    const std::string text = text_of(build_dsn(cut));
    EXPECT_TRUE(is_utf8(text));
    EXPECT_TRUE(text.contains(shift + "S: x\xc3\xa9"));
  }
}

DsnRecipient recipient(std::string_view of, std::string status, std::string diagnostic) {
  return {.final_recipient = utf8_address(of),
          .original_recipient = std::nullopt,
          .original_type = {},
          .original = {},
          .status = std::move(status),
          .diagnostic = std::move(diagnostic),
          .remote_mta = "mx.y.test"};
}

TEST(Dsn, IsReadAsWhatItWasMadeFrom) {
  struct Kind {
    DsnAction action;
    std::string_view status;
    std::string_view reply;
    BounceClass bounce_class;
  };
  constexpr auto kKinds = std::to_array<Kind>({
      {DsnAction::failed, "5.1.1", "550 5.1.1 no such user", BounceClass::hard},
      {DsnAction::failed, "4.4.7", "451 4.4.1 connection timed out", BounceClass::soft},
      {DsnAction::failed, "5.4.4", "no way there", BounceClass::hard},
      {DsnAction::delayed, "4.2.2", "452 4.2.2 over quota", BounceClass::soft},
      {DsnAction::delivered, "2.0.0", "", BounceClass::unknown},
      {DsnAction::relayed, "2.1.5", "250 2.1.5 ok", BounceClass::unknown},
      {DsnAction::expanded, "2.1.5", "", BounceClass::unknown},
  });
  for (const Kind& kind : kKinds) {
    for (const std::string_view of : {"bob@y.test", "\"b b;c\"@y.test",
                                      "j\xc3\xb6rg@b\xc3\xbc"
                                      "cher.test"}) {
      for (const Utf8 utf8 : {Utf8::no, Utf8::yes}) {
        DsnInput made = input();
        made.action = kind.action;
        made.utf8 = utf8;
        made.envelope_id = "id";
        made.will_retry_until = kAt + std::chrono::hours(120);
        made.original_headers = "Message-ID: <m.1@x.test>\r\nTo: somebody@else.test\r\n";
        made.recipients = {recipient(of, std::string(kind.status), std::string(kind.reply)),
                           recipient("ann@y.test", std::string(kind.status), "")};
        made.recipients[0].original_type = "rfc822";
        made.recipients[0].original = "list@x.test";
        made.recipients[1].original_recipient = utf8_address("\xc3\xa4@x.test");
        const ParsedReport read = parse_report(text_of(build_dsn(made)));
        ASSERT_EQ(read.kind, ReportKind::dsn);
        EXPECT_EQ(read.original_message_id, "m.1@x.test");
        ASSERT_EQ(read.recipients.size(), 2U);
        for (std::size_t i = 0; i < 2; ++i) {
          const ReportedRecipient& one = read.recipients[i];
          EXPECT_EQ(utf8_address(one.final), made.recipients[i].final_recipient);
          EXPECT_EQ(one.action, name_of(kind.action));
          EXPECT_EQ(one.status, kind.status);
          EXPECT_EQ(one.bounce_class, kind.bounce_class);
        }
        EXPECT_EQ(read.recipients[0].original, "list@x.test");
        EXPECT_EQ(read.recipients[1].original, "\xc3\xa4@x.test");
        EXPECT_EQ(read.recipients[0].diagnostic, kind.reply);
      }
    }
  }
}

TEST(Dsn, OneReportTellsOfDifferentOutcomes) {
  DsnInput mixed = input();
  mixed.action = DsnAction::delivered;
  mixed.will_retry_until = kAt + std::chrono::hours(120);
  mixed.recipients = {recipient("a@y.test", "2.0.0", ""), recipient("b@y.test", "5.2.2", "552 5.2.2 full"),
                      recipient("c@y.test", "4.4.1", "451 4.4.1 later"), recipient("d@y.test", "5.1.1", "550 no")};
  mixed.recipients[1].action = DsnAction::failed;
  mixed.recipients[2].action = DsnAction::delayed;
  mixed.recipients[3].action = DsnAction::failed;
  mixed.recipients[3].last_attempt = kAt;
  EXPECT_EQ(gravest_action(mixed), DsnAction::failed);
  const std::string text = text_of(build_dsn(mixed));
  expect_clean(text);
  EXPECT_TRUE(text.contains("Subject: Your message could not be delivered\r\n"));
  EXPECT_LT(text.find("<b@y.test>"), text.find("<d@y.test>"));  // those of one outcome together, the gravest first
  EXPECT_LT(text.find("<d@y.test>"), text.find("<c@y.test>"));
  EXPECT_LT(text.find("<c@y.test>"), text.find("<a@y.test>"));
  EXPECT_EQ(text.find("Will-Retry-Until: "), text.rfind("Will-Retry-Until: "));
  EXPECT_TRUE(text.contains("Last-Attempt-Date: Mon, 4 May 2026 07:11:04 +0000\r\n"));
  EXPECT_TRUE(text.contains("Final-Log-ID: q1\r\n"));
  const ParsedReport read = parse_report(text);
  ASSERT_EQ(read.recipients.size(), 4U);
  EXPECT_EQ(read.recipients[0].action, "delivered");
  EXPECT_EQ(read.recipients[1].category, BounceCategory::mailbox_full);
  EXPECT_EQ(read.recipients[2].action, "delayed");
}

TEST(Dsn, SaysWhatToDo) {
  struct Case {
    std::string_view status;
    std::string_view words;
  };
  for (const Case& c : std::to_array<Case>({
           {"5.1.1", "Check the address for mistakes"},
           {"5.1.2", "Check what stands behind the @"},
           {"5.1.10", "takes no mail at all"},
           {"5.2.2", "mailbox is full"},
           {"5.3.4", "too big"},
           {"4.4.7", "We tried for 5 days and gave up."},
           {"5.4.7", "We tried for 5 days and gave up."},
           {"5.4.6", "in circles"},
           {"5.6.7", "addresses that are not ASCII"},
           {"5.7.1", "refuses the message by its policy"},
           {"5.0.0", "does not take the message"},
           {"", "does not take the message"},
       })) {
    DsnInput failed = input();
    failed.at = kAt + std::chrono::hours(121);
    failed.recipients = {recipient("bob@y.test", std::string(c.status), "550 x")};
    EXPECT_TRUE(words_of(failed).contains(c.words)) << dsn_text(failed, false);
  }
  DsnInput delayed = input();
  delayed.action = DsnAction::delayed;
  delayed.will_retry_until = kAt;
  EXPECT_TRUE(words_of(delayed).contains("You need to do nothing"));
  EXPECT_FALSE(words_of(delayed).contains("Check"));
}

TEST(Dsn, AnswersTheOriginalOnlyByAProperMessageId) {
  DsnInput made = input();
  made.original_headers = "Message-ID: <m.1@x.test>\r\n";
  EXPECT_TRUE(text_of(build_dsn(made)).contains("\r\nIn-Reply-To: <m.1@x.test>\r\nReferences: <m.1@x.test>\r\n"));
  for (const std::string_view bad :
       {"", "m.1@x.test", "<m.1>", "<a@b> <c@d>", "<a b@c>", "<a\x01@b>", "<\xc3\xa4@b>", "<a@b>\r\n X: y"}) {
    made.original_headers = "Message-ID: " + std::string(bad) + "\r\n";
    EXPECT_FALSE(text_of(build_dsn(made)).contains("In-Reply-To")) << bad;
  }
  made.original_headers = "Message-ID: <" + std::string(1000, 'x') + "@b>\r\n";
  EXPECT_FALSE(text_of(build_dsn(made)).contains("In-Reply-To"));
}

TEST(Dsn, WhatIsNoReplyIsNotCalledOne) {
  DsnInput own = input();
  own.recipients[0].diagnostic = "no way to there";
  EXPECT_TRUE(text_of(build_dsn(own)).contains("Diagnostic-Code: x-postrider;no way to there\r\n"));
}

}  // namespace
}  // namespace postrider::mail
