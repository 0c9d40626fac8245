// Sizes and durations as people write them.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <string_view>

namespace postrider {

/// `50MiB`, `64 KiB`, `1000`: B KB MB GB KiB MiB GiB. Errors  malformed, too_long.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
/// `300ms`, `8s`, `5m`, `2h`, `30d`. Errors  malformed, too_long.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

}  // namespace postrider
