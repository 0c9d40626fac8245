#include "store/rocks_db.hpp"

#include "core/record.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace postrider::store {

namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kMemtableOctets = 64 * kMiB;
constexpr std::size_t kMemtablesOctetsMax = 128 * kMiB;  // of all column families together
constexpr std::size_t kBlockCacheOctets = 32 * kMiB;
constexpr std::size_t kWalOctetsMax = 256 * kMiB;    // bounds the time of a start after a crash
constexpr std::size_t kBackgroundSyncOctets = kMiB;  // written data goes to the disk steadily
constexpr std::size_t kPageOctetsMax = kMiB;
constexpr std::size_t kVersionOctets = 8;
constexpr std::uint8_t kBlobRecordFormat = 1;
constexpr std::string_view kLastVersionKey = "last_version";  // no blob id: those have 16 octets

rocksdb::Slice slice_of(std::string_view octets) { return {octets.data(), octets.size()}; }

std::unexpected<Error> failed(const rocksdb::Status& status, std::string_view place) {
  return error(status.IsCorruption() ? Error::corrupt : Error::transient, place, status.ToString());
}

std::string to_stored(const BlobRecord& record) {
  RecordWriter out(kBlobRecordFormat);
  out.number(record.refs).number(record.size_octets);
  return std::move(out).finish();
}

Result<BlobRecord> blob_record_from(std::string_view stored) {
  RecordReader in(stored, kBlobRecordFormat);
  BlobRecord record;
  record.refs = in.number();
  record.size_octets = in.number();
  const Result<void> whole = in.end();
  if (!whole) return fail(whole);
  return record;
}

Result<Entry> entry_from(std::string_view stored) {
  const Result<std::uint64_t> version = read_u64(stored, 0);
  if (!version) return error(Error::corrupt, "store.value", "shorter than its version");
  return Entry{std::string(stored.substr(kVersionOctets)), *version};
}

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = 2;
  options.max_total_wal_size = kWalOctetsMax;
  options.db_write_buffer_size = kMemtablesOctetsMax;
  options.bytes_per_sync = kBackgroundSyncOctets;
  options.wal_bytes_per_sync = kBackgroundSyncOctets;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = kMiB;
  options.keep_log_file_num = 3;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> column_families() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheOctets);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = kMemtableOctets;
  options.compression = rocksdb::kNoCompression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return {{rocksdb::kDefaultColumnFamilyName, options}, {"blob_records", options}, {"blob_bodies", options}};
}

rocksdb::ReadOptions read_options(Reach reach) {
  rocksdb::ReadOptions options;
  options.read_tier = reach == Reach::memory ? rocksdb::kBlockCacheTier : rocksdb::kReadAllTier;
  return options;
}

/// One value. nullopt: not in memory. A null value: no such key.
struct Found {
  rocksdb::PinnableSlice octets;
  bool exists = false;
};
Read<Found> find(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, std::string_view key, Reach reach) {
  Found found;
  const rocksdb::Status status = db.Get(read_options(reach), family, slice_of(key), &found.octets);
  if (status.IsIncomplete() && reach == Reach::memory) return std::nullopt;
  if (!status.ok() && !status.IsNotFound()) return Result<Found>(failed(status, "store.get"));
  found.exists = status.ok();
  return Result<Found>(std::move(found));
}

/// Counts the keys that this thread's iterator steps over, deleted ones included.
class VisitCount {
 public:
  VisitCount() : level_before_(rocksdb::GetPerfLevel()) {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    rocksdb::get_perf_context()->Reset();
  }
  VisitCount(const VisitCount&) = delete;
  VisitCount& operator=(const VisitCount&) = delete;
  ~VisitCount() { rocksdb::SetPerfLevel(level_before_); }
  [[nodiscard]] std::size_t value() const {
    const rocksdb::PerfContext& seen = *rocksdb::get_perf_context();
    return seen.internal_key_skipped_count + seen.internal_delete_skipped_count;
  }

 private:
  rocksdb::PerfLevel level_before_;
};

}  // namespace

Result<std::unique_ptr<RocksDb>> RocksDb::open(const std::string& directory) {
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(database_options(), directory, column_families(), &families, &db);
  if (!opened.ok()) return failed(opened, "store.open");
  std::unique_ptr<RocksDb> out(new RocksDb());  // the constructor is private
  out->db_.reset(db);
  out->keys_ = families.at(0);
  out->records_ = families.at(1);
  out->bodies_ = families.at(2);
  const Result<void> known = out->read_last_version();
  if (!known) return fail(known);
  return out;
}

RocksDb::~RocksDb() {
  for (rocksdb::ColumnFamilyHandle* const family : {keys_, records_, bodies_}) {
    if (family != nullptr) db_->DestroyColumnFamilyHandle(family);
  }
}

Result<void> RocksDb::read_last_version() {
  const Read<Found> found = find(*db_, records_, kLastVersionKey, Reach::disk);
  if (!*found) return fail(*found);
  if (!(*found)->exists) return {};
  const Result<std::uint64_t> version = read_u64((*found)->octets.ToStringView(), 0);
  if (!version) return fail(version);
  last_version_ = *version;
  return {};
}

Read<std::optional<Entry>> RocksDb::get(const Key& key, Reach reach) const {
  using Out = Result<std::optional<Entry>>;
  const Read<Found> found = find(*db_, keys_, key, reach);
  if (!found) return std::nullopt;
  if (!*found) return Out(fail(*found));
  if (!(*found)->exists) return Out(std::nullopt);
  Result<Entry> entry = entry_from((*found)->octets.ToStringView());
  if (!entry) return Out(fail(entry));
  return Out(std::move(*entry));
}

