// What is due next: a bounded part of the due index in memory, and the recipients that are in somebody's hands.
#pragma once

#include "core/clock.hpp"
#include "core/signal.hpp"
#include "queue/keys.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace postrider::queue {

inline constexpr std::size_t kPausedMax = 10'000;

/// Knows no store: it says where to read the due index on, and is told what was read. Thread-safe.
///
/// What always holds: a due key on disk below the frontier is in the heap, or held, or was committed by someone who is
/// about to call `add` or `settled`. Keys at or behind the frontier may be on disk only. `add` drops what is behind the
/// frontier; while a read runs, whose snapshot may be older, it keeps everything. Where the heap is full its last key
/// leaves, and the frontier comes back to that key. While very many are paused nothing is taken: what is held is
/// bounded by that and by the jobs in hand.
class Scheduler {
 public:
  explicit Scheduler(std::size_t active_max) : active_max_(active_max) {}

  /// A due key was committed.
  void add(const std::vector<Due>& committed);

  /// The first that is due at `now`; it is held from then on.
  [[nodiscard]] std::optional<Due> take(WallTime now);
  /// Whether `take` gives one.
  [[nodiscard]] bool has_due(WallTime now) const;
  /// Holds one more, whether it is in the heap, paused or neither. False: somebody else has it in hand.
  [[nodiscard]] bool hold(const Due& due);
  /// From now on `hold_unsettled` knows which recipients of this entry were settled meanwhile. One reader at a time.
  void watch(const QueueId& id);
  /// As `hold`, for one of the watched entry that was read since `watch`. False also where it was settled meanwhile:
  /// what was read is not what it is now.
  [[nodiscard]] bool hold_unsettled(const Due& due);
  /// What was held is as it was: back at once, or after `not_before`.
  void give_back(const RecipientId& who, std::optional<SteadyTime> not_before);
  /// Gives those back whose pause has passed.
  void end_pauses(SteadyTime now);
  /// What a settle put into its transaction: the next due time, or none.
  void staged(const RecipientId& who, std::optional<WallTime> due);
  /// That transaction was committed.
  void settled(const RecipientId& who);

  /// Where to read the due index on; nullopt: enough is in memory. `end_read` must follow, before the next call.
  [[nodiscard]] std::optional<store::KeyRange> begin_read();
  /// `next`: where the page ended, when there is more.
  void end_read(const std::vector<Due>& page, const std::optional<store::Key>& next);
  void fail_read();
  [[nodiscard]] std::size_t read_max() const;

  /// The first times at which there may be something to do.
  [[nodiscard]] std::optional<WallTime> next_due() const;
  [[nodiscard]] std::optional<SteadyTime> next_pause_end() const;

  /// What was consumed since the last call, when that is much.
  [[nodiscard]] std::optional<store::KeyRange> consumed();

  /// Due keys known; grows to all of them while the index is read the first time.
  [[nodiscard]] std::uint64_t depth() const;
  /// Set when something changed that `take` or `begin_read` may have waited for.
  [[nodiscard]] Signal& changed() { return changed_; }

 private:
  struct Held {
    Due due;
    std::optional<WallTime> next;  // as staged
    bool paused = false;
  };
  void insert(const Due& due);
  [[nodiscard]] bool first_is_due(WallTime now) const;
  void pull_frontier_back(const store::Key& to);
  [[nodiscard]] store::Key low_water() const;
  [[nodiscard]] bool is_known(const store::Key& key) const { return known_to_.empty() || key < known_to_; }
  void release(std::map<RecipientId, Held>::iterator at);
  [[nodiscard]] bool hold_locked(const Due& due);

  const std::size_t active_max_;
  mutable std::mutex mutex_;
  std::set<Due> heap_;
  std::map<RecipientId, Held> held_;
  std::multimap<SteadyTime, RecipientId> pauses_;
  std::optional<QueueId> watched_;
  std::set<std::uint32_t> settled_since_watch_;                  // of `watched_`
  std::optional<store::Key> frontier_ = store::Key(kDuePrefix);  // nullopt: the whole index is known
  bool reading_ = false;
  std::optional<store::Key> pulled_while_reading_;  // the lowest key to which the frontier came back meanwhile
  store::Key known_to_ = store::Key(kDuePrefix);    // keys below are in depth_; empty: all
  std::uint64_t depth_ = 0;
  store::Key consumed_to_ = store::Key(kDuePrefix);
  std::size_t settled_since_hint_ = 0;
  Signal changed_;
};

}  // namespace postrider::queue
