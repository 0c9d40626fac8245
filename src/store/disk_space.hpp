// Whether the disk has room for new mail.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace postrider::store {

/// Thread-safe. Asks the file system at most every 100 ms; accepts again by itself.
class DiskSpace {
 public:
  /// `min_free_octets` 0: the larger of 64 MiB and 1 % of the disk, but at most 1 GiB (LIMITS.md "Store").
  /// `free_octets`, where given, is asked instead of the file system (tests).
  DiskSpace(std::string directory, std::uint64_t min_free_octets, std::function<std::uint64_t()> free_octets);
  [[nodiscard]] bool has_room() const;

 private:
  std::string directory_;
  std::uint64_t min_free_octets_;
  std::function<std::uint64_t()> free_octets_;
  mutable std::atomic<std::int64_t> asked_at_ms_ = -1'000'000;
  mutable std::atomic<bool> has_room_ = true;
};

}  // namespace postrider::store
