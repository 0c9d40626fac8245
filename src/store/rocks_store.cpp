#include "store/rocks_store.hpp"

#include "core/await.hpp"
#include "store/blob_files.hpp"
#include "store/compactor.hpp"
#include "store/disk_space.hpp"
#include "store/rocks_committer.hpp"
#include "store/rocks_db.hpp"
#include "store/sealed_bodies.hpp"
#include "store/store_events.hpp"
#include "store/watches.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

namespace postrider::store {

namespace {

constexpr std::size_t kBlobReadOctetsMax = 1024 * 1024;
constexpr std::size_t kBlobIdOctets = 16;

/// Held while the directory is ours; the kernel lets go of it when the process ends.
class DirectoryLock {
 public:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock() { ::close(descriptor_); }

 private:
  int descriptor_;
};

Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return error(Error::transient, "store.directory", std::generic_category().message(errno));
  }
  const std::string path = directory + "/lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return error(Error::transient, "store.lock", std::generic_category().message(errno));
  auto lock = std::make_unique<DirectoryLock>(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return error(Error::conflict, "store.locked", "another process has the store open");
  return error(Error::transient, "store.lock", std::generic_category().message(errno));
}

/// Makes the names in a directory durable.
Result<void> sync_names(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int code = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!synced) return error(Error::transient, "store.directory", std::generic_category().message(code));
  return {};
}

/// What a writer needs of its store.
struct BlobDoors {
  Workers* workers;
  BlobFiles* files;
  SealedBodies* sealed;
  DiskSpace* space;
  Signal* failed;
};

class RocksBlobWriter final : public BlobWriter {
 public:
  RocksBlobWriter(BlobDoors doors, BlobId id) : doors_(doors), id_(std::move(id)) {}

  Task<Result<void>> append(std::string_view chunk) override {
    while (!chunk.empty()) {
      if (buffer_.size() == kInlineBlobOctetsMax) {
        const Result<void> flushed = co_await flush();
        incomplete_ = incomplete_ || !flushed;
        if (!flushed) co_return fail(flushed);
      }
      const std::size_t taken = std::min(chunk.size(), kInlineBlobOctetsMax - buffer_.size());
      buffer_.append(chunk.substr(0, taken));
      size_octets_ += taken;
      chunk.remove_prefix(taken);
    }
    co_return Result<void>{};
  }

  Task<Result<std::shared_ptr<SealedBlob>>> seal() override {
    if (incomplete_) co_return error(Error::transient, "store.blob", "an append has failed");
    const BlobRef ref{id_, size_octets_};
    SealedBody body{.size_octets = size_octets_, .octets = nullptr, .file = nullptr};
    if (!file_) {
      body.octets = std::make_shared<const std::string>(std::move(buffer_));
      co_return doors_.sealed->add(ref, std::move(body));
    }
    std::move_only_function<Result<void>()> job = [file = file_, files = doors_.files, rest = std::move(buffer_)] {
      const Result<void> written = file->append(rest);
      if (!written) return written;
      const Result<void> finished = file->finish();
      if (!finished) return finished;
      return files->sync_directory();
    };
    const Result<void> synced = co_await run_on<void>(doors_.workers, std::move(job));
    if (!synced) co_return fail(synced);
    body.file = std::move(file_);
    co_return doors_.sealed->add(ref, std::move(body));
  }

 private:
  /// Writes the buffer to the file, which is made first where it is missing. Awaiting it is the back-pressure.
  Task<Result<void>> flush() {
    if (doors_.failed->is_set()) co_return error(Error::transient, "store.blob", "the store has failed");
    if (!doors_.space->has_room()) co_return error(Error::exhausted, "store.disk", "below min_free");
    using Written = std::shared_ptr<BlobFile>;
    std::move_only_function<Result<Written>()> job = [file = file_, files = doors_.files, id = id_,
                                                      octets = std::move(buffer_)]() mutable -> Result<Written> {
      if (!file) {
        Result<Written> made = files->create(id);
        if (!made) return fail(made);
        file = std::move(*made);
      }
      const Result<void> written = file->append(octets);
      if (!written) return fail(written);
      return std::move(file);
    };
    buffer_ = {};
    Result<Written> written = co_await run_on<Written>(doors_.workers, std::move(job));
    if (!written) co_return fail(written);
    file_ = std::move(*written);
    co_return Result<void>{};
  }

