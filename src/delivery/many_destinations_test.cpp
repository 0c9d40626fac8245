// Dead and slow destinations keep nobody from its turn. Virtual time makes that exact.
#include "delivery/test_scene.hpp"

#include <map>

namespace postrider::delivery {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kDestinations = 200;
constexpr int kMessagesEach = 8;

enum class Temper : std::uint8_t { healthy, silent, nameless, slow };

/// A tenth of them is dead, in two ways, and some are slow.
Temper temper_of(int destination) {
  switch (destination % 20) {
    case 3: return Temper::silent;
    case 7: return Temper::nameless;
    case 11: return Temper::slow;
    default: return Temper::healthy;
  }
}

std::string name_of(int destination) { return "d" + std::to_string(destination) + ".test"; }
net::Address address_of(int destination) {
  return net::Address::v4(
      {10, 1, static_cast<std::uint8_t>(destination / 250), static_cast<std::uint8_t>(destination % 250)});
}

struct Waits {
  Duration last_healthy{};  ///< until the last of the healthy ones had all its mail
  Duration sum{};           ///< over the healthy ones, until each had all
  std::size_t local = 0;
};

/// Looks a hundred times a second which healthy ones have all.
Task<void> watch(Scene* scene, std::vector<NextHop>* hops, Waits* run) {
  const SteadyTime start = scene->world.clock.steady();
  std::vector<bool> done(hops->size());
  std::size_t left = 0;
  for (std::size_t i = 0; i < hops->size(); ++i) {
    done[i] = temper_of(static_cast<int>(i)) != Temper::healthy;
    if (!done[i]) ++left;
  }
  while (left > 0) {
    const Result<void> stopped = co_await scene->stop.wait(scene->world.clock.steady() + milliseconds(10));
    if (stopped) co_return;
    for (std::size_t i = 0; i < hops->size(); ++i) {
      if (done[i] || (*hops)[i].messages < kMessagesEach) continue;
      done[i] = true;
      --left;
      run->last_healthy = scene->world.clock.steady() - start;
      run->sum += run->last_healthy;
    }
  }
}

Waits deliver_all(bool with_others) {
  std::vector<NextHop> hops(kDestinations);
  Scene scene("", {}, {});  // a store that takes no time: to read more takes longer, which is not what is asked here
  scene.network.set_weather({.latency_min = milliseconds(20), .latency_max = milliseconds(20)});
  for (int i = 0; i < kDestinations; ++i) {
    NextHop& hop = hops[static_cast<std::size_t>(i)];
    const Temper temper = temper_of(i);
    hop.offers = "250-PIPELINING\r\n";
    if (temper == Temper::slow) hop.thinks = seconds(40);
    if (temper == Temper::nameless) {
      check(scene.resolver.add(name_of(i) + " MX !TIMEOUT").has_value(), "test: name");
      continue;
    }
    check(scene.resolver.add(name_of(i) + " A " + address_of(i).to_text()).has_value(), "test: name");
    scene.hops.open(&hop, address_of(i));
    if (temper == Temper::silent) scene.network.set_answer(address_of(i), net::SimAnswer::silent);
  }
  for (int message = 0; message < kMessagesEach; ++message) {
    for (int i = 0; i < kDestinations; ++i) {
      const Temper temper = temper_of(i);
      if (temper != Temper::healthy && !with_others) continue;
      // The dead ones have more mail than all others.
      const int copies = temper == Temper::healthy ? 1 : 4;
      for (int copy = 0; copy < copies; ++copy) {
        queue::NewEntry entry = scene.entry("eve@" + name_of(i));
        EXPECT_TRUE(test::run(scene.world, Scene::accept(&scene, std::move(entry), "Subject: x\r\n\r\nbody\r\n")));
      }
    }
    EXPECT_TRUE(test::run(scene.world, Scene::accept(&scene, scene.entry("bob@here.test"), "Subject: x\r\n\r\nb\r\n")));
  }
  Waits run;
  spawn(&scene.world.shard, "watch", watch(&scene, &hops, &run));
  scene.again(hours(1));
  run.local = scene.inbox(scene.bob).size();
  for (int i = 0; i < kDestinations; ++i) {
    const NextHop& hop = hops[static_cast<std::size_t>(i)];
    EXPECT_LE(hop.at_once_most, static_cast<int>(kConnectionsMax));
    if (temper_of(i) == Temper::healthy) EXPECT_EQ(hop.messages, kMessagesEach) << name_of(i);
  }
  return run;
}

TEST(ManyDestinations, TheHealthyOnesDoNotWaitForTheDeadAndTheSlow) {
  const Waits alone = deliver_all(false);
  const Waits together = deliver_all(true);
  EXPECT_EQ(alone.local, static_cast<std::size_t>(kMessagesEach));
  EXPECT_EQ(together.local, static_cast<std::size_t>(kMessagesEach));
  EXPECT_LT(alone.last_healthy, seconds(10));
  EXPECT_LE(together.last_healthy, alone.last_healthy);
  EXPECT_LE(together.sum, alone.sum);
}

}  // namespace
}  // namespace postrider::delivery
