#include "net/asio_sockets.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <utility>

namespace postrider::net {
namespace {

bool sends_at_once(int fd) {
  int on = 0;
  socklen_t size = sizeof on;
  EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  return on != 0;
}

// Nagle's algorithm with delayed acknowledgements costs 40 ms a small reply, or a small record of TLS.
TEST(AsioSockets, BothEndsSendSmallPiecesAtOnce) {
  for (const std::string at : {"127.0.0.1:0", "[::1]:0"}) {
    const Result<std::vector<UniqueFd>> listeners = open_listeners(Endpoint::parse(at).value(), 2, UnixAccess::owner);
    if (!listeners && at.starts_with('[')) continue;  // no IPv6 here
    ASSERT_TRUE(listeners);
    for (const UniqueFd& listener : *listeners) EXPECT_TRUE(sends_at_once(listener.get()));
    const Result<UniqueFd> dialled = begin_connect(local_of(listeners->front().get()), std::nullopt);
    ASSERT_TRUE(dialled);
    EXPECT_TRUE(sends_at_once(dialled->get()));
    std::vector<pollfd> waiting;
    for (const UniqueFd& listener : *listeners)
      waiting.push_back({.fd = listener.get(), .events = POLLIN, .revents = 0});
    ASSERT_EQ(::poll(waiting.data(), waiting.size(), 10'000), 1) << "one of the listeners has it";
    const int ready = waiting[waiting[0].revents != 0 ? 0 : 1].fd;
    const Result<std::optional<UniqueFd>> accepted = accept_one(ready);
    ASSERT_TRUE(accepted && *accepted);
    EXPECT_TRUE(sends_at_once((*accepted)->get()));
  }
}

// To connect is to write: a umask of 022, which services have, would let nobody but the owner in.
TEST(AsioSockets, AUnixSocketHasTheModeThatIsAskedForWhateverTheUmask) {
  std::string folder = (std::filesystem::temp_directory_path() / "postrider-sockets-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  for (const auto& [access, mode] : {std::pair(UnixAccess::owner, 0600U), std::pair(UnixAccess::group, 0660U),
                                     std::pair(UnixAccess::everyone, 0666U)}) {
    for (const mode_t umask : {0022U, 0077U, 0U}) {
      const Endpoint at{.address = {}, .port = 0, .unix_path = folder + "/socket"};
      const mode_t before = ::umask(umask);
      const Result<std::vector<UniqueFd>> listeners = open_listeners(at, 1, access);
      ::umask(before);
      ASSERT_TRUE(listeners) << describe(listeners.error());
      struct stat status{};
      ASSERT_EQ(::stat(at.unix_path.c_str(), &status), 0);
      EXPECT_EQ(status.st_mode & 07777U, mode) << "umask " << umask;
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace postrider::net
