// HMAC-SHA-256 (2104).
#pragma once

#include <string>
#include <string_view>

namespace postrider::directory {

/// 32 octets. `key`: at most 64 octets.
[[nodiscard]] std::string keyed_hash(std::string_view key, std::string_view octets);

/// Takes the same time wherever they differ, when they are of one length.
[[nodiscard]] bool is_equal_secretly(std::string_view a, std::string_view b);

}  // namespace postrider::directory
