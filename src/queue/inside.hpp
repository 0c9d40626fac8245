// What the parts of Queue share: queue.cpp stages, reading.cpp finds the next job, admin.cpp serves the commands.
#pragma once

#include "queue/freezes.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "queue/scheduler.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::queue {

inline constexpr std::size_t kTraceDetailOctetsMax = 512;
inline constexpr std::size_t kRemoteTextOctetsMax = 320;  // a host of 255, an address in brackets
/// Recipients of an entry that are due within that time of each other are one job: they failed together.
inline constexpr Duration kTogether = std::chrono::seconds(2);
inline constexpr std::size_t kEntriesPageMax = 1000;  // records in one read of entries

/// When an entry is due first: at its arrival, or when its sender lets it go (4865 §4).
[[nodiscard]] WallTime released_at(const mail::SenderRequest& request, WallTime arrival);
/// When the sender wants it back if it is not delivered (2852 §4, mode R).
[[nodiscard]] std::optional<WallTime> returned_at(const Entry& entry);

template <class Range, class T>
[[nodiscard]] bool is_in(const Range& all, const T& one) {
  return std::ranges::find(all, one) != std::ranges::end(all);
}

/// Whose message it is for this recipient: the owner's of the list that it came by, else the entry's.
[[nodiscard]] inline const mail::Path& sender_of(const Entry& entry, const Recipient& recipient) {
  return recipient.reverse_path ? *recipient.reverse_path : entry.reverse_path;
}
/// Who hears of this recipient: an owner of a list of ours is no stranger (SECURITY R8), whoever sent to it.
[[nodiscard]] ReportTo report_to(const Entry& entry, const Recipient& recipient);

/// As `selects`, for an entry none of whose recipients can be read: true where nothing of a recipient is asked for.
[[nodiscard]] bool selects_empty(const Selection& selection, const Entry& entry);
[[nodiscard]] bool is_frozen_by(const std::vector<Freeze>& freezes, const Entry& entry, const Recipient& recipient);

struct Queue::Inside {
  Inside(store::Store* store_door, Clock* clock_door, Random* random_door, Settings queue_settings, Events* event_sink,
         std::size_t active_max);

  // settle.cpp
  /// When nothing more is tried (5321 §4.5.4.1): the time of waiting for its release does not count.
  [[nodiscard]] WallTime given_up_at(const Entry& entry, const mail::Path& sender) const;
  /// The moment for its last attempt, before which it is always tried again.
  [[nodiscard]] WallTime last_try_at(const Entry& entry, const Recipient& recipient) const;
  /// When its sender is to hear that it is late; nullopt: never, or it was told.
  [[nodiscard]] std::optional<WallTime> warned_at(const Entry& entry, const Recipient& recipient) const;
  [[nodiscard]] Fate stage_deferred(store::Transaction& transaction, const Entry& entry, const Recipient& before,
                                    Recipient next, const Outcome& outcome);
  [[nodiscard]] Fate stage_failed(store::Transaction& transaction, Entry& entry, const Recipient& before,
                                  Recipient next, const Outcome& outcome);
  [[nodiscard]] Fate stage_success(store::Transaction& transaction, Entry& entry, const Recipient& recipient,
                                   const Outcome& outcome, std::string_view what);

  // queue.cpp
  void trace(store::Transaction& transaction, const QueueId& id, std::string_view what, std::string recipient,
             std::string_view detail);
  /// The recipient leaves the queue.
  void stage_end(store::Transaction& transaction, Entry& entry, const Recipient& recipient);
  /// The recipient's record as it is now, in place of `before`.
  void stage_change(store::Transaction& transaction, const QueueId& id, const Recipient& before, const Recipient& now);
  void stage_entry(store::Transaction& transaction, const Entry& entry);
  void settled(const RecipientId& who);

  // reading.cpp
  /// An entry with the recipients whose records can be read; nullopt: there is none. A record that cannot be read is
  /// moved aside. Errors  transient, corrupt (the store's own).
  [[nodiscard]] Task<Result<std::optional<Listed>>> load(QueueId id);
  [[nodiscard]] Task<Result<void>> set_aside(QueueId id, store::KeyedEntry record);
  [[nodiscard]] Task<Result<void>> read_ahead();
  /// The job that begins with `due`, which is held; nullopt: there is nothing to do for it (any more).
  [[nodiscard]] Task<Result<std::optional<Job>>> start(Due due);
  [[nodiscard]] Task<Result<void>> expire_held(Entry* entry, std::vector<Recipient> held);
  [[nodiscard]] Task<Result<void>> drop_stale(Due due, std::optional<Recipient> found);
  [[nodiscard]] SteadyTime wake_time() const;

  /// Holds those of the job that a freeze matches, and takes them out of it; `first` is the last to be settled. What
  /// could not be held is in the job again.
  [[nodiscard]] Task<Result<void>> freeze_some(Job* job, RecipientId first);

  // listing.cpp
  /// Whole entries after `after`: of these ids, or of all where there are none. A page may end before `read_max`.
  [[nodiscard]] Task<Result<ListPage>> read(std::vector<QueueId> ids, std::optional<QueueId> after,
                                            std::size_t read_max);
  [[nodiscard]] Task<Result<ListPage>> read_range(std::optional<QueueId> after, std::size_t read_max);
  [[nodiscard]] Task<Result<ListPage>> read_named(std::vector<QueueId> ids, std::optional<QueueId> after,
                                                  std::size_t read_max);

  // change.cpp
  [[nodiscard]] Task<Result<void>> change_entry(const Change* change, const Selection* selection, Listed listed,
                                                ChangePage* out);
  struct Changing;
  [[nodiscard]] Task<Result<void>> change_tries(Changing* changing);
  [[nodiscard]] Task<Result<void>> change_held(Changing* changing);

  store::Store* store;
  Clock* clock;
  const std::uint64_t salt;  // of the retries' jitter
  Settings settings;
  Events* events;
  Scheduler scheduler;
  Freezes freezes;
  std::atomic<std::uint32_t> trace_sequence = 0;  // keeps apart what happens in one microsecond
};

[[nodiscard]] inline Due due_of(const QueueId& id, const Recipient& recipient) {
  return {.at = recipient.due, .who = {.id = id, .number = recipient.number}};
}

}  // namespace postrider::queue
