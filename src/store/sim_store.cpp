#include "store/sim_store.hpp"

#include "core/await.hpp"

#include <algorithm>
#include <utility>

namespace postrider::store {

namespace {

constexpr std::size_t kBlobIdOctets = 16;
constexpr std::size_t kBlobReadOctetsMax = 1024 * 1024;
constexpr std::size_t kPageOctetsMax = 1024 * 1024;
constexpr Duration kLazySyncAfter = std::chrono::seconds(1);
constexpr std::uint64_t kReadsPerPause = 4;

Duration some_of(Duration max, Random& random) {
  return Duration(static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(max.count()) + 1)));
}

}  // namespace

void apply(const SimChange& change, SimState& state) {
  for (const auto& [key, entry] : change.keys) {
    if (entry) {
      state.keys.insert_or_assign(key, *entry);
    } else {
      state.keys.erase(key);
    }
  }
  for (const auto& [id, body] : change.blobs) {
    if (body) {
      state.blobs.insert_or_assign(id, *body);
    } else {
      state.blobs.erase(id);
    }
  }
  state.last_version = change.last_version;
}

void SimDisk::sync() {
  for (const SimChange& change : unsynced_) apply(change, synced_);
  unsynced_.clear();
}

void SimDisk::settle(Random& random) {
  if (unsynced_.empty()) return;
  unsynced_.resize(random.below(unsynced_.size() + 1));
  sync();
}

struct SimStore::Waiting {
  Transaction transaction;
  Durability durability;
  Shard* shard;
  Completion<Result<Version>> done;
  std::optional<Result<Version>> outcome;
};

/// Counts the calls, and knows which one fails.
struct SimStore::Faults {
  std::uint64_t calls = 0;
  std::optional<std::uint64_t> fail_at;
  Error::Code code = Error::transient;
  bool crashed = false;

  /// To be asked first by every call.
  [[nodiscard]] Result<void> pass() {
    ++calls;
    if (crashed) return error(Error::cancelled, "store.crashed");
    if (fail_at != calls) return {};
    return error(code, "store.fault", "asked for by a test");
  }
};

class SimStore::Writer final : public BlobWriter {
 public:
  Writer(SimStore* store, BlobId id) : store_(store), faults_(store->faults_), id_(std::move(id)) {}

  Task<Result<void>> append(std::string_view chunk) override {
    const Result<void> passed = faults_->pass();
    incomplete_ = incomplete_ || !passed;
    if (!passed) co_return fail(passed);
    const bool to_file = octets_.size() + chunk.size() > kInlineBlobOctetsMax;
    if (to_file && store_->options_.disk->full()) {
      incomplete_ = true;
      co_return error(Error::exhausted, "store.disk", "below min_free");
    }
    octets_.append(chunk);
    co_return Result<void>{};
  }

  Task<Result<std::shared_ptr<SealedBlob>>> seal() override {
    const Result<void> passed = faults_->pass();
    if (!passed) co_return fail(passed);
    if (incomplete_) co_return error(Error::transient, "store.blob", "an append has failed");
    SealedBody body{.size_octets = octets_.size(),
                    .octets = std::make_shared<const std::string>(std::move(octets_)),
                    .file = nullptr};
    BlobRef ref{id_, body.size_octets};
    co_return store_->sealed_.add(std::move(ref), std::move(body));
  }

 private:
  SimStore* store_;                 // not touched after a crash
  std::shared_ptr<Faults> faults_;  // shared: tells of the crash when the store is gone
  BlobId id_;
  std::string octets_;
  bool incomplete_ = false;  // an append has failed
};

class SimStore::Base final : public BatchBase {
 public:
  explicit Base(const SimStore* store) : store_(store) {}
  Result<std::optional<Version>> version_of(const Key& key) override {
    const auto found = store_->visible_.keys.find(key);
    if (found == store_->visible_.keys.end()) return std::nullopt;
    return found->second.version;
  }
  Result<std::optional<BlobRecord>> record_of(const BlobId& id) override {
    const auto found = store_->visible_.blobs.find(id);
    if (found == store_->visible_.blobs.end()) return std::nullopt;
    return found->second.record;
  }
  std::optional<std::uint64_t> sealed_size_of(const BlobId& id) override {
    const std::optional<SealedBody> body = store_->sealed_.find(id);
    if (!body) return std::nullopt;
    return body->size_octets;
  }

 private:
  const SimStore* store_;
};

SimStore::SimStore(SimStoreOptions options) : options_(options), faults_(std::make_shared<Faults>()) {
  options_.disk->settle(*options_.random);
  visible_ = options_.disk->synced();
}

