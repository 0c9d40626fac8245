// The queue's keys. All begin with "Q"; no other room reads them.
//   Qe id            the entry                      Qe id number       a recipient of it: one scan reads both
//   Qd due id number the due index, no value        Qt id time seq     a trace event
//   Qf               how many freezes there are Qf from to domain  a freeze; each part has its length before it
//   Qo token         a commit that must not happen again has happened
//   Qx key           a record that could not be read, moved aside as it was
// An id is 18 octets of text in the order of time, a number 4 octets, a time 8 octets of microseconds, all big-endian.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "queue/queue.hpp"
#include "store/store.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::queue {

inline constexpr std::string_view kEntryPrefix = "Qe";
inline constexpr std::string_view kDuePrefix = "Qd";
inline constexpr std::string_view kTracePrefix = "Qt";
inline constexpr std::string_view kFreezePrefix = "Qf";
inline constexpr std::string_view kAsidePrefix = "Qx";
inline constexpr std::size_t kIdOctets = 18;

/// A recipient of an entry.
struct RecipientId {
  QueueId id;
  std::uint32_t number = 0;
  friend auto operator<=>(const RecipientId&, const RecipientId&) = default;
};

/// A key of the due index; sorts as its octets do.
struct Due {
  WallTime at;
  RecipientId who;
  friend auto operator<=>(const Due&, const Due&) = default;
};

[[nodiscard]] store::Key entry_key(const QueueId& id);
[[nodiscard]] store::Key recipient_key(const RecipientId& who);
[[nodiscard]] store::Key due_key(const Due& due);
[[nodiscard]] store::Key trace_key(const QueueId& id, WallTime at, std::uint32_t sequence);
[[nodiscard]] store::Key once_key(std::string_view token);
[[nodiscard]] store::Key aside_key(std::string_view key);
[[nodiscard]] store::Key freeze_key(const Freeze& freeze);

/// A key under kEntryPrefix taken apart.
struct EntryKey {
  QueueId id;
  bool is_recipient = false;
  std::uint32_t number = 0;
};
/// Errors of all  corrupt: no such key.
[[nodiscard]] Result<EntryKey> parse_entry_key(std::string_view key);
[[nodiscard]] Result<Due> parse_due_key(std::string_view key);
[[nodiscard]] Result<Freeze> parse_freeze_key(std::string_view key);
[[nodiscard]] Result<WallTime> parse_trace_time(std::string_view key);

}  // namespace postrider::queue
