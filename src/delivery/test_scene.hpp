// For tests: next hops in a simulated network, and a whole queue with its deliverer.
#pragma once

#include "core/test_run.hpp"
#include "core/text.hpp"
#include "core/workers.hpp"
#include "delivery/deliverer.hpp"
#include "delivery/report.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "queue/test_accept.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace postrider::delivery {

inline mail::Address address(std::string_view text) { return mail::Address::parse(text, mail::Utf8::yes).value(); }

/// A next hop. It takes everything but `later@` (451) and `gone@` (550), and `full@` at the end of a content (by LMTP).
struct NextHop {
  std::string offers = {};  // lines of the EHLO reply, each with CRLF
  std::string greeting = "220 hop\r\n";
  bool speaks_lmtp = false;
  int messages_a_session = 1'000'000;  // then it hangs up without a word
  Duration thinks = {};                // before it answers anything

  std::string commands = {};  // of all sessions
  std::string content = {};
  int sessions = 0;
  int messages = 0;
  int reads = 0;
  int at_once = 0;
  int at_once_most = 0;
};

/// One session of it: answers commands as they come, contents with their end.
struct HopSession {
  explicit HopSession(NextHop* next_hop) : hop(next_hop) {
    ++hop->sessions;
    hop->at_once_most = std::max(hop->at_once_most, ++hop->at_once);
  }
  HopSession(const HopSession&) = delete;
  HopSession& operator=(const HopSession&) = delete;
  ~HopSession() { --hop->at_once; }

  std::string hear(std::string_view octets) {
    ++hop->reads;
    input += octets;
    std::string said;
    while (true) {
      if (chunk_left > 0) {
        const std::size_t taken = std::min(chunk_left, input.size());
        if (!accepted.empty()) hop->content += input.substr(0, taken);
        input.erase(0, taken);
        chunk_left -= taken;
        if (chunk_left > 0) return said;
        said += end_of_chunk();
      }
      const std::size_t end = input.find("\r\n");
      if (end == std::string::npos) return said;
      const std::string line = input.substr(0, end);
      input.erase(0, end + 2);
      if (in_data) {
        in_data = line != ".";
        if (in_data) hop->content += line + "\r\n";
        if (!in_data) said += end_of_content();
        continue;
      }
      hop->commands += line + '\n';
      if (line.starts_with("BDAT ")) {
        chunk_left = std::stoul(line.substr(5));
        is_last = line.ends_with("LAST");
        if (chunk_left == 0) said += end_of_chunk();
        continue;
      }
      said += answer(line);
    }
  }
  [[nodiscard]] bool is_over() const { return messages >= hop->messages_a_session; }

 private:
  std::string answer(const std::string& line) {
    if (line.starts_with("EHLO") || line.starts_with("LHLO")) return "250-hop\r\n" + hop->offers + "250 HELP\r\n";
    if (line.starts_with("MAIL")) accepted.clear();
    if (line.starts_with("RCPT TO:<later@")) return "451 4.2.1 later\r\n";
    if (line.starts_with("RCPT TO:<gone@")) return "550 5.1.1 gone\r\n";
    if (line.starts_with("RCPT")) accepted.push_back(line);
    if (line != "DATA") return "250 ok\r\n";
    in_data = !accepted.empty();
    return in_data ? "354 go\r\n" : "503 5.5.1 no recipients\r\n";
  }
  std::string end_of_chunk() {
    if (accepted.empty()) return "503 5.5.1 no recipients\r\n";
    return is_last ? end_of_content() : "250 2.0.0 ok\r\n";
  }
  std::string end_of_content() {
    ++messages;
    ++hop->messages;
    if (!hop->speaks_lmtp) return "250 2.0.0 ok\r\n";
    std::string said;
    for (const std::string& recipient : accepted)
      said += recipient.contains("<full@") ? "452 4.2.2 full\r\n" : "250 2.0.0 ok\r\n";
    return said;
  }

  NextHop* hop;
  std::string input = {};
  bool in_data = false;
  bool is_last = false;
  std::size_t chunk_left = 0;
  int messages = 0;
  std::vector<std::string> accepted = {};
};

/// Hops in a simulated network.
struct Hops {
  test::World* world;
  net::SimNetwork* network;
  Signal* stop;

