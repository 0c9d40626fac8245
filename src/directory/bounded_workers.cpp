#include "directory/bounded_workers.hpp"

#include <deque>
#include <mutex>
#include <utility>

namespace postrider::directory {

namespace {

using Job = std::move_only_function<void()>;

}  // namespace

struct BoundedWorkers::State : std::enable_shared_from_this<State> {
  State(Workers* door, std::size_t running, std::size_t waiting)
      : workers(door), running_max(running), waiting_max(waiting) {}

  /// To be called when `running` counts the job already.
  Result<void> hand_on(const std::shared_ptr<Job>& job) {
    return workers->post([held = shared_from_this(), job] {
      (*job)();
      held->next();
    });
  }

  /// One has ended. The next goes to the end of the workers' queue, so that others have their turn.
  void next() {
    for (;;) {
      std::shared_ptr<Job> job;
      {
        const std::scoped_lock lock(mutex);
        if (queue.empty()) {
          --running;
          return;
        }
        job = std::make_shared<Job>(std::move(queue.front()));
        queue.pop_front();
      }
      if (hand_on(job)) return;
      (*job)();  // was taken, so it must run: here then
    }
  }

  Workers* const workers;
  const std::size_t running_max;
  const std::size_t waiting_max;
  std::mutex mutex;
  std::size_t running = 0;
  std::deque<Job> queue;
};

BoundedWorkers::BoundedWorkers(Workers* workers, std::size_t running_max, std::size_t waiting_max)
    : state_(std::make_shared<State>(workers, running_max, waiting_max)) {}
BoundedWorkers::~BoundedWorkers() = default;

Result<void> BoundedWorkers::post(std::move_only_function<void()> job) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->running >= state_->running_max) {
      if (state_->queue.size() >= state_->waiting_max) {
        return error(Error::exhausted, "directory.workers", "too many hashes wait");
      }
      state_->queue.push_back(std::move(job));
      return {};
    }
    ++state_->running;
  }
  const auto held = std::make_shared<Job>(std::move(job));  // shared: it is still ours when the workers refuse it
  Result<void> handed_on = state_->hand_on(held);
  if (!handed_on) state_->next();
  return handed_on;
}

}  // namespace postrider::directory
