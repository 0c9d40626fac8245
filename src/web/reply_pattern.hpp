// A regular expression over what remotes said. RE2: linear in its input, whatever the expression.
#pragma once

#include "core/result.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace postrider::web {

inline constexpr std::size_t kPatternOctetsMax = 1024;

/// What it matches anywhere in a reply; letters count in their case, unless it starts with (?i). RE2's syntax: no
/// back references, no look-around.
/// Errors  malformed: `detail` says what is wrong with it; too_long.
[[nodiscard]] Result<std::function<bool(std::string_view)>> parse_reply_pattern(std::string_view expression);

}  // namespace postrider::web
