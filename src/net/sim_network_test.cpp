// What only the simulated world does: faults on demand and by the seed.
#include "net/sim_network.hpp"

#include "core/test_run.hpp"

#include <gtest/gtest.h>

namespace postrider::net {
namespace {

using namespace std::chrono_literals;

const Address kServer = Address::v4({192, 0, 2, 1});
const Address kClient = Address::v4({192, 0, 2, 2});

struct Pair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

class SimWorld : public testing::Test {
 protected:
  void SetUp() override {
    Shard* const shard = &world_.shard;
    auto all = network_.host(kServer)->listen({.address = kServer, .port = 25, .unix_path = {}}, std::span(&shard, 1));
    ASSERT_TRUE(all);
    listener_ = std::move(all->front());
  }

  Result<std::unique_ptr<Stream>> dial() {
    Endpoint to{.address = kServer, .port = 25, .unix_path = {}};
    return test::run(world_, network_.host(kClient)->dial(std::move(to), std::nullopt, in(10s)));
  }
  std::string dialled() {
    const Result<std::unique_ptr<Stream>> stream = dial();
    return stream ? "connected" : std::string(name_of(stream.error().code));
  }
  Pair connect() {
    Pair pair;
    pair.client = dial().value();
    pair.server = test::run(world_, listener_->accept(nullptr)).value();
    return pair;
  }
  std::string write(Stream& stream, std::string_view octets) {
    const Result<void> written = test::run(world_, stream.write(octets, in(1s)));
    return written ? "written" : std::string(name_of(written.error().code));
  }
  /// What comes within a second, then why no more did.
  std::string read(Stream& stream) {
    std::string all;
    std::array<char, 4096> buffer{};
    for (;;) {
      const Result<Ready> ready = test::run(world_, stream.wait_readable(in(1s), nullptr));
      if (!ready) return all + "|" + std::string(name_of(ready.error().code));
      const Result<std::size_t> got = stream.read_some(buffer);
      if (!got) return all + "|" + std::string(name_of(got.error().code));
      all.append(buffer.data(), *got);
    }
  }
  [[nodiscard]] SteadyTime in(Duration d) const { return world_.clock.steady() + d; }

