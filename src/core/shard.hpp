// A shard: one io_context, one thread, and the deadlines of everything that waits on it.
#pragma once

#include "core/clock.hpp"
#include "core/task.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace boost::asio {
class io_context;
}

namespace postrider {

class Events;

/// Deadlines of one shard: a coarse sweep instead of a timer per wait. One thread. A deadline fires once, on the shard,
/// at or up to `kSweepGrain` after its time.
class Deadlines {
 public:
  /// Removes its deadline when it dies or is reassigned.
  class Handle {
   public:
    Handle() = default;
    Handle(Handle&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), at_(other.at_), number_(other.number_) {}
    Handle& operator=(Handle&& other) noexcept;
    ~Handle() { cancel(); }
    void cancel();

   private:
    friend class Deadlines;
    Handle(Deadlines* owner, SteadyTime at, std::uint64_t number) : owner_(owner), at_(at), number_(number) {}
    Deadlines* owner_ = nullptr;
    SteadyTime at_{};
    std::uint64_t number_ = 0;
  };

  /// Calls `late` when `at` has passed, unless the handle dies before. `SteadyTime::never()` costs nothing.
  [[nodiscard]] Handle add(SteadyTime at, std::move_only_function<void()> late);
  /// The earliest deadline.
  [[nodiscard]] std::optional<SteadyTime> next() const;
  /// Fires all that are due at `now`.
  void sweep(SteadyTime now);
  /// Called when a deadline earlier than all others was added.
  void on_earlier(std::move_only_function<void(SteadyTime)> rearm) { rearm_ = std::move(rearm); }

 private:
  using Place = std::pair<SteadyTime, std::uint64_t>;
  std::map<Place, std::move_only_function<void()>> waiting_;
  std::uint64_t last_number_ = 0;
  std::move_only_function<void(SteadyTime)> rearm_;
};

inline constexpr Duration kSweepGrain = std::chrono::milliseconds(20);

class Shard {
 public:
  /// `real`: `run()` arms a timer for the deadlines. `simulated`: the owner polls and moves the clock.
  enum class Mode : unsigned char { real, simulated };
  Shard(Clock* clock, Events* events, Mode mode);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  [[nodiscard]] boost::asio::io_context& context();
  [[nodiscard]] Deadlines& deadlines();
  [[nodiscard]] Clock& clock();
  [[nodiscard]] Events& events();

  /// Runs until `stop()`; what a spawned task throws is logged and ends that task only.
  void run();
  /// Thread-safe.
  void stop();
  /// Runs what is ready without waiting; gives how many handlers ran.
  std::size_t poll();
  /// Runs `job` on this shard soon. Thread-safe.
  void post(std::move_only_function<void()> job);
  /// Tasks spawned on this shard that have not ended.
  [[nodiscard]] std::size_t tasks() const;

 private:
  friend void spawn(Shard* shard, std::string_view name, Task<void> task);
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// Starts `task` on `shard`; it ends by itself. `name` is a literal. An exception out of it is logged (`task.failed`).
/// To be called on the shard's thread, or from anywhere before it runs.
void spawn(Shard* shard, std::string_view name, Task<void> task);

/// The shard that the calling coroutine runs on.
[[nodiscard]] Task<Shard*> this_shard();

}  // namespace postrider
