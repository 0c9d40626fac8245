#include "server/submitted_header.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string_view>

namespace postrider::server {
namespace {

mail::HeaderSection section_of(std::string_view content) {
  mail::HeaderCollector collector;
  EXPECT_TRUE(collector.append(content));
  return std::move(collector).finish().value();
}

std::string joined(const std::vector<mail::Address>& addresses) {
  std::string out;
  for (const mail::Address& address : addresses) out += (out.empty() ? "" : " ") + address.text();
  return out;
}

/// The authors, or the refusal's status.
std::string authors_of(std::string_view header) {
  const Claims claims = read_claims(section_of(std::string(header) + "Subject: x\r\n\r\nbody\r\n"));
  if (claims.refusal) return fmt::format("{} {}", claims.refusal->code, claims.refusal->enhanced);
  return joined(claims.authors);
}

struct Row {
  std::string_view header;
  std::string_view want;
};

TEST(SubmittedHeader, AuthorsAreReadByOneMeaning) {
  for (const Row& row : {
           Row{"From: ann@here.test\r\n", "ann@here.test"},
           Row{"from : Ann <ann@here.test>\r\n", "ann@here.test"},
           Row{"From: Ann\r\n <ann@here.test>\r\n", "ann@here.test"},
           Row{"From:\r\n\tann@here.test\r\n", "ann@here.test"},
           Row{"From: \"bob@here.test\" <ann@here.test>\r\n", "bob@here.test ann@here.test"},
           Row{"From: bob@here.test <ann@here.test>\r\n", "bob@here.test ann@here.test"},
           Row{"From: bob@HERE.test <ann@here.test>\r\n", "bob@here.test ann@here.test"},
           Row{"From: ann@here.test <ann@here.test>\r\n", "ann@here.test"},
           Row{"From: \"ann@away.test\" <ann@here.test>\r\n", "ann@here.test"},
           Row{"From: \"<bob@here.test>\" <ann@here.test>\r\n", "bob@here.test ann@here.test"},
           Row{"From: bob @ here.test <ann@here.test>\r\n", "bob@here.test ann@here.test"},
           Row{"From: \"<>\" <ann@here.test>\r\n", "ann@here.test"},
           Row{"From: \"bob@here.test via us\" <ann@here.test>\r\n", "ann@here.test"},
           Row{"From: ann@here.test (bob@here.test)\r\n", "bob@here.test ann@here.test"},
           Row{"From: =?utf-8?q?bob=40here.test?= <ann@here.test>\r\n", "bob@here.test ann@here.test"},
           Row{"From: ann@here.test; bob@here.test\r\n", "ann@here.test bob@here.test"},
           Row{"From: ann@here.test, bob@here.test\r\n", "ann@here.test bob@here.test"},
           Row{"From: Us: ann@here.test, Bob <bob@here.test>;\r\n", "ann@here.test bob@here.test"},
           Row{"From: \"a b\"@here.test\r\n", "\"a b\"@here.test"},
           Row{"From: ann@b\xc3\xbc"
               "cher.test\r\n",
               "ann@xn--bcher-kva.test"},
           Row{"From: =?utf-8?q?ann?=@here.test\r\n", "=?utf-8?q?ann?=@here.test"},  // means nobody's address

           Row{"", "550 5.6.0"},
           Row{"X-From: ann@here.test\r\n", "550 5.6.0"},
           Row{"From: ann@here.test\r\nFrom: ann@here.test\r\n", "550 5.7.1"},
           Row{"From: ann@here.test\r\nFROM: bob@here.test\r\n", "550 5.7.1"},
           Row{"From: ann@here.test\r\nFrom : bob@here.test\r\n", "550 5.7.1"},
           Row{"From: ann@here.test\r\nFrom\t: bob@here.test\r\n", "550 5.7.1"},
           Row{"From: ann@here.test\r\n \r\nFrom: bob@here.test\r\n", "550 5.7.1"},
           Row{"From:\r\n", "550 5.7.1"},
           Row{"From: Nobody:;\r\n", "550 5.7.1"},
           Row{"From: (ann@here.test)\r\n", "550 5.7.1"},
           Row{"From: ann\r\n", "550 5.6.0"},
           Row{"From: Ann\r\n", "550 5.6.0"},
           Row{"From: <>\r\n", "550 5.6.0"},
           Row{"From: Ann <>\r\n", "550 5.6.0"},
           Row{"From: <ann@here.test> <bob@here.test>\r\n", "550 5.6.0"},
           Row{"From: <ann@here.test\r\n", "550 5.6.0"},
           Row{"From: ann@here.test bob@here.test\r\n", "550 5.6.0"},
           Row{"From: <@evil.test:ann@here.test>\r\n", "550 5.6.0"},
           Row{"From: ann@here.test@evil.test\r\n", "550 5.6.0"},
           Row{"From: \"ann@here.test\"\r\n", "550 5.6.0"},
           Row{"From: ann@here..test\r\n", "550 5.6.0"},
           Row{"From: ann@\r\n", "550 5.6.0"},
           Row{"From: @here.test\r\n", "550 5.6.0"},
           Row{"From: ann@here.test\x01\r\n", "550 5.6.0"},
           Row{"From: =?utf-8?q?ann=40here.test?=\r\n", "550 5.6.0"},
           Row{"From: ann@here.test (no end\r\n", "550 5.6.0"},
           Row{"From: \"no end <ann@here.test>\r\n", "550 5.6.0"},
           Row{"From: Us: ann@here.test\r\n", "550 5.6.0"},
           Row{"From: ann@here.test\r\njunk\r\n", "550 5.6.0"},
           Row{"From: ann@here.test\r\n: junk\r\nFrom: bob@here.test\r\n", "550 5.6.0"},
       }) {
    EXPECT_EQ(authors_of(row.header), row.want) << row.header;
  }
  std::string many = "From: a0@here.test";
  for (std::size_t i = 1; i < kAuthorsMax; ++i) many += fmt::format(", a{}@here.test", i);
  EXPECT_NE(authors_of(many + "\r\n"), "550 5.6.0");
  EXPECT_EQ(authors_of(many + ", one@more.test\r\n"), "550 5.6.0");
}

TEST(SubmittedHeader, SenderAndResentFieldsAreClaimsToo) {
  const auto read = [](std::string_view more) {
    return read_claims(section_of("From: ann@here.test\r\n" + std::string(more) + "\r\n"));
  };
  EXPECT_FALSE(read("").has_sender);
  EXPECT_EQ(read("Sender: Ann <ann@here.test>\r\n").sender->text(), "ann@here.test");
  for (const std::string_view bad : {"Sender:\r\n", "Sender: a@b.test, c@d.test\r\n", "Sender: junk\r\n",
                                     "Sender: ann@here.test\r\nSender: ann@here.test\r\n"}) {
    EXPECT_TRUE(read(bad).has_sender);
    EXPECT_FALSE(read(bad).sender) << bad;
    EXPECT_FALSE(read(bad).refusal) << "it is dropped";
  }
  EXPECT_EQ(
      joined(
          read("Resent-From: a@b.test, c@b.test\r\nResent-Sender: d@b.test\r\nResent-From: old@b.test\r\n").resenters),
      "a@b.test c@b.test d@b.test");
  for (const std::string_view bad : {"Resent-From:\r\n", "Resent-From: x\r\n", "Resent-Sender: Nobody:;\r\n"})
    EXPECT_EQ(read(bad).refusal->enhanced, "5.6.0") << bad;
}

TEST(SubmittedHeader, ALocalUsersFromIsMadeWhereItIsNone) {
  const mail::Address sender = *mail::Address::parse("root@mx.here.test");
  const auto from = [&](std::string_view header) {
    return read_local_author(section_of(std::string(header) + "Subject: x\r\n\r\n"), sender).from;
  };
  EXPECT_EQ(from("From: ann@away.test\r\n"), "");
  EXPECT_EQ(from(""), "From: root@mx.here.test\r\n");
  EXPECT_EQ(from("From:\r\n"), "From: root@mx.here.test\r\n");
  EXPECT_EQ(from("From: ;;;\r\n"), "From: root@mx.here.test\r\n");
  EXPECT_EQ(from("From: root (Cron Daemon)\r\n"), "From: Cron Daemon <root@mx.here.test>\r\n");
  EXPECT_EQ(from("From: www-data\r\n"), "From: www-data@mx.here.test\r\n");
  EXPECT_EQ(from("From: ann@away.test\r\nFrom: bob@away.test\r\n"), "From: ann@away.test\r\n");
  EXPECT_EQ(read_local_author(section_of("From: ann@away.test\r\n\r\n"), sender).domain.text(), "away.test");
  EXPECT_EQ(read_local_author(section_of("\r\n"), sender).domain.text(), "mx.here.test");
}

Completion completion() {
  return {.now = WallTime(std::chrono::seconds(1'780'000'000)),
          .message_id = "id1",
          .host = *mail::Domain::parse("mx.here.test")};
}

TEST(SubmittedHeader, WhatIsMissingIsAddedAndBlindCopiesGo) {
  const mail::HeaderSection submitted = section_of(
      "Bcc: x@y.test\r\nFrom: ann@here.test\r\nbcc:\r\n hidden@y.test\r\nResent-Bcc: z@y.test\r\nX-Bcc: kept\r\n"
      "Return-Path: <kept@here.test>\r\n\r\nBcc: body\r\n");
  const Completed done = complete_header(submitted, completion());
  EXPECT_EQ(done.added, "Date: Thu, 28 May 2026 20:26:40 +0000\r\nMessage-ID: <id1@mx.here.test>\r\n");
  ASSERT_EQ(done.dropped.size(), 3U);
  EXPECT_EQ(done.section(submitted),
            done.added + "From: ann@here.test\r\nX-Bcc: kept\r\nReturn-Path: <kept@here.test>\r\n");

  const mail::HeaderSection whole =
      section_of("date: junk\r\nMESSAGE-ID: <a@b>\r\nFrom: a@b.test\r\nSender: c@d.test\r\n\r\n");
  const Completed same = complete_header(whole, completion());
  EXPECT_EQ(same.added, "");
  EXPECT_TRUE(same.dropped.empty());
  EXPECT_EQ(same.section(whole), whole.octets);
}

TEST(SubmittedHeader, OurSenderAndFromTakeThePlaceOfAllThereAre) {
  const mail::HeaderSection submitted = section_of(
      "Date: x\r\nMessage-ID: <a@b>\r\nSender: e@v.test\r\nFrom: root\r\nSender: e@w.test\r\nFrom: b\r\nTo: "
      "c@d\r\n\r\n");
  Completion ours = completion();
  ours.sender = *mail::Address::parse("ann@here.test");
  ours.from = "From: root@here.test\r\n";
  EXPECT_EQ(complete_header(submitted, ours).section(submitted),
            "From: root@here.test\r\nSender: ann@here.test\r\nDate: x\r\nMessage-ID: <a@b>\r\nTo: c@d\r\n");
  Completion dropped = completion();
  dropped.drops_sender = true;
  EXPECT_EQ(complete_header(submitted, dropped).section(submitted),
            "Date: x\r\nMessage-ID: <a@b>\r\nFrom: root\r\nFrom: b\r\nTo: c@d\r\n");
}

}  // namespace
}  // namespace postrider::server
