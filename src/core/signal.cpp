#include "core/signal.hpp"

#include "core/await.hpp"
#include "core/shard.hpp"

namespace postrider {

struct Signal::Watch::Node {
  Shard* shard;
  std::move_only_function<void()> wake;
  bool alive = true;         // read and written on the shard only
  std::size_t position = 0;  // among the owner's watches; under its mutex
  std::weak_ptr<State> owner;
};

struct Signal::State {
  mutable std::mutex mutex;
  bool set = false;
  std::vector<std::shared_ptr<Watch::Node>> watches;
};

namespace {

template <class Node>
void post_wake(const std::shared_ptr<Node>& node) {
  node->shard->post([node] {
    if (node->alive) node->wake();
  });
}

}  // namespace

Signal::Signal() : state_(std::make_shared<State>()) {}
Signal::~Signal() = default;

void Signal::set() {
  const std::scoped_lock lock(state_->mutex);
  if (state_->set) return;
  state_->set = true;
  for (const auto& node : state_->watches) post_wake(node);
}

void Signal::clear() {
  const std::scoped_lock lock(state_->mutex);
  state_->set = false;
}

bool Signal::is_set() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->set;
}

Signal::Watch Signal::watch(Shard* shard, std::move_only_function<void()> wake) {
  auto node = std::make_shared<Watch::Node>(
      Watch::Node{.shard = shard, .wake = std::move(wake), .alive = true, .position = 0, .owner = state_});
  const std::scoped_lock lock(state_->mutex);
  node->position = state_->watches.size();
  state_->watches.push_back(node);
  if (state_->set) post_wake(node);
  return Watch(std::move(node));
}

Signal::Watch& Signal::Watch::operator=(Watch&& other) noexcept {
  Watch old(std::move(*this));
  node_ = std::move(other.node_);
  return *this;
}

Signal::Watch::~Watch() {
  if (!node_) return;
  node_->alive = false;
  if (const std::shared_ptr<State> owner = node_->owner.lock()) {
    const std::scoped_lock lock(owner->mutex);
    auto& all = owner->watches;  // thousands of sessions watch the drain: no search
    all[node_->position] = std::move(all.back());
    all[node_->position]->position = node_->position;
    all.pop_back();
  }
}

Task<Result<void>> Signal::wait(SteadyTime until) {
  if (is_set()) co_return Result<void>{};
  Shard* const shard = co_await this_shard();
  struct Once {
    Completion<Result<void>> done;
    bool ended = false;
    void end(Result<void> outcome) {
      if (!std::exchange(ended, true)) done.set(std::move(outcome));
    }
  };
  Once once;
  const Watch set_watch = watch(shard, [&once] { once.end({}); });
  const Deadlines::Handle late = shard->deadlines().add(until, [&once] { once.end(error(Error::timeout, "signal")); });
  co_return co_await once.done.wait();
}

}  // namespace postrider