SimStore::~SimStore() {
  if (!faults_->crashed && !failed_.is_set()) options_.disk->sync();
  crash();
}

Task<void> SimStore::pause(Duration max, Random* random) {
  if (max <= Duration::zero() || random->below(kReadsPerPause) != 0) co_return;
  Shard* const shard = co_await this_shard();
  const Completion<bool> over;
  const SteadyTime until = shard->clock().steady() + some_of(max, *random);
  const Deadlines::Handle due = shard->deadlines().add(until, [over] { over.set(true); });
  co_await over.wait();
}

Task<Result<std::optional<Entry>>> SimStore::get(Key key) {
  const std::shared_ptr<Faults> faults = faults_;
  const Result<void> passed = faults->pass();
  if (!passed) co_return fail(passed);
  co_await pause(options_.latency_max / 3, options_.random);
  if (faults->crashed) co_return error(Error::cancelled, "store.crashed");
  const auto found = visible_.keys.find(key);
  if (found == visible_.keys.end()) co_return std::optional<Entry>();
  co_return std::optional<Entry>(found->second);
}

Task<Result<Page>> SimStore::scan(KeyRange range, std::size_t entries_max) {
  const std::shared_ptr<Faults> faults = faults_;
  const Result<void> passed = faults->pass();
  if (!passed) co_return fail(passed);
  co_await pause(options_.latency_max / 3, options_.random);
  if (faults->crashed) co_return error(Error::cancelled, "store.crashed");
  Page page;
  std::size_t octets = 0;
  for (auto at = visible_.keys.lower_bound(range.from); at != visible_.keys.end(); ++at) {
    const auto& [key, entry] = *at;
    if (!range.to.empty() && key >= range.to) break;
    if (page.entries.size() >= std::max<std::size_t>(entries_max, 1) || octets >= kPageOctetsMax) {
      page.next = key;
      break;
    }
    octets += key.size() + entry.value.size();
    page.entries.push_back({key, entry});
  }
  page.keys_visited = page.entries.size();
  co_return page;
}

Task<Result<Version>> SimStore::commit(Transaction transaction, Durability durability) {
  const Result<void> passed = faults_->pass();
  if (!passed && passed.error().code == Error::transient) fail_for_good();
  if (!passed) co_return fail(passed);
  const Result<void> within = check_limits(transaction);
  if (!within) co_return fail(within);
  if (failed_.is_set()) co_return error(Error::transient, "store.commit", "the store has failed");
  if (waiting_.size() >= kCommitterQueueMax) co_return error(Error::exhausted, "store.queue");
  Shard* const shard = co_await this_shard();
  const Completion<Result<Version>> done;
  if (waiting_.empty()) schedule(shard);
  waiting_.push_back({std::move(transaction), durability, shard, done, std::nullopt});
  co_return co_await done.wait();
}

void SimStore::schedule(Shard* shard) {
  const SteadyTime at = shard->clock().steady() + some_of(options_.latency_max, *options_.random);
  batch_due_ = shard->deadlines().add(at, [this] { commit_batch(); });
}

void SimStore::schedule_lazy_sync(Shard* shard) {
  if (std::exchange(lazy_scheduled_, true)) return;
  lazy_due_ = shard->deadlines().add(shard->clock().steady() + kLazySyncAfter, [this] {
    lazy_scheduled_ = false;
    if (failed_.is_set()) return;
    if (std::exchange(fail_sync_, false)) return fail_for_good();
    options_.disk->sync();
  });
}

void SimStore::commit_batch() {
  std::vector<Waiting> work = std::exchange(waiting_, {});
  if (meets_crash(work.size(), When::before_sync)) {
    waiting_ = std::move(work);
    return crash();
  }
  Base base(this);
  Batch batch(&base, visible_.last_version);
  bool durable = false;
  for (Waiting& one : work) {
    if (!one.transaction.blobs().empty() && options_.disk->full()) {
      one.outcome.emplace(error(Error::exhausted, "store.disk", "below min_free"));
    } else {
      one.outcome.emplace(batch.admit(one.transaction));
    }
    durable = durable || (one.outcome->has_value() && one.durability == Durability::durable);
  }
  const bool dies = meets_crash(work.size(), When::after_sync);
  const Result<void> written = failed_.is_set() ? error(Error::transient, "store.commit", "the store has failed")
                                                : make_durable(batch, durable || dies);
  commits_ += work.size();
  if (dies) {
    waiting_ = std::move(work);
    return crash();
  }
  if (!options_.disk->unsynced_.empty()) schedule_lazy_sync(work.front().shard);
  for (std::size_t left = work.size(); left > 0; --left) {  // they resume in an order of the seed
    std::swap(work[options_.random->below(left)], work[left - 1]);
    Waiting& one = work[left - 1];
    one.transaction = {};
    if (!written && one.outcome->has_value()) one.outcome.emplace(fail(written));
    one.done.set(std::move(*one.outcome));
  }
}

