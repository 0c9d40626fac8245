// The queue's stored values.
#pragma once

#include "core/result.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::queue {

inline constexpr std::int64_t kDelaySecondsMax = 999'999'999;  // nine digits of BY and HOLDFOR: 2852 §4, 4865 §4

[[nodiscard]] std::string to_record(const Entry& entry);
[[nodiscard]] std::string to_record(const Recipient& recipient);
/// `event.at` is in the key.
[[nodiscard]] std::string to_record(const TraceEvent& event);

/// Errors of all  corrupt.
[[nodiscard]] Result<Entry> read_entry(const QueueId& id, const store::Entry& stored);
[[nodiscard]] Result<Recipient> read_recipient(std::uint32_t number, const store::Entry& stored);
[[nodiscard]] Result<TraceEvent> read_trace_event(WallTime at, std::string_view value);

}  // namespace postrider::queue
