#include "server/counted_tls.hpp"

#include "core/await.hpp"
#include "server/events.hpp"

#include <fmt/format.h>

namespace postrider::server {

Task<Result<std::unique_ptr<net::Stream>>> CountedTls::accept(std::unique_ptr<net::Stream> stream, std::string alpn,
                                                              SteadyTime until, Signal* stop) {
  const net::Endpoint peer = stream->peer();
  std::string protocol = alpn;
  Result<std::unique_ptr<net::Stream>> secured =
      co_await tls_->accept(std::move(stream), std::move(protocol), until, stop);
  if (secured) {
    const std::optional<net::TlsFacts> facts = (*secured)->tls();
    metrics_
        ->counter("postrider_tls_handshakes_total", "TLS handshakes that succeeded",
                  fmt::format("version=\"{}\"", facts ? facts->version : ""))
        ->add();
    co_return secured;
  }
  const Error& why = secured.error();
  metrics_
      ->counter("postrider_tls_handshakes_failed_total", "TLS handshakes that failed",
                fmt::format("why=\"{}\"", postrider::name_of(why.code)))
      ->add();
  const std::string ip = peer.unix_path.empty() ? peer.address.to_text() : "local";
  if (why.code == Error::denied) {
    events_->emit(HandshakeFailed{.ip = ip, .alpn = alpn, .error = why.detail});
  } else {
    events_->emit(HandshakeEnded{.ip = ip, .alpn = alpn, .why = postrider::name_of(why.code)});
  }
  co_return secured;
}

}  // namespace postrider::server
