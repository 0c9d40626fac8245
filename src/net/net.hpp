// The door to sockets. Implementations: AsioNetwork (asio_network.hpp), SimNetwork (sim_network.hpp); both pass
// net_contract_test.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/signal.hpp"
#include "core/task.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postrider {
class Shard;
}

namespace postrider::net {

/// An IPv4 or IPv6 address as 16 octets (IPv4 mapped, 4291 §2.5.5.2).
class Address {
 public:
  Address() = default;
  [[nodiscard]] static Address v4(std::array<std::uint8_t, 4> octets);
  [[nodiscard]] static Address v6(std::array<std::uint8_t, 16> octets);
  /// `192.0.2.1`, `2001:db8::1`; no brackets, no zone. Errors  malformed.
  [[nodiscard]] static Result<Address> parse(std::string_view text);
  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] std::string to_text() const;
  /// 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
  [[nodiscard]] std::string to_literal() const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& octets() const { return octets_; }
  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  std::array<std::uint8_t, 16> octets_{};
};

/// `192.0.2.0/24`, `2001:db8::/32`, a bare address is the whole of it.
class Network4Or6 {
 public:
  /// Errors  malformed: no address, a length over 32/128, or bits set behind the length.
  [[nodiscard]] static Result<Network4Or6> parse(std::string_view text);
  [[nodiscard]] bool contains(const Address& address) const;
  [[nodiscard]] std::string to_text() const;
  /// 0.0.0.0/0 or ::/0.
  [[nodiscard]] bool is_everything() const { return length_ == 0 || (base_.is_v4() && length_ == 96); }
  friend bool operator==(const Network4Or6&, const Network4Or6&) = default;

 private:
  Address base_;
  unsigned length_ = 0;  // in the 128-bit form
};

/// Where to listen or connect: an address and port, or a Unix socket's path.
struct Endpoint {
  Address address;
  std::uint16_t port = 0;
  std::string unix_path;  ///< when not empty, address and port mean nothing
  /// `127.0.0.1:25`, `[::1]:25`, `unix:PATH`. Errors  malformed.
  [[nodiscard]] static Result<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_text() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

enum class Ready : std::uint8_t { readable, signalled };

/// What protects a connection. Names are the library's, which live as long as the process.
struct TlsFacts {
  std::string_view version;  ///< "TLSv1.3"
  std::string_view cipher;   ///< as the IANA has it: "TLS_AES_256_GCM_SHA384"
  bool verified = false;     ///< the peer's certificate is trusted, and is for the name that was asked for
};

/// 5929, 9266.
enum class ChannelBinding : std::uint8_t { tls_exporter, tls_server_end_point };

/// One connection. Lives on the shard where it was made. Closes when it dies.
class Stream {
 public:
  virtual ~Stream() = default;

  /// Waits until octets (or the peer's end) can be read, or `signal` (may be null) is set. Holds no buffer meanwhile.
  /// Errors  timeout: `until` passed; closed: this side was closed or the connection broke.
  [[nodiscard]] virtual Task<Result<Ready>> wait_readable(SteadyTime until, Signal* signal) = 0;

  /// Reads what is there, without waiting. 0: nothing there now. Errors  closed: the peer ended or the connection
  /// broke.
  [[nodiscard]] virtual Result<std::size_t> read_some(std::span<char> into) = 0;

  /// Writes all of `octets`, waiting where it must. Errors  timeout, closed.
  [[nodiscard]] virtual Task<Result<void>> write(std::string_view octets, SteadyTime until) = 0;

  /// Writes as much of `octets` as fits now, without waiting; gives how much. For streams made of a stream (tls.hpp),
  /// where a rest may be under way until the next `write` or `wait_writable`; everybody else wants `write`.
  /// Errors  closed.
  [[nodiscard]] virtual Result<std::size_t> write_some(std::string_view octets) = 0;

  /// Waits until `write_some` takes something. Errors  timeout, closed.
  [[nodiscard]] virtual Task<Result<void>> wait_writable(SteadyTime until) = 0;

  /// Ends the connection: what was written is delivered, then the peer sees the end.
  virtual void close() = 0;

  [[nodiscard]] virtual const Endpoint& local() const = 0;
  [[nodiscard]] virtual const Endpoint& peer() const = 0;
  /// The peer's user id on a Unix socket (SO_PEERCRED); nullopt elsewhere.
  [[nodiscard]] virtual std::optional<std::uint32_t> peer_user() const = 0;
  /// nullopt: the connection is not protected (tls.hpp makes one that is).
  [[nodiscard]] virtual std::optional<TlsFacts> tls() const { return std::nullopt; }
  /// What binds a login to this connection. Errors  unsupported: not protected, or by a TLS that has no such value.
  [[nodiscard]] virtual Result<std::string> channel_binding(ChannelBinding /*kind*/) const {
    return error(Error::unsupported, "net.channel_binding");
  }
  /// The e-mail address or name that a trusted client certificate is for; empty: none was shown.
  [[nodiscard]] virtual std::string client_name() const { return {}; }
};

/// Takes connections on one shard.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The next connection. Backs off by itself when descriptors run out. Errors  cancelled: `stop` is set; closed.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Stream>>> accept(Signal* stop) = 0;
  /// The endpoint with the port that was really taken (port 0 asks for any).
  [[nodiscard]] virtual const Endpoint& local() const = 0;
};

/// Who may connect to a Unix socket beside root: its owner (mode 0600), its group too (0660), or everyone (0666).
enum class UnixAccess : std::uint8_t { owner, group, everyone };

/// All that opens sockets. One object for all shards.
class Network {
 public:
  virtual ~Network() = default;

  /// Opens one listener per shard on the same endpoint (SO_REUSEPORT after a probe bind without it, so that a second
  /// server on the port fails). A Unix socket has the mode of `access` and one listener, on the first shard; a stale
  /// file is replaced. Errors  conflict: in use; denied: not permitted; malformed: not an address of this host.
  [[nodiscard]] virtual Result<std::vector<std::unique_ptr<Listener>>> listen(
      const Endpoint& at, std::span<Shard* const> shards, UnixAccess access = UnixAccess::owner) = 0;

  /// Connects, from `source` where given. Only Connector calls this: it is the one place where addresses are judged.
  /// Errors  timeout, closed (refused, unreachable), denied.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Stream>>> dial(Endpoint to, std::optional<Address> source,
                                                                   SteadyTime until) = 0;

  /// Addresses of this host's interfaces, for "is that me".
  [[nodiscard]] virtual std::vector<Address> own_addresses() const = 0;
};

}  // namespace postrider::net
