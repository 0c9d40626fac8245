#include "core/shard.hpp"

#include "core/await.hpp"
#include "core/check.hpp"
#include "core/events.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>

namespace postrider {

namespace asio = boost::asio;

void Deadlines::Handle::cancel() {
  if (owner_ != nullptr) owner_->waiting_.erase({at_, number_});
  owner_ = nullptr;
}

Deadlines::Handle& Deadlines::Handle::operator=(Handle&& other) noexcept {
  if (this == &other) return *this;
  cancel();
  owner_ = std::exchange(other.owner_, nullptr);
  at_ = other.at_;
  number_ = other.number_;
  return *this;
}

Deadlines::Handle Deadlines::add(SteadyTime at, std::move_only_function<void()> late) {
  if (at == SteadyTime::never()) return {};
  const bool earliest = waiting_.empty() || at < waiting_.begin()->first.first;
  const std::uint64_t number = ++last_number_;
  waiting_.emplace(Place{at, number}, std::move(late));
  if (earliest && rearm_) rearm_(at);
  return {this, at, number};
}

std::optional<SteadyTime> Deadlines::next() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first.first;
}

void Deadlines::sweep(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first.first <= now) {
    std::move_only_function<void()> late = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    late();
  }
}

namespace {

/// How a coroutine finds its shard: a service of its io_context.
class ShardService final : public asio::execution_context::service {
 public:
  using key_type = ShardService;
  static inline asio::execution_context::id id;  // Asio's own registration key, no state
  explicit ShardService(asio::execution_context& owner) : service(owner) {}
  ShardService(asio::execution_context& owner, Shard* shard) : service(owner), shard(shard) {}
  Shard* shard = nullptr;

 private:
  void shutdown() override {}
};

}  // namespace

struct Shard::Inside {
  Inside(Clock* the_clock, Events* the_events) : clock(the_clock), events(the_events) {}

  /// Arms the sweep timer for the earliest deadline, rounded up to the grain. Re-armed only when it must be earlier.
  void arm(SteadyTime at) {
    const Duration grain = kSweepGrain;
    const SteadyTime when{(at.since_start / grain + 1) * grain};
    if (armed && *armed <= when) return;
    armed = when;
    timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(when - clock->steady()));
    timer.async_wait([this](const boost::system::error_code& failed) {
      if (failed) return;
      armed.reset();
      deadlines.sweep(clock->steady());
      if (const std::optional<SteadyTime> next = deadlines.next()) arm(*next);
    });
  }

  Clock* clock;
  Events* events;
  Deadlines deadlines;
  std::atomic<std::size_t> tasks = 0;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::steady_timer timer{context};
  std::optional<SteadyTime> armed;
};

Shard::Shard(Clock* clock, Events* events, Mode mode) : inside_(std::make_unique<Inside>(clock, events)) {
  asio::make_service<ShardService>(inside_->context, this);
  if (mode == Mode::real) {
    inside_->deadlines.on_earlier([inside = inside_.get()](SteadyTime at) { inside->arm(at); });
  }
}

Shard::~Shard() = default;

asio::io_context& Shard::context() { return inside_->context; }
Deadlines& Shard::deadlines() { return inside_->deadlines; }
Clock& Shard::clock() { return *inside_->clock; }
Events& Shard::events() { return *inside_->events; }
std::size_t Shard::tasks() const { return inside_->tasks.load(std::memory_order_relaxed); }

void Shard::run() { inside_->context.run(); }
void Shard::stop() { inside_->context.stop(); }
std::size_t Shard::poll() { return inside_->context.poll(); }
void Shard::post(std::move_only_function<void()> job) { asio::post(inside_->context, std::move(job)); }

void spawn(Shard* shard, std::string_view name, Task<void> task) {
  shard->inside_->tasks.fetch_add(1, std::memory_order_relaxed);
  asio::co_spawn(shard->inside_->context, std::move(task), [shard, name](const std::exception_ptr& thrown) {
    shard->inside_->tasks.fetch_sub(1, std::memory_order_relaxed);
    if (!thrown) return;
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& failure) {
      shard->events().emit(TaskFailed{.task = name, .what = failure.what()});
    } catch (...) {
      shard->events().emit(TaskFailed{.task = name, .what = "not a std::exception"});
    }
  });
}

Task<Shard*> this_shard() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  check(asio::has_service<ShardService>(context), "a coroutine outside a shard");
  co_return asio::use_service<ShardService>(context).shard;
}

}  // namespace postrider
