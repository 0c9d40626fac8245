#include "store/blob_files.hpp"

#include "core/text.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace postrider::store {

namespace {

constexpr std::size_t kIdOctets = 16;

std::unexpected<Error> failed_call(std::string_view place) {
  const int code = errno;
  const bool full = code == ENOSPC || code == EDQUOT;
  return error(full ? Error::exhausted : Error::transient, place, std::generic_category().message(code));
}

/// The id that a file's name spells; nullopt for a foreign file.
std::optional<BlobId> id_of_name(std::string_view name) {
  if (name.size() != kIdOctets * 2) return std::nullopt;
  BlobId id;
  for (std::size_t i = 0; i < name.size(); i += 2) {
    unsigned octet = 0;
    const char* const last = name.data() + i + 2;
    const auto [end, code] = std::from_chars(name.data() + i, last, octet, 16);
    if (code != std::errc{} || end != last) return std::nullopt;
    id.octets += static_cast<char>(octet);
  }
  if (to_hex(id.octets) != name) return std::nullopt;
  return id;
}

/// A descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int the_number) : number(the_number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  int number;
};

}  // namespace

BlobFile::BlobFile(int descriptor, std::string path, Workers* workers)
    : descriptor_(descriptor), path_(std::move(path)), workers_(workers) {}

BlobFile::~BlobFile() {
  if (descriptor_ < 0 && kept_.load()) return;
  const auto clean_up = [descriptor = descriptor_, path = path_, kept = kept_.load()] {
    if (descriptor >= 0) ::close(descriptor);
    if (!kept) ::unlink(path.c_str());  // best effort: an orphan is removed at the next start
  };
  if (!workers_->post(clean_up)) clean_up();
}

Result<void> BlobFile::append(std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t written = ::write(descriptor_, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed_call("store.blob_write");
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> BlobFile::finish() {
  if (::fdatasync(descriptor_) != 0) return failed_call("store.blob_sync");
  ::close(std::exchange(descriptor_, -1));
  return {};
}

std::string BlobFiles::path_of(const BlobId& id) const { return directory_ + '/' + to_hex(id.octets); }

Result<void> BlobFiles::prepare() const {
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) return failed_call("store.blob_directory");
  return {};
}

Result<std::shared_ptr<BlobFile>> BlobFiles::create(const BlobId& id) const {
  std::string path = path_of(id);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return failed_call("store.blob_create");
  return std::make_shared<BlobFile>(descriptor, std::move(path), workers_);
}

Result<void> BlobFiles::sync_directory() const {
  const Descriptor directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number < 0 || ::fsync(directory.number) != 0) return failed_call("store.blob_directory");
  return {};
}

Result<std::string> BlobFiles::read(const BlobId& id, std::uint64_t offset, std::size_t octets_max) const {
  const Descriptor file(::open(path_of(id).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.number < 0 && errno == ENOENT) return error(Error::not_found, "store.blob");
  if (file.number < 0) return failed_call("store.blob_read");
  std::string octets(octets_max, '\0');
  std::size_t filled = 0;
  while (filled < octets_max) {
    const ssize_t got =
        ::pread(file.number, octets.data() + filled, octets_max - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed_call("store.blob_read");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  octets.resize(filled);
  return octets;
}

void BlobFiles::remove(const BlobId& id) const {
  const auto job = [path = path_of(id)] { ::unlink(path.c_str()); };
  if (!workers_->post(job)) job();
}

Result<std::size_t> BlobFiles::remove_orphans(const std::function<Result<bool>(const BlobId&)>& is_named) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(directory_.c_str()), &::closedir);
  if (!directory) return failed_call("store.blob_directory");
  std::vector<BlobId> orphans;
  while (const dirent* const entry = ::readdir(directory.get())) {
    std::optional<BlobId> id = id_of_name(entry->d_name);
    if (!id) continue;
    const Result<bool> named = is_named(*id);
    if (!named) return fail(named);
    if (!*named) orphans.push_back(std::move(*id));
  }
  for (const BlobId& id : orphans) {
    if (::unlink(path_of(id).c_str()) != 0) return failed_call("store.blob_orphan");
  }
  return orphans.size();
}

}  // namespace postrider::store
