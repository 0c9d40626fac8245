#include "net/asio_network.hpp"

#include "core/await.hpp"
#include "core/events.hpp"
#include "core/shard.hpp"
#include "net/asio_sockets.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/socket.h>

#include <cerrno>

namespace postrider::net {

namespace asio = boost::asio;

namespace {

struct AcceptBackedOff {
  static constexpr std::string_view kName = "net.accept_backed_off";
  static constexpr Level kLevel = Level::warn;
  std::string at;
  std::string error;
  void fields(FieldSink& sink) const {
    sink.add("at", at);
    sink.add("error", error);
  }
};

/// A descriptor that a shard can wait for.
class Descriptor {
 public:
  using Socket = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

  explicit Descriptor(Shard* shard) : shard_(shard), socket_(shard->context()) {}

  /// Errors  exhausted: the kernel cannot watch more.
  Result<void> open(UniqueFd fd) {
    boost::system::error_code failed;
    const int number = fd.get();
    socket_.assign(number, failed);
    if (failed) return error(Error::exhausted, "net.descriptor", failed.message());
    static_cast<void>(fd.release());  // the socket owns it now
    return {};
  }

  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  [[nodiscard]] int fd() { return socket_.native_handle(); }
  [[nodiscard]] Shard* shard() const { return shard_; }
  void close() {
    boost::system::error_code ignored;  // closed either way
    socket_.close(ignored);
  }

  /// Gives `readable` when `kind` is possible, or failing that the reason. Nothing is allocated beyond the wait itself.
  Task<Result<Ready>> wait(Socket::wait_type kind, SteadyTime until, Signal* signal) {
    if (signal != nullptr && signal->is_set()) co_return Ready::signalled;
    bool is_late = false;
    bool is_signalled = false;
    Signal::Watch watch;
    if (signal != nullptr) watch = signal->watch(shard_, [&is_signalled, this] { interrupt(&is_signalled); });
    const Deadlines::Handle late = shard_->deadlines().add(until, [&is_late, this] { interrupt(&is_late); });
    while (socket_.is_open()) {
      const auto outcome = co_await socket_.async_wait(kind, asio::as_tuple(asio::use_awaitable));
      const boost::system::error_code failed = std::get<0>(outcome);
      if (!failed) co_return Ready::readable;
      if (is_signalled) co_return Ready::signalled;
      if (is_late) co_return error(Error::timeout, "net.wait");
      if (failed != asio::error::operation_aborted) co_return error(Error::closed, "net.wait", failed.message());
      // Somebody else's wait on this descriptor was interrupted: go on with ours.
    }
    co_return error(Error::closed, "net.wait");
  }

 private:
  void interrupt(bool* reason) {
    *reason = true;
    boost::system::error_code ignored;  // nothing waits any more
    socket_.cancel(ignored);
  }

  Shard* shard_;
  Socket socket_;
};

class AsioStream final : public Stream {
 public:
  explicit AsioStream(Descriptor descriptor) : descriptor_(std::move(descriptor)) {
    const int fd = descriptor_.fd();
    local_ = local_of(fd);
    peer_ = peer_of(fd);
    if (!local_.unix_path.empty() || !peer_.unix_path.empty()) user_ = user_of_peer(fd);
  }
  AsioStream(const AsioStream&) = delete;
  AsioStream& operator=(const AsioStream&) = delete;
  ~AsioStream() override { close(); }

  Task<Result<Ready>> wait_readable(SteadyTime until, Signal* signal) override {
    return descriptor_.wait(Descriptor::Socket::wait_read, until, signal);
  }

  Result<std::size_t> read_some(std::span<char> into) override {
    if (!descriptor_.is_open()) return error(Error::closed, "net.read");
    if (into.empty()) return 0;
    for (;;) {
      const ssize_t got = ::recv(descriptor_.fd(), into.data(), into.size(), 0);
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) return error(Error::closed, "net.read", "the peer ended the connection");
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      if (errno != EINTR) return error(Error::closed, "net.read", std::generic_category().message(errno));
    }
  }

  Task<Result<void>> write(std::string_view octets, SteadyTime until) override {
    for (;;) {
      const Result<std::size_t> sent = write_some(octets);
      if (!sent) co_return fail(sent);
      octets.remove_prefix(*sent);
      if (octets.empty()) co_return Result<void>{};
      const Result<Ready> ready = co_await descriptor_.wait(Descriptor::Socket::wait_write, until, nullptr);
      if (!ready) co_return fail(ready);
    }
  }

  Result<std::size_t> write_some(std::string_view octets) override {
    if (!descriptor_.is_open()) return error(Error::closed, "net.write");
    std::size_t done = 0;
    while (done < octets.size()) {
      const ssize_t sent = ::send(descriptor_.fd(), octets.data() + done, octets.size() - done, MSG_NOSIGNAL);
      if (sent >= 0) {
        done += static_cast<std::size_t>(sent);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return done;
      } else if (errno != EINTR) {
        return error(Error::closed, "net.write", std::generic_category().message(errno));
      }
    }
    return done;
  }

