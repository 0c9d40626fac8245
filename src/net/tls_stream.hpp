// The stream that TLS makes of a stream, with OpenSSL working on the octets of the inner one directly.
#pragma once

#include "net/net.hpp"
#include "net/tls_openssl.hpp"

#include <memory>
#include <string>

namespace postrider::net {

inline constexpr std::size_t kTlsUnsentOctetsMax = 64 * 1024;   // of records that the inner stream does not take now
inline constexpr std::size_t kTlsSilentOctetsMax = 256 * 1024;  // that a peer may say to TLS alone, as key updates
inline constexpr std::size_t kTlsTurnOctets = 32 * 1024;        // read at a time beyond what is asked for

/// Holds nothing of its own while idle; a record that the inner stream cannot take at once waits here.
class TlsStream final : public Stream {
 public:
  /// `ssl` is new and knows its side.
  TlsStream(std::unique_ptr<Stream> inner, Owned<ssl_st> ssl);
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream() override;

  /// To be called once, before all else. Errors  denied: it failed (detail says why); timeout; closed; cancelled:
  /// `stop` (may be null) is set.
  [[nodiscard]] Task<Result<void>> handshake(SteadyTime until, Signal* stop);
  /// The peer's certificate was wanted for a name, and is it.
  void set_verified(bool verified) { verified_ = verified; }

  Task<Result<Ready>> wait_readable(SteadyTime until, Signal* signal) override;
  Result<std::size_t> read_some(std::span<char> into) override;
  Task<Result<void>> write(std::string_view octets, SteadyTime until) override;
  /// What it took may still wait here: `write` and `close` see to it.
  Result<std::size_t> write_some(std::string_view octets) override;
  Task<Result<void>> wait_writable(SteadyTime until) override;
  void close() override;
  const Endpoint& local() const override { return inner_->local(); }
  const Endpoint& peer() const override { return inner_->peer(); }
  std::optional<std::uint32_t> peer_user() const override { return inner_->peer_user(); }
  std::optional<TlsFacts> tls() const override;
  Result<std::string> channel_binding(ChannelBinding kind) const override;

  [[nodiscard]] ssl_st* ssl() { return ssl_.get(); }

 private:
  friend struct TlsStreamOctets;  // the functions that OpenSSL calls

  /// Whether what has come is octets for whoever reads, or the end: not a piece of a record, nor TLS's own business.
  bool can_read();
  /// Writes what the inner stream takes of `unsent_`. Errors  closed.
  Result<void> flush_some();
  Task<Result<void>> flush(SteadyTime until);
  /// What became of a call of OpenSSL's that gave `outcome`: nothing yet, or the failure, after which it must not be
  /// called again.
  Result<void> judge(int outcome, std::string_view place);

  std::unique_ptr<Stream> inner_;
  Owned<ssl_st> ssl_;
  std::string unsent_;
  std::string why_broken_;            // of the inner stream, seen while OpenSSL was at work
  std::size_t allowance_octets_ = 0;  // what this call may still read: others on the shard have their turn
  std::size_t silent_octets_ = 0;     // read since the last octet for whoever reads
  bool closed_ = false;
  bool broken_ = false;
  bool verified_ = false;
};

}  // namespace postrider::net
