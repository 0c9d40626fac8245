// What the commands say and how they end (INTERFACE §2).
#pragma once

#include "core/result.hpp"

#include <string_view>

namespace postrider::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitServerNeeded = 69;
inline constexpr int kExitTryAgain = 75;
inline constexpr int kExitNotPermitted = 77;

/// One line on stdout.
void print_line(std::string_view line);
/// `postrider: what` on stderr.
void print_error(std::string_view what);
/// The exit code for a failure, after saying it.
[[nodiscard]] int report(const Error& failure);

}  // namespace postrider::cli
