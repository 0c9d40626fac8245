#include "delivery/destinations.hpp"

#include "core/test_run.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace postrider::delivery {
namespace {

struct Table {
  test::World world;
  Destinations destinations;
  std::deque<Destinations::Slot> held;

  /// Ends everything, those who wait too: a task must not outlive its shard.
  ~Table() {
    while (!held.empty()) {
      held.clear();
      world.run_until_still();
    }
    EXPECT_EQ(world.shard.tasks(), 0U);
  }
};

Task<void> take(Table* table, std::string name) {
  table->held.push_back(co_await table->destinations.take(std::move(name)));
}

/// Asks for `count` slots; gives how many are held then.
std::size_t ask(Table& table, const std::string& name, int count) {
  for (int i = 0; i < count; ++i) spawn(&table.world.shard, "take", take(&table, name));
  table.world.run_until_still();
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
    table.held.front().end(ConnectionResult::worked);
    table.held.pop_front();
    table.world.run_until_still();
    most = std::max(most, table.held.size());
  }
  EXPECT_EQ(most, kConnectionsMax);
}

TEST(Destinations, FailureHalvesAndLeavesOne) {
  Table table;
  ask(table, "a.test", 12);
  for (int i = 0; i < 4; ++i) {
    table.held.front().end(ConnectionResult::failed);
    table.held.pop_front();
  }
  table.world.run_until_still();
  EXPECT_EQ(table.held.size(), 1U);  // 5 → 2 → 1 → 1: nobody new until those in use are below it
  table.held.clear();
  table.world.run_until_still();
  EXPECT_EQ(table.held.size(), 1U);
}

TEST(Destinations, OneDoesNotDelayAnother) {
  Table table;
  EXPECT_EQ(ask(table, "dead.test", 50), kConnectionsStart);
  EXPECT_EQ(ask(table, "good.test", 3), kConnectionsStart + 3);
}

}  // namespace
}  // namespace postrider::delivery
