// Stands for TLS where a dialogue is not about its octets: a handshake of one line each way, and then the stream as it
// is. `Stage::protect` has the real one.
#pragma once

#include "core/await.hpp"
#include "net/tls.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::dialogue {

inline constexpr std::string_view kFakeHello = "a hello of TLS\r\n";

/// Does what another stream does, which somebody else may hold too.
class PassingStream : public net::Stream {
 public:
  explicit PassingStream(std::shared_ptr<net::Stream> inside) : inside_(std::move(inside)) {}
  Task<Result<net::Ready>> wait_readable(SteadyTime until, Signal* signal) override {
    return inside_->wait_readable(until, signal);
  }
  Result<std::size_t> read_some(std::span<char> into) override { return inside_->read_some(into); }
  Result<std::size_t> write_some(std::string_view octets) override { return inside_->write_some(octets); }
  Task<Result<void>> wait_writable(SteadyTime until) override { return inside_->wait_writable(until); }
  Task<Result<void>> write(std::string_view octets, SteadyTime until) override { return inside_->write(octets, until); }
  void close() override { inside_->close(); }
  [[nodiscard]] const net::Endpoint& local() const override { return inside_->local(); }
  [[nodiscard]] const net::Endpoint& peer() const override { return inside_->peer(); }
  [[nodiscard]] std::optional<std::uint32_t> peer_user() const override { return inside_->peer_user(); }

 private:
  std::shared_ptr<net::Stream> inside_;
};

class FakeTlsStream final : public PassingStream {
 public:
  using PassingStream::PassingStream;
  [[nodiscard]] std::optional<net::TlsFacts> tls() const override { return net::TlsFacts{"TLSv1.3", "fake", false}; }
};

class FakeTlsServer final : public net::TlsServer {
 public:
  Result<void> reload(std::vector<net::CertificateFiles> /*certificates*/) override { return {}; }
  [[nodiscard]] std::vector<net::CertificateFacts> certificates() const override { return {}; }
  Task<Result<std::unique_ptr<net::Stream>>> accept(std::unique_ptr<net::Stream> stream, std::string /*alpn*/,
                                                    SteadyTime until, Signal* stop) override {
    for (const char wanted : kFakeHello) {
      char octet = 0;
      Result<std::size_t> got = stream->read_some(std::span(&octet, 1));
      while (got && *got == 0) {
        const Result<net::Ready> ready = co_await stream->wait_readable(until, stop);
        if (!ready) co_return fail(ready);
        if (*ready == net::Ready::signalled) co_return error(Error::cancelled, "dialogue.fake_tls");
        got = stream->read_some(std::span(&octet, 1));
      }
      if (!got) co_return fail(got);
      if (octet != wanted) co_return error(Error::denied, "dialogue.fake_tls");
    }
    const Result<void> written = co_await stream->write(kFakeHello, until);
    if (!written) co_return fail(written);
    co_return std::make_unique<FakeTlsStream>(std::move(stream));
  }
};

}  // namespace postrider::dialogue
