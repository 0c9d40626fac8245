// What a sender asked for, from the queue to the next hop, the mailbox and the report.
#include "delivery/deliverer.hpp"

#include "core/test_run.hpp"
#include "core/text.hpp"
#include "core/workers.hpp"
#include "delivery/report.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace postrider::delivery {
namespace {

using mail::NotifyOn;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

mail::Address address(std::string_view text) { return mail::Address::parse(text, mail::Utf8::yes).value(); }

/// A next hop that takes everything but `later@`. It answers commands as they come, contents with their end.
struct NextHop {
  std::string offers;  // lines of the EHLO reply, each with CRLF
  std::string commands = {};
  std::string content = {};

  std::string hear(std::string_view octets) {
    input += octets;
    std::string said;
    while (true) {
      if (chunk_left > 0) {
        const std::size_t taken = std::min(chunk_left, input.size());
        content += input.substr(0, taken);
        input.erase(0, taken);
        chunk_left -= taken;
        if (chunk_left > 0) return said;
        said += "250 2.0.0 ok\r\n";
      }
      const std::size_t end = input.find("\r\n");
      if (end == std::string::npos) return said;
      const std::string line = input.substr(0, end);
      input.erase(0, end + 2);
      if (in_data) {
        in_data = line != ".";
        if (in_data) content += line + "\r\n";
        if (!in_data) said += "250 2.0.0 ok\r\n";
        continue;
      }
      commands += line + '\n';
      in_data = line == "DATA";
      if (line.starts_with("BDAT ")) {
        chunk_left = std::stoul(line.substr(5));
        if (chunk_left == 0) said += "250 2.0.0 ok\r\n";
        continue;
      }
      said += line.starts_with("RCPT TO:<later@") ? "451 4.2.1 later\r\n"
              : line.starts_with("EHLO")          ? "250-hop\r\n" + offers + "250 HELP\r\n"
              : in_data                           ? "354 go\r\n"
                                                  : "250 ok\r\n";
    }
  }
  std::string input = {};
  bool in_data = false;
  std::size_t chunk_left = 0;
};

const net::Address kHop = net::Address::v4({10, 0, 0, 1});

struct Scene {
  explicit Scene(std::string offers) : hop{.offers = std::move(offers)} {
    check(test::run(world, directory.add_domain({.name = mail::Domain::parse("here.test").value(),
                                                 .catch_all = std::nullopt,
                                                 .postmaster = std::nullopt}))
              .has_value(),
          "test: domain");
    ann = test::run(world, directory.add_account(address("ann@here.test"), Secret("pw"))).value().id;
    bob = test::run(world, directory.add_account(address("bob@here.test"), Secret("pw"))).value().id;
    std::vector<Shard*> shards(1, &world.shard);
    auto listeners = network.host(kHop)->listen({.address = kHop, .port = 25, .unix_path = {}}, shards);
    check(listeners.has_value(), "test: listen");
    spawn(&world.shard, "listen", listen(this, std::move(listeners->front())));
  }

  static Task<void> speak(Scene* scene, std::unique_ptr<net::Stream> stream) {
    std::string said = "220 hop\r\n";
    for (;;) {
      const Result<void> written = co_await stream->write(said, SteadyTime::never());
      if (!written) co_return;
      said.clear();
      while (said.empty()) {
        const Result<net::Ready> ready = co_await stream->wait_readable(SteadyTime::never(), &scene->stop);
        if (!ready || *ready == net::Ready::signalled) co_return;
        std::array<char, 4096> buffer;
        const Result<std::size_t> got = stream->read_some(buffer);
        if (!got) co_return;
        said = scene->hop.hear(std::string_view(buffer.data(), *got));
      }
    }
  }
  static Task<void> listen(Scene* scene, std::unique_ptr<net::Listener> listener) {
    for (;;) {
      Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(&scene->stop);
      if (!stream) co_return;
      spawn(&scene->world.shard, "hop", speak(scene, std::move(*stream)));
    }
  }

  queue::NewEntry entry(std::string_view recipient) {
    queue::NewEntry made{.id = ids.next(),
                         .reverse_path = mail::Path(address("ann@here.test")),
                         .recipients = {},
                         .content = {},
                         .return_paths = {},
                         .report_to = queue::ReportTo::sender,
                         .request = {},
                         .arrival = world.clock.wall(),
                         .client = "192.0.2.1 here.test"};
    made.recipients.push_back(
        {.address = address(recipient), .original = std::nullopt, .account = std::nullopt, .request = {}});
    if (recipient == "bob@here.test") made.recipients[0].account = bob;
    return made;
  }

