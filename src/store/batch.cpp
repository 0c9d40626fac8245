#include "store/batch.hpp"

#include <set>
#include <utility>

namespace postrider::store {

Result<void> check_limits(const Transaction& transaction) {
  for (const Transaction::Write& write : transaction.writes()) {
    if (write.key.empty() || write.key.size() > kKeyOctetsMax) return error(Error::too_long, "store.key");
    if (write.value && write.value->size() > kValueOctetsMax) return error(Error::too_long, "store.value");
  }
  for (const Transaction::Precondition& precondition : transaction.preconditions()) {
    if (precondition.key.size() > kKeyOctetsMax) return error(Error::too_long, "store.key");
  }
  if (transaction.key_count() > kTransactionKeysMax || transaction.preconditions().size() > kTransactionKeysMax) {
    return error(Error::too_long, "store.transaction_keys");
  }
  if (transaction.size_octets() > kTransactionOctetsMax) return error(Error::too_long, "store.transaction_octets");
  return {};
}

Result<Version> Batch::admit(const Transaction& transaction) {
  const Result<void> met = check_preconditions(transaction);
  if (!met) return fail(met);
  Result<std::map<BlobId, BlobChange>> counted = count_references(transaction);
  if (!counted) return fail(counted);
  if (transaction.empty()) return last_;
  ++last_;
  for (const Transaction::Write& write : transaction.writes()) {
    writes_.push_back({&write.key, &write.value, last_});
    overlay_.insert_or_assign(write.key, write.value ? std::optional(last_) : std::nullopt);
  }
  for (auto& [id, change] : *counted) blobs_.insert_or_assign(id, std::move(change));
  return last_;
}

Result<void> Batch::check_preconditions(const Transaction& transaction) {
  for (const Transaction::Precondition& precondition : transaction.preconditions()) {
    std::optional<Version> version;
    const auto written = overlay_.find(precondition.key);
    if (written != overlay_.end()) {
      version = written->second;
    } else {
      const Result<std::optional<Version>> stored = base_->version_of(precondition.key);
      if (!stored) return fail(stored);
      version = *stored;
    }
    if (version != precondition.version) return error(Error::conflict, "store.precondition");
  }
  return {};
}

Result<std::map<BlobId, Batch::BlobChange>> Batch::count_references(const Transaction& transaction) {
  std::map<BlobId, BlobChange> changes;
  if (transaction.blobs().empty() && transaction.ref_changes().empty()) return changes;
  std::map<BlobId, std::int64_t> sums;  // within a transaction the order of references does not matter
  std::set<BlobId> may_be_new;
  for (const std::shared_ptr<SealedBlob>& blob : transaction.blobs()) {
    ++sums[blob->ref().id];
    may_be_new.insert(blob->ref().id);
  }
  for (const Transaction::RefChange& change : transaction.ref_changes()) sums[change.id] += change.by;
  for (const auto& [id, by] : sums) {
    BlobChange change;
    const auto changed = blobs_.find(id);
    if (changed != blobs_.end()) {
      change = changed->second;
    } else {
      const Result<std::optional<BlobRecord>> stored = base_->record_of(id);
      if (!stored) return fail(stored);
      change.before = *stored;
      if (*stored) change.after = **stored;
    }
    if (changed == blobs_.end() && !change.before) {
      const std::optional<std::uint64_t> size = base_->sealed_size_of(id);
      if (!size || !may_be_new.contains(id)) return error(Error::corrupt, "store.reference", "there is no such body");
      change.after = {.refs = 0, .size_octets = *size};
    } else if (change.after.refs == 0) {
      return error(Error::corrupt, "store.reference", "the body was deleted in this batch");
    }
    const std::int64_t refs = static_cast<std::int64_t>(change.after.refs) + by;
    if (refs < 0) return error(Error::corrupt, "store.reference", "more references dropped than there are");
    change.after.refs = static_cast<std::uint64_t>(refs);
    changes.emplace(id, change);
  }
  return changes;
}

}  // namespace postrider::store
