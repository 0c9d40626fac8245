#pragma once

#include <string_view>

namespace postrider::cli {

inline constexpr std::string_view kVersion = "0.1.0";  // CHANGELOG.md

}  // namespace postrider::cli
