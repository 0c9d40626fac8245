// Date-times of header fields (5322 §3.3, obsolete forms §4.3). Writing one: to_rfc5322_date in core/clock.hpp.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <chrono>
#include <string_view>

namespace postrider::mail {

struct DateTime {
  WallTime at;
  std::chrono::minutes offset{0};  ///< of the zone it was written in; `-0000` and unknown zones are 0
  friend bool operator==(const DateTime&, const DateTime&) = default;
};

/// Takes comments, folds, no day of week, two-digit and three-digit years (§4.3), obsolete zones, and what mail in the
/// wild has: seconds left out, full names of months, a missing zone (as UTC). Errors  malformed: no date can be read
/// from it; too_long: a field out of its range (31 Feb, 25:00).
[[nodiscard]] Result<DateTime> parse_date(std::string_view value);

}  // namespace postrider::mail
