// Messages in files, for the commands that look at them.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace postrider::cli {

inline constexpr std::size_t kDiagnosedOctetsMax = std::size_t{256} * 1024 * 1024;  // of a message in a file; ours

/// `-` is stdin. Errors  not_found: cannot be read; too_long.
[[nodiscard]] Result<std::string> read_message_file(const std::string& name);

/// A file may be one message of an mbox: its first line is then no part of the message. Points into `file`.
[[nodiscard]] std::string_view without_mbox_line(std::string_view file);

}  // namespace postrider::cli
