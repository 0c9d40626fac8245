#include "core/check.hpp"
#include "queue/inside.hpp"
#include "queue/queue.hpp"
#include "queue/records.hpp"

#include <algorithm>

namespace postrider::queue {

using std::chrono::hours;
using std::chrono::minutes;

Settings default_settings() {
  return {.retry = {minutes(5), minutes(10), minutes(20), minutes(40), hours(1), hours(2)},
          .expire_after = hours(5 * 24),
          .expire_after_bounce = hours(2 * 24),
          .warn_after = hours(4)};
}

Duration retry_delay(std::span<const Duration> table, std::uint32_t attempts, Random& random) {
  check(!table.empty() && attempts > 0, "retry_delay: a table and an attempt");
  const std::size_t step = std::min<std::size_t>(attempts - 1, table.size() - 1);
  const auto permille =
      static_cast<Duration::rep>(800 + random.below(401));  // ±20 %: a burst does not come back as one
  return table[step] / 1000 * permille;
}

WallTime released_at(const mail::SenderRequest& request, WallTime arrival) {
  const WallTime last = arrival + std::chrono::seconds(kDelaySecondsMax);
  if (request.hold_for) return std::clamp(arrival + *request.hold_for, arrival, last);
  if (request.hold_until) return std::clamp(*request.hold_until, arrival, last);
  return arrival;
}

std::optional<WallTime> returned_at(const Entry& entry) {
  const std::optional<mail::DeliverBy>& by = entry.request.deliver_by;
  if (!by || by->mode != mail::DeliverBy::Mode::return_it) return std::nullopt;
  return entry.arrival + by->within;
}

}  // namespace postrider::queue
