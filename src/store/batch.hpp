// What a batch of transactions comes to: the rules of the door, the same for every store that commits in batches.
#pragma once

#include "store/store.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postrider::store {

/// Errors  too_long: a key, a value, the octets or the number of keys is over its limit.
[[nodiscard]] Result<void> check_limits(const Transaction& transaction);

/// What the store keeps of a committed body.
struct BlobRecord {
  std::uint64_t refs = 0;
  std::uint64_t size_octets = 0;
  [[nodiscard]] bool is_file() const { return size_octets > kInlineBlobOctetsMax; }
};

/// What is stored before the batch.
class BatchBase {
 public:
  virtual ~BatchBase() = default;
  /// nullopt: no such key. Errors  transient, corrupt.
  [[nodiscard]] virtual Result<std::optional<Version>> version_of(const Key& key) = 0;
  /// nullopt: no such committed body. Errors  transient, corrupt.
  [[nodiscard]] virtual Result<std::optional<BlobRecord>> record_of(const BlobId& id) = 0;
  /// The size of a body that is sealed and not committed.
  [[nodiscard]] virtual std::optional<std::uint64_t> sealed_size_of(const BlobId& id) = 0;
};

/// Collects transactions; each sees those admitted before it. Points into the admitted transactions, which must outlive
/// it.
class Batch {
 public:
  struct Write {
    const Key* key;
    const std::optional<std::string>* value;  ///< nullopt: delete
    Version version;
  };
  struct BlobChange {
    std::optional<BlobRecord> before;
    BlobRecord after;  ///< refs 0: delete
  };

  /// `last` is the newest version before the batch.
  Batch(BatchBase* base, Version last) : base_(base), last_(last) {}

  /// Takes the transaction in whole, or not at all. Errors  conflict, corrupt, transient.
  [[nodiscard]] Result<Version> admit(const Transaction& transaction);

  [[nodiscard]] const std::vector<Write>& writes() const { return writes_; }  ///< in order: a later one of a key wins
  [[nodiscard]] const std::map<BlobId, BlobChange>& blobs() const { return blobs_; }
  [[nodiscard]] Version last() const { return last_; }
  [[nodiscard]] bool empty() const { return writes_.empty() && blobs_.empty(); }

 private:
  [[nodiscard]] Result<void> check_preconditions(const Transaction& transaction);
  [[nodiscard]] Result<std::map<BlobId, BlobChange>> count_references(const Transaction& transaction);
  BatchBase* base_;
  Version last_;
  std::vector<Write> writes_;
  std::unordered_map<std::string_view, std::optional<Version>> overlay_;  // nullopt: deleted in this batch
  std::map<BlobId, BlobChange> blobs_;
};

}  // namespace postrider::store
