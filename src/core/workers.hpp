// The door to threads: blocking or heavy work (hashing, large files, scans) off the shards.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace postrider {

inline constexpr std::size_t kWorkersQueueMax = 10'000;  // jobs waiting; over it `post` answers exhausted

class Workers {
 public:
  virtual ~Workers() = default;
  /// Runs `job` soon, on some thread. Errors  exhausted: the queue is full; cancelled: stopped.
  [[nodiscard]] virtual Result<void> post(std::move_only_function<void()> job) = 0;
};

/// `threads` threads; its destructor runs what is queued, then joins.
[[nodiscard]] std::unique_ptr<Workers> make_thread_workers(std::size_t threads);

/// Runs each job at once in the caller: for the simulation and for one-shot commands.
class InlineWorkers final : public Workers {
 public:
  [[nodiscard]] Result<void> post(std::move_only_function<void()> job) override {
    job();
    return {};
  }
};

}  // namespace postrider
