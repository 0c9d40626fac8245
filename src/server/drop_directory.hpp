// The door to the drop directory: files that the users of this host leave for the server, each its owner's.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::server {

inline constexpr std::size_t kDropFileOctetsMax = 80 * 1024 * 1024;
inline constexpr std::size_t kDropNamesMax = 1000;  // of one look; the next look finds the others

/// Complete files are named `m` and 32 hexadecimal digits; others are being written, and are nobody's when they are a
/// day old. All calls block: for Workers.
class DropDirectory {
 public:
  struct Dropped {
    std::uint32_t user = 0;  ///< whose file it is
    std::string octets;
  };
  virtual ~DropDirectory() = default;
  /// Names of complete files, at most kDropNamesMax, in any order; where there are more, the next look goes on with the
  /// others. Folders are nobody's. Removes what was left half-written long ago. One look at a time.
  [[nodiscard]] virtual Result<std::vector<std::string>> names() = 0;
  /// Errors  denied: no plain file of its own (a link, a pipe), or not readable; too_long; not_found.
  [[nodiscard]] virtual Result<Dropped> read(const std::string& name) = 0;
  [[nodiscard]] virtual Result<void> remove(const std::string& name) = 0;
  /// Out of the way, for the postmaster to look at: `refused/NAME`.
  [[nodiscard]] virtual Result<void> put_aside(const std::string& name) = 0;
};

[[nodiscard]] bool is_drop_name(std::string_view name);

/// `path` is there already (prepare_drop_directory).
[[nodiscard]] std::unique_ptr<DropDirectory> open_drop_directory(std::string path);

/// Makes it, with mode 1733: anybody may leave a file, nobody but its owner sees what is there. Errors  denied.
[[nodiscard]] Result<void> prepare_drop_directory(const std::string& path);

/// Leaves a file there, synced; the server finds it. `random` is 32 hexadecimal digits.
/// Errors  denied, not_found, exhausted (no room).
[[nodiscard]] Result<void> leave_in_drop_directory(const std::string& path, const std::string& random,
                                                   std::string_view octets);

}  // namespace postrider::server