Result<std::optional<Version>> RocksDb::version_of(const Key& key) const {
  const Read<Found> found = find(*db_, keys_, key, Reach::disk);
  if (!*found) return fail(*found);
  if (!(*found)->exists) return std::nullopt;
  const Result<std::uint64_t> version = read_u64((*found)->octets.ToStringView(), 0);
  if (!version) return error(Error::corrupt, "store.value", "shorter than its version");
  return *version;
}

Read<Page> RocksDb::scan(const KeyRange& range, std::size_t entries_max, Reach reach) const {
  using Out = Result<Page>;
  if (!range.to.empty() && range.to <= range.from) return Out(Page{});
  const VisitCount visits;
  const rocksdb::Slice end = slice_of(range.to);
  rocksdb::ReadOptions options = read_options(reach);
  if (reach == Reach::memory) options.max_skippable_internal_keys = kNearSkippedMax;
  if (!range.to.empty()) options.iterate_upper_bound = &end;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, keys_));
  Page page;
  std::size_t octets = 0;
  for (at->Seek(slice_of(range.from)); at->Valid(); at->Next()) {
    if (page.entries.size() >= std::max<std::size_t>(entries_max, 1) || octets >= kPageOctetsMax) {
      page.next = at->key().ToString();
      break;
    }
    Result<Entry> entry = entry_from(at->value().ToStringView());
    if (!entry) return Out(fail(entry));
    octets += at->key().size() + at->value().size();
    page.entries.push_back({at->key().ToString(), std::move(*entry)});
  }
  if (at->status().IsIncomplete() && reach == Reach::memory) return std::nullopt;
  if (!at->status().ok()) return Out(failed(at->status(), "store.scan"));
  page.keys_visited = std::max(visits.value(), page.entries.size());
  return Out(std::move(page));
}

Read<std::optional<BlobRecord>> RocksDb::record_of(const BlobId& id, Reach reach) const {
  using Out = Result<std::optional<BlobRecord>>;
  const Read<Found> found = find(*db_, records_, id.octets, reach);
  if (!found) return std::nullopt;
  if (!*found) return Out(fail(*found));
  if (!(*found)->exists) return Out(std::nullopt);
  const Result<BlobRecord> record = blob_record_from((*found)->octets.ToStringView());
  if (!record) return Out(fail(record));
  return Out(*record);
}

Read<std::string> RocksDb::inline_body(const BlobId& id, std::uint64_t offset, std::size_t octets_max,
                                       Reach reach) const {
  using Out = Result<std::string>;
  const Read<Found> found = find(*db_, bodies_, id.octets, reach);
  if (!found) return std::nullopt;
  if (!*found) return Out(fail(*found));
  if (!(*found)->exists) return Out(error(Error::not_found, "store.blob"));
  const std::string_view body = (*found)->octets.ToStringView();
  return Out(std::string(body.substr(std::min<std::uint64_t>(offset, body.size()), octets_max)));
}

Result<void> RocksDb::write(const Batch& batch, const SealedBodies& sealed, Sync sync) {
  rocksdb::WriteBatch out;
  for (const Batch::Write& write : batch.writes()) {
    const rocksdb::Slice key = slice_of(*write.key);
    if (!*write.value) {
      out.Delete(keys_, key);
      continue;
    }
    std::string version;
    append_u64(version, write.version);
    const std::array<rocksdb::Slice, 2> parts = {slice_of(version), slice_of(**write.value)};
    out.Put(keys_, rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(parts.data(), parts.size()));
  }
  for (const auto& [id, change] : batch.blobs()) {
    const rocksdb::Slice key = slice_of(id.octets);
    if (change.after.refs > 0) {
      out.Put(records_, key, to_stored(change.after));
      if (change.before || change.after.is_file()) continue;
      const std::optional<SealedBody> body = sealed.find(id);
      if (!body || !body->octets) return error(Error::transient, "store.write", "a new body is gone");
      out.Put(bodies_, key, slice_of(*body->octets));
    } else if (change.before) {
      out.Delete(records_, key);
      if (!change.before->is_file()) out.Delete(bodies_, key);
    }
  }
  std::string last_version;
  append_u64(last_version, batch.last());
  out.Put(records_, slice_of(kLastVersionKey), last_version);
  rocksdb::WriteOptions options;
  options.sync = sync == Sync::yes;
  const rocksdb::Status written = db_->Write(options, &out);
  if (!written.ok()) return error(Error::transient, "store.write", written.ToString());
  last_version_ = batch.last();
  return {};
}

Result<void> RocksDb::sync() {
  const rocksdb::Status synced = db_->SyncWAL();
  if (!synced.ok()) return error(Error::transient, "store.sync", synced.ToString());
  return {};
}

void RocksDb::compact(const KeyRange& range, std::atomic<bool>* cancelled) {
  const rocksdb::Slice from = slice_of(range.from);
  const rocksdb::Slice to = slice_of(range.to);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.canceled = cancelled;
  // A hint: when it fails, scans stay slow until RocksDB's own compaction comes by.
  db_->CompactRange(options, keys_, &from, range.to.empty() ? nullptr : &to).PermitUncheckedError();
}

}  // namespace postrider::store
