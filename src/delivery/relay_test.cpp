#include "delivery/relay.hpp"

#include "core/test_run.hpp"
#include "net/sim_network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace postrider::delivery {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class Text final : public ContentSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  void rewind() override {
    offset_ = 0;
    ++rewinds;
  }
  Task<Result<std::string>> next(std::size_t octets_max) override {
    std::string chunk = text_.substr(offset_, octets_max);
    offset_ += chunk.size();
    co_return chunk;
  }
  int rewinds = 0;

 private:
  std::string text_;
  std::size_t offset_ = 0;
};

/// A remote that says fixed lines: the greeting, then the next one for each line it hears, the last one for ever.
struct Remote {
  net::Address address;
  std::vector<std::string> lines;
  int sessions = 0;
  std::string heard = {};
};

struct Scene {
  test::World world;
  SeededRandom random{5};
  net::SimNetwork network{&random};
  net::Address own = net::Address::v4({10, 9, 9, 9});
  net::Connector connector{network.host(own), {*net::Network4Or6::parse("10.0.0.0/16")}};
  Signal stop;
};

Task<void> speak(Scene* scene, Remote* remote, std::unique_ptr<net::Stream> stream) {
  std::size_t said = 0;
  std::string heard;
  for (;;) {
    const Result<void> written = co_await stream->write(remote->lines[said] + "\r\n", SteadyTime::never());
    if (!written) co_return;
    said = std::min(said + 1, remote->lines.size() - 1);
    while (heard.find('\n') == std::string::npos) {
      const Result<net::Ready> ready = co_await stream->wait_readable(SteadyTime::never(), &scene->stop);
      if (!ready || *ready == net::Ready::signalled) co_return;
      std::array<char, 1024> buffer;
      const Result<std::size_t> got = stream->read_some(buffer);
      if (!got) co_return;
      heard.append(buffer.data(), *got);
    }
    remote->heard += heard.substr(0, heard.find('\n') + 1);
    heard.erase(0, heard.find('\n') + 1);
  }
}

Task<void> listen(Scene* scene, Remote* remote, std::unique_ptr<net::Listener> listener) {
  for (;;) {
    Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(&scene->stop);
    if (!stream) co_return;
    ++remote->sessions;
    spawn(&scene->world.shard, "remote", speak(scene, remote, std::move(*stream)));
  }
}

void start(Scene& scene, Remote& remote) {
  std::vector<Shard*> shards(1, &scene.world.shard);
  auto listeners =
      scene.network.host(remote.address)->listen({.address = remote.address, .port = 25, .unix_path = {}}, shards);
  check(listeners.has_value(), "test: listen");
  spawn(&scene.world.shard, "listen", listen(&scene, &remote, std::move(listeners->front())));
}

net::Address host(std::uint8_t last) { return net::Address::v4({10, 0, 0, last}); }
route::Hop hop(const net::Address& address) {
  return {.host = "mx.remote.test", .addresses = {address.octets()}, .port = 25, .from_dns = true};
}

RelayMessage message(std::size_t recipients) {
  RelayMessage out{.reverse_path = mail::Path(*mail::Address::parse("a@b.test")),
                   .recipients = {},
                   .size_octets = 100,
                   .has_eight_bit = false};
  for (std::size_t i = 0; i < recipients; ++i)
    out.recipients.push_back(*mail::Address::parse(fmt::format("r{}@remote.test", i)));
  return out;
}

RelayResult run(Scene& scene, std::vector<route::Hop> hops, std::size_t recipients = 1,
                Text text = Text("Subject: x\r\n\r\nbody\r\n")) {
  RelayResult result = test::run(
      scene.world, relay(&scene.connector, {.hostname = "mx.b.test", .timeouts = {}},
                         {.hops = std::move(hops), .destination = "remote.test"}, message(recipients), &text));
  scene.stop.set();
  scene.world.run_until_still();
  EXPECT_EQ(scene.world.shard.tasks(), 0U);
  return result;
}

const std::vector<std::string> kKind = {"220 mx.remote.test", "250 mx.remote.test", "250 ok", "250 ok", "354 go on"};

