// RocksDB behind plain functions: the only part of the store that knows its API. All functions block; thread-safe but
// for `write` and `sync`, which belong to the committer.
#pragma once

#include "store/batch.hpp"
#include "store/sealed_bodies.hpp"
#include "store/store.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
struct ReadOptions;
}  // namespace rocksdb

namespace postrider::store {

/// How far a read may go: what is in memory, or the disk too.
enum class Reach : std::uint8_t { memory, disk };

inline constexpr std::size_t kNearEntriesMax = 64;      // of a scan on a shard
inline constexpr std::uint64_t kNearSkippedMax = 1000;  // deleted keys that it steps over

/// A read's outcome; nullopt: not in memory, ask the disk. Never nullopt with Reach::disk.
template <class T>
using Read = std::optional<Result<T>>;

class RocksDb {
 public:
  /// Opens or makes the database in `directory`. Errors  transient, corrupt.
  [[nodiscard]] static Result<std::unique_ptr<RocksDb>> open(const std::string& directory);
  RocksDb(const RocksDb&) = delete;
  RocksDb& operator=(const RocksDb&) = delete;
  ~RocksDb();

  [[nodiscard]] Read<std::optional<Entry>> get(const Key& key, Reach reach) const;
  [[nodiscard]] Result<std::optional<Version>> version_of(const Key& key) const;
  [[nodiscard]] Read<Page> scan(const KeyRange& range, std::size_t entries_max, Reach reach) const;

  [[nodiscard]] Read<std::optional<BlobRecord>> record_of(const BlobId& id, Reach reach) const;
  /// A part of an inline body. Errors  not_found, transient, corrupt.
  [[nodiscard]] Read<std::string> inline_body(const BlobId& id, std::uint64_t offset, std::size_t octets_max,
                                              Reach reach) const;

  /// The newest version ever written.
  [[nodiscard]] Version last_version() const { return last_version_; }
  enum class Sync : std::uint8_t { no, yes };
  /// Writes the whole batch or fails for good. New inline bodies come from `sealed`. Errors  transient.
  [[nodiscard]] Result<void> write(const Batch& batch, const SealedBodies& sealed, Sync sync);
  /// Makes durable what was written without sync. Errors  transient.
  [[nodiscard]] Result<void> sync();

  /// Drops what is left of deleted keys. Ends early when `cancelled` is set.
  void compact(const KeyRange& range, std::atomic<bool>* cancelled);

 private:
  RocksDb() = default;
  [[nodiscard]] Result<void> read_last_version();
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* keys_ = nullptr;     // key → version (8 octets), value
  rocksdb::ColumnFamilyHandle* records_ = nullptr;  // blob id → BlobRecord; kLastVersionKey → 8 octets
  rocksdb::ColumnFamilyHandle* bodies_ = nullptr;   // blob id → octets
  Version last_version_ = 0;
};

}  // namespace postrider::store