  BlobDoors doors_;
  BlobId id_;
  std::uint64_t size_octets_ = 0;
  bool incomplete_ = false;         // an append has failed
  std::string buffer_;              // at most kInlineBlobOctetsMax
  std::shared_ptr<BlobFile> file_;  // shared: a job on the workers may outlive the writer
};

class RocksStore final : public Store {
 public:
  RocksStore(RocksOptions options, std::unique_ptr<DirectoryLock> lock, std::unique_ptr<RocksDb> db, BlobFiles files)
      : workers_(options.workers),
        random_(options.random),
        lock_(std::move(lock)),
        db_(std::move(db)),
        files_(std::move(files)),
        space_(options.directory, options.min_free_octets, std::move(options.free_octets)),
        compactor_(db_.get(), options.workers),
        committer_({.db = db_.get(),
                    .files = &files_,
                    .sealed = &sealed_,
                    .watches = &watches_,
                    .space = &space_,
                    .compactor = &compactor_,
                    .failed = &failed_,
                    .events = options.events,
                    .fail_sync = std::move(options.fail_sync)}) {}

  Task<Result<std::optional<Entry>>> get(Key key) override {
    using Out = std::optional<Entry>;
    Read<Out> near = db_->get(key, Reach::memory);
    if (near) co_return std::move(*near);
    std::move_only_function<Result<Out>()> job = [this, far = std::move(key)] { return *db_->get(far, Reach::disk); };
    co_return co_await run_on<Out>(workers_, std::move(job));
  }

  Task<Result<Page>> scan(KeyRange range, std::size_t entries_max) override {
    // A short range in memory is read like a key (docs/decisions/0009); what is long or on disk goes to the workers.
    Read<Page> near = db_->scan(range, std::min(entries_max, kNearEntriesMax), Reach::memory);
    if (near && (!*near || !(*near)->next || entries_max <= kNearEntriesMax)) co_return std::move(*near);
    std::move_only_function<Result<Page>()> job = [this, held = std::move(range), entries_max] {
      return *db_->scan(held, entries_max, Reach::disk);
    };
    co_return co_await run_on<Page>(workers_, std::move(job));
  }

  Task<Result<Version>> commit(Transaction transaction, Durability durability) override {
    const Completion<Result<Version>> done;
    Committed tell = [done](Result<Version> outcome) { done.set(std::move(outcome)); };
    committer_.submit(std::move(transaction), durability, std::move(tell));
    co_return co_await done.wait();
  }

  std::unique_ptr<Watch> watch(std::string_view prefix, Signal* signal) override {
    return watches_.add(prefix, signal);
  }
  void consumed(KeyRange range) override { compactor_.add(std::move(range)); }

  Task<Result<std::unique_ptr<BlobWriter>>> create_blob() override {
    if (failed_.is_set()) co_return error(Error::transient, "store.blob", "the store has failed");
    if (!space_.has_room()) co_return error(Error::exhausted, "store.disk", "below min_free");
    BlobId id{std::string(kBlobIdOctets, '\0')};
    random_->fill(std::as_writable_bytes(std::span(id.octets)));
    const BlobDoors doors{workers_, &files_, &sealed_, &space_, &failed_};
    co_return std::make_unique<RocksBlobWriter>(doors, std::move(id));
  }

  Task<Result<std::string>> read_blob(BlobId id, std::uint64_t offset, std::size_t octets_max) override {
    octets_max = std::min(octets_max, kBlobReadOctetsMax);
    Read<std::string> near = read_near(id, offset, octets_max);
    if (near) co_return std::move(*near);
    std::move_only_function<Result<std::string>()> job = [this, far = std::move(id), offset, octets_max] {
      return read_far(far, offset, octets_max);
    };
    co_return co_await run_on<std::string>(workers_, std::move(job));
  }

