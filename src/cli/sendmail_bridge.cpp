// `sendmail -bs`: two descriptors and a socket, none of them the server's business.
#include "cli/print.hpp"
#include "cli/sendmail.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace postrider::cli {

namespace {

bool write_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t written = ::write(fd, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Copies what is there. False: the end, or nobody takes it.
bool copy(int from, int to) {
  std::array<char, 16'384> buffer;
  const ssize_t got = ::read(from, buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return true;
  return got > 0 && write_all(to, std::string_view(buffer.data(), static_cast<std::size_t>(got)));
}

int connect_to(const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.size() >= sizeof at.sun_path) return -1;
  std::memcpy(at.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

int bridge_to_socket(const std::string& path) {
  const int server = connect_to(path);
  if (server < 0) {
    (void)write_all(STDOUT_FILENO, "421 4.3.2 The mail server does not run, try again later\r\n");
    return kSendmailTryAgain;
  }
  // What is there already waits for the greeting: who talks before it is sent away (5321 §3.1).
  std::array<pollfd, 2> ends{
      {{.fd = -1, .events = POLLIN, .revents = 0}, {.fd = server, .events = POLLIN, .revents = 0}}};
  bool is_greeted = false;
  for (bool open = true; open;) {
    if (::poll(ends.data(), ends.size(), -1) < 0) {
      if (errno != EINTR) break;
      continue;
    }
    if (ends[1].revents != 0) {
      open = copy(server, STDOUT_FILENO);
      if (!std::exchange(is_greeted, true)) ends[0].fd = STDIN_FILENO;
    }
    if (open && ends[0].revents != 0 && !copy(STDIN_FILENO, server)) {
      ends[0].fd = -1;  // the rest of the replies still comes
      if (::shutdown(server, SHUT_WR) != 0) open = false;
    }
  }
  ::close(server);
  return kSendmailDone;
}

}  // namespace postrider::cli
