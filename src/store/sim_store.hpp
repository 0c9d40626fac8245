// The store of the simulation: in memory, in one thread, with faults on demand. Same rules as RocksStore (batch.hpp).
#pragma once

#include "core/random.hpp"
#include "core/shard.hpp"
#include "store/batch.hpp"
#include "store/sealed_bodies.hpp"
#include "store/store.hpp"
#include "store/watches.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::store {

/// What a store holds at one moment.
struct SimState {
  struct Body {
    BlobRecord record;
    std::shared_ptr<const std::string> octets;  // shared by the states that hold the body
  };
  std::map<Key, Entry> keys;
  std::map<BlobId, Body> blobs;
  Version last_version = 0;
};

/// What one batch wrote.
struct SimChange {
  std::vector<std::pair<Key, std::optional<Entry>>> keys;
  std::vector<std::pair<BlobId, std::optional<SimState::Body>>> blobs;
  Version last_version = 0;
};
void apply(const SimChange& change, SimState& state);

/// What survives a crash. One SimStore at a time is open on it; bodies that were not committed do not survive.
class SimDisk {
 public:
  /// Refuses new bodies (exhausted) while it is set, as a disk below `min_free`.
  void set_full(bool full) { full_ = full; }
  [[nodiscard]] bool full() const { return full_; }
  /// What is durable, for checks of a test.
  [[nodiscard]] const SimState& synced() const { return synced_; }

 private:
  friend class SimStore;
  void write(SimChange change) { unsynced_.push_back(std::move(change)); }
  void sync();
  /// After a crash: of what was not synced, the first few writes made it to the disk, the rest did not.
  void settle(Random& random);
  SimState synced_;
  std::vector<SimChange> unsynced_;
  bool full_ = false;
};

/// Faults that a simulation must find; for tests of the simulation itself only.
enum class Planted : std::uint8_t {
  none,
  ack_before_sync,  ///< commit answers before its change is durable: a crash can lose it
};

struct SimStoreOptions {
  SimDisk* disk = nullptr;                              // outlives the store
  Random* random = nullptr;                             // outlives the store
  Duration latency_max = std::chrono::milliseconds(3);  ///< of a commit; reads now and then take up to a third of it
  Planted planted = Planted::none;
};

/// Lives on one shard and dies before it. After a crash: let the tasks run to their end (every call answers cancelled),
/// destroy this, open another one on the same disk.
/// Commits that wait together are one batch, in the order they came; they resume in an order of the seed.
class SimStore final : public Store {
 public:
  enum class When : std::uint8_t { before_sync, after_sync };

  explicit SimStore(SimStoreOptions options);
  SimStore(const SimStore&) = delete;
  SimStore& operator=(const SimStore&) = delete;
  ~SimStore() override;  ///< syncs, unless crashed; what waits is answered with cancelled

  Task<Result<std::optional<Entry>>> get(Key key) override;
  Task<Result<Page>> scan(KeyRange range, std::size_t entries_max) override;
  Task<Result<Version>> commit(Transaction transaction, Durability durability) override;
  std::unique_ptr<Watch> watch(std::string_view prefix, Signal* signal) override;
  void consumed(KeyRange range) override;
  Task<Result<std::unique_ptr<BlobWriter>>> create_blob() override;
  Task<Result<std::string>> read_blob(BlobId id, std::uint64_t offset, std::size_t octets_max) override;
  Signal& failed() override { return failed_; }
  bool has_room() const override;

  /// Calls of the door so far: get, scan, commit, create_blob, read_blob, and append and seal of its writers.
  [[nodiscard]] std::uint64_t calls() const;
  /// The k-th call from now on (1: the next) answers `code` and changes nothing. A commit that answers transient so has
  /// failed for good, as the door says.
  void fail_call(std::uint64_t k, Error::Code code);
  /// The next sync fails, for good.
  void fail_sync() { fail_sync_ = true; }

  /// The n-th commit from now on (1: the next) is where the process dies: before or after its batch is durable. The
  /// commit and all that wait, and every later call, answer cancelled.
  void crash_at_commit(std::uint64_t n, When when);
  /// Dies now.
  void crash();
  [[nodiscard]] bool crashed() const;
  /// Set at the crash.
  [[nodiscard]] Signal& crash_signal() { return crash_signal_; }

 private:
  struct Waiting;
  struct Faults;
  class Writer;
  class Base;
  [[nodiscard]] static Task<void> pause(Duration max, Random* random);
  void schedule(Shard* shard);
  void schedule_lazy_sync(Shard* shard);
  void commit_batch();
  [[nodiscard]] bool meets_crash(std::size_t commits, When when) const;
  [[nodiscard]] Result<void> make_durable(const Batch& batch, bool durable);
  [[nodiscard]] SimChange to_change(const Batch& batch) const;
  void fail_for_good();

  SimStoreOptions options_;
  SimState visible_;
  SealedBodies sealed_;
  Watches watches_;
  Signal failed_;
  Signal crash_signal_;
  std::shared_ptr<Faults> faults_;  // shared with the writers, which may outlive the store after a crash
  bool fail_sync_ = false;
  std::uint64_t commits_ = 0;
  std::optional<std::uint64_t> crash_at_;
  When crash_when_ = When::before_sync;
  std::vector<Waiting> waiting_;
  Deadlines::Handle batch_due_;
  Deadlines::Handle lazy_due_;
  bool lazy_scheduled_ = false;
};

}  // namespace postrider::store