  void open(NextHop* hop, net::Endpoint at, const net::Address& of) {
    std::vector<Shard*> shards(1, &world->shard);
    auto listeners = network->host(of)->listen(at, shards);
    check(listeners.has_value(), "test: listen");
    spawn(&world->shard, "listen", listen(this, hop, std::move(listeners->front())));
  }
  void open(NextHop* hop, const net::Address& at) { open(hop, {.address = at, .port = 25, .unix_path = {}}, at); }

  static Task<void> speak(Hops* hops, NextHop* hop, std::unique_ptr<net::Stream> stream) {
    HopSession session(hop);
    std::string said = hop->greeting;
    for (;;) {
      if (hop->thinks != Duration::zero()) {
        const Result<void> stopped = co_await hops->stop->wait(hops->world->clock.steady() + hop->thinks);
        if (stopped) co_return;
      }
      const Result<void> written = co_await stream->write(said, SteadyTime::never());
      if (!written || session.is_over()) co_return;
      said.clear();
      while (said.empty()) {
        const Result<net::Ready> ready = co_await stream->wait_readable(SteadyTime::never(), hops->stop);
        if (!ready || *ready == net::Ready::signalled) co_return;
        std::array<char, 4096> buffer;
        const Result<std::size_t> got = stream->read_some(buffer);
        if (!got) co_return;
        said = session.hear(std::string_view(buffer.data(), *got));
      }
    }
  }
  static Task<void> listen(Hops* hops, NextHop* hop, std::unique_ptr<net::Listener> listener) {
    for (;;) {
      Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(hops->stop);
      if (!stream) co_return;
      spawn(&hops->world->shard, "hop", speak(hops, hop, std::move(*stream)));
    }
  }
};

inline const net::Address kHop = net::Address::v4({10, 0, 0, 1});
inline const net::Address kOwn = net::Address::v4({10, 9, 9, 9});

struct Scene {
  explicit Scene(std::string offers, std::vector<route::StaticRoute> routes = {{.domain = "*", .via = {"10.0.0.1:25"}}},
                 Duration store_latency = std::chrono::milliseconds(3),
                 std::vector<directory::AliasRecord> aliases = {})
      : hop{.offers = std::move(offers)},
        store{{.disk = &disk, .random = &random, .latency_max = store_latency}},
        directory{&store, &workers, &random, &world.clock, with(std::move(aliases))},
        router{&resolver,
               &random,
               {.routes = std::move(routes), .port = 25, .hostname = "mx.here.test", .own_addresses = {}}} {
    check(test::run(world, directory.add_domain({.name = mail::Domain::parse("here.test").value(),
                                                 .catch_all = std::nullopt,
                                                 .postmaster = std::nullopt}))
              .has_value(),
          "test: domain");
    ann = test::run(world, directory.add_account(address("ann@here.test"), Secret("pw"))).value().id;
    bob = test::run(world, directory.add_account(address("bob@here.test"), Secret("pw"))).value().id;
    hops.open(&hop, kHop);
  }

  static directory::Settings with(std::vector<directory::AliasRecord> aliases) {
    directory::Settings settings;
    settings.aliases = std::move(aliases);
    settings.hostname = mail::Domain::parse("mx.here.test").value();
    return settings;
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
    const Result<void> accepted =
        co_await queue::test::accept_text(&scene->store, &scene->queue, &entry, std::move(text));
    co_return accepted.has_value();
  }

  /// Accepts, and delivers for a while.
  void carry(queue::NewEntry entry, std::string text = "Subject: hello\r\n\r\nbody\r\n",
             Duration time = std::chrono::hours(1)) {
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
  store::SimStore store;
  InlineWorkers workers;
  directory::Directory directory;
  mailbox::Mailboxes mailboxes{&store, &world.clock, &random};
  dns::SimResolver resolver{&random};
  route::Router router;
  net::SimNetwork network{&random};
  net::Connector connector{network.host(kOwn), {*net::Network4Or6::parse("10.0.0.0/8")}};
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
  Hops hops{&world, &network, &stop};
  mail::AccountId ann{};
  mail::AccountId bob{};
};

inline bool has_all(std::string_view text, std::initializer_list<std::string_view> wants) {
  for (const std::string_view want : wants) {
    if (!text.contains(want)) {
      ADD_FAILURE() << "lacks " << want << "\n" << text;
      return false;
    }
  }
  return true;
}

}  // namespace postrider::delivery
