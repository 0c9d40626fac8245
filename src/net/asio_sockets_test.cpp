#include "net/asio_sockets.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

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

}  // namespace
}  // namespace postrider::net
