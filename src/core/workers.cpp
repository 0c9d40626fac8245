#include "core/workers.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace postrider {

namespace {

class ThreadWorkers final : public Workers {
 public:
  explicit ThreadWorkers(std::size_t threads) {
    threads_.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ThreadWorkers(const ThreadWorkers&) = delete;
  ThreadWorkers& operator=(const ThreadWorkers&) = delete;
  ~ThreadWorkers() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  Result<void> post(std::move_only_function<void()> job) override {
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return error(Error::cancelled, "workers");
      if (jobs_.size() >= kWorkersQueueMax) return error(Error::exhausted, "workers", "queue is full");
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
    return {};
  }

 private:
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      std::move_only_function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Workers> make_thread_workers(std::size_t threads) { return std::make_unique<ThreadWorkers>(threads); }

}  // namespace postrider