bool SimStore::meets_crash(std::size_t commits, When when) const {
  return crash_at_ && crash_when_ == when && *crash_at_ <= commits_ + commits;
}

Result<void> SimStore::make_durable(const Batch& batch, bool durable) {
  if (batch.empty()) return {};
  if (durable && std::exchange(fail_sync_, false)) {
    if (options_.random->below(2) == 0) options_.disk->write(to_change(batch));  // nobody knows what reached the disk
    fail_for_good();
    return error(Error::transient, "store.sync", "fault asked for by a test");
  }
  SimChange change = to_change(batch);
  apply(change, visible_);
  for (const auto& [id, body] : change.blobs) {
    if (body) sealed_.committed(id);
  }
  for (const auto& [key, entry] : change.keys) watches_.changed(key);
  options_.disk->write(std::move(change));
  if (durable && options_.planted != Planted::ack_before_sync) options_.disk->sync();
  return {};
}

SimChange SimStore::to_change(const Batch& batch) const {
  SimChange change;
  change.last_version = batch.last();
  for (const Batch::Write& write : batch.writes()) {
    std::optional<Entry> entry;
    if (*write.value) entry.emplace(**write.value, write.version);
    change.keys.emplace_back(*write.key, std::move(entry));
  }
  for (const auto& [id, changed] : batch.blobs()) {
    std::optional<SimState::Body> body;
    if (changed.after.refs > 0) {
      const auto before = visible_.blobs.find(id);
      body.emplace(changed.after, before != visible_.blobs.end() ? before->second.octets : sealed_.find(id)->octets);
    }
    change.blobs.emplace_back(id, std::move(body));
  }
  return change;
}

void SimStore::fail_for_good() {
  sealed_.keep_all();
  failed_.set();
}

std::unique_ptr<Watch> SimStore::watch(std::string_view prefix, Signal* signal) { return watches_.add(prefix, signal); }
void SimStore::consumed(KeyRange) {}  // deleted keys cost nothing here

Task<Result<std::unique_ptr<BlobWriter>>> SimStore::create_blob() {
  const Result<void> passed = faults_->pass();
  if (!passed) co_return fail(passed);
  if (failed_.is_set()) co_return error(Error::transient, "store.blob", "the store has failed");
  if (options_.disk->full()) co_return error(Error::exhausted, "store.disk", "below min_free");
  BlobId id{std::string(kBlobIdOctets, '\0')};
  options_.random->fill(std::as_writable_bytes(std::span(id.octets)));
  co_return std::make_unique<Writer>(this, std::move(id));
}

Task<Result<std::string>> SimStore::read_blob(BlobId id, std::uint64_t offset, std::size_t octets_max) {
  const std::shared_ptr<Faults> faults = faults_;
  const Result<void> passed = faults->pass();
  if (!passed) co_return fail(passed);
  co_await pause(options_.latency_max / 3, options_.random);
  if (faults->crashed) co_return error(Error::cancelled, "store.crashed");
  std::shared_ptr<const std::string> octets;
  const std::optional<SealedBody> sealed = sealed_.find(id);
  const auto committed = visible_.blobs.find(id);
  if (sealed) {
    octets = sealed->octets;
  } else if (committed != visible_.blobs.end()) {
    octets = committed->second.octets;
  } else {
    co_return error(Error::not_found, "store.blob");
  }
  octets_max = std::min(octets_max, kBlobReadOctetsMax);
  co_return octets->substr(std::min<std::uint64_t>(offset, octets->size()), octets_max);
}

bool SimStore::has_room() const { return !faults_->crashed && !failed_.is_set() && !options_.disk->full(); }

std::uint64_t SimStore::calls() const { return faults_->calls; }

void SimStore::fail_call(std::uint64_t k, Error::Code code) {
  faults_->fail_at = faults_->calls + k;
  faults_->code = code;
}

void SimStore::crash_at_commit(std::uint64_t n, When when) {
  crash_at_ = commits_ + n;
  crash_when_ = when;
}

void SimStore::crash() {
  if (std::exchange(faults_->crashed, true)) return;
  batch_due_.cancel();
  lazy_due_.cancel();
  crash_signal_.set();
  for (Waiting& one : std::exchange(waiting_, {})) one.done.set(error(Error::cancelled, "store.crashed"));
}

bool SimStore::crashed() const { return faults_->crashed; }

}  // namespace postrider::store
