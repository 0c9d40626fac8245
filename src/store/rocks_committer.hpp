// The one thread that writes: takes all waiting transactions, decides, writes one batch, syncs once (DESIGN §5).
#pragma once

#include "core/events.hpp"
#include "core/signal.hpp"
#include "store/batch.hpp"
#include "store/blob_files.hpp"
#include "store/compactor.hpp"
#include "store/disk_space.hpp"
#include "store/rocks_db.hpp"
#include "store/sealed_bodies.hpp"
#include "store/store.hpp"
#include "store/watches.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace postrider::store {

inline constexpr std::size_t kCommitterQueueOctetsMax = 256 * 1024 * 1024;  // waiting; over it commit answers exhausted
inline constexpr Duration kLazyWaitMax = std::chrono::seconds(1);           // a lazy commit is durable after that

/// Told what became of a transaction, on the committer's thread.
using Committed = std::move_only_function<void(Result<Version>)>;

class RocksCommitter final : private BatchBase {
 public:
  /// What it works on; all outlive it.
  struct Parts {
    RocksDb* db;
    BlobFiles* files;
    SealedBodies* sealed;
    Watches* watches;
    DiskSpace* space;
    Compactor* compactor;
    Signal* failed;
    Events* events;
    std::function<bool()> fail_sync;  ///< for tests: true makes the next sync fail
  };
  explicit RocksCommitter(Parts parts);
  RocksCommitter(const RocksCommitter&) = delete;
  RocksCommitter& operator=(const RocksCommitter&) = delete;
  /// Commits what waits, syncs, joins.
  ~RocksCommitter() override;

  /// Thread-safe. `done` is called once. Errors given to `done`  as Store::commit.
  void submit(Transaction transaction, Durability durability, Committed done);

 private:
  struct Waiting {
    Transaction transaction;
    Durability durability;
    Committed done;
    std::size_t octets;
    std::optional<Result<Version>> outcome;
  };
  void run();
  [[nodiscard]] bool wait_for_work(std::vector<Waiting>& work);
  void commit_batch(std::vector<Waiting>& work);
  void decide(Waiting& one, Batch& batch);
  [[nodiscard]] Result<void> write(const Batch& batch, RocksDb::Sync sync);
  void after_write(const Batch& batch, RocksDb::Sync sync);
  void sync_lazy();
  void after_sync();
  void fail_for_good(const Error& why);

  Result<std::optional<Version>> version_of(const Key& key) override;
  Result<std::optional<BlobRecord>> record_of(const BlobId& id) override;
  std::optional<std::uint64_t> sealed_size_of(const BlobId& id) override;

  Parts parts_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> queue_;    // guarded by mutex_
  std::size_t queue_octets_ = 0;  // guarded by mutex_
  bool idle_ = false;             // guarded by mutex_: the thread waits
  bool stopping_ = false;         // guarded by mutex_
  // The rest belongs to the thread.
  bool broken_ = false;
  std::optional<std::chrono::steady_clock::time_point> lazy_since_;  // the oldest write that is not synced
  std::vector<BlobId> files_to_remove_;                              // after the next sync
  std::thread thread_;
};

}  // namespace postrider::store
