// postrider_smtp_load: an SMTP client that is never the bottleneck: one thread, many connections, messages made once.
//
//   postrider_smtp_load HOST:PORT --from A --to A [--connections N] [--messages N (each)] [--size OCTETS] [--seconds N]
//       [--recipients N (a message)] [--first N] [--run N] [--domains N] [--log FILE] [--tls yes] [--sessions N (each)]
//
// With --tls every session is protected by STARTTLS, with a full handshake. --sessions: so many one after the other on
// each connection's place; with --messages 0 they are nothing but handshakes.
//
// In the recipient, {n} is a number of its own, from --first on, and {d} the number of its domain: --run recipients
// follow each other in one domain, then comes the next, up to --domains. The log gets `SECONDS FIRST COUNT` for each
// message that was accepted: when (steady clock), and the numbers of its recipients.
//
// Pipelines MAIL, RCPT and DATA where the server offers it (2920), keeps a connection for all its messages, and ends
// with one JSON object on stdout:
// {"messages":…,"failed":…,"sessions":…,"seconds":…,"rate":…,"p50_ms":…,"p99_ms":…,"began":…,"reply":"…"}. The clock
// runs from the first connect to the last final reply; the latencies are from the last octet written to the final 250.
// Exit 0: every message was accepted; 1: not; 2: used wrongly.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
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
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kReadOctets = 16 * 1024;
constexpr std::size_t kReplyOctetsMax = 64 * 1024;

struct Options {
  sockaddr_in to{};
  std::string from;
  std::string recipient;
  std::size_t connections = 1;
  std::size_t messages = 1;
  std::size_t size_octets = 1024;
  std::size_t seconds = 300;
  std::size_t recipients = 1;
  std::size_t first = 0;
  std::size_t run = 1;
  std::size_t domains = 1;
  std::string log;
  bool tls = false;
  std::size_t sessions = 1;  // one after the other
};

/// What all connections share.
struct Load {
  Options options;
  std::string content;     // with the dot that ends it
  std::size_t number = 0;  // of the next recipient
  std::FILE* log = nullptr;
  std::vector<double> latencies_ms;
  std::size_t failed = 0;
  std::string failure;       // the first reply that was not wanted
  std::size_t sessions = 0;  // that ended well
  SSL_CTX* tls = nullptr;    // lives as long as the process
  Steady::time_point last{};
};

/// A message of that size whose lines have 72 octets.
std::string make_content(const Options& options) {
  std::string out = fmt::format(
      "From: <{}>\r\nTo: <{}>\r\nDate: Wed, 25 Nov 2026 09:00:00 +0000\r\nMessage-ID: <load@client.test>\r\n"
      "Subject: load\r\n\r\n",
      options.from, options.recipient);
  const std::string line = std::string(70, 'x') + "\r\n";
  while (out.size() + line.size() <= options.size_octets) out += line;
  if (out.size() + 3 <= options.size_octets) out += std::string(options.size_octets - out.size() - 2, 'y') + "\r\n";
  return out + ".\r\n";
}

double seconds(Steady::time_point at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

void replace(std::string& text, std::string_view what, std::size_t number) {
  const std::size_t at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), std::to_string(number));
}

/// MAIL, RCPT… and DATA for recipients from that number on.
std::string make_envelope(const Options& options, std::size_t number) {
  std::string out = fmt::format("MAIL FROM:<{}>\r\n", options.from);
  for (std::size_t i = number; i < number + options.recipients; ++i) {
    std::string recipient = options.recipient;
    replace(recipient, "{n}", i);
    replace(recipient, "{d}", i / options.run % options.domains);
    out += fmt::format("RCPT TO:<{}>\r\n", recipient);
  }
  return out + "DATA\r\n";
}

class Connection {
 public:
  explicit Connection(Load* load) : load_(load) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Connection(Connection&& other) noexcept : load_(other.load_), socket_(std::exchange(other.socket_, -1)) {}
  ~Connection() { hang_up(); }

