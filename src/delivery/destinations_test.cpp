#include "delivery/destinations.hpp"

#include "core/signal.hpp"
#include "core/test_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

namespace postrider::delivery {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class FakeConnection final : public Parked {
 public:
  FakeConnection(Shard* shard, int* quits) : shard_(shard), quits_(quits) {}
  [[nodiscard]] Shard* shard() const override { return shard_; }
  [[nodiscard]] Task<void> quit() override {
    ++*quits_;
    co_return;
  }

 private:
  Shard* shard_;
  int* quits_;
};

struct Table {
  test::World world;
  SeededRandom random{4};
  Destinations destinations{{.clock = &world.clock, .random = &random, .events = &world.events}};
  std::deque<Destinations::Slot> held;
  std::vector<Destinations::PutOff> put_off;
  std::vector<Destinations::Down> down;
  int quits = 0;

  /// Ends everything, those who wait too: a task must not outlive its shard.
  ~Table() {
    destinations.stop();
    while (!held.empty()) {
      held.clear();
      world.run_until_still();
    }
    test::run(world, closed(this));
    EXPECT_EQ(world.shard.tasks(), 0U);
  }
  static Task<bool> closed(Table* table) {
    co_await table->destinations.closed();
    co_return true;
  }

  /// What is ready, without letting time go by.
  void poll() {
    while (world.shard.poll() > 0) {
    }
  }
  void pass(Duration time) {
    const SteadyTime end = world.clock.steady() + time;
    poll();
    for (auto next = world.shard.deadlines().next(); next && *next <= end; next = world.shard.deadlines().next()) {
      world.clock.advance_to(*next);
      world.shard.deadlines().sweep(world.clock.steady());
      poll();
    }
    world.clock.advance_to(end);
  }
  void end_first(ConnectionResult result) {
    held.front().end({.result = result, .reply = "451 4.4.1 connect timed out", .remote = "mx [192.0.2.1]"});
    held.pop_front();
    poll();
  }
};

Task<void> take(Table* table, std::string name, std::size_t recipients) {
  Destinations::Admission admission = co_await table->destinations.admit(std::move(name), recipients);
  if (auto* const slot = std::get_if<Destinations::Slot>(&admission)) {
    table->held.push_back(std::move(*slot));
  } else if (const auto* const put_off = std::get_if<Destinations::PutOff>(&admission)) {
    table->put_off.push_back(*put_off);
  } else {
    table->down.push_back(std::get<Destinations::Down>(admission));
  }
}

/// Slots that are held then.
std::size_t ask(Table& table, const std::string& name, int count, std::size_t recipients = 1) {
  for (int i = 0; i < count; ++i) spawn(&table.world.shard, "take", take(&table, name, recipients));
  table.poll();
  return table.held.size();
}

TEST(Destinations, StartsWithFive) {
  Table table;
  EXPECT_EQ(ask(table, "a.test", 30), kConnectionsStart);
}

TEST(Destinations, GrowsOnSuccessToTwentyAndNoFurther) {
  Table table;
  std::size_t most = ask(table, "a.test", 200);
  for (int i = 0; i < 150; ++i) {
    table.end_first(ConnectionResult::worked);
    most = std::max(most, table.held.size());
  }
  EXPECT_EQ(most, kConnectionsMax);
}

TEST(Destinations, AThrottledOneIsHalvedAndKeepsOne) {
  Table table;
  ask(table, "a.test", 12);
  for (int i = 0; i < 4; ++i) table.end_first(ConnectionResult::throttled);
  EXPECT_EQ(table.held.size(), 1U);  // 5 → 2 → 1 → 1: nobody new until those in use are below it
  table.end_first(ConnectionResult::throttled);
  EXPECT_EQ(table.held.size(), 1U);
  EXPECT_TRUE(table.down.empty());
}

TEST(Destinations, OneDoesNotDelayAnother) {
  Table table;
  EXPECT_EQ(ask(table, "dead.test", 50), kConnectionsStart);
  EXPECT_EQ(ask(table, "good.test", 3), kConnectionsStart + 3);
}

TEST(Destinations, IsDownAfterFailuresRunningAndProbedWithBackOff) {
  Table table;
  ask(table, "dead.test", 8);
  const WallTime since = table.world.clock.wall();
  for (unsigned i = 0; i < kFailuresToDown; ++i) table.end_first(ConnectionResult::failed);
  ASSERT_EQ(table.down.size(), 3U);  // those that waited hear of it at once
  EXPECT_EQ(table.down[0].reply,
            "451 4.4.1 connect timed out (not tried: dead.test is not reachable since " + to_rfc3339(since) + ")");
  EXPECT_EQ(table.down[0].remote, "mx [192.0.2.1]");
  while (!table.held.empty()) table.end_first(ConnectionResult::failed);
  Duration back_off = kProbeAfterMin;
  for (int probes = 0; probes < 8; ++probes) {
    table.pass(back_off - milliseconds(1));
    EXPECT_EQ(ask(table, "dead.test", 1), 0U);
    table.pass(milliseconds(1));
    EXPECT_EQ(ask(table, "dead.test", 3), 1U);  // one probe at a time
    table.end_first(ConnectionResult::failed);
    back_off = std::min(back_off * 2, kProbeAfterMax);
  }
  table.pass(back_off);
  ask(table, "dead.test", 1);
  table.end_first(ConnectionResult::worked);
  EXPECT_EQ(ask(table, "dead.test", 9), 2U);  // it begins with few connections
}

TEST(Destinations, FailuresThatAreNotRunningDoNotMakeItDown) {
  Table table;
  for (int i = 0; i < 10; ++i) {
    ask(table, "a.test", 1);
    table.end_first(i % 3 == 2 ? ConnectionResult::worked : ConnectionResult::failed);
  }
  EXPECT_TRUE(table.down.empty());
}

TEST(Destinations, ABusyOneKeepsSomeWaitingAndPutsOffTheOthers) {
  Table table;
  // Measured: a use takes four seconds.
  for (int i = 0; i < 30; ++i) {
    ask(table, "busy.test", 1);
    table.pass(seconds(4));
    table.end_first(ConnectionResult::worked);
  }
  ask(table, "busy.test", 1000);
  EXPECT_EQ(table.held.size(), kConnectionsMax);
  const std::size_t waiting = 1000 - table.held.size() - table.put_off.size();
  EXPECT_EQ(waiting, kConnectionsMax * kWaitingAConnection);
  const WallTime now = table.world.clock.wall();
  // Five a second: the last of 940 in about three minutes.
  const Duration last = table.put_off.back().until - now;
  EXPECT_GE(last, seconds(150));
  EXPECT_LE(last, seconds(240));
  for (const Destinations::PutOff& one : table.put_off) {
    EXPECT_GE(one.until - now, kPutOffMin * 4 / 5);
    EXPECT_LE(one.until - now, kPutOffMax * 6 / 5);
  }
}

TEST(Destinations, AFastOneKeepsManyWaiting) {
  Table table;
  for (int i = 0; i < 30; ++i) {
    ask(table, "fast.test", 1);
    table.pass(milliseconds(10));
    table.end_first(ConnectionResult::worked);
  }
  ask(table, "fast.test", 500);
  EXPECT_TRUE(table.put_off.empty());
}

/// After a start with a long queue: nothing is known yet, and a guess of its speed must not cost minutes.
TEST(Destinations, OneThatIsNotMeasuredYetIsPutOffByTheTimeItTook) {
  Table table;
  ask(table, "new.test", 3000);
  ASSERT_FALSE(table.put_off.empty());
  for (const Destinations::PutOff& one : table.put_off)
    EXPECT_LE(one.until - table.world.clock.wall(), kPutOffMin * 6 / 5);
  table.pass(seconds(10));
  table.put_off.clear();
  ask(table, "new.test", 1);
  ASSERT_EQ(table.put_off.size(), 1U);
  EXPECT_GE(table.put_off[0].until - table.world.clock.wall(), seconds(8));
  EXPECT_LE(table.put_off[0].until - table.world.clock.wall(), seconds(12));
}

TEST(Destinations, ColdOnesLeaveRoomForTheOthers) {
  Table table;
  ask(table, "good.test", 1);
  table.end_first(ConnectionResult::worked);
  for (int i = 0; i < 400; ++i) ask(table, "dead" + std::to_string(i) + ".test", 10);
  EXPECT_LE(table.held.size(), kColdGroupsMax);
  EXPECT_FALSE(table.put_off.empty());
  const std::size_t before = table.held.size();
  EXPECT_EQ(ask(table, "good.test", 6), before + 6);
  // One that was never tried gets its first turn before others their further ones.
  EXPECT_EQ(ask(table, "new.test", 1), before + 7);
}

TEST(Destinations, ManyRecipientsCountAsWhatTheyAre) {
  Table table;
  for (int i = 0; i < 50; ++i) ask(table, "dead" + std::to_string(i) + ".test", 1, 1000);
  EXPECT_EQ(table.held.size(), kColdRecipientsMax / 1000);
}

TEST(Destinations, TheTableIsBounded) {
  Table table;
  for (int i = 0; i < 30'000; ++i) {
    ask(table, "d" + std::to_string(i) + ".test", 1);
    table.end_first(ConnectionResult::worked);
  }
  EXPECT_EQ(table.destinations.size(), kDestinationsMax);
  table.pass(kDestinationKept);
  ask(table, "another.test", 1);
  EXPECT_EQ(table.destinations.size(), 1U);
}

TEST(Destinations, AConnectionGoesToTheNextOfItsDestination) {
  Table table;
  ask(table, "a.test", 1);
  const auto park = [&] {
    table.held.front().end({.result = ConnectionResult::worked},
                           std::make_unique<FakeConnection>(&table.world.shard, &table.quits));
    table.held.pop_front();
  };
  park();
  ask(table, "b.test", 1);
  EXPECT_EQ(table.held.back().take_connection(), nullptr);
  table.held.clear();
  ask(table, "a.test", 1);
  EXPECT_NE(table.held.back().take_connection(), nullptr);
  park();
  table.pass(kIdleConnection);
  EXPECT_EQ(table.quits, 1);
  ask(table, "a.test", 1);
  EXPECT_EQ(table.held.back().take_connection(), nullptr);
  // Who waits gets it at once.
  ask(table, "a.test", 7);
  ASSERT_EQ(table.held.size(), 7U);
  park();
  table.poll();
  ASSERT_EQ(table.held.size(), 7U);
  EXPECT_NE(table.held.back().take_connection(), nullptr);
}

TEST(Destinations, AnIdleConnectionMakesRoomForAnotherShard) {
  Table table;
  Shard other(&table.world.clock, &table.world.events, Shard::Mode::simulated);
  ask(table, "a.test", 5);
  for (int i = 0; i < 5; ++i) {
    table.held.front().end({.result = ConnectionResult::throttled},
                           std::make_unique<FakeConnection>(&table.world.shard, &table.quits));
    table.held.pop_front();
  }
  spawn(&other, "take", take(&table, "a.test", 1));
  while (other.poll() > 0) {
  }
  table.poll();
  ASSERT_EQ(table.held.size(), 1U);
  EXPECT_EQ(table.held.back().take_connection(), nullptr);
  EXPECT_EQ(table.quits, 1);
}

TEST(Destinations, NobodyWaitsAndNothingIsKeptOnceStopped) {
  Table table;
  ask(table, "a.test", 8);
  table.held.front().end({.result = ConnectionResult::unused},
                         std::make_unique<FakeConnection>(&table.world.shard, &table.quits));
  table.held.pop_front();
  table.poll();
  table.destinations.stop();
  table.poll();
  EXPECT_EQ(table.put_off.size(), 2U);
  while (!table.held.empty()) {
    table.held.front().end({.result = ConnectionResult::worked},
                           std::make_unique<FakeConnection>(&table.world.shard, &table.quits));
    table.held.pop_front();
  }
  table.poll();
  EXPECT_EQ(table.quits, 5);
  ask(table, "a.test", 1);
  EXPECT_EQ(table.put_off.size(), 3U);
}

class SlowConnection final : public Parked {
 public:
  explicit SlowConnection(Table* table) : table_(table) {}
  [[nodiscard]] Shard* shard() const override { return &table_->world.shard; }
  [[nodiscard]] Task<void> quit() override {
    Signal never;
    const Result<void> ended = co_await never.wait(table_->world.clock.steady() + seconds(1));
    EXPECT_FALSE(ended);
    ++table_->quits;
  }