  static Task<bool> accept(Scene* scene, queue::NewEntry entry, std::string text) {
    const Result<std::unique_ptr<store::BlobWriter>> writer = co_await scene->store.create_blob();
    check(writer.has_value(), "test: blob");
    const Result<void> appended = co_await (*writer)->append(text);
    check(appended.has_value(), "test: append");
    const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
    check(sealed.has_value(), "test: seal");
    entry.content.body = (*sealed)->ref();
    store::Transaction transaction;
    transaction.add_blob(*sealed);
    check(scene->queue.stage_accept(transaction, entry).has_value(), "test: staged");
    const Result<store::Version> done =
        co_await scene->store.commit(std::move(transaction), store::Durability::durable);
    check(done.has_value(), "test: committed");
    scene->queue.accepted(entry);
    co_return true;
  }

  /// Accepts, and delivers for a while.
  void carry(queue::NewEntry entry, std::string text = "Subject: hello\r\n\r\nbody\r\n", Duration time = hours(1)) {
    entry.has_eight_bit = !is_ascii(text);
    EXPECT_TRUE(test::run(world, accept(this, std::move(entry), std::move(text))));
    again(time);
  }
  /// Delivers for a while.
  void again(Duration time) {
    disk.set_full(full_disk);
    stop.clear();
    spawn(&world.shard, "deliverer", deliverer.run({&world.shard}, &stop));
    const SteadyTime end = world.clock.steady() + time;
    const Deadlines::Handle late = world.shard.deadlines().add(end, [this] { stop.set(); });
    world.run_until_still();
    EXPECT_EQ(world.shard.tasks(), 0U);
  }

  static Task<std::vector<std::string>> read_inbox(Scene* scene, mail::AccountId account) {
    std::vector<std::string> texts;
    const Result<mailbox::Mailbox> inbox = co_await scene->mailboxes.open_inbox(account);
    check(inbox.has_value(), "test: inbox");
    const Result<std::vector<mailbox::Message>> messages = co_await scene->mailboxes.list(*inbox, 1, 100);
    check(messages.has_value(), "test: list");
    for (const mailbox::Message& message : *messages) {
      store::ContentReader reader(&scene->store, message.content);
      std::string text;
      for (;;) {
        const Result<std::string> chunk = co_await reader.next(64 * 1024);
        check(chunk.has_value(), "test: read");
        if (chunk->empty()) break;
        text += *chunk;
      }
      texts.push_back(std::move(text));
    }
    co_return texts;
  }
  std::vector<std::string> inbox(mail::AccountId account) { return test::run(world, read_inbox(this, account)); }
  /// The only message of ann's inbox; empty when it has none.
  std::string report() {
    const std::vector<std::string> all = inbox(ann);
    EXPECT_LE(all.size(), 1U);
    return all.empty() ? std::string() : all.front();
  }

  NextHop hop;
  bool full_disk = false;  ///< once the entry is accepted
  test::World world;
  SeededRandom random{3};
  store::SimDisk disk;
  store::SimStore store{{.disk = &disk, .random = &random}};
  InlineWorkers workers;
  directory::Directory directory{&store, &workers, &random, &world.clock, {}};
  mailbox::Mailboxes mailboxes{&store, &world.clock, &random};
  dns::SimResolver resolver{&random};
  route::Router router{&resolver,
                       &random,
                       {.routes = {{.domain = "*", .via = {"10.0.0.1:25"}}},
                        .port = 25,
                        .hostname = "mx.here.test",
                        .own_addresses = {}}};
  net::SimNetwork network{&random};
  net::Connector connector{network.host(net::Address::v4({10, 9, 9, 9})), {}};
  queue::QueueIds ids{&world.clock, &random};
  queue::Queue queue{&store, &world.clock, &random, queue::default_settings(), &world.events};
  Metrics metrics;
  Deliverer deliverer{
      {.store = &store,
       .clock = &world.clock,
       .random = &random,
       .events = &world.events,
       .metrics = &metrics,
       .connector = &connector},
      {.queue = &queue, .ids = &ids, .directory = &directory, .mailboxes = &mailboxes, .router = &router},
      {.relay = {.hostname = "mx.here.test", .timeouts = {}}, .hostname = "mx.here.test", .postmaster = std::nullopt}};
  Signal stop;
  mail::AccountId ann{};
  mail::AccountId bob{};
};

constexpr NotifyOn kSuccess{.success = true, .failure = true, .delay = false};

bool has_all(std::string_view text, std::initializer_list<std::string_view> wants) {
  for (const std::string_view want : wants) {
    if (!text.contains(want)) {
      ADD_FAILURE() << "lacks " << want << "\n" << text;
      return false;
    }
  }
  return true;
}

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