  /// The next session; false: there is no socket.
  [[nodiscard]] bool open(int epoll, std::size_t index) {
    step_ = Step::greeting;
    pipelining_ = false;
    input_.clear();
    output_ = {};
    ++sessions_;
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return false;
    const int on = 1;
    (void)::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto* const to = reinterpret_cast<const sockaddr*>(&load_->options.to);
    if (::connect(socket_, to, sizeof load_->options.to) != 0 && errno != EINPROGRESS) return false;
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = index}};
    left_ = load_->options.messages;
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event) == 0;
  }

  [[nodiscard]] bool closed() const { return socket_ < 0; }
  [[nodiscard]] bool has_more() const { return !has_failed_ && sessions_ < load_->options.sessions; }

  /// Reads and writes until the kernel has had enough.
  void work() {
    if (step_ == Step::handshake) shake_hands();
    if (step_ == Step::handshake) return;
    write();
    std::array<char, kReadOctets> buffer{};
    while (socket_ >= 0 && step_ != Step::handshake) {
      const ssize_t got = receive(buffer.data(), buffer.size());
      if (got == kNothingNow) break;
      if (got <= 0) {
        if (step_ == Step::quit) {
          ++load_->sessions;
        } else {
          fail("connection lost");
        }
        hang_up();
        break;
      }
      input_.append(buffer.data(), static_cast<std::size_t>(got));
      take_replies();
    }
  }

 private:
  static constexpr ssize_t kNothingNow = -1000;

  /// Octets, 0 or less at the end, or kNothingNow.
  ssize_t receive(char* into, std::size_t size) {
    if (tls_ == nullptr) {
      ssize_t got = 0;
      do got = ::recv(socket_, into, size, 0);
      while (got < 0 && errno == EINTR);
      return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? kNothingNow : got;
    }
    const int got = SSL_read(tls_, into, static_cast<int>(size));
    return got <= 0 && is_waiting(got) ? kNothingNow : got;
  }

  [[nodiscard]] bool is_waiting(int result) const {
    const int why = SSL_get_error(tls_, result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
  }

  void shake_hands() {
    if (tls_ == nullptr) {
      tls_ = SSL_new(load_->tls);
      (void)SSL_set_fd(tls_, socket_);
      SSL_set_connect_state(tls_);
    }
    const int done = SSL_do_handshake(tls_);
    if (done != 1 && is_waiting(done)) return;
    if (done != 1) {
      fail("handshake failed");
      return hang_up();
    }
    step_ = Step::hello;
    say("EHLO client.test\r\n");
  }

  enum class Step : std::uint8_t { greeting, hello, starttls, handshake, mail, recipient, data, content, quit };

  void take_replies() {
    std::size_t end = 0;
    while (socket_ >= 0 && (end = input_.find("\r\n")) != std::string::npos) {
      const std::string line = input_.substr(0, end);
      input_.erase(0, end + 2);
      if (line.size() >= 4 && line.substr(4) == "PIPELINING") pipelining_ = true;
      if (line.size() < 4 || line[3] != '-') take_reply(line);
    }
    if (input_.size() > kReplyOctetsMax) {
      fail("endless reply");
      hang_up();
    }
  }

  void take_reply(const std::string& reply) {
    const bool wanted = reply.starts_with(step_ == Step::data ? '3' : '2');
    if (!wanted) {
      fail(reply);
      return hang_up();
    }
    switch (step_) {
      case Step::greeting: step_ = Step::hello; return say("EHLO client.test\r\n");
      case Step::hello:
        if (!load_->options.tls || tls_ != nullptr) return begin();
        step_ = Step::starttls;
        return say("STARTTLS\r\n");
      case Step::starttls: step_ = Step::handshake; return shake_hands();
      case Step::handshake: return;
      case Step::mail: step_ = Step::recipient; return pipelining_ ? void() : say_part(1);
      case Step::recipient:
        if (++named_ == load_->options.recipients) step_ = Step::data;
        return pipelining_ ? void() : say_part(named_ + 1);
      case Step::data: step_ = Step::content; return say(load_->content);
      case Step::content: return end();
      case Step::quit:
        ++load_->sessions;
        load_->last = Steady::now();
        return hang_up();
    }
  }

  void begin() {
    if (left_ == 0) {
      step_ = Step::quit;
      return say("QUIT\r\n");
    }
    step_ = Step::mail;
    named_ = 0;
    number_ = load_->number;
    load_->number += load_->options.recipients;
    envelope_ = make_envelope(load_->options, number_);
    if (pipelining_)
      say(envelope_);
    else
      say_part(0);
  }

  /// One line of the envelope, for servers without PIPELINING.
  void say_part(std::size_t number) {
    std::string_view rest = envelope_;
    for (std::size_t i = 0; i < number; ++i) rest.remove_prefix(rest.find("\r\n") + 2);
    say(rest.substr(0, rest.find("\r\n") + 2));
  }

  void end() {
    load_->last = Steady::now();
    load_->latencies_ms.push_back(std::chrono::duration<double, std::milli>(load_->last - written_).count());
    if (load_->log != nullptr)
      fmt::print(load_->log, "{:.6f} {} {}\n", seconds(load_->last), number_, load_->options.recipients);
    --left_;
    begin();
  }

  /// `octets` outlive the writing: they are literals, or belong to the Load or to us.
  void say(std::string_view octets) {
    output_ = octets;
    write();
  }

  void write() {
    while (socket_ >= 0 && !output_.empty()) {
      const ssize_t put = tls_ == nullptr ? ::send(socket_, output_.data(), output_.size(), MSG_NOSIGNAL)
                                          : SSL_write(tls_, output_.data(), static_cast<int>(output_.size()));
      if (tls_ == nullptr && put < 0 && errno == EINTR) continue;
      if (put <= 0) return;  // full, not connected yet, or lost: then reading says so
      output_.remove_prefix(static_cast<std::size_t>(put));
      if (output_.empty()) written_ = Steady::now();
    }
  }

  void fail(std::string_view why) {
    load_->failed += left_;
    left_ = 0;
    has_failed_ = true;
    if (load_->failure.empty()) load_->failure = why;
  }

  void hang_up() {
    SSL_free(std::exchange(tls_, nullptr));
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  Load* load_;
  int socket_ = -1;
  SSL* tls_ = nullptr;
  std::size_t sessions_ = 0;  // begun
  bool has_failed_ = false;
  Step step_ = Step::greeting;
  bool pipelining_ = false;
  std::size_t left_ = 0;
  std::size_t number_ = 0;  // of the first recipient of this message
  std::size_t named_ = 0;   // recipients that were accepted
  std::string envelope_;
  std::string input_;
  std::string_view output_;  // what is left of it
  Steady::time_point written_{};
};

bool parse_number(std::string_view text, std::size_t* into) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), *into);
  return failed == std::errc() && end == text.data() + text.size();
}

