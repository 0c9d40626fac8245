// Workers of which only a few may be busy with our jobs at once.
#pragma once

#include "core/workers.hpp"

#include <cstddef>
#include <memory>

namespace postrider::directory {

/// Hands jobs on to `workers`, at most `running_max` at a time, in order; the others wait here. Thread-safe. Jobs may
/// outlive it, `workers` must not die before them.
class BoundedWorkers final : public Workers {
 public:
  BoundedWorkers(Workers* workers, std::size_t running_max, std::size_t waiting_max);
  ~BoundedWorkers() override;
  /// Errors  exhausted: `waiting_max` jobs wait; and those of `workers`.
  [[nodiscard]] Result<void> post(std::move_only_function<void()> job) override;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared: with the jobs that run
};

}  // namespace postrider::directory
