// What a .cpp needs to define and await tasks. Never included by a header (docs/decisions/0002).
#pragma once

#include "core/result.hpp"
#include "core/shard.hpp"
#include "core/task.hpp"
#include "core/workers.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace postrider {

/// A value that one party sets, once, from any thread, and one coroutine waits for. Copies share the value, so that the
/// setter may outlive the waiter and the other way round.
template <class T>
class Completion {
 public:
  /// Sets the value; the waiter resumes on its shard, never inside this call.
  void set(T value) const {
    const std::scoped_lock lock(state_->mutex);
    state_->value.emplace(std::move(value));
    if (state_->waiter) state_->shard->post(std::move(state_->waiter));
  }

  /// Waits for the value. At most one coroutine, once.
  [[nodiscard]] Task<T> wait() const {
    const std::shared_ptr<State> state = state_;
    state->shard = co_await this_shard();
    co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        [](auto handler, std::shared_ptr<State> held) {
          auto resume = [waiting = std::move(handler)]() mutable { std::move(waiting)(); };
          const std::scoped_lock lock(held->mutex);
          if (held->value) {
            held->shard->post(std::move(resume));
          } else {
            held->waiter = std::move(resume);
          }
        },
        boost::asio::use_awaitable, state);
    co_return std::move(*state->value);
  }

 private:
  struct State {
    std::mutex mutex;
    std::optional<T> value;
    Shard* shard = nullptr;
    std::move_only_function<void()> waiter;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();  // shared: setter and waiter end in either order
};

/// Runs blocking or heavy `work` (no coroutine) on the workers and gives its result on the caller's shard.
/// Errors  exhausted: the workers' queue is full; and those of `work`.
template <class T>
[[nodiscard]] Task<Result<T>> run_on(Workers* workers, std::move_only_function<Result<T>()> work) {
  Completion<Result<T>> done;
  auto job = [done, held = std::move(work)]() mutable { done.set(held()); };
  const Result<void> posted = workers->post(std::move(job));
  if (!posted) co_return fail(posted);
  co_return co_await done.wait();
}

}  // namespace postrider
