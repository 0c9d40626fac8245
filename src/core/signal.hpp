// The one form of waiting for something other than octets.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/task.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace postrider {

class Shard;

/// A flag that wakes. Set from any thread; setting it again while it is set changes nothing (it coalesces). It stays
/// set until its owner clears it, so no waiter misses it. Owner's loop: wait, clear, look at what changed.
class Signal {
 public:
  Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();

  void set();
  void clear();
  [[nodiscard]] bool is_set() const;

  /// Gives when the signal is set. Errors  timeout: `until` passed first.
  [[nodiscard]] Task<Result<void>> wait(SteadyTime until);

  /// Calls `wake` on `shard` when the signal is set (at once if it is), unless the watch dies before. For doors that
  /// wait for octets or a signal.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&&) noexcept = default;
    Watch& operator=(Watch&&) noexcept;
    ~Watch();

   private:
    friend class Signal;
    struct Node;
    explicit Watch(std::shared_ptr<Node> node) : node_(std::move(node)) {}
    std::shared_ptr<Node> node_;  // shared: a wake-up on its way may outlive the watch
  };
  /// To be called on `shard`.
  [[nodiscard]] Watch watch(Shard* shard, std::move_only_function<void()> wake);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with watches, which may outlive the signal
};

}  // namespace postrider
