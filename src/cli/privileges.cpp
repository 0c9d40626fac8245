#include "cli/privileges.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace postrider::cli {

namespace {

Result<void> failed(std::string_view what) {
  return error(Error::denied, "privileges", fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

Result<passwd> find_user(const std::string& user) {
  errno = 0;
  const passwd* const found = ::getpwnam(user.c_str());
  if (found == nullptr) {
    return error(Error::not_found, "privileges",
                 fmt::format("no user \"{}\" (make it: adduser --system --group {}; or set user = \"\")", user, user));
  }
  return *found;
}

}  // namespace

Result<void> become_user(const std::string& user) {
  if (user.empty() || ::geteuid() != 0) return {};
  const Result<passwd> found = find_user(user);
  if (!found) return fail(found);
  if (::initgroups(user.c_str(), found->pw_gid) != 0 || ::setegid(found->pw_gid) != 0 || ::seteuid(found->pw_uid) != 0)
    return failed("become " + user);
  return {};
}

Result<void> become_root_again(const std::string& user) {
  if (user.empty() || ::getuid() != 0) return {};
  if (::seteuid(0) != 0 || ::setegid(0) != 0) return failed("become root again");
  return {};
}

Result<void> drop_to_user(const std::string& user, const std::string& made_as_root) {
  if (user.empty() || ::getuid() != 0) return {};
  const Result<passwd> found = find_user(user);
  if (!found) return fail(found);
  if (::chown(made_as_root.c_str(), found->pw_uid, found->pw_gid) != 0)
    return failed("give " + made_as_root + " to " + user);
  if (::initgroups(user.c_str(), found->pw_gid) != 0 || ::setgid(found->pw_gid) != 0 || ::setuid(found->pw_uid) != 0)
    return failed("drop to " + user);
  if (::setuid(0) == 0) return error(Error::denied, "privileges", "root could be taken back");
  return {};
}

Result<void> become_owner_of(const std::string& data_dir) {
  struct stat status{};
  if (::stat(data_dir.c_str(), &status) != 0)
    return error(Error::not_found, "privileges", data_dir + " does not exist (postrider init makes it)");
  if (::geteuid() == status.st_uid) return {};
  if (::geteuid() != 0)
    return error(Error::denied, "privileges", data_dir + " belongs to another user (run as its owner or as root)");
  if (::setgroups(0, nullptr) != 0 || ::setgid(status.st_gid) != 0 || ::setuid(status.st_uid) != 0)
    return failed("become the owner of " + data_dir);
  return {};
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{.rlim_cur = 1024, .rlim_max = 1024};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);  // what it cannot tell, every system gives
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace postrider::cli
