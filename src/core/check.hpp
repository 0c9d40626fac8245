// Assertions on what only a bug of ours can break; on in release. Never about input, peers, DNS or disk.
#pragma once

#include <source_location>
#include <string_view>

namespace postrider {

[[noreturn]] void check_failed(std::string_view what, const std::source_location& where);

/// Ends the process with a message when `holds` is false.
inline void check(bool holds, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    check_failed(what, where);
}

}  // namespace postrider
