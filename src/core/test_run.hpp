// For tests: runs coroutines to their end on a simulated shard. The clock jumps when nothing else is ready.
#pragma once

#include "core/await.hpp"
#include "core/check.hpp"
#include "core/events.hpp"
#include "core/shard.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace postrider::test {

/// A simulated clock and one simulated shard. All in one thread, except for real doors' own threads.
struct World {
  SimClock clock{WallTime(std::chrono::seconds(1'780'000'000))};
  Events events{&clock, LogFormat::text, Level::error, nullptr};
  Shard shard{&clock, &events, Shard::Mode::simulated};

  /// Polls; when nothing is ready, jumps to the next deadline. False when there is neither: all is still.
  bool step() {
    if (shard.poll() > 0) return true;
    const std::optional<SteadyTime> next = shard.deadlines().next();
    if (!next) return false;
    clock.advance_to(*next);
    shard.deadlines().sweep(clock.steady());
    return true;
  }
  void run_until_still() {
    while (step()) {
    }
  }
};

/// Runs `task` to its end in `world` and gives its value. `waits_for_threads`: doors with threads of their own are at
/// work, so stillness is no deadlock and the clock must not jump.
enum class Threads : unsigned char { none, some };

/// Asio wants values that can be made from nothing; ours often can not.
template <class T>
Task<void> keep(Task<T> task, std::optional<T>* out) {
  out->emplace(co_await std::move(task));
}

template <class T>
T run(World& world, Task<T> task, Threads threads = Threads::none) {
  std::optional<T> out;
  std::exception_ptr thrown;
  bool ended = false;
  boost::asio::co_spawn(world.shard.context(), keep(std::move(task), &out), [&](std::exception_ptr failure) {
    thrown = failure;
    ended = true;
  });
  while (!ended) {
    if (threads == Threads::some) {
      world.shard.context().run_one();
    } else {
      check(world.step(), "test: the task waits for something that never comes");
    }
  }
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*out);
}

}  // namespace postrider::test