  SeededRandom random_{42};
  test::World world_;
  SimNetwork network_{&random_};
  std::unique_ptr<Listener> listener_;
};

TEST_F(SimWorld, AHostAnswersAsItIsTold) {
  EXPECT_EQ(dialled(), "connected");
  network_.set_answer(kServer, SimAnswer::refuses);
  EXPECT_EQ(dialled(), "closed");
  network_.set_answer(kServer, SimAnswer::silent);
  const SteadyTime before = world_.clock.steady();
  EXPECT_EQ(dialled(), "timeout");
  EXPECT_EQ(world_.clock.steady() - before, Duration(10s));
  network_.set_answer(kServer, SimAnswer::listens);
  EXPECT_EQ(dialled(), "connected");
}

TEST_F(SimWorld, LatencyTakesTime) {
  network_.set_weather({.latency_min = 100ms, .latency_max = 100ms});
  const SteadyTime before = world_.clock.steady();
  const Pair pair = connect();
  EXPECT_EQ(world_.clock.steady() - before, Duration(200ms)) << "there and back";
  EXPECT_EQ(write(*pair.client, "x"), "written");
  EXPECT_EQ(world_.clock.steady() - before, Duration(200ms));
  std::array<char, 8> buffer{};
  EXPECT_EQ(pair.server->read_some(buffer).value_or(9), 0U) << "still on its way";
  EXPECT_TRUE(test::run(world_, pair.server->wait_readable(in(1s), nullptr)));
  EXPECT_EQ(world_.clock.steady() - before, Duration(300ms));
}

TEST_F(SimWorld, AConnectionBreaksAfterItsOctets) {
  network_.break_next(kServer, 6);
  const Pair pair = connect();
  EXPECT_EQ(write(*pair.client, "abcd"), "written");
  EXPECT_EQ(write(*pair.server, "123456"), "written") << "the write that crosses the limit";
  EXPECT_EQ(read(*pair.server), "abcd|closed");
  EXPECT_EQ(read(*pair.client), "12|closed");
  EXPECT_EQ(write(*pair.client, "x"), "closed");
  const Pair next = connect();
  EXPECT_EQ(write(*next.client, "abcdefgh"), "written");
  EXPECT_EQ(read(*next.server), "abcdefgh|timeout");
}

TEST_F(SimWorld, AHostThatGoesDownTakesItsStreamsWithIt) {
  const Pair pair = connect();
  EXPECT_EQ(write(*pair.client, "lost"), "written");
  network_.set_down(kServer);
  EXPECT_EQ(read(*pair.client), "|closed");
  EXPECT_EQ(read(*pair.server), "|closed");
  EXPECT_EQ(write(*pair.client, "x"), "closed");
  EXPECT_EQ(dialled(), "closed");
  network_.set_up(kServer);
  EXPECT_EQ(dialled(), "connected");
}

TEST_F(SimWorld, APartitionHoldsOctetsBackUntilItHeals) {
  const Pair pair = connect();
  network_.partition(kServer, kClient);
  EXPECT_EQ(write(*pair.client, "held"), "written");
  EXPECT_EQ(read(*pair.server), "|timeout");
  EXPECT_EQ(dialled(), "timeout");
  network_.heal(kClient, kServer);
  EXPECT_EQ(read(*pair.server), "held|timeout");
  EXPECT_EQ(dialled(), "connected");
}

TEST_F(SimWorld, AListenerThatDiesBreaksWhatItDidNotAccept) {
  const Result<std::unique_ptr<Stream>> client = dial();
  ASSERT_TRUE(client);
  listener_.reset();
  EXPECT_EQ(read(**client), "|closed");
  EXPECT_EQ(dialled(), "closed");
}

TEST_F(SimWorld, TheBacklogIsBounded) {
  std::vector<std::unique_ptr<Stream>> waiting;
  for (std::size_t i = 0; i < kSimBacklog; ++i) waiting.push_back(dial().value());
  EXPECT_EQ(network_.connections(), kSimBacklog);
  EXPECT_EQ(dialled(), "closed");
  EXPECT_TRUE(test::run(world_, listener_->accept(nullptr)));
  EXPECT_EQ(dialled(), "connected");
}

TEST_F(SimWorld, ListenersShareAHostByAddress) {
  network_.add_address(kServer, Address::parse("2001:db8::1").value());
  Shard* const shard = &world_.shard;
  Network* const host = network_.host(kServer);
  const auto six = host->listen(Endpoint::parse("[2001:db8::1]:25").value(), std::span(&shard, 1));
  EXPECT_TRUE(six) << "the same port of another address";
  EXPECT_TRUE(host->listen(Endpoint::parse("127.0.0.1:25").value(), std::span(&shard, 1)));
  const auto any = host->listen(Endpoint::parse("0.0.0.0:25").value(), std::span(&shard, 1));
  EXPECT_TRUE(!any && any.error().code == Error::conflict);
}

Task<void> talk(SimNetwork* network, Shard* shard, std::string* log) {
  for (int i = 0; i < 60; ++i) {
    Endpoint to{.address = kServer, .port = 25, .unix_path = {}};
    const SteadyTime until = shard->clock().steady() + 5s;
    Result<std::unique_ptr<Stream>> stream = co_await network->host(kClient)->dial(std::move(to), std::nullopt, until);
    std::string end = stream ? "" : std::string(name_of(stream.error().code));
    const std::string octets(4'000, 'x');
    for (int part = 0; stream && part < 4 && end.empty(); ++part) {
      const Result<void> written = co_await (*stream)->write(octets, until);
      if (!written) end = name_of(written.error().code);
    }
    *log += fmt::format("{} {}\n", end, shard->clock().steady().since_start.count());
  }
}

Task<void> swallow(std::unique_ptr<Stream> stream, Shard* shard, std::string* log) {
  std::array<char, 4096> buffer{};
  std::size_t total = 0;
  for (;;) {
    const Result<Ready> ready = co_await stream->wait_readable(shard->clock().steady() + 5s, nullptr);
    const Result<std::size_t> got =
        ready ? stream->read_some(buffer) : Result<std::size_t>(error(Error::timeout, "test"));
    if (!got) break;
    total += *got;
    *log += fmt::format("{}.", *got);
  }
  *log += fmt::format(" read {}\n", total);
}

Task<void> serve(Listener* listener, Signal* stop, Shard* shard, std::string* log) {
  for (;;) {
    Result<std::unique_ptr<Stream>> stream = co_await listener->accept(stop);
    if (!stream) break;
    spawn(shard, "swallow", swallow(std::move(*stream), shard, log));
  }
}

std::string play(std::uint64_t seed) {
  SeededRandom random(seed);
  SimNetwork network(&random);
  std::unique_ptr<Listener> listener;
  Signal stop;
  std::string log;
  test::World world;
  network.set_weather({.latency_min = 1ms,
                       .latency_max = 80ms,
                       .cuts_segments = true,
                       .refused_per_1000 = 150,
                       .silent_per_1000 = 50,
                       .broken_per_1000 = 400});
  Shard* const shard = &world.shard;
  auto all = network.host(kServer)->listen({.address = kServer, .port = 25, .unix_path = {}}, std::span(&shard, 1));
  listener = std::move(all.value().front());
  spawn(shard, "serve", serve(listener.get(), &stop, shard, &log));
  spawn(shard, "talk", talk(&network, shard, &log));
  world.run_until_still();
  stop.set();  // a wait that nothing ends would be lost with its shard
  world.run_until_still();
  return log;
}

TEST(SimNetwork, TheSameSeedPlaysTheSameStory) {
  const std::string log = play(5);
  EXPECT_EQ(log, play(5));
  EXPECT_NE(log, play(6));
  for (const std::string_view word : {"closed ", "timeout ", "read 16000", "\n "})
    EXPECT_NE(log.find(word), std::string::npos) << word;
}

}  // namespace
}  // namespace postrider::net