TEST(Relay, TriesTheNextHostWhenOneCannotBeReached) {
  Scene scene;
  Remote good{.address = host(2), .lines = {"220 x", "250 x", "250 ok", "550 5.1.1 no"}};
  start(scene, good);
  scene.network.set_answer(host(1), net::SimAnswer::silent);
  const RelayResult result = run(scene, {hop(host(1)), hop(host(2))});
  EXPECT_EQ(result.outcomes.at(0).reply.code, 550);
  EXPECT_EQ(result.remote, "mx.remote.test [10.0.0.2]");
  EXPECT_GE(scene.world.clock.steady().since_start, seconds(30));  // LIMITS.md "connect 30 s"
}

TEST(Relay, TriesTheNextHostAfterABusyGreeting) {
  Scene scene;
  Remote busy{.address = host(1), .lines = {"421 4.3.2 busy"}};
  Remote good{.address = host(2), .lines = {"220 x", "250 x", "250 ok", "451 4.2.0 greylisted"}};
  start(scene, busy);
  start(scene, good);
  const RelayResult result = run(scene, {hop(host(1)), hop(host(2))});
  EXPECT_EQ(result.outcomes.at(0).reply.code, 451);
  EXPECT_EQ(result.outcomes.at(0).phase, smtp::Phase::rcpt);
}

TEST(Relay, OutcomesOfABegunTransactionStand) {
  Scene scene;
  Remote first{.address = host(1), .lines = {"220 x", "250 x", "250 ok", "451 4.2.0 later"}};
  Remote second{.address = host(2), .lines = kKind};
  start(scene, first);
  start(scene, second);
  EXPECT_EQ(run(scene, {hop(host(1)), hop(host(2))}).outcomes.at(0).reply.code, 451);
  EXPECT_EQ(second.sessions, 0);
}

TEST(Relay, AtMostFiveSessionsAnAttempt) {
  Scene scene;
  std::vector<Remote> remotes;
  std::vector<route::Hop> hops;
  for (std::uint8_t i = 1; i <= 8; ++i) {
    remotes.push_back({.address = host(i), .lines = {"450 4.3.2 busy"}});
    hops.push_back(hop(host(i)));
  }
  for (Remote& remote : remotes) start(scene, remote);
  const RelayResult result = run(scene, hops);
  EXPECT_EQ(result.outcomes.at(0).reply.code, 450);
  EXPECT_EQ(std::ranges::count_if(remotes, [](const Remote& remote) { return remote.sessions > 0; }),
            kSessionsAnAttemptMax);
}

TEST(Relay, AGreetingThatNeverEndsHasFiveMinutes) {
  Scene scene;
  Remote remote{.address = host(1), .lines = {"220-never ending"}};
  start(scene, remote);
  const RelayResult result = run(scene, {hop(host(1))});
  EXPECT_FALSE(smtp::is_positive(result.outcomes.at(0).reply));
  EXPECT_FALSE(smtp::is_permanent(result.outcomes.at(0).reply));
  EXPECT_EQ(result.outcomes.at(0).phase, smtp::Phase::greeting);
  EXPECT_GE(scene.world.clock.steady().since_start, minutes(5));
  EXPECT_LT(scene.world.clock.steady().since_start, minutes(6));
}

TEST(Relay, ForbiddenAddressesFromDnsAreNotConnectedTo) {
  Scene scene;
  Remote inside{.address = net::Address::v4({192, 168, 1, 1}), .lines = kKind};
  start(scene, inside);
  const RelayResult result = run(scene, {hop(inside.address)});
  EXPECT_EQ(result.outcomes.at(0).reply.code, 550);
  EXPECT_EQ(inside.sessions, 0);
}

TEST(Relay, ManyRecipientsGoInTransactionsOfFifty) {
  Scene scene;
  Remote remote{.address = host(1), .lines = {"220 x", "250 x", "250 ok", "550 5.1.1 no", "550 5.1.1 no"}};
  start(scene, remote);
  Text text("Subject: x\r\n\r\nbody\r\n");
  const RelayResult result = run(scene, {hop(host(1))}, 120, std::move(text));
  ASSERT_EQ(result.outcomes.size(), 120U);
  std::size_t mails = 0;
  for (std::size_t at = remote.heard.find("MAIL FROM"); at != std::string::npos;
       at = remote.heard.find("MAIL FROM", at + 1))
    ++mails;
  EXPECT_LE(mails, 3U);
  EXPECT_EQ(remote.sessions, 1);
}

}  // namespace
}  // namespace postrider::delivery
