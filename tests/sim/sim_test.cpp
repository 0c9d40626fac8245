#include "client.hpp"
#include "core/numbers.hpp"
#include "core/text.hpp"
#include "ledger.hpp"
#include "world.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace postrider::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kSenders = 4;
constexpr int kMessagesEach = 6;
constexpr Duration kLookEvery = std::chrono::minutes(10);
constexpr int kLooksMax = 6 * 72;  // three days
constexpr std::uint64_t kNever = 1'000'000'000;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : parse_number<std::uint64_t>(text).value_or(otherwise);
}

/// Crashes, full disks and bad weather, until the senders are done.
Task<void> make_trouble(World* world, const int* senders_running) {
  SeededRandom& random = world->random;
  while (*senders_running > 0) {
    Signal nothing;
    const Result<void> paused =
        co_await nothing.wait(world->base.clock.steady() + milliseconds(1 + random.below(15'000)));
    (void)paused;  // always timeout
    if (*senders_running == 0) co_return;
    Host& host = *world->hosts[random.below(world->hosts.size())];
    switch (random.below(4)) {
      case 0:
      case 1:
        if (host.up()) {
          const auto when =
              random.below(2) == 0 ? store::SimStore::When::before_sync : store::SimStore::When::after_sync;
          ++(*world->marks)[when == store::SimStore::When::before_sync ? "crash before sync" : "crash after sync"];
          host.store()->crash_at_commit(1 + random.below(12), when);
        }
        break;
      case 2: host.disk()->set_full(random.below(3) == 0); break;
      case 3: world->network.break_next(host.address(), random.below(4000)); break;
      default: break;
    }
  }
}

/// Brings a host back each time it dies.
Task<void> keep_up(Host* host) {
  while (!host->retired()) co_await Host::die_and_return(host);
}

struct Outcome {
  std::vector<std::string> mistakes;
  std::string log;
};

Outcome run_seed(std::uint64_t seed, Planted planted, Marks* marks) {
  World world(seed, planted, marks);
  world.log.echo = number_from("POSTRIDER_SIM_SEED", 0) != 0;
  world.network.set_weather({.latency_min = milliseconds(1),
                             .latency_max = milliseconds(1 + world.random.below(80)),
                             .cuts_segments = world.random.below(2) == 0,
                             .refused_per_1000 = 30,
                             .silent_per_1000 = 10,
                             .broken_per_1000 = static_cast<std::uint32_t>(world.random.below(200))});
  world.resolver.set_weather({.latency_max = milliseconds(50), .servfail_per_1000 = 50, .timeout_per_1000 = 20});
  std::vector<Sent> ledger;
  int senders = kSenders;
  for (std::size_t i = 0; i < kSenders; ++i)
    spawn(&world.base.shard, "sender", send_messages(&world, i, kMessagesEach, &ledger, &senders));
  for (const std::unique_ptr<Host>& host : world.hosts) spawn(&world.base.shard, "keep_up", keep_up(host.get()));
  spawn(&world.base.shard, "trouble", make_trouble(&world, &senders));

  Outcome outcome;
  if (!world.run_until([&] { return senders == 0; }, hours(12))) outcome.mistakes.emplace_back("STUCK while sending");
  world.network.set_weather({.latency_min = milliseconds(1), .latency_max = milliseconds(5)});
  world.resolver.set_weather({});
  const bool back = world.run_until(
      [&] { return std::ranges::all_of(world.hosts, [](const auto& host) { return host->up(); }); }, hours(1));
  if (!back) outcome.mistakes.emplace_back("a host did not come back");
  for (const std::unique_ptr<Host>& host : world.hosts) {
    host->disk()->set_full(false);
    host->store()->crash_at_commit(kNever, store::SimStore::When::after_sync);
  }
  bool dry = false;
  for (int looks = 0; looks < kLooksMax && !dry; ++looks) {
    world.pass(kLookEvery);
    dry = due_recipients(&world) == 0;
  }
  if (!dry) outcome.mistakes.emplace_back("NOT DRY: recipients are still due three days after");
  if (outcome.mistakes.empty()) outcome.mistakes = check_ledger(&world, ledger);

  // Every host ends, and every task with it: nothing of a world outlives it.
  const bool all_up = world.run_until(
      [&] { return std::ranges::all_of(world.hosts, [](const auto& host) { return host->up(); }); }, hours(1));
  if (!all_up) outcome.mistakes.emplace_back("a host did not come back");
  for (const std::unique_ptr<Host>& host : world.hosts) host->retire();
  if (!world.run_until([&] { return world.base.shard.tasks() == 0; }, hours(12)))
    outcome.mistakes.emplace_back("tasks are left at the end");
  outcome.log = std::move(world.log.text);
  return outcome;
}

std::vector<std::uint64_t> seeds_to_run() {
  if (const std::uint64_t one = number_from("POSTRIDER_SIM_SEED", 0); one != 0) return {one};
  std::vector<std::uint64_t> seeds;
  std::ifstream kept(POSTRIDER_SOURCE_DIR "/tests/sim/seeds.txt");
  for (std::string line; std::getline(kept, line);) {
    const Result<std::uint64_t> seed = parse_number<std::uint64_t>(line.substr(0, line.find(' ')));
    if (seed) seeds.push_back(*seed);
  }
  const std::uint64_t count = number_from("POSTRIDER_SIM_SEEDS", 30);
  for (std::uint64_t seed = 1; seed <= count; ++seed) seeds.push_back(seed);
  return seeds;
}

TEST(Simulation, NothingAcknowledgedIsLostUnderAnySeed) {
  Marks marks;
  for (const std::uint64_t seed : seeds_to_run()) {
    const Outcome outcome = run_seed(seed, {}, &marks);
    for (const std::string& mistake : outcome.mistakes) {
      ADD_FAILURE() << "seed " << seed << ": " << mistake << "\nreplay: POSTRIDER_SIM_SEED=" << seed
                    << " postrider_sim_test --gtest_filter=Simulation.NothingAcknowledgedIsLostUnderAnySeed";
    }
  }
  if (number_from("POSTRIDER_SIM_SEED", 0) != 0) return;
  for (const char* mark : {"crash", "crash before sync", "crash after sync", "report", "accepted local",
                           "accepted for elsewhere", "452", "sender could not connect", "null reverse-path failed"}) {
    EXPECT_GT(marks[mark], 0U) << "the seeds never took this path: " << mark;
  }
}

TEST(Simulation, SameSeedSameLog) {
  Marks marks;
  const Outcome first = run_seed(7, {}, &marks);
  const Outcome second = run_seed(7, {}, &marks);
  EXPECT_GT(first.log.size(), 1000U);
  EXPECT_TRUE(first.log == second.log);
}

constexpr std::uint64_t kSeedsToFind = 400;

/// How many mistakes the first seed that finds the planted fault has.
int seeds_that_find(Planted planted, std::string_view mistake) {
  Marks marks;
  int found = 0;
  for (std::uint64_t seed = 1; seed <= kSeedsToFind && found == 0; ++seed) {
    for (const std::string& text : run_seed(seed, planted, &marks).mistakes) found += text.starts_with(mistake) ? 1 : 0;
  }
  return found;
}

TEST(Simulation, FindsAnAnswerBeforeTheSync) {
  EXPECT_GT(seeds_that_find({.store = store::Planted::ack_before_sync, .delivery = delivery::Planted::nothing}, "LOST"),
            0);
}

TEST(Simulation, FindsADoubleLocalDelivery) {
  EXPECT_GT(
      seeds_that_find({.store = store::Planted::none, .delivery = delivery::Planted::double_local_delivery}, "TWICE"),
      0);
}

}  // namespace
}  // namespace postrider::sim
