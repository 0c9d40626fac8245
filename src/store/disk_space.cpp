#include "store/disk_space.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace postrider::store {

namespace {

constexpr std::int64_t kAskEveryMs = 100;
constexpr std::uint64_t kMinFreeLeast = std::uint64_t{64} << 20U;
constexpr std::uint64_t kMinFreeMost = std::uint64_t{1} << 30U;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

DiskSpace::DiskSpace(std::string directory, std::uint64_t min_free_octets, std::function<std::uint64_t()> free_octets)
    : directory_(std::move(directory)), min_free_octets_(min_free_octets), free_octets_(std::move(free_octets)) {
  if (min_free_octets_ != 0) return;
  struct statvfs disk{};
  const bool known = ::statvfs(directory_.c_str(), &disk) == 0;
  const std::uint64_t percent = known ? std::uint64_t{disk.f_blocks} * disk.f_frsize / 100 : 0;
  min_free_octets_ = std::clamp(percent, kMinFreeLeast, kMinFreeMost);
}

bool DiskSpace::has_room() const {
  const std::int64_t now = now_ms();
  std::int64_t before = asked_at_ms_.load(std::memory_order_relaxed);
  if (!free_octets_ && now - before < kAskEveryMs) return has_room_.load(std::memory_order_relaxed);
  if (!asked_at_ms_.compare_exchange_strong(before, now)) return has_room_.load(std::memory_order_relaxed);
  std::uint64_t free = 0;
  if (free_octets_) {
    free = free_octets_();
  } else {
    struct statvfs disk{};
    if (::statvfs(directory_.c_str(), &disk) == 0) free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  }
  has_room_.store(free >= min_free_octets_, std::memory_order_relaxed);
  return free >= min_free_octets_;
}

}  // namespace postrider::store