 private:
  Table* table_;
};

TEST(Destinations, AStopWaitsForTheConnectionsOfThoseStillAtWork) {
  Table table;
  ask(table, "a.test", 1);
  table.destinations.stop();  // nothing is parked now
  table.held.front().end({.result = ConnectionResult::worked}, std::make_unique<SlowConnection>(&table));
  table.held.pop_front();
  EXPECT_EQ(table.quits, 0);
  EXPECT_TRUE(test::run(table.world, Table::closed(&table)));
  EXPECT_EQ(table.quits, 1);
}

class CountedConnection final : public Parked {
 public:
  CountedConnection(Shard* shard, std::atomic<int>* open) : shard_(shard), open_(open) { open_->fetch_add(1); }
  CountedConnection(const CountedConnection&) = delete;
  CountedConnection& operator=(const CountedConnection&) = delete;
  ~CountedConnection() override { open_->fetch_sub(1); }
  [[nodiscard]] Shard* shard() const override { return shard_; }
  [[nodiscard]] Task<void> quit() override {
    EXPECT_EQ(co_await this_shard(), shard_);
    co_return;
  }

 private:
  Shard* shard_;
  std::atomic<int>* open_;
};

struct Traffic {
  Destinations* destinations;
  std::atomic<int> open = 0;
  std::atomic<int> used = 0;
  std::atomic<int> left = 0;
  Signal done = {};
};

/// Uses slots of three destinations over and over, each time with another end.
Task<void> use_slots(Traffic* traffic, int seed) {
  Shard* const shard = co_await this_shard();
  for (int i = 0; i < 200; ++i) {
    std::string name = "d" + std::to_string((seed + i) % 3) + ".test";
    Destinations::Admission admission = co_await traffic->destinations->admit(std::move(name), 1);
    auto* const slot = std::get_if<Destinations::Slot>(&admission);
    if (slot == nullptr) continue;
    traffic->used.fetch_add(1);
    std::unique_ptr<Parked> connection = slot->take_connection();
    if (connection) EXPECT_EQ(connection->shard(), shard);
    if (!connection && i % 5 != 0) connection = std::make_unique<CountedConnection>(shard, &traffic->open);
    if (i % 7 == 0) connection.reset();
    slot->end({.result = i % 11 == 0 ? ConnectionResult::throttled : ConnectionResult::worked}, std::move(connection));
  }
  if (traffic->left.fetch_sub(1) == 1) traffic->done.set();
}

Task<void> end_traffic(Traffic* traffic, std::vector<Shard*> shards) {
  const Result<void> done = co_await traffic->done.wait(SteadyTime::never());
  EXPECT_TRUE(done);
  traffic->destinations->stop();
  co_await traffic->destinations->closed();
  for (Shard* const shard : shards) shard->stop();
}

TEST(Destinations, ShardsShareThemAndEachKeepsItsOwnConnections) {
  SystemClock clock;
  SystemRandom random;
  Events events(&clock, LogFormat::text, Level::error, nullptr);
  Shard one(&clock, &events, Shard::Mode::real);
  Shard two(&clock, &events, Shard::Mode::real);
  Destinations destinations({.clock = &clock, .random = &random, .events = &events});
  Traffic traffic{.destinations = &destinations};
  constexpr int kTasks = 40;
  traffic.left = 2 * kTasks;
  for (Shard* const shard : {&one, &two}) {
    for (int i = 0; i < kTasks; ++i) spawn(shard, "use", use_slots(&traffic, i));
  }
  spawn(&one, "end", end_traffic(&traffic, {&one, &two}));
  {
    const std::jthread first([&one] { one.run(); });
    const std::jthread second([&two] { two.run(); });
  }
  EXPECT_GT(traffic.used.load(), 1000);
  EXPECT_EQ(traffic.open.load(), 0);
}

}  // namespace
}  // namespace postrider::delivery