bool parse_endpoint(const std::string& text, sockaddr_in* into) {
  const std::size_t colon = text.rfind(':');
  std::size_t port = 0;
  if (colon == std::string::npos || !parse_number(std::string_view(text).substr(colon + 1), &port) || port > 65'535)
    return false;
  into->sin_family = AF_INET;
  into->sin_port = htons(static_cast<std::uint16_t>(port));
  return ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &into->sin_addr) == 1;
}

bool parse(int argc, char** argv, Options* options) {
  if (argc < 2 || argc % 2 != 0 || !parse_endpoint(argv[1], &options->to)) return false;
  for (int i = 2; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--from")
      options->from = value;
    else if (name == "--to")
      options->recipient = value;
    else if (name == "--connections" && parse_number(value, &options->connections))
      continue;
    else if (name == "--messages" && parse_number(value, &options->messages))
      continue;
    else if (name == "--size" && parse_number(value, &options->size_octets))
      continue;
    else if (name == "--seconds" && parse_number(value, &options->seconds))
      continue;
    else if (name == "--recipients" && parse_number(value, &options->recipients))
      continue;
    else if (name == "--first" && parse_number(value, &options->first))
      continue;
    else if (name == "--run" && parse_number(value, &options->run))
      continue;
    else if (name == "--domains" && parse_number(value, &options->domains))
      continue;
    else if (name == "--sessions" && parse_number(value, &options->sessions))
      continue;
    else if (name == "--tls" && value == "yes")
      options->tls = true;
    else if (name == "--log")
      options->log = value;
    else
      return false;
  }
  return !options->recipient.empty() && options->recipients > 0 && options->run > 0 && options->domains > 0;
}

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, at);
  return *at;
}

