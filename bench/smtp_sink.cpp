// postrider_smtp_sink: a next hop that takes everything and is never the bottleneck: one thread, many addresses.
//
//   postrider_smtp_sink PORT ADDRESS… [--log FILE] [--delay MILLISECONDS] [--refuse TEXT]
//
// ADDRESS is [KIND:]A.B.C.D[+N]: N addresses from that one on, all on PORT (0: one that is free). KIND `slow` waits
// MILLISECONDS (10,000) before each reply; `hole` never completes a connection. Recipients with
// TEXT before their @ are refused (550). Prints {"port":…}, then, for every line
// `stats` on stdin, {"messages":…,"recipients":…,"octets":…,"connections":…,"last":…} (`last`: of the steady clock, in
// seconds, when the last message was taken); ends with its stdin. The log has a line `SECONDS RECIPIENT` for each
// recipient, written before the reply to the dot, and is complete when `stats` answers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kReadOctets = 64 * 1024;
constexpr std::string_view kDot = "\r\n.\r\n";

enum class Kind : std::uint8_t { quick, slow, hole };

struct Place {
  Kind kind = Kind::quick;
  std::uint32_t first = 0;  // the address in the host's order
  std::uint32_t count = 1;
};

struct Options {
  std::uint16_t port = 0;
  std::vector<Place> places;
  std::string log;
  std::string refuse;
  std::chrono::milliseconds delay{10'000};
};

double seconds(Steady::time_point at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

struct Session {
  int socket = -1;
  bool is_slow = false;
  bool in_data = false;
  bool ends = false;  // once all is written
  std::string input;
  std::string output;
  std::vector<std::string> recipients;
};

class Sink {
 public:
  explicit Sink(Options options) : options_(std::move(options)) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() {
    if (log_ != nullptr) (void)std::fclose(log_);
  }

  [[nodiscard]] bool open() {
    if (!options_.log.empty() && (log_ = std::fopen(options_.log.c_str(), "a")) == nullptr) return false;
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (const Place& place : options_.places) {
      for (std::uint32_t i = 0; i < place.count; ++i) {
        if (!listen(place, place.first + i)) return false;
      }
    }
    watch(STDIN_FILENO, EPOLLIN, kStdin);
    fmt::print("{{\"port\":{}}}\n", options_.port);
    (void)std::fflush(stdout);
    return true;
  }

  void run() {
    std::array<epoll_event, 256> events{};
    while (!ended_) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
      for (int i = 0; i < ready; ++i) take(events[static_cast<std::size_t>(i)].data.u64);
      say_what_is_due();
    }
  }

 private:
  static constexpr std::uint64_t kStdin = 0;
  static constexpr std::uint64_t kListener = 1ULL << 62;  // and the descriptor; with kSlow when its sessions are slow
  static constexpr std::uint64_t kSlow = 1ULL << 61;

  void watch(int socket, std::uint32_t what, std::uint64_t key) const {
    epoll_event event{.events = what, .data = {.u64 = key}};
    (void)::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }

  bool listen(const Place& place, std::uint32_t address) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    (void)::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(options_.port);
    at.sin_addr.s_addr = htonl(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&at);
    const bool is_hole = place.kind == Kind::hole;
    if (::bind(socket, generic, sizeof at) != 0 || ::listen(socket, is_hole ? 0 : 1024) != 0) return false;
    socklen_t size = sizeof at;
    (void)::getsockname(socket, generic, &size);
    options_.port = ntohs(at.sin_port);
    if (!is_hole) {
      watch(socket, EPOLLIN, kListener | (place.kind == Kind::slow ? kSlow : 0) | static_cast<std::uint64_t>(socket));
      return true;
    }
    for (int i = 0; i < 2; ++i) {  // fill its queue: whoever comes now gets no answer to a SYN
      const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void)::connect(filler, generic, sizeof at);
    }
    return true;
  }

  void take(std::uint64_t key) {
    if (key == kStdin) return take_stdin();
    if ((key & kListener) != 0) return accept(static_cast<int>(key & 0xffff'ffff), (key & kSlow) != 0);
    const auto found = sessions_.find(key);
    if (found != sessions_.end()) work(key, *found->second);
  }

  void take_stdin() {
    std::array<char, 256> buffer{};
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got <= 0) {
      ended_ = true;
      return;
    }
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(got))) {
      if (c != '\n') continue;
      if (log_ != nullptr) (void)std::fflush(log_);
      fmt::print(R"({{"messages":{},"recipients":{},"octets":{},"connections":{},"last":{:.6f}}})"
                 "\n",
                 messages_, recipients_, octets_, connections_, seconds(last_));
      (void)std::fflush(stdout);
    }
  }

  void accept(int listener, bool is_slow) {
    while (true) {
      const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket < 0) return;
      const int on = 1;
      (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const std::uint64_t key = ++last_key_;
      auto session = std::make_unique<Session>();
      session->socket = socket;
      session->is_slow = is_slow;
      Session& kept = *(sessions_[key] = std::move(session));
      watch(socket, EPOLLIN | EPOLLOUT | EPOLLET, key);
      ++connections_;
      say(key, kept, "220 sink.test ESMTP\r\n");
      write(kept);
    }
  }

  void work(std::uint64_t key, Session& session) {
    std::array<char, kReadOctets> buffer;  // not cleared: 64 KiB for each read
    while (true) {
      const ssize_t got = ::recv(session.socket, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (got <= 0) return hang_up(key, session);
      octets_ += static_cast<std::uint64_t>(got);
      session.input.append(buffer.data(), static_cast<std::size_t>(got));
      while (session.in_data ? take_data(key, session) : take_line(key, session)) continue;
    }
    write(session);
    if (session.ends && session.output.empty()) hang_up(key, session);
  }

  /// True: there may be more.
  bool take_data(std::uint64_t key, Session& session) {
    const std::size_t dot = session.input.find(kDot);
    if (dot == std::string::npos) {
      if (session.input.size() >= kDot.size()) session.input.erase(0, session.input.size() - kDot.size() + 1);
      return false;
    }
    session.input.erase(0, dot + kDot.size());
    session.in_data = false;
    last_ = Steady::now();
    ++messages_;
    recipients_ += session.recipients.size();
    if (log_ != nullptr) {
      for (const std::string& recipient : session.recipients)
        fmt::print(log_, "{:.6f} {}\n", seconds(last_), recipient);
    }
    session.recipients.clear();
    say(key, session, "250 2.0.0 Ok\r\n");
    return true;
  }

  bool take_line(std::uint64_t key, Session& session) {
    const std::size_t end = session.input.find("\r\n");
    if (end == std::string::npos) return false;
    const std::string line = session.input.substr(0, end);
    session.input.erase(0, end + 2);
    const auto starts = [&line](std::string_view verb) {
      return line.size() >= verb.size() && std::ranges::equal(verb, line.substr(0, verb.size()), [](char a, char b) {
               return a == (b >= 'a' && b <= 'z' ? b - 'a' + 'A' : b);
             });
    };
    if (starts("EHLO")) {
      say(key, session, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 104857600\r\n250 DSN\r\n");
    } else if (starts("RCPT")) {
      take_recipient(key, session, line);
    } else if (starts("DATA") && session.recipients.empty()) {
      say(key, session, "503 5.5.1 no recipients\r\n");
    } else if (starts("DATA")) {
      session.in_data = true;
      session.input.insert(0, "\r\n");
      say(key, session, "354 go on\r\n");
    } else if (starts("QUIT")) {
      say(key, session, "221 2.0.0 Bye\r\n");
      session.ends = !session.is_slow;
    } else {
      if (starts("RSET")) session.recipients.clear();
      say(key, session, "250 2.0.0 Ok\r\n");
    }
    return true;
  }

  void take_recipient(std::uint64_t key, Session& session, const std::string& line) {
    const std::size_t from = line.find('<');
    const std::size_t to = line.find('>', from);
    const std::string recipient = to == std::string::npos ? "" : line.substr(from + 1, to - from - 1);
    const bool is_refused =
        !options_.refuse.empty() && recipient.substr(0, recipient.find('@')).ends_with(options_.refuse);
    if (!is_refused) session.recipients.push_back(recipient);
    say(key, session, is_refused ? "550 5.1.1 no such user\r\n" : "250 2.1.5 Ok\r\n");
  }

  void say(std::uint64_t key, Session& session, std::string_view text) {
    if (session.is_slow)
      later_.emplace(Steady::now() + options_.delay, std::pair(key, std::string(text)));
    else
      session.output += text;
  }

  void say_what_is_due() {
    while (!later_.empty() && later_.begin()->first <= Steady::now()) {
      const auto [key, text] = std::move(later_.extract(later_.begin()).mapped());
      const auto found = sessions_.find(key);
      if (found == sessions_.end()) continue;
      found->second->output += text;
      write(*found->second);
    }
  }

  [[nodiscard]] int wait_ms() const {
    if (later_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(later_.begin()->first - Steady::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
  }

  static void write(Session& session) {
    while (!session.output.empty()) {
      const ssize_t put = ::send(session.socket, session.output.data(), session.output.size(), MSG_NOSIGNAL);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return;  // full or lost: the next event says so
      session.output.erase(0, static_cast<std::size_t>(put));
    }
  }

  void hang_up(std::uint64_t key, const Session& session) {
    ::close(session.socket);
    sessions_.erase(key);
  }

  Options options_;
  int epoll_ = -1;
  bool ended_ = false;
  std::FILE* log_ = nullptr;
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::multimap<Steady::time_point, std::pair<std::uint64_t, std::string>> later_;  // session, text
  std::uint64_t last_key_ = kStdin;
  std::uint64_t messages_ = 0;
  std::uint64_t recipients_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t connections_ = 0;
  Steady::time_point last_{};
};

template <class Number>
bool parse_number(std::string_view text, Number* into) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), *into);
  return failed == std::errc() && end == text.data() + text.size();
}

