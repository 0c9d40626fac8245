// The door to disks: ordered transactional keys with blobs (DESIGN §5). Implementations: RocksStore, SimStore; both
// pass store_contract_test.
#pragma once

#include "core/result.hpp"
#include "core/signal.hpp"
#include "core/task.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::store {

// LIMITS.md "Store". A transaction over them is refused with too_long before anything happens.
inline constexpr std::size_t kKeyOctetsMax = 1024;
inline constexpr std::size_t kValueOctetsMax = 64 * 1024;
inline constexpr std::size_t kTransactionOctetsMax = 1024 * 1024;  // keys and values; an inline blob counts as a value
inline constexpr std::size_t kTransactionKeysMax = 5000;
inline constexpr std::size_t kBatchOctetsMax = 16 * 1024 * 1024;
inline constexpr std::size_t kCommitterQueueMax = 20'000;  // transactions waiting; over it commit answers exhausted
inline constexpr std::size_t kInlineBlobOctetsMax = 64 * 1024;  // a larger body is a file of its own

/// Octets; sorts as octets. Each owning room has one keys.hpp that makes them, with a prefix of its own.
using Key = std::string;

/// [from, to); an empty `to` means: to the end.
struct KeyRange {
  Key from;
  Key to;
};
/// All keys that begin with `prefix`.
[[nodiscard]] KeyRange range_of_prefix(std::string_view prefix);

/// Grows with every commit of the store; two values of one key never have the same.
using Version = std::uint64_t;

struct Entry {
  std::string value;
  Version version = 0;
};

struct KeyedEntry {
  Key key;
  Entry entry;
};

struct Page {
  std::vector<KeyedEntry> entries;
  std::optional<Key> next;       ///< where to go on, when there are more
  std::size_t keys_visited = 0;  ///< deleted ones that had to be stepped over included
};

/// Names a body: 16 octets, random. Never used again.
struct BlobId {
  std::string octets;
  friend bool operator==(const BlobId&, const BlobId&) = default;
  friend auto operator<=>(const BlobId&, const BlobId&) = default;
};

/// What a record keeps of a blob.
struct BlobRef {
  BlobId id;
  std::uint64_t size_octets = 0;
  friend bool operator==(const BlobRef&, const BlobRef&) = default;
};

/// A body that is written, synced where it is a file, and not yet named by a record. Readable at once. Deleted when the
/// handle dies without a commit of a transaction that took it.
class SealedBlob {
 public:
  virtual ~SealedBlob() = default;
  [[nodiscard]] virtual const BlobRef& ref() const = 0;
};

/// Takes a body chunk by chunk; holds at most kInlineBlobOctetsMax octets in memory.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;  ///< unsealed: what was written is thrown away
  /// Errors  exhausted: disk full; transient: could not write.
  [[nodiscard]] virtual Task<Result<void>> append(std::string_view chunk) = 0;
  /// Syncs file and directory where the body is a file. To be called once. Errors  as append.
  [[nodiscard]] virtual Task<Result<std::shared_ptr<SealedBlob>>> seal() = 0;  // shared: held by transaction and caller
};

/// Changes that happen all or not at all.
class Transaction {
 public:
  struct Write {
    Key key;
    std::optional<std::string> value;  ///< nullopt: delete
  };
  struct Precondition {
    Key key;
    std::optional<Version> version;  ///< nullopt: the key must be absent
  };
  struct RefChange {
    BlobId id;
    std::int32_t by = 0;
  };

  void put(Key key, std::string value) { writes_.push_back({std::move(key), std::move(value)}); }
  void erase(Key key) { writes_.push_back({std::move(key), std::nullopt}); }
  void require_absent(Key key) { preconditions_.push_back({std::move(key), std::nullopt}); }
  void require_version(Key key, Version version) { preconditions_.push_back({std::move(key), version}); }
  /// Names a new body: the commit makes it permanent with one reference. (More by `add_ref`.)
  void add_blob(std::shared_ptr<SealedBlob> blob) { blobs_.push_back(std::move(blob)); }
  /// One more record names the body. The commit fails with corrupt when there is no such body.
  void add_ref(const BlobId& id) { refs_.push_back({id, 1}); }
  /// One record fewer names the body; at zero the store deletes it.
  void drop_ref(const BlobId& id) { refs_.push_back({id, -1}); }

