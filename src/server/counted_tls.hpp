// The handshakes of all listeners, counted and, where they fail, told.
#pragma once

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "net/tls.hpp"

#include <memory>
#include <string>
#include <vector>

namespace postrider::server {

/// Does what `tls` does, which outlives it and all of its handshakes.
class CountedTls final : public net::TlsServer {
 public:
  CountedTls(net::TlsServer* tls, Events* events, Metrics* metrics) : tls_(tls), events_(events), metrics_(metrics) {}

  Result<void> reload(std::vector<net::CertificateFiles> certificates) override {
    return tls_->reload(std::move(certificates));
  }
  std::vector<net::CertificateFacts> certificates() const override { return tls_->certificates(); }
  Task<Result<std::unique_ptr<net::Stream>>> accept(std::unique_ptr<net::Stream> stream, std::string alpn,
                                                    SteadyTime until, Signal* stop) override;

 private:
  net::TlsServer* tls_;
  Events* events_;
  Metrics* metrics_;
};

}  // namespace postrider::server
