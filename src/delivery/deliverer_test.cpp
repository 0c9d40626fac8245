// What a sender asked for, from the queue to the next hop, the mailbox and the report.
#include "delivery/test_scene.hpp"

namespace postrider::delivery {
namespace {

using mail::NotifyOn;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr NotifyOn kSuccess{.success = true, .failure = true, .delay = false};

TEST(Deliverer, ReportsALocalDeliveryToASenderWhoAskedForIt) {
  Scene scene("");
  queue::NewEntry entry = scene.entry("bob@here.test");
  entry.request.envelope_id = "E=1";
  entry.recipients[0].request = {.notify = kSuccess, .original_type = "rfc822", .original = "bobby@here.test"};
  scene.carry(entry);
  EXPECT_EQ(scene.inbox(scene.bob).size(), 1U);
  EXPECT_TRUE(has_all(scene.report(), {"Action: delivered\r\n", "Original-Envelope-Id: E=1\r\n",
                                       "Original-Recipient: rfc822;bobby@here.test\r\n", "Return-Path: <>\r\n",
                                       "Content-Type: text/rfc822-headers\r\n\r\n"}));
}

TEST(Deliverer, SaysNothingOfASuccessThatNobodyAskedFor) {
  for (const auto& [notify, report_to] : {std::pair(std::optional<NotifyOn>(), queue::ReportTo::sender),
                                          std::pair(std::optional<NotifyOn>(NotifyOn{}), queue::ReportTo::sender),
                                          std::pair(std::optional<NotifyOn>(kSuccess), queue::ReportTo::postmaster)}) {
    Scene scene("");
    queue::NewEntry entry = scene.entry("bob@here.test");
    entry.report_to = report_to;
    entry.recipients[0].request.notify = notify;
    scene.carry(entry);
    EXPECT_EQ(scene.inbox(scene.bob).size(), 1U);
    EXPECT_EQ(scene.report(), "");
  }
}

TEST(Deliverer, ReportsWhatWasRelayedWhereTheNextHopKnowsNoDsn) {
  Scene plain("");
  queue::NewEntry entry = plain.entry("eve@away.test");
  entry.recipients[0].request.notify = kSuccess;
  plain.carry(entry);
  EXPECT_TRUE(plain.hop.content.contains("Subject: hello"));
  EXPECT_TRUE(has_all(plain.report(), {"Action: relayed\r\n", "Remote-MTA: dns;10.0.0.1"}));
  Scene knows("250-DSN\r\n");
  queue::NewEntry other = knows.entry("eve@away.test");
  other.recipients[0].request.notify = kSuccess;
  other.recipients[0].original = address("list@here.test");
  knows.carry(other);
  EXPECT_TRUE(knows.hop.commands.contains("RCPT TO:<eve@away.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;list@here.test"))
      << knows.hop.commands;
  EXPECT_EQ(knows.report(), "");
}

TEST(Deliverer, WhatWasRelayedIsNotRelayedAgainForTheLackOfRoomForItsReport) {
  Scene scene("");
  scene.full_disk = true;
  queue::NewEntry entry = scene.entry("eve@away.test");
  entry.recipients[0].request.notify = kSuccess;
  scene.carry(entry, "Subject: hello\r\n\r\nbody\r\n", hours(10));
  EXPECT_EQ(scene.hop.content, "Subject: hello\r\n\r\nbody\r\n");  // once
  EXPECT_EQ(scene.report(), "");
  EXPECT_EQ(test::run(scene.world, scene.queue.show(entry.id)).error().code, Error::not_found);
}

TEST(Deliverer, WhatWasRelayedIsNotRelayedAgainForAnothersReportWithoutRoom) {
  Scene scene("");
  scene.full_disk = true;
  queue::NewEntry entry = scene.entry("eve@away.test");
  entry.arrival -= hours(24 * 6);  // its time is over: what is deferred has failed, and there is no room to say so
  entry.recipients.push_back(
      {.address = address("later@away.test"), .original = std::nullopt, .account = std::nullopt, .request = {}});
  scene.carry(entry, "Subject: hello\r\n\r\nbody\r\n", hours(1));
  EXPECT_EQ(scene.hop.content, "Subject: hello\r\n\r\nbody\r\n");  // once
  const auto tries = [&] {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = scene.hop.commands.find("later@", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  EXPECT_EQ(tries(), 4U) << scene.hop.commands;  // after 5, 10 and 20 minutes, not at once
  EXPECT_EQ(scene.report(), "");
  scene.full_disk = false;
  scene.again(hours(1));
  EXPECT_TRUE(has_all(scene.report(), {"Action: failed\r\n", "later@away.test", "Status: 4.4.7\r\n"}));
  EXPECT_EQ(test::run(scene.world, scene.queue.show(entry.id)).error().code, Error::not_found);
}

TEST(Deliverer, AFailureReturnsWhatWasAskedFor) {
  const auto carried = [](mail::ReturnContent returned, std::size_t body, std::optional<NotifyOn> notify) {
    Scene scene("");  // no 8BITMIME: an 8-bit content fails
    queue::NewEntry entry = scene.entry("eve@away.test");
    entry.request.returned = returned;
    entry.recipients[0].request.notify = notify;
    scene.carry(entry, "Subject: hello\r\n\r\nb\xc3\xb6" + std::string(body, 'y') + "dy\r\n");
    return scene.report();
  };
  EXPECT_TRUE(has_all(carried(mail::ReturnContent::full, 10, std::nullopt),
                      {"Action: failed\r\n", "Status: 5.6.3\r\n",
                       "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: hello\r\n",
                       "\r\nb\xc3\xb6yyyyyyyyyydy\r\n"}));
  for (const std::string& headers :
       {carried(mail::ReturnContent::headers, 10, std::nullopt), carried(mail::ReturnContent::unsaid, 10, std::nullopt),
        carried(mail::ReturnContent::full, kReturnedMessageOctetsMax, std::nullopt)}) {
    EXPECT_TRUE(has_all(headers, {"Content-Type: text/rfc822-headers\r\n\r\nSubject: hello\r\n\r\n--"}));
    EXPECT_FALSE(headers.contains("yyy"));
  }
  EXPECT_EQ(carried(mail::ReturnContent::full, 10, NotifyOn{}), "");
}

TEST(Deliverer, WhatIsLateIsReportedAndNotDelivered) {
  for (const char* recipient : {"bob@here.test", "eve@away.test"}) {
    Scene scene("250-DELIVERBY\r\n");
    queue::NewEntry entry = scene.entry(recipient);
    entry.request.hold_for = seconds(90);
    entry.request.deliver_by =
        mail::DeliverBy{.within = seconds(60), .mode = mail::DeliverBy::Mode::return_it, .trace = false};
    scene.carry(entry);
    EXPECT_TRUE(has_all(scene.report(), {"Action: failed\r\n", "Status: 5.4.7\r\n"}));
    EXPECT_TRUE(scene.inbox(scene.bob).empty());
    EXPECT_EQ(scene.hop.commands, "");
  }
}

TEST(Deliverer, TheNextHopHearsWhatIsLeftOfTheTime) {
  Scene scene("250-DELIVERBY\r\n250-MT-PRIORITY\r\n");
  queue::NewEntry entry = scene.entry("eve@away.test");
  entry.request.hold_for = seconds(90);
  entry.request.priority = 4;
  entry.request.deliver_by =
      mail::DeliverBy{.within = seconds(120), .mode = mail::DeliverBy::Mode::return_it, .trace = false};
  scene.carry(entry);
  EXPECT_TRUE(scene.hop.commands.contains("BY=30;R MT-PRIORITY=4") ||
              scene.hop.commands.contains("BY=29;R MT-PRIORITY=4"))
      << scene.hop.commands;
}

TEST(Deliverer, Utf8HeaderFieldsGoOnlyWithSmtpUtf8) {
  const std::string text = "Subject: caf\xc3\xa9\r\n\r\nbody\r\n";
  Scene takes("250-8BITMIME\r\n250-SMTPUTF8\r\n");
  queue::NewEntry entry = takes.entry("eve@away.test");
  entry.request.utf8 = mail::Utf8::yes;
  takes.carry(entry, text);
  EXPECT_TRUE(takes.hop.commands.contains("BODY=8BITMIME SMTPUTF8")) << takes.hop.commands;
  EXPECT_EQ(takes.hop.content, text);
  Scene none("250-8BITMIME\r\n");
  queue::NewEntry other = none.entry("eve@away.test");
  other.request.utf8 = mail::Utf8::yes;
  none.carry(other, text);
  EXPECT_FALSE(none.hop.commands.contains("MAIL"));
  EXPECT_TRUE(has_all(none.report(), {"Status: 5.6.9\r\n", "message/global-delivery-status",
                                      "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                                      "Subject: caf\xc3\xa9\r\n"}));
  // It was asked for, but only the body needs it not: the empty line may be cut anywhere.
  for (std::size_t fill = 64 * 1024 - 30; fill < 64 * 1024 - 10; ++fill) {
    Scene body("250-8BITMIME\r\n");
    queue::NewEntry plain = body.entry("eve@away.test");
    plain.request.utf8 = mail::Utf8::yes;
    body.carry(plain, "Subject: x\r\nX: " + std::string(fill, 'x') + "\r\n\r\ncaf\xc3\xa9\r\n");
    EXPECT_TRUE(body.hop.content.ends_with("\xc3\xa9\r\n"));
    EXPECT_FALSE(body.hop.commands.contains("SMTPUTF8"));
  }
}

TEST(Deliverer, ABinaryMessageGoesAsItIsOrNotAtAll) {
  std::string text = "Subject: x\r\n\r\n\n.\r\n\r";
  text += std::string("\0\xff", 2) + std::string(200'000, '\n');
  Scene takes("250-CHUNKING\r\n250-BINARYMIME\r\n250-PIPELINING\r\n");
  queue::NewEntry entry = takes.entry("eve@away.test");
  entry.request.body = mail::BodyType::binary_mime;
  takes.carry(entry, text);
  EXPECT_EQ(takes.hop.content, text);
  EXPECT_FALSE(takes.hop.commands.contains("DATA"));
  EXPECT_TRUE(takes.hop.commands.contains("BDAT 65536\n")) << takes.hop.commands;
  Scene none("250-CHUNKING\r\n250-8BITMIME\r\n");
  queue::NewEntry other = none.entry("eve@away.test");
  other.request.body = mail::BodyType::binary_mime;
  other.request.returned = mail::ReturnContent::full;
  none.carry(other, text);
  EXPECT_EQ(none.hop.content, "");
  EXPECT_TRUE(has_all(none.report(), {"Status: 5.6.3\r\n", "text/rfc822-headers"}));
}

}  // namespace
}  // namespace postrider::delivery
