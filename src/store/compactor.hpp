// Turns hints about consumed ranges into compactions on the workers: one at a time, not too often.
#pragma once

#include "core/workers.hpp"
#include "store/rocks_db.hpp"
#include "store/store.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace postrider::store {

inline constexpr std::size_t kCompactRangesMax = 64;           // hints waiting; over it new ones are dropped
inline constexpr std::uint64_t kCompactAfterDeletes = 10'000;  // fewer cost a scan less than the compaction would
inline constexpr std::chrono::seconds kCompactPause = std::chrono::seconds(2);

/// Thread-safe.
class Compactor {
 public:
  Compactor(RocksDb* db, Workers* workers) : db_(db), workers_(workers) {}
  Compactor(const Compactor&) = delete;
  Compactor& operator=(const Compactor&) = delete;
  /// Stops a running compaction and waits for its end.
  ~Compactor();

  /// Overlapping hints become one.
  void add(KeyRange range);
  /// The committer wrote so many deletes.
  void deleted(std::uint64_t count);

 private:
  void start_if_due();
  RocksDb* db_;
  Workers* workers_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<KeyRange> ranges_;
  std::uint64_t deletes_ = 0;
  bool running_ = false;
  std::chrono::steady_clock::time_point not_before_{};
};

}  // namespace postrider::store
