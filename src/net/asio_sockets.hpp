// Plain socket calls on descriptors, all non-blocking, with errno turned into Error. Used by asio_network.cpp only.
#pragma once

#include "core/result.hpp"
#include "net/net.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace postrider::net {

inline constexpr int kListenBacklog = 1024;                      // connections the kernel holds until they are accepted
inline constexpr std::size_t kCloseDrainOctetsMax = 256 * 1024;  // unread input that `finish` swallows

/// A file descriptor that closes when it dies.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// What the caller may do about `number`, an errno. `doing` is for people.
[[nodiscard]] std::unexpected<Error> errno_error(int number, std::string_view doing);

/// Listening sockets on `at`, `count` of them sharing the port; one for a Unix socket. Errors as Network::listen.
[[nodiscard]] Result<std::vector<UniqueFd>> open_listeners(const Endpoint& at, std::size_t count, UnixAccess access);

/// A connection that came in, or nullopt when there is none now.
/// Errors  exhausted: no descriptors or memory; transient: that connection is gone, try the next; closed.
[[nodiscard]] Result<std::optional<UniqueFd>> accept_one(int listener);

/// A socket whose connection to `to` has begun; it has succeeded or failed when it is writable. Errors as
/// Network::dial.
[[nodiscard]] Result<UniqueFd> begin_connect(const Endpoint& to, const std::optional<Address>& source);

/// How the connection that was begun ended. Errors as Network::dial.
[[nodiscard]] Result<void> end_connect(int fd);

[[nodiscard]] Endpoint local_of(int fd);
[[nodiscard]] Endpoint peer_of(int fd);
/// SO_PEERCRED.
[[nodiscard]] std::optional<std::uint32_t> user_of_peer(int fd);

/// Says the end to the peer so that all that was written reaches it: unread input would turn the close into a reset.
void finish(int fd);

/// Addresses of all interfaces.
[[nodiscard]] std::vector<Address> interface_addresses();

}  // namespace postrider::net
