// What a guard remembers of somebody, bounded in number.
#pragma once

#include "core/clock.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <utility>

namespace postrider::gate {

/// How often something happened within the last hour, to ten minutes.
class LastHour {
 public:
  static constexpr Duration kSlot = std::chrono::minutes(10);
  static constexpr std::int64_t kSlots = 6;

  void add(SteadyTime now) {
    const std::int64_t slot = slot_of(now);
    for (std::int64_t i = std::max(newest_ + 1, slot - kSlots + 1); i <= slot; ++i) counts_.at(index(i)) = 0;
    newest_ = std::max(newest_, slot);
    std::uint16_t& count = counts_.at(index(slot));
    if (count < std::numeric_limits<std::uint16_t>::max()) ++count;
  }
  [[nodiscard]] unsigned count(SteadyTime now) const {
    unsigned sum = 0;
    for (std::int64_t i = slot_of(now) - kSlots + 1; i <= newest_; ++i) sum += counts_.at(index(i));
    return sum;
  }
  /// When nothing of it counts any more.
  [[nodiscard]] SteadyTime forgotten() const { return {kSlot * (newest_ + kSlots)}; }

 private:
  [[nodiscard]] static std::int64_t slot_of(SteadyTime at) { return at.since_start / kSlot; }
  [[nodiscard]] static std::size_t index(std::int64_t slot) {
    return static_cast<std::size_t>((slot % kSlots + kSlots) % kSlots);
  }
  std::int64_t newest_ = -kSlots;
  std::array<std::uint16_t, kSlots> counts_{};
};

/// Entries by key, in two lists by age: what is new, and what is kept because it matters. When the table is full the
/// oldest new entry goes; kept ones that are more than three quarters of it fall back among the new. So whoever makes
/// entries cheaply can only push out what is as cheap.
template <class Key, class Value>
class GuardTable {
 public:
  explicit GuardTable(std::size_t entries_max) : entries_max_(entries_max) {}

  /// nullptr: not there. Valid until the entry goes.
  [[nodiscard]] Value* find(const Key& key) {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second.value;
  }
  /// Made where it is not there; the youngest of its list from now on.
  Value& touch(const Key& key) {
    const auto [at, is_new] = entries_.try_emplace(key);
    Entry& entry = at->second;
    if (is_new) {
      entry.place = new_.insert(new_.end(), &at->first);
      if (entries_.size() > entries_max_) forget_one();
    } else {
      std::list<const Key*>& list = entry.kept ? kept_ : new_;
      list.splice(list.end(), list, entry.place);
    }
    return entry.value;
  }
  /// It matters from now on. Is there.
  void keep(const Key& key) {
    Entry& entry = entries_.at(key);
    if (std::exchange(entry.kept, true)) return;
    kept_.splice(kept_.end(), new_, entry.place);
    if (kept_.size() <= entries_max_ / 4 * 3) return;
    Entry& oldest = entries_.at(*kept_.front());
    oldest.kept = false;
    new_.splice(new_.end(), kept_, kept_.begin());
  }
  void erase(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    (found->second.kept ? kept_ : new_).erase(found->second.place);
    entries_.erase(found);
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// In the order of keys.
  template <class F>
  void each(F visit) const {
    for (const auto& [key, entry] : entries_) visit(key, entry.value);
  }

 private:
  struct Entry {
    Value value{};
    bool kept = false;
    typename std::list<const Key*>::iterator place{};
  };
  void forget_one() {
    std::list<const Key*>& from = new_.size() > 1 ? new_ : kept_;  // not the one that is being made
    const auto oldest = entries_.find(*from.front());
    from.pop_front();
    entries_.erase(oldest);
  }
  const std::size_t entries_max_;
  std::map<Key, Entry> entries_;
  std::list<const Key*> new_;  // the oldest first
  std::list<const Key*> kept_;
};

}  // namespace postrider::gate
