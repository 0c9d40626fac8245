// For tests: TLS without the mathematics, so that handshakes end as a test wants them to. The client says
// "CLIENTHELLO name", the server "SERVERHELLO name" (trusted) or "SERVERHELLO name untrusted"; then all goes as it is.
#pragma once

#include "core/await.hpp"
#include "core/text.hpp"
#include "net/tls.hpp"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace postrider::delivery {

/// A stream that says it is protected.
class FakeSecured final : public net::Stream {
 public:
  FakeSecured(std::unique_ptr<net::Stream> inner, bool verified) : inner_(std::move(inner)), verified_(verified) {}
  Task<Result<net::Ready>> wait_readable(SteadyTime until, Signal* signal) override {
    return inner_->wait_readable(until, signal);
  }
  Result<std::size_t> read_some(std::span<char> into) override { return inner_->read_some(into); }
  Task<Result<void>> write(std::string_view octets, SteadyTime until) override { return inner_->write(octets, until); }
  Result<std::size_t> write_some(std::string_view octets) override { return inner_->write_some(octets); }
  Task<Result<void>> wait_writable(SteadyTime until) override { return inner_->wait_writable(until); }
  void close() override { inner_->close(); }
  const net::Endpoint& local() const override { return inner_->local(); }
  const net::Endpoint& peer() const override { return inner_->peer(); }
  std::optional<std::uint32_t> peer_user() const override { return inner_->peer_user(); }
  std::optional<net::TlsFacts> tls() const override {
    return net::TlsFacts{.version = "TLSv1.3", .cipher = "TLS_FAKE", .verified = verified_};
  }

 private:
  std::unique_ptr<net::Stream> inner_;
  bool verified_;
};

class FakeTls final : public net::TlsClient {
 public:
  std::vector<net::TlsAsk> asked;

  Task<Result<std::unique_ptr<net::Stream>>> connect(std::unique_ptr<net::Stream> stream, net::TlsAsk ask,
                                                     SteadyTime until) override {
    asked.push_back(ask);
    const std::string hello = "CLIENTHELLO " + ask.name + "\r\n";
    const Result<void> written = co_await stream->write(hello, until);
    if (!written) co_return fail(written);
    std::string heard;
    while (!heard.ends_with("\r\n")) {
      const Result<net::Ready> ready = co_await stream->wait_readable(until, nullptr);
      if (!ready) co_return fail(ready);
      std::array<char, 1> octet;
      const Result<std::size_t> got = stream->read_some(octet);
      if (!got) co_return error(Error::denied, "tls.handshake", "the peer closed");
      heard.append(octet.data(), *got);
      if (!std::string_view("SERVERHELLO ").starts_with(heard.substr(0, 12)))
        co_return error(Error::denied, "tls.handshake", "wrong version number");
    }
    const std::vector<std::string_view> words = split(std::string_view(heard).substr(0, heard.size() - 2), ' ');
    const bool trusted = words.size() == 2 && words[1] == ask.name;
    if (ask.verify == net::TlsVerify::name && !trusted)
      co_return error(Error::denied, "tls.certificate", "it is for " + std::string(words[1]));
    co_return std::make_unique<FakeSecured>(std::move(stream), trusted && ask.verify == net::TlsVerify::name);
  }
};

}  // namespace postrider::delivery
