#include "net/asio_sockets.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace postrider::net {

namespace {

/// A socket address of any family we use, as the kernel wants it.
struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

KernelAddress to_kernel(const Endpoint& endpoint) {
  KernelAddress out;
  if (!endpoint.unix_path.empty()) {
    sockaddr_un named{};
    named.sun_family = AF_UNIX;
    std::memcpy(named.sun_path, endpoint.unix_path.data(),
                std::min(endpoint.unix_path.size(), sizeof named.sun_path - 1));
    std::memcpy(&out.storage, &named, sizeof named);
    out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + endpoint.unix_path.size() + 1);
  } else if (endpoint.address.is_v4()) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(endpoint.port);
    std::memcpy(&four.sin_addr, endpoint.address.octets().data() + 12, 4);
    std::memcpy(&out.storage, &four, sizeof four);
    out.size = sizeof four;
  } else {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(endpoint.port);
    std::memcpy(&six.sin6_addr, endpoint.address.octets().data(), 16);
    std::memcpy(&out.storage, &six, sizeof six);
    out.size = sizeof six;
  }
  return out;
}

std::optional<Address> address_of(const sockaddr* from) {
  if (from->sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, from, sizeof four);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &four.sin_addr, octets.size());
    return Address::v4(octets);
  }
  if (from->sa_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, from, sizeof six);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &six.sin6_addr, octets.size());
    return Address::v6(octets);
  }
  return std::nullopt;
}

Endpoint from_kernel(const KernelAddress& from) {
  Endpoint endpoint;
  if (const std::optional<Address> address = address_of(from.get())) {
    endpoint.address = *address;
    const std::size_t at =
        from.storage.ss_family == AF_INET ? offsetof(sockaddr_in, sin_port) : offsetof(sockaddr_in6, sin6_port);
    std::uint16_t port = 0;
    std::memcpy(&port, reinterpret_cast<const char*>(&from.storage) + at, sizeof port);
    endpoint.port = ntohs(port);
  } else if (from.storage.ss_family == AF_UNIX) {
    const std::size_t path_at = offsetof(sockaddr_un, sun_path);
    const char* const path = reinterpret_cast<const char*>(&from.storage) + path_at;
    const std::size_t octets_max = from.size > path_at ? from.size - path_at : 0;
    endpoint.unix_path.assign(path, ::strnlen(path, octets_max));
  }
  return endpoint;
}

void set_option(int fd, int level, int name) {
  const int on = 1;
  ::setsockopt(fd, level, name, &on, sizeof on);
}

Result<UniqueFd> open_socket(const Endpoint& endpoint) {
  const bool is_unix = !endpoint.unix_path.empty();
  if (is_unix && endpoint.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
    return error(Error::malformed, "net.socket", "the path of a Unix socket is too long");
  }
  const int family = is_unix ? AF_UNIX : endpoint.address.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return errno_error(errno, "socket");
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (!is_unix) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);  // on a listener: what it accepts inherits it
  return fd;
}

enum class Share : std::uint8_t { no, yes };

Result<UniqueFd> open_bound(const Endpoint& at, Share share) {
  Result<UniqueFd> fd = open_socket(at);
  if (!fd) return fd;
  set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR);
  if (share == Share::yes) set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT);
  const KernelAddress address = to_kernel(at);
  if (::bind(fd->get(), address.get(), address.size) != 0) return errno_error(errno, "bind " + at.to_text());
  return fd;
}

Result<UniqueFd> listening(UniqueFd fd) {
  if (::listen(fd.get(), kListenBacklog) != 0) return errno_error(errno, "listen");
  return fd;
}