  [[nodiscard]] const std::vector<Write>& writes() const { return writes_; }
  [[nodiscard]] const std::vector<Precondition>& preconditions() const { return preconditions_; }
  [[nodiscard]] const std::vector<RefChange>& ref_changes() const { return refs_; }
  [[nodiscard]] const std::vector<std::shared_ptr<SealedBlob>>& blobs() const { return blobs_; }
  [[nodiscard]] bool empty() const { return writes_.empty() && refs_.empty() && blobs_.empty(); }
  /// Keys, values and inline bodies: what kTransactionOctetsMax is compared with.
  [[nodiscard]] std::size_t size_octets() const;
  [[nodiscard]] std::size_t key_count() const { return writes_.size() + refs_.size() + blobs_.size(); }
  /// Adds all of `other` behind what is here.
  void append(Transaction other);

 private:
  std::vector<Write> writes_;
  std::vector<Precondition> preconditions_;
  std::vector<RefChange> refs_;
  std::vector<std::shared_ptr<SealedBlob>> blobs_;
};

/// `durable` returns after the sync; `lazy` returns when the change is visible and rides with the next sync.
enum class Durability : std::uint8_t { durable, lazy };

/// Ends its watch when it dies.
class Watch {
 public:
  virtual ~Watch() = default;
};

class Store {
 public:
  virtual ~Store() = default;

  /// Gives nullopt for an absent key. Errors  transient, corrupt.
  [[nodiscard]] virtual Task<Result<std::optional<Entry>>> get(Key key) = 0;

  /// At most `entries_max` entries in key order from one snapshot; a page may be shorter (bounded octets) and still
  /// have a `next`. Errors  transient, corrupt.
  [[nodiscard]] virtual Task<Result<Page>> scan(KeyRange range, std::size_t entries_max) = 0;

  /// All or nothing. A transaction sees those that were committed before it, also in the same batch.
  /// Gives    the version that its puts have now.
  /// Errors   conflict: a precondition failed, nothing changed; exhausted: disk below `min_free` or the committer's
  /// queue
  ///          full, nothing changed; too_long: over a limit above; transient: unknown whether it happened (the store
  ///          has failed for good: `failed()` is set and the process must stop); corrupt: a reference to no body.
  [[nodiscard]] virtual Task<Result<Version>> commit(Transaction transaction, Durability durability) = 0;

  /// Sets `signal` after each commit that changed a key with that prefix. `signal` outlives the watch.
  [[nodiscard]] virtual std::unique_ptr<Watch> watch(std::string_view prefix, Signal* signal) = 0;

  /// A hint: everything in `range` was consumed and deleted; scans over it should become cheap. Returns at once.
  virtual void consumed(KeyRange range) = 0;

  /// Errors  exhausted: disk below `min_free`; transient.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<BlobWriter>>> create_blob() = 0;

  /// Up to `octets_max` octets of a body from `offset`; empty at its end. Also for bodies sealed but not committed.
  /// Errors  not_found: no such body; transient; corrupt.
  [[nodiscard]] virtual Task<Result<std::string>> read_blob(BlobId id, std::uint64_t offset,
                                                            std::size_t octets_max) = 0;

  /// Set when a sync failed: nothing will ever be committed again, the process must stop (never sync again and hope).
  [[nodiscard]] virtual Signal& failed() = 0;

  /// Whether new mail may be taken: disk above `min_free` and the store healthy. Cheap; for 452 before DATA.
  [[nodiscard]] virtual bool has_room() const = 0;
};

}  // namespace postrider::store