  Signal& failed() override { return failed_; }
  bool has_room() const override { return !failed_.is_set() && space_.has_room(); }

 private:
  /// nullopt: it is on the disk.
  [[nodiscard]] Read<std::string> read_near(const BlobId& id, std::uint64_t offset, std::size_t octets_max) const {
    const std::optional<SealedBody> body = sealed_.find(id);  // first: a commit moves it from here to the database
    if (body && !body->octets) return std::nullopt;
    if (body)
      return Result<std::string>(body->octets->substr(std::min<std::uint64_t>(offset, body->size_octets), octets_max));
    const Read<std::optional<BlobRecord>> record = db_->record_of(id, Reach::memory);
    if (!record) return std::nullopt;
    if (!*record) return Result<std::string>(fail(*record));
    if (!**record) return Result<std::string>(error(Error::not_found, "store.blob"));
    if ((**record)->is_file()) return std::nullopt;
    return db_->inline_body(id, offset, octets_max, Reach::memory);
  }

  [[nodiscard]] Result<std::string> read_far(const BlobId& id, std::uint64_t offset, std::size_t octets_max) const {
    std::uint64_t size = 0;
    const std::optional<SealedBody> body = sealed_.find(id);
    if (body && body->file) {
      size = body->size_octets;
    } else {
      const Result<std::optional<BlobRecord>> record = *db_->record_of(id, Reach::disk);
      if (!record) return fail(record);
      if (!*record) return error(Error::not_found, "store.blob");
      if (!(*record)->is_file()) return *db_->inline_body(id, offset, octets_max, Reach::disk);
      size = (*record)->size_octets;
    }
    const std::uint64_t left = size - std::min(offset, size);
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, octets_max));
    Result<std::string> octets = files_.read(id, offset, wanted);
    if (!octets && octets.error().code == Error::not_found) {  // dropped meanwhile, or lost?
      const Result<std::optional<BlobRecord>> still = *db_->record_of(id, Reach::disk);
      if (still && *still) return error(Error::corrupt, "store.blob", "the file is missing");
    }
    if (octets && octets->size() != wanted) return error(Error::corrupt, "store.blob", "the file is too short");
    return octets;
  }

  Workers* workers_;
  Random* random_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<RocksDb> db_;
  BlobFiles files_;
  SealedBodies sealed_;
  Watches watches_;
  Signal failed_;
  DiskSpace space_;
  Compactor compactor_;
  RocksCommitter committer_;  // last: its thread uses all of the above
};

}  // namespace

Result<std::unique_ptr<Store>> open_rocks_store(RocksOptions options) {
  Result<std::unique_ptr<DirectoryLock>> lock = lock_directory(options.directory);
  if (!lock) return fail(lock);
  Result<std::unique_ptr<RocksDb>> db = RocksDb::open(options.directory + "/rocks");
  if (!db) return fail(db);
  BlobFiles files(options.directory + "/blobs", options.workers);
  const Result<void> prepared = files.prepare();
  if (!prepared) return fail(prepared);
  for (const std::string& directory :
       {options.directory, options.directory + "/.."}) {  // ours, and our name in its parent
    const Result<void> synced = sync_names(directory);
    if (!synced) return fail(synced);
  }
  const auto is_named = [&db](const BlobId& id) -> Result<bool> {
    const Result<std::optional<BlobRecord>> record = *(*db)->record_of(id, Reach::disk);
    if (!record) return fail(record);
    return record->has_value() && (*record)->is_file();
  };
  const Result<std::size_t> orphans = files.remove_orphans(is_named);
  if (!orphans) return fail(orphans);
  if (*orphans > 0) options.events->emit(OrphansRemoved{.files = *orphans});
  return std::make_unique<RocksStore>(std::move(options), std::move(*lock), std::move(*db), std::move(files));
}

}  // namespace postrider::store
