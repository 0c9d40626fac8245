#include "store/rocks_committer.hpp"

#include "store/store_events.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postrider::store {

namespace {

using SteadyClock = std::chrono::steady_clock;

}  // namespace

RocksCommitter::RocksCommitter(Parts parts) : parts_(std::move(parts)), thread_([this] { run(); }) {}

RocksCommitter::~RocksCommitter() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void RocksCommitter::submit(Transaction transaction, Durability durability, Committed done) {
  const Result<void> within = check_limits(transaction);
  if (!within) return done(fail(within));
  const std::size_t octets = transaction.size_octets();
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    if (queue_.size() < kCommitterQueueMax && queue_octets_ + octets <= kCommitterQueueOctetsMax) {
      queue_.push_back({std::move(transaction), durability, std::move(done), octets, std::nullopt});
      queue_octets_ += octets;
      wake = std::exchange(idle_, false);
    }
  }
  if (done) return done(error(Error::exhausted, "store.queue", "the committer's queue is full"));
  if (wake) wake_.notify_one();
}

void RocksCommitter::run() {
  std::vector<Waiting> work;
  while (wait_for_work(work)) {
    if (!work.empty()) commit_batch(work);
    work.clear();
    if (lazy_since_ && SteadyClock::now() - *lazy_since_ >= kLazyWaitMax) sync_lazy();
  }
  if (lazy_since_) sync_lazy();
}

bool RocksCommitter::wait_for_work(std::vector<Waiting>& work) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return stopping_ || !queue_.empty(); };
  idle_ = true;
  if (lazy_since_) {
    wake_.wait_until(lock, *lazy_since_ + kLazyWaitMax, ready);
  } else {
    wake_.wait(lock, ready);
  }
  idle_ = false;
  if (queue_.empty()) return !stopping_;
  if (queue_octets_ <= kBatchOctetsMax) {
    work.swap(queue_);
    queue_octets_ = 0;
    return true;
  }
  std::size_t octets = 0;
  auto end = queue_.begin();
  while (end != queue_.end() && octets + end->octets <= kBatchOctetsMax) octets += (end++)->octets;
  work.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  queue_octets_ -= octets;
  return true;
}

void RocksCommitter::commit_batch(std::vector<Waiting>& work) {
  Batch batch(this, parts_.db->last_version());
  bool durable = lazy_since_ && SteadyClock::now() - *lazy_since_ >= kLazyWaitMax;
  for (Waiting& one : work) {
    decide(one, batch);
    durable = durable || (one.outcome->has_value() && one.durability == Durability::durable);
  }
  if (!broken_ && !batch.empty()) {
    const RocksDb::Sync sync = durable ? RocksDb::Sync::yes : RocksDb::Sync::no;
    const Result<void> written = write(batch, sync);
    if (written) {
      after_write(batch, sync);
    } else {
      fail_for_good(written.error());
      for (Waiting& one : work) {
        if (one.outcome->has_value()) one.outcome.emplace(fail(written));
      }
    }
  }
  for (Waiting& one : work) {
    one.transaction = {};  // lets go of its bodies before anybody hears of the outcome
    one.done(std::move(*one.outcome));
  }
}

void RocksCommitter::decide(Waiting& one, Batch& batch) {
  if (broken_) {
    one.outcome.emplace(error(Error::transient, "store.commit", "the store has failed"));
  } else if (!one.transaction.blobs().empty() && !parts_.space->has_room()) {
    one.outcome.emplace(error(Error::exhausted, "store.disk", "below min_free"));
  } else {
    one.outcome.emplace(batch.admit(one.transaction));
  }
}

Result<void> RocksCommitter::write(const Batch& batch, RocksDb::Sync sync) {
  const bool fails = sync == RocksDb::Sync::yes && parts_.fail_sync && parts_.fail_sync();
  const Result<void> written = parts_.db->write(batch, *parts_.sealed, fails ? RocksDb::Sync::no : sync);
  if (!written) return fail(written);
  if (fails) return error(Error::transient, "store.sync", "fault asked for by a test");
  return {};
}

void RocksCommitter::after_write(const Batch& batch, RocksDb::Sync sync) {
  for (const auto& [id, change] : batch.blobs()) {
    if (change.after.refs > 0 && !change.before) parts_.sealed->committed(id);
    if (change.after.refs == 0 && change.before && change.before->is_file()) files_to_remove_.push_back(id);
  }
  if (sync == RocksDb::Sync::yes) {
    after_sync();
  } else if (!lazy_since_) {
    lazy_since_ = SteadyClock::now();
  }
  std::uint64_t deletes = 0;
  const bool watched = !parts_.watches->empty();
  for (const Batch::Write& write : batch.writes()) {
    if (!*write.value) ++deletes;
    if (watched) parts_.watches->changed(*write.key);
  }
  parts_.compactor->deleted(deletes);
}

void RocksCommitter::sync_lazy() {
  if (broken_) return lazy_since_.reset();
  const bool fails = parts_.fail_sync && parts_.fail_sync();
  const Result<void> synced =
      fails ? error(Error::transient, "store.sync", "fault asked for by a test") : parts_.db->sync();
  if (!synced) return fail_for_good(synced.error());
  after_sync();
}

void RocksCommitter::after_sync() {
  lazy_since_.reset();
  for (const BlobId& id : files_to_remove_) parts_.files->remove(id);
  files_to_remove_.clear();
}

void RocksCommitter::fail_for_good(const Error& why) {
  broken_ = true;
  lazy_since_.reset();
  files_to_remove_.clear();
  parts_.sealed->keep_all();
  parts_.events->emit(StoreFailed{.what = describe(why)});
  parts_.failed->set();
}

Result<std::optional<Version>> RocksCommitter::version_of(const Key& key) { return parts_.db->version_of(key); }

Result<std::optional<BlobRecord>> RocksCommitter::record_of(const BlobId& id) {
  return *parts_.db->record_of(id, Reach::disk);
}

std::optional<std::uint64_t> RocksCommitter::sealed_size_of(const BlobId& id) {
  const std::optional<SealedBody> body = parts_.sealed->find(id);
  if (!body) return std::nullopt;
  return body->size_octets;
}

}  // namespace postrider::store
