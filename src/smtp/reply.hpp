// SMTP replies: what a server says (5321 §4.2) with enhanced status codes (2034, 3463).
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::smtp {

struct Reply {
  int code = 0;          ///< 200-599
  std::string enhanced;  ///< `2.1.5`; empty where there is none (220, 221 of old servers, 354, EHLO)
  std::string text;      ///< lines separated by '\n'
  friend bool operator==(const Reply&, const Reply&) = default;
};

[[nodiscard]] inline bool is_positive(const Reply& reply) { return reply.code >= 200 && reply.code < 400; }
[[nodiscard]] inline bool is_permanent(const Reply& reply) { return reply.code >= 500; }

/// `250-2.1.0 first\r\n250 2.1.0 last\r\n`; anything but printable ASCII in the text becomes '?', lines are cut at 500
/// octets (5321 §4.5.3.1.5).
[[nodiscard]] std::string to_wire(const Reply& reply);

/// `550 5.1.1 no such user`: one line for logs and reports.
[[nodiscard]] std::string to_line(const Reply& reply);

inline constexpr std::size_t kRemoteReplyLinesMax = 512;  // LIMITS.md "remote reply"
inline constexpr std::size_t kRemoteReplyOctetsMax = 64 * 1024;

}  // namespace postrider::smtp
