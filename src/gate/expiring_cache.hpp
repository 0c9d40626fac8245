// What was learned a while ago, bounded in time and number.
#pragma once

#include "core/clock.hpp"

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace postrider::gate {

/// Values by name until their time is over. When it is full, the one that would go first does. Thread-safe.
template <class T>
class ExpiringCache {
 public:
  explicit ExpiringCache(std::size_t entries_max) : entries_max_(entries_max) {}

  [[nodiscard]] std::optional<T> find(const std::string& name, SteadyTime now) {
    const std::scoped_lock lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return std::nullopt;
    if (found->second.until > now) return found->second.value;
    forget(found);
    return std::nullopt;
  }

  void put(std::string name, T value, SteadyTime until) {
    const std::scoped_lock lock(mutex_);
    if (const auto before = by_name_.find(name); before != by_name_.end()) forget(before);
    if (by_name_.size() >= entries_max_) forget(by_name_.find(by_time_.begin()->second));
    by_time_.emplace(until, name);
    by_name_.emplace(std::move(name), Held{std::move(value), until});
  }

  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return by_name_.size();
  }

 private:
  struct Held {
    T value;
    SteadyTime until;
  };
  void forget(typename std::map<std::string, Held>::iterator held) {
    by_time_.erase({held->second.until, held->first});
    by_name_.erase(held);
  }
  const std::size_t entries_max_;
  mutable std::mutex mutex_;
  std::map<std::string, Held> by_name_;
  std::set<std::pair<SteadyTime, std::string>> by_time_;
};

}  // namespace postrider::gate