/// Removes the file that a dead server left; errors conflict when it is something else or somebody answers.
Result<void> remove_stale(const Endpoint& at) {
  struct stat status{};
  if (::lstat(at.unix_path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return error(Error::conflict, "net.listen", at.unix_path + " exists and is no socket");
  Result<UniqueFd> probe = open_socket(at);
  if (!probe) return fail(probe);
  const KernelAddress address = to_kernel(at);
  if (::connect(probe->get(), address.get(), address.size) == 0 || errno != ECONNREFUSED) {
    return error(Error::conflict, "net.listen", at.unix_path + " is in use");
  }
  if (::unlink(at.unix_path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, "unlink " + at.unix_path);
  return {};
}

Result<std::vector<UniqueFd>> open_unix_listener(const Endpoint& at, UnixAccess access) {
  Result<UniqueFd> fd = open_socket(at);
  if (!fd) return fail(fd);
  const Result<void> free = remove_stale(at);
  if (!free) return fail(free);
  // Linux gives the file the mode of the socket's own inode without what the umask has: never a wider one, and the one
  // that is wanted before anybody can connect.
  const mode_t owner = S_IRUSR | S_IWUSR;
  const mode_t group = access == UnixAccess::owner ? 0 : S_IRGRP | S_IWGRP;
  const mode_t others = access == UnixAccess::everyone ? S_IROTH | S_IWOTH : 0;
  const mode_t mode = owner | group | others;
  if (::fchmod(fd->get(), mode) != 0) return errno_error(errno, "fchmod");
  const KernelAddress address = to_kernel(at);
  if (::bind(fd->get(), address.get(), address.size) != 0) return errno_error(errno, "bind " + at.to_text());
  if (::chmod(at.unix_path.c_str(), mode) != 0) return errno_error(errno, "chmod " + at.unix_path);
  Result<UniqueFd> ready = listening(std::move(*fd));
  if (!ready) return fail(ready);
  std::vector<UniqueFd> all;
  all.push_back(std::move(*ready));
  return all;
}

template <class Call>
Endpoint ask_endpoint(int fd, Call call) {
  KernelAddress address;
  if (call(fd, address.get(), &address.size) != 0) return {};
  return from_kernel(address);
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

std::unexpected<Error> errno_error(int number, std::string_view doing) {
  const auto code = [number] {
    switch (number) {
      case EADDRINUSE: return Error::conflict;
      case EADDRNOTAVAIL:
      case EINVAL:
      case EAFNOSUPPORT:
      case ENAMETOOLONG: return Error::malformed;
      case EACCES:
      case EPERM: return Error::denied;
      case ETIMEDOUT: return Error::timeout;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: return Error::exhausted;
      case EINTR:
      case EPROTO:
      case ECONNABORTED: return Error::transient;
      default: return Error::closed;
    }
  }();
  return error(code, "net.socket", std::string(doing) + ": " + std::generic_category().message(number));
}

Result<std::vector<UniqueFd>> open_listeners(const Endpoint& at, std::size_t count, UnixAccess access) {
  if (!at.unix_path.empty()) return open_unix_listener(at, access);
  if (at.port != 0) {
    const Result<UniqueFd> probe = open_bound(at, Share::no);  // fails when somebody listens, sharing or not
    if (!probe) return fail(probe);
  }
  std::vector<UniqueFd> all;
  Endpoint taken = at;
  while (all.size() < count) {
    Result<UniqueFd> bound = open_bound(taken, Share::yes);  // the kernel never shares a port it chose for port 0
    if (!bound) return fail(bound);
    taken = local_of(bound->get());
    Result<UniqueFd> ready = listening(std::move(*bound));
    if (!ready) return fail(ready);
    all.push_back(std::move(*ready));
  }
  return all;
}

Result<std::optional<UniqueFd>> accept_one(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.get() >= 0) return std::optional<UniqueFd>(std::move(fd));
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::optional<UniqueFd>();
  const int number = errno;
  // accept(2): errors already pending on the new connection are passed on; they are no errors of the listener.
  const bool is_ours = number == EBADF || number == EINVAL || number == ENOTSOCK || number == EOPNOTSUPP;
  std::unexpected<Error> failed = errno_error(number, "accept");
  if (is_ours) failed.error().code = Error::closed;
  if (!is_ours && failed.error().code != Error::exhausted) failed.error().code = Error::transient;
  return failed;
}

Result<UniqueFd> begin_connect(const Endpoint& to, const std::optional<Address>& source) {
  Result<UniqueFd> fd = open_socket(to);
  if (!fd) return fd;
  if (source && to.unix_path.empty()) {
    Endpoint from;
    from.address = *source;
    const KernelAddress address = to_kernel(from);
    set_option(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);  // the port is chosen by connect, for this peer only
    if (::bind(fd->get(), address.get(), address.size) != 0) {
      return error(Error::denied, "net.dial",
                   "cannot connect from " + source->to_text() + ": " + std::generic_category().message(errno));
    }
  }
  const KernelAddress address = to_kernel(to);
  if (::connect(fd->get(), address.get(), address.size) == 0 || errno == EINPROGRESS) return fd;
  if (errno == EADDRNOTAVAIL) return error(Error::exhausted, "net.dial", "no free port to connect from");
  std::unexpected<Error> failed = errno_error(errno, "connect " + to.to_text());
  if (failed.error().code == Error::malformed)
    failed.error().code = Error::closed;  // an address nothing can be reached at
  return failed;
}

Result<void> end_connect(int fd) {
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
  if (number != 0) return errno_error(number, "connect");
  return {};
}

Endpoint local_of(int fd) { return ask_endpoint(fd, &::getsockname); }
Endpoint peer_of(int fd) { return ask_endpoint(fd, &::getpeername); }

std::optional<std::uint32_t> user_of_peer(int fd) {
  ucred who{};
  socklen_t size = sizeof who;
  int family = 0;
  socklen_t family_size = sizeof family;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_size) != 0 || family != AF_UNIX) return std::nullopt;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  return who.uid;
}

void finish(int fd) {
  ::shutdown(fd, SHUT_WR);
  std::array<char, 4096> swallowed{};
  for (std::size_t total = 0; total < kCloseDrainOctetsMax;) {
    const ssize_t got = ::recv(fd, swallowed.data(), swallowed.size(), MSG_DONTWAIT);
    if (got <= 0) return;
    total += static_cast<std::size_t>(got);
  }
}

std::vector<Address> interface_addresses() {
  std::vector<Address> all;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return all;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    if (const std::optional<Address> address = address_of(each->ifa_addr)) all.push_back(*address);
  }
  ::freeifaddrs(first);
  return all;
}

}  // namespace postrider::net