/// Everything at once, until all connections have ended or the time is over.
bool run(Load& load) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> connections;
  for (std::size_t i = 0; i < load.options.connections; ++i) connections.emplace_back(&load);
  for (std::size_t i = 0; i < connections.size(); ++i) {
    if (!connections[i].open(epoll, i)) return false;
  }
  const Steady::time_point until = Steady::now() + std::chrono::seconds(load.options.seconds);
  std::size_t open = connections.size();
  std::array<epoll_event, 256> events{};
  while (open > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now()).count();
    if (left <= 0) break;
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(std::min<std::int64_t>(left, 1000)));
    for (int i = 0; i < ready; ++i) {
      Connection& connection = connections[events[static_cast<std::size_t>(i)].data.u64];
      if (connection.closed()) continue;
      connection.work();
      if (!connection.closed()) continue;
      if (!connection.has_more()) {
        --open;
      } else if (!connection.open(epoll, events[static_cast<std::size_t>(i)].data.u64)) {
        return false;
      }
    }
  }
  ::close(epoll);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Load load;
  if (!parse(argc, argv, &load.options)) {
    fmt::print(stderr,
               "postrider_smtp_load HOST:PORT --from A --to A [--connections N] [--messages N] [--size OCTETS] "
               "[--seconds N] [--recipients N] [--first N] [--run N] [--domains N] [--log FILE] [--tls yes] "
               "[--sessions N]\n");
    return 2;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);  // enough or not: socket() says so
  }
  load.content = make_content(load.options);
  load.number = load.options.first;
  if (!load.options.log.empty() && (load.log = std::fopen(load.options.log.c_str(), "a")) == nullptr) {
    fmt::print(stderr, "postrider_smtp_load: {}: {}\n", load.options.log, std::generic_category().message(errno));
    return 1;
  }
  if (load.options.tls) {
    load.tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(load.tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(load.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  const std::size_t sessions = load.options.connections * load.options.sessions;
  const std::size_t wanted = sessions * load.options.messages;
  load.latencies_ms.reserve(wanted);
  const Steady::time_point began = Steady::now();
  if (!run(load)) {
    fmt::print(stderr, "postrider_smtp_load: no socket: {}\n", std::generic_category().message(errno));
    return 1;
  }
  if (load.log != nullptr) (void)std::fclose(load.log);
  const std::size_t accepted = load.latencies_ms.size();
  const double took = load.last > began ? std::chrono::duration<double>(load.last - began).count() : 0;
  std::string failure = load.failure;
  std::erase_if(failure, [](char c) { return c == '"' || c == '\\' || c < ' '; });
  fmt::print(
      R"({{"messages":{},"failed":{},"sessions":{},"seconds":{:.4f},"rate":{:.1f},"p50_ms":{:.2f},"p99_ms":{:.2f},"began":{:.6f},"reply":"{}"}})"
      "\n",
      accepted, wanted - accepted, load.sessions, took, took > 0 ? static_cast<double>(accepted) / took : 0,
      percentile(load.latencies_ms, 0.5), percentile(load.latencies_ms, 0.99), seconds(began), failure);
  return accepted == wanted && load.sessions == sessions ? 0 : 1;
}
