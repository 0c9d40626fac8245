#include "queue/scheduler.hpp"

#include <algorithm>
#include <utility>

namespace postrider::queue {

namespace {

constexpr std::size_t kReadMax = 2000;       // due keys in one read
constexpr std::size_t kConsumedHint = 1000;  // settles between two hints to the store

}  // namespace

void Scheduler::insert(const Due& due) {
  heap_.insert(due);
  if (heap_.size() <= active_max_) return;
  const auto last = std::prev(heap_.end());
  const store::Key left = due_key(*last);
  heap_.erase(last);
  pull_frontier_back(left);
}

void Scheduler::pull_frontier_back(const store::Key& to) {
  if (reading_ && (!pulled_while_reading_ || to < *pulled_while_reading_)) pulled_while_reading_ = to;
  if (!frontier_ || to < *frontier_) frontier_ = to;
}

void Scheduler::add(const std::vector<Due>& committed) {
  {
    const std::scoped_lock lock(mutex_);
    for (const Due& due : committed) {
      const store::Key key = due_key(due);
      if (is_known(key)) ++depth_;
      if (reading_ || !frontier_ || key < *frontier_) insert(due);
    }
  }
  changed_.set();
}

bool Scheduler::first_is_due(WallTime now) const {
  if (heap_.empty() || heap_.begin()->at > now || pauses_.size() >= kPausedMax) return false;
  return !frontier_ || due_key(*heap_.begin()) < *frontier_;  // an earlier one may be on disk only
}

bool Scheduler::has_due(WallTime now) const {
  const std::scoped_lock lock(mutex_);
  return first_is_due(now);
}

std::optional<Due> Scheduler::take(WallTime now) {
  const std::scoped_lock lock(mutex_);
  while (first_is_due(now)) {
    const Due due = *heap_.begin();
    heap_.erase(heap_.begin());
    // One that is held already was read from a snapshot older than its settle: who holds it tells its true time.
    if (held_.emplace(due.who, Held{.due = due, .next = std::nullopt}).second) return due;
  }
  return std::nullopt;
}

bool Scheduler::hold(const Due& due) {
  const std::scoped_lock lock(mutex_);
  return hold_locked(due);
}

bool Scheduler::hold_locked(const Due& due) {
  const auto [at, made] = held_.emplace(due.who, Held{.due = due, .next = std::nullopt});
  if (made) heap_.erase(due);
  return made || std::exchange(at->second.paused, false);
}

void Scheduler::watch(const QueueId& id) {
  const std::scoped_lock lock(mutex_);
  watched_ = id;
  settled_since_watch_.clear();
}

bool Scheduler::hold_unsettled(const Due& due) {
  const std::scoped_lock lock(mutex_);
  return !settled_since_watch_.contains(due.who.number) && hold_locked(due);
}

void Scheduler::release(std::map<RecipientId, Held>::iterator at) {
  const Due due = at->second.due;
  held_.erase(at);
  insert(due);
}

void Scheduler::give_back(const RecipientId& who, std::optional<SteadyTime> not_before) {
  {
    const std::scoped_lock lock(mutex_);
    const auto at = held_.find(who);
    if (at == held_.end() || at->second.paused) return;
    if (not_before) {
      at->second.paused = true;
      pauses_.emplace(*not_before, who);
    } else {
      release(at);
    }
  }
  changed_.set();
}

void Scheduler::end_pauses(SteadyTime now) {
  const std::scoped_lock lock(mutex_);
  while (!pauses_.empty() && pauses_.begin()->first <= now) {
    const auto at = held_.find(pauses_.begin()->second);
    pauses_.erase(pauses_.begin());
    if (at != held_.end() && at->second.paused) release(at);
  }
}

void Scheduler::staged(const RecipientId& who, std::optional<WallTime> due) {
  const std::scoped_lock lock(mutex_);
  const auto at = held_.find(who);
  if (at != held_.end()) at->second.next = due;
}

void Scheduler::settled(const RecipientId& who) {
  {
    const std::scoped_lock lock(mutex_);
    ++settled_since_hint_;
    if (watched_ && who.id == *watched_) settled_since_watch_.insert(who.number);
    const auto at = held_.find(who);
    if (at == held_.end()) {
      pull_frontier_back(low_water());  // nobody held it, so its next due time is on disk only: read again what is left
    } else {
      const Held held = at->second;
      held_.erase(at);
      if (is_known(due_key(held.due)) && depth_ > 0) --depth_;
      if (held.next) {
        const Due due{.at = *held.next, .who = who};
        const store::Key key = due_key(due);
        if (is_known(key)) ++depth_;
        if (reading_ || !frontier_ || key < *frontier_) insert(due);
      }
    }
  }
  changed_.set();
}

std::optional<store::KeyRange> Scheduler::begin_read() {
  const std::scoped_lock lock(mutex_);
  if (!frontier_) return std::nullopt;
  const bool low = heap_.size() <= active_max_ / 2;
  if (!low && due_key(*heap_.begin()) < *frontier_) return std::nullopt;
  reading_ = true;
  pulled_while_reading_.reset();
  return store::KeyRange{.from = *frontier_, .to = store::range_of_prefix(kDuePrefix).to};
}

void Scheduler::end_read(const std::vector<Due>& page, const std::optional<store::Key>& next) {
  const std::scoped_lock lock(mutex_);
  for (const Due& due : page) {
    if (!is_known(due_key(due))) ++depth_;
  }
  if (!known_to_.empty() && (!next || *next > known_to_)) known_to_ = next.value_or(store::Key());
  frontier_ = next;
  if (pulled_while_reading_) pull_frontier_back(*pulled_while_reading_);
  for (const Due& due : page) {
    if (!held_.contains(due.who)) insert(due);
  }
  reading_ = false;
}

void Scheduler::fail_read() {
  const std::scoped_lock lock(mutex_);
  reading_ = false;
}

std::size_t Scheduler::read_max() const { return std::clamp<std::size_t>(active_max_ / 2, 1, kReadMax); }

std::optional<WallTime> Scheduler::next_due() const {
  const std::scoped_lock lock(mutex_);
  if (heap_.empty() || pauses_.size() >= kPausedMax) return std::nullopt;  // then the end of a pause is next
  return heap_.begin()->at;
}

std::optional<SteadyTime> Scheduler::next_pause_end() const {
  const std::scoped_lock lock(mutex_);
  if (pauses_.empty()) return std::nullopt;
  return pauses_.begin()->first;
}

store::Key Scheduler::low_water() const {
  store::Key low = frontier_.value_or(store::range_of_prefix(kDuePrefix).to);
  if (!heap_.empty()) low = std::min(low, due_key(*heap_.begin()));
  for (const auto& [who, held] : held_) low = std::min(low, due_key(held.due));
  return low;
}

std::optional<store::KeyRange> Scheduler::consumed() {
  const std::scoped_lock lock(mutex_);
  if (settled_since_hint_ < kConsumedHint) return std::nullopt;
  settled_since_hint_ = 0;
  store::Key low = low_water();
  if (low <= consumed_to_) return std::nullopt;
  return store::KeyRange{.from = std::exchange(consumed_to_, low), .to = low};
}

std::uint64_t Scheduler::depth() const {
  const std::scoped_lock lock(mutex_);
  return depth_;
}

}  // namespace postrider::queue