bool parse_place(std::string_view text, Place* into) {
  if (text.starts_with("slow:")) into->kind = Kind::slow;
  if (text.starts_with("hole:")) into->kind = Kind::hole;
  if (into->kind != Kind::quick) text.remove_prefix(5);
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !parse_number(text.substr(plus + 1), &into->count)) return false;
  in_addr address{};
  if (::inet_pton(AF_INET, std::string(text.substr(0, plus)).c_str(), &address) != 1) return false;
  into->first = ntohl(address.s_addr);
  return true;
}

bool parse(int argc, char** argv, Options* options) {
  if (argc < 3 || !parse_number(std::string_view(argv[1]), &options->port)) return false;
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    std::int64_t milliseconds = 0;
    if (!word.starts_with("--")) {
      if (!parse_place(word, &options->places.emplace_back())) return false;
    } else if (word == "--log" && i + 1 < argc) {
      options->log = argv[++i];
    } else if (word == "--refuse" && i + 1 < argc) {
      options->refuse = argv[++i];
    } else if (word == "--delay" && i + 1 < argc && parse_number(std::string_view(argv[++i]), &milliseconds)) {
      options->delay = std::chrono::milliseconds(milliseconds);
    } else {
      return false;
    }
  }
  return !options->places.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, &options)) {
    fmt::print(
        stderr,
        "postrider_smtp_sink PORT [slow:|hole:]ADDRESS[+N]… [--log FILE] [--delay MILLISECONDS] [--refuse TEXT]\n");
    return 2;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  Sink sink(std::move(options));
  if (!sink.open()) {
    fmt::print(stderr, "postrider_smtp_sink: {}\n", std::generic_category().message(errno));
    return 1;
  }
  sink.run();
  return 0;
}
