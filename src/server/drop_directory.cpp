#include "server/drop_directory.hpp"

#include "core/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

namespace postrider::server {

namespace {

constexpr std::size_t kRandomDigits = 32;
constexpr mode_t kDropMode = S_ISVTX | S_IRWXU | S_IWGRP | S_IXGRP | S_IWOTH | S_IXOTH;
constexpr auto kLeftOverAfter = std::chrono::hours(24);

std::unexpected<Error> system_error_of(int number, const std::string& path) {
  const auto code = number == ENOENT                                           ? Error::not_found
                    : number == ENOSPC || number == EDQUOT || number == EMFILE ? Error::exhausted
                                                                               : Error::denied;
  return error(code, "server.drop", path + ": " + std::generic_category().message(number));
}

/// Closes at its end.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Result<void> sync_directory(const std::string& path) {
  const File directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return system_error_of(errno, path);
  return {};
}

class FileDrops final : public DropDirectory {
 public:
  explicit FileDrops(std::string path) : path_(std::move(path)) {}

  Result<std::vector<std::string>> names() override {
    std::set<std::string> behind;  // the first ones behind what the last look ended with
    std::set<std::string> before;
    std::error_code failed;
    std::filesystem::directory_iterator at(path_, failed);
    if (failed) return system_error_of(failed.value(), path_);
    for (; at != std::filesystem::directory_iterator(); at.increment(failed)) {
      std::string name = at->path().filename().string();
      if (!is_drop_name(name)) {
        remove_left_over(*at, name);
      } else if (!is_folder(*at)) {
        std::set<std::string>& names = name > last_ ? behind : before;
        names.insert(std::move(name));
        if (names.size() > kDropNamesMax) names.erase(std::prev(names.end()));
      }
    }
    std::vector<std::string> found(behind.begin(), behind.end());
    for (auto name = before.begin(); name != before.end() && found.size() < kDropNamesMax; ++name)
      found.push_back(*name);
    last_ = found.size() == kDropNamesMax ? found.back() : std::string();
    return found;
  }

  Result<Dropped> read(const std::string& name) override {
    const std::string path = path_ + "/" + name;
    const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0) return system_error_of(errno, path);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return system_error_of(errno, path);
    // A link to somebody else's file must not become that user's mail.
    if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
      return error(Error::denied, "server.drop", path + ": not a plain file of its own");
    if (std::cmp_greater(status.st_size, kDropFileOctetsMax)) return error(Error::too_long, "server.drop", path);
    Dropped dropped{.user = status.st_uid, .octets = std::string(static_cast<std::size_t>(status.st_size), '\0')};
    std::size_t done = 0;
    while (done < dropped.octets.size()) {
      const ssize_t got = ::read(file.get(), dropped.octets.data() + done, dropped.octets.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error_of(errno, path);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    dropped.octets.resize(done);
    return dropped;
  }

  Result<void> remove(const std::string& name) override {
    const std::string path = path_ + "/" + name;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error_of(errno, path);
    return sync_directory(path_);  // only then may its name be forgotten
  }

  Result<void> put_aside(const std::string& name) override {
    const std::string aside = path_ + "/refused";
    struct stat status{};
    if (::lstat(aside.c_str(), &status) != 0) return system_error_of(errno, aside);
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid())  // anybody may have made that name
      return error(Error::denied, "server.drop", aside + " is not the server's own directory");
    const std::string path = path_ + "/" + name;
    if (::rename(path.c_str(), (aside + "/" + name).c_str()) != 0) return system_error_of(errno, path);
    return {};
  }

 private:
  /// Another user's can be neither moved nor removed.
  static bool is_folder(const std::filesystem::directory_entry& entry) {
    std::error_code failed;
    return !entry.is_symlink(failed) && entry.is_directory(failed);
  }

  static void remove_left_over(const std::filesystem::directory_entry& entry, const std::string& name) {
    std::error_code failed;  // it is there still at the next look
    const auto written = entry.last_write_time(failed);
    const auto now = std::filesystem::file_time_type::clock::now();
    if (name.starts_with('t') && !failed && now - written > kLeftOverAfter) ::unlink(entry.path().c_str());
  }

  std::string path_;
  std::string last_;  // of a look that did not show all: those that stay must not be in the way of the others
};

Result<void> write_all(int fd, std::string_view octets, const std::string& path) {
  while (!octets.empty()) {
    const ssize_t written = ::write(fd, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error_of(errno, path);
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return system_error_of(errno, path);
  return {};
}

}  // namespace

bool is_drop_name(std::string_view name) {
  const auto is_hex = [](char c) { return is_digit_ascii(c) || (c >= 'a' && c <= 'f'); };
  return name.size() == kRandomDigits + 1 && name.front() == 'm' && std::ranges::all_of(name.substr(1), is_hex);
}

std::unique_ptr<DropDirectory> open_drop_directory(std::string path) {
  return std::make_unique<FileDrops>(std::move(path));
}

Result<void> prepare_drop_directory(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) return system_error_of(errno, path);
  const std::string aside = path + "/refused";
  if (::mkdir(aside.c_str(), S_IRWXU) != 0 && errno != EEXIST) return system_error_of(errno, aside);
  if (::chmod(path.c_str(), kDropMode) != 0) return system_error_of(errno, path);
  return {};
}

Result<void> leave_in_drop_directory(const std::string& path, const std::string& random, std::string_view octets) {
  const std::string half = path + "/t" + random;
  const std::string whole = path + "/m" + random;
  const File file(::open(half.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH));
  if (file.get() < 0) return system_error_of(errno, path);
  (void)::fchmod(file.get(), S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);  // whatever the umask: the server is another user
  Result<void> written = write_all(file.get(), octets, half);
  if (written && ::rename(half.c_str(), whole.c_str()) != 0) written = system_error_of(errno, whole);
  if (!written) {
    ::unlink(half.c_str());
    return written;
  }
  // The name is on disk when the directory is; whoever may not read it cannot open it, and syncs all there is.
  Result<void> named = sync_directory(path);
  if (!named && ::syncfs(file.get()) == 0) named = {};
  return named;
}

}  // namespace postrider::server