  Task<Result<void>> wait_writable(SteadyTime until) override {
    const Result<Ready> ready = co_await descriptor_.wait(Descriptor::Socket::wait_write, until, nullptr);
    if (!ready) co_return fail(ready);
    co_return Result<void>{};
  }

  void close() override {
    if (!descriptor_.is_open()) return;
    finish(descriptor_.fd());
    descriptor_.close();
  }

  const Endpoint& local() const override { return local_; }
  const Endpoint& peer() const override { return peer_; }
  std::optional<std::uint32_t> peer_user() const override { return user_; }

 private:
  Descriptor descriptor_;
  Endpoint local_;
  Endpoint peer_;
  std::optional<std::uint32_t> user_;
};

class AsioListener final : public Listener {
 public:
  AsioListener(Shard* shard, Events* events) : events_(events), descriptor_(shard) {}

  Result<void> open(UniqueFd fd) {
    local_ = local_of(fd.get());
    return descriptor_.open(std::move(fd));
  }

  Task<Result<std::unique_ptr<Stream>>> accept(Signal* stop) override {
    for (;;) {
      if (stop != nullptr && stop->is_set()) co_return error(Error::cancelled, "net.accept");
      Result<std::unique_ptr<Stream>> stream = take();
      if (stream && *stream) {
        backed_off_ = false;
        co_return stream;
      }
      if (!stream && stream.error().code == Error::transient) continue;
      if (!stream && stream.error().code == Error::exhausted) {
        report_back_off(stream.error());
        co_await back_off(stop);
        continue;
      }
      if (!stream) co_return stream;
      const Result<Ready> ready = co_await descriptor_.wait(Descriptor::Socket::wait_read, SteadyTime::never(), stop);
      if (!ready) co_return fail(ready);
    }
  }

  const Endpoint& local() const override { return local_; }

 private:
  /// The next connection, or null when there is none now.
  Result<std::unique_ptr<Stream>> take() {
    Result<std::optional<UniqueFd>> fd = accept_one(descriptor_.fd());
    if (!fd) return fail(fd);
    if (!*fd) return std::unique_ptr<Stream>();
    Descriptor accepted(descriptor_.shard());
    const Result<void> opened = accepted.open(std::move(**fd));
    if (!opened) return fail(opened);
    auto stream = std::make_unique<AsioStream>(std::move(accepted));
    const bool is_gone =
        local_.unix_path.empty() && stream->peer().port == 0;  // it was reset before we asked who it is
    if (is_gone) return error(Error::transient, "net.accept", "the connection is gone");
    return stream;
  }

  /// Once for a row of failures.
  void report_back_off(const Error& failure) {
    if (std::exchange(backed_off_, true)) return;
    events_->emit(AcceptBackedOff{.at = local_.to_text(), .error = failure.detail});
  }

  Task<void> back_off(Signal* stop) {
    Signal nobody;
    Signal* const woken_by = stop != nullptr ? stop : &nobody;
    const SteadyTime until = descriptor_.shard()->clock().steady() + kAcceptBackoff;
    // Whether it was the time or the signal that came is looked at by the caller.
    [[maybe_unused]] const Result<void> waited = co_await woken_by->wait(until);
  }

  Events* events_;
  Descriptor descriptor_;
  Endpoint local_;
  bool backed_off_ = false;
};

class AsioNetwork final : public Network {
 public:
  explicit AsioNetwork(Events* events) : events_(events) {}

  Result<std::vector<std::unique_ptr<Listener>>> listen(const Endpoint& at, std::span<Shard* const> shards,
                                                        UnixAccess access) override {
    Result<std::vector<UniqueFd>> sockets = open_listeners(at, shards.size(), access);
    if (!sockets) return fail(sockets);
    std::vector<std::unique_ptr<Listener>> all;
    for (UniqueFd& fd : *sockets) {
      auto listener = std::make_unique<AsioListener>(shards[all.size()], events_);
      const Result<void> opened = listener->open(std::move(fd));
      if (!opened) return fail(opened);
      all.push_back(std::move(listener));
    }
    return all;
  }

  Task<Result<std::unique_ptr<Stream>>> dial(Endpoint to, std::optional<Address> source, SteadyTime until) override {
    Shard* const shard = co_await this_shard();
    Result<UniqueFd> fd = begin_connect(to, source);
    if (!fd) co_return fail(fd);
    const int number = fd->get();
    Descriptor connecting(shard);
    const Result<void> opened = connecting.open(std::move(*fd));
    if (!opened) co_return fail(opened);
    const Result<Ready> ready = co_await connecting.wait(Descriptor::Socket::wait_write, until, nullptr);
    if (!ready) co_return fail(ready);
    const Result<void> connected = end_connect(number);
    if (!connected) co_return fail(connected);
    co_return std::make_unique<AsioStream>(std::move(connecting));
  }

  std::vector<Address> own_addresses() const override { return interface_addresses(); }

 private:
  Events* events_;
};

}  // namespace

std::unique_ptr<Network> make_asio_network(Events* events) { return std::make_unique<AsioNetwork>(events); }

}  // namespace postrider::net
