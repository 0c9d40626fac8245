#include "store/watches.hpp"

#include <algorithm>
#include <utility>

namespace postrider::store {

class Watches::Held final : public Watch {
 public:
  Held(std::shared_ptr<State> state, std::string prefix, Signal* signal)
      : state_(std::move(state)), prefix_(std::move(prefix)), signal_(signal) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() override {
    const std::scoped_lock lock(state_->mutex);
    const auto place = state_->by_prefix.find(prefix_);
    std::vector<Signal*>& signals = place->second;
    signals.erase(std::ranges::find(signals, signal_));
    if (signals.empty()) state_->by_prefix.erase(place);
    const auto length = state_->count_by_length.find(prefix_.size());
    if (--length->second == 0) state_->count_by_length.erase(length);
  }

 private:
  std::shared_ptr<State> state_;
  std::string prefix_;
  Signal* signal_;
};

std::unique_ptr<Watch> Watches::add(std::string_view prefix, Signal* signal) {
  const std::scoped_lock lock(state_->mutex);
  state_->by_prefix[std::string(prefix)].push_back(signal);
  ++state_->count_by_length[prefix.size()];
  return std::make_unique<Held>(state_, std::string(prefix), signal);
}

void Watches::changed(std::string_view key) {
  const std::scoped_lock lock(state_->mutex);
  for (const auto& [length, count] : state_->count_by_length) {
    if (length > key.size()) return;
    const auto found = state_->by_prefix.find(key.substr(0, length));
    if (found == state_->by_prefix.end()) continue;
    for (Signal* const signal : found->second) signal->set();  // under the lock: a watch that ends is not set after
  }
}

bool Watches::empty() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->by_prefix.empty();
}

}  // namespace postrider::store
