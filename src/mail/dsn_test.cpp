#include "mail/dsn.hpp"

#include "core/text.hpp"
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
                        .client_ip = "192.0.2.1",
                        .by = "mx.example.test",
                        .protocol = "ESMTP",
                        .queue_id = "q1",
                        .for_address = "ann@example.test",
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
}

TEST(TraceFields, ReturnPathAndDeliveredTo) {
  EXPECT_EQ(return_path_field(Path::null()), "Return-Path: <>\r\n");
  EXPECT_EQ(return_path_field(Path(address("\"a b\"@x.test"))), "Return-Path: <\"a b\"@x.test>\r\n");
  EXPECT_EQ(delivered_to_field(address("a@x.test")), "Delivered-To: a@x.test\r\n");
}

DsnInput input() {
  return {.reporting_mta = "mx.example.test",
          .queue_id = "q1",
          .to = address("sender@x.test"),
          .action = DsnAction::failed,
          .recipients = {{.final_recipient = address("bob@y.test"),
                          .original_recipient = std::nullopt,
                          .status = "5.1.1",
                          .diagnostic = "550 5.1.1 no such user",
                          .remote_mta = "mx.y.test"}},
          .arrival = kAt,
          .at = kAt + std::chrono::hours(1),
          .will_retry_until = std::nullopt,
          .original_headers = "Subject: hello\r\nFrom: sender@x.test\r\n",
          .boundary = "b0undary"};
}

TEST(Dsn, HasItsThreeParts) {
  const std::string dsn = build_dsn(input());
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
  const std::string dsn = build_dsn(forged);
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
  const std::string dsn = build_dsn(delayed);
  expect_clean(dsn);
  EXPECT_TRUE(dsn.contains("Action: delayed\r\n"));
  EXPECT_TRUE(dsn.contains("Will-Retry-Until: Sat, 9 May 2026 07:11:04 +0000\r\n"));
  EXPECT_TRUE(dsn.contains("Original-Recipient: rfc822;list@example.test\r\n"));
  EXPECT_FALSE(dsn.contains("Diagnostic-Code"));
  EXPECT_FALSE(dsn.contains("Remote-MTA"));
}

}  // namespace
}  // namespace postrider::mail
