#include "core/await.hpp"
#include "core/check.hpp"
#include "net/tls.hpp"
#include "net/tls_certificates.hpp"
#include "net/tls_stream.hpp"
#include "net/tls_tickets.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace postrider::net {

namespace {

// TLS 1.2: ECDHE and AEAD only (9325 §4.2). 1.3 has nothing else.
constexpr const char* kServerCiphers =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr int kSecurityLevel = 2;  // 112 bits

/// What the functions that OpenSSL calls in a handshake know of it; in the frame of `accept`.
struct Handshake {
  const CertificateSet* certificates;
  const std::string* alpn;
};

Handshake& handshake_of(SSL* ssl) { return *static_cast<Handshake*>(SSL_get_app_data(ssl)); }

int at_name(SSL* ssl, int* /*alert*/, void* /*argument*/) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, handshake_of(ssl).certificates->find(name));
  return SSL_TLSEXT_ERR_OK;
}

/// 7301 §3.2, strictly: a client that wants another protocol than the one spoken here is told so (no ALPACA).
int at_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
            unsigned offered_size, void* /*argument*/) {
  const std::string& ours = *handshake_of(ssl).alpn;
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    const std::string_view one(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (one != ours) continue;
    *chosen = offered + at + 1;
    *size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

class OpenSslServer final : public TlsServer {
 public:
  OpenSslServer(Clock* clock, Random* random) : tickets_(clock, random) {}

  Result<void> reload(std::vector<CertificateFiles> certificates) override {
    const auto prepare = [this](ssl_ctx_st* context) { prepare_context(context); };
    Result<std::shared_ptr<const CertificateSet>> loaded = CertificateSet::load(certificates, &directories_, prepare);
    if (!loaded) return fail(loaded);
    const std::scoped_lock lock(mutex_);
    set_ = std::move(*loaded);
    tickets_.forget();  // a session that is resumed goes on with a certificate that is shown now
    return {};
  }

  std::vector<CertificateFacts> certificates() const override { return set()->facts(); }

  Task<Result<std::unique_ptr<Stream>>> accept(std::unique_ptr<Stream> stream, std::string alpn, SteadyTime until,
                                               Signal* stop) override {
    const std::shared_ptr<const CertificateSet> certificates = set();
    Handshake handshake{.certificates = certificates.get(), .alpn = &alpn};
    Owned<ssl_st> ssl(SSL_new(certificates->fallback()));
    if (ssl == nullptr) co_return error(Error::exhausted, "tls.accept", openssl_reason());
    SSL_set_accept_state(ssl.get());
    SSL_set_app_data(ssl.get(), &handshake);
    auto made = std::make_unique<TlsStream>(std::move(stream), std::move(ssl));
    const Result<void> done = co_await made->handshake(until, stop);
    SSL_set_app_data(made->ssl(), nullptr);
    if (!done) co_return fail(done);
    co_return std::unique_ptr<Stream>(std::move(made));
  }

 private:
  void prepare_context(ssl_ctx_st* context) {
    SSL_CTX_set_security_level(context, kSecurityLevel);
    check(SSL_CTX_set_cipher_list(context, kServerCiphers) == 1, "tls: ciphers");
    check(SSL_CTX_set1_groups_list(context, kGroups) == 1, "tls: groups");
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_tlsext_servername_callback(context, &at_name);
    SSL_CTX_set_alpn_select_cb(context, &at_alpn, nullptr);
    tickets_.serve(context);
  }

  std::shared_ptr<const CertificateSet> set() const {
    const std::scoped_lock lock(mutex_);
    return set_;
  }

  HeldDirectories directories_;
  TicketKeys tickets_;
  mutable std::mutex mutex_;
  std::shared_ptr<const CertificateSet> set_;  // shared: handshakes under way go on with the one they began with
};

}  // namespace

Result<std::unique_ptr<TlsServer>> TlsServer::open(std::vector<CertificateFiles> certificates, Clock* clock,
                                                   Random* random) {
  auto server = std::make_unique<OpenSslServer>(clock, random);
  const Result<void> loaded = server->reload(std::move(certificates));
  if (!loaded) return fail(loaded);
  return std::unique_ptr<TlsServer>(std::move(server));
}

}  // namespace postrider::net
