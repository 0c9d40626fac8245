#include "core/await.hpp"
#include "core/check.hpp"
#include "net/tls.hpp"
#include "net/tls_certificates.hpp"
#include "net/tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <mutex>

namespace postrider::net {

namespace {

constexpr const char* kSystemAuthorities = "/etc/ssl/certs";
constexpr const char* kGroups = "X25519:P-256:P-384";
// A peer that is not verified would get the mail in the clear otherwise (7435): what is weak is better than nothing.
constexpr const char* kOpportunisticCiphers = "DEFAULT:@SECLEVEL=1";
constexpr const char* kVerifiedCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!PSK:@SECLEVEL=2";

Owned<ssl_ctx_st> make_client_context(const char* ciphers) {
  Owned<ssl_ctx_st> context = make_context(TlsSide::client);
  check(SSL_CTX_set_cipher_list(context.get(), ciphers) == 1, "tls: ciphers");
  check(SSL_CTX_set1_groups_list(context.get(), kGroups) == 1, "tls: groups");
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

std::unexpected<Error> failed(Error::Code code, std::string detail) {
  return error(code, "tls.connect", std::move(detail));
}

class OpenSslClient final : public TlsClient {
 public:
  explicit OpenSslClient(Clock* clock) : clock_(clock) {
    system_.reset(X509_STORE_new());
    check(system_ != nullptr, "tls: X509_STORE_new");
    // Read when one is needed. Where there is none, nobody is trusted.
    X509_STORE_load_path(system_.get(), kSystemAuthorities);
    (void)openssl_reason();
  }

  Task<Result<std::unique_ptr<Stream>>> connect(std::unique_ptr<Stream> stream, TlsAsk ask, SteadyTime until) override {
    Result<Owned<ssl_st>> ssl = prepare(ask);
    if (!ssl) co_return fail(ssl);
    auto made = std::make_unique<TlsStream>(std::move(stream), std::move(*ssl));
    Result<void> done = co_await made->handshake(until, nullptr);
    const long verdict = SSL_get_verify_result(made->ssl());
    if (!done && done.error().code == Error::denied && ask.verify == TlsVerify::name && verdict != X509_V_OK)
      co_return failed(Error::denied, std::string("certificate: ") + X509_verify_cert_error_string(verdict));
    if (!done) co_return fail(done);
    made->set_verified(!ask.name.empty() && verdict == X509_V_OK);
    co_return std::unique_ptr<Stream>(std::move(made));
  }

 private:
  Result<Owned<ssl_st>> prepare(const TlsAsk& ask) {
    const bool must_verify = ask.verify == TlsVerify::name;
    if (must_verify && ask.name.empty()) return failed(Error::malformed, "there is no name to verify");
    Owned<ssl_st> ssl(SSL_new((must_verify ? verified_ : opportunistic_).get()));
    if (ssl == nullptr) return failed(Error::exhausted, openssl_reason());
    SSL_set_connect_state(ssl.get());
    // A peer that need not be verified is judged all the same: TlsFacts.verified.
    SSL_set_verify(ssl.get(), must_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    const Result<void> named = set_name(ssl.get(), ask);
    if (!named) return fail(named);
    const Result<void> trusts = set_authorities(ssl.get(), ask);
    if (!trusts) return fail(trusts);
    const Result<void> shows = set_certificate(ssl.get(), ask);
    if (!shows) return fail(shows);
    return ssl;
  }

  Result<void> set_name(SSL* ssl, const TlsAsk& ask) {
    X509_VERIFY_PARAM* const how = SSL_get0_param(ssl);
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_->wall().time_since_epoch());
    X509_VERIFY_PARAM_set_time(how, now.count());
    X509_VERIFY_PARAM_set_hostflags(how, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!ask.alpn.empty()) {
      std::string wire(1, static_cast<char>(ask.alpn.size()));
      wire += ask.alpn;
      SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wire.data()), static_cast<unsigned>(wire.size()));
    }
    if (ask.name.empty()) return {};
    if (Address::parse(ask.name)) {  // 6066 §3: an address is no name for SNI
      X509_VERIFY_PARAM_set1_ip_asc(how, ask.name.c_str());
      return {};
    }
    if (SSL_set_tlsext_host_name(ssl, ask.name.c_str()) != 1 ||
        X509_VERIFY_PARAM_set1_host(how, ask.name.data(), ask.name.size()) != 1)
      return failed(Error::malformed, ask.name + " is no name for a certificate");
    return {};
  }

  Result<void> set_authorities(SSL* ssl, const TlsAsk& ask) {
    if (ask.authorities.empty()) {
      SSL_set1_verify_cert_store(ssl, system_.get());
      return {};
    }
    const Result<Secret> text = files_.read(ask.authorities);
    if (!text) return fail(text);
    const Owned<x509_store_st> store(X509_STORE_new());
    const Owned<bio_st> in = read_from(text->reveal());
    int count = 0;
    for (;; ++count) {
      const Owned<x509_st> one(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
      if (one == nullptr) break;
      X509_STORE_add_cert(store.get(), one.get());
    }
    (void)openssl_reason();  // "no start line" is how the end looks
    if (count == 0) return failed(Error::malformed, ask.authorities + " holds no certificate in PEM");
    SSL_set1_verify_cert_store(ssl, store.get());
    return {};
  }

  Result<void> set_certificate(SSL* ssl, const TlsAsk& ask) {
    if (ask.certificate.empty()) return {};
    const Result<LoadedPair> pair = load_pair(ask.certificate, ask.private_key, &files_);
    if (!pair) return fail(pair);
    if (SSL_use_cert_and_key(ssl, pair->certificate.get(), pair->key.get(), pair->above.get(), 1) != 1)
      return failed(Error::malformed, ask.certificate + ": cannot be used: " + openssl_reason());
    return {};
  }

  Clock* clock_;
  HeldDirectories files_;
  Owned<x509_store_st> system_;
  Owned<ssl_ctx_st> opportunistic_ = make_client_context(kOpportunisticCiphers);
  Owned<ssl_ctx_st> verified_ = make_client_context(kVerifiedCiphers);
};

}  // namespace

std::unique_ptr<TlsClient> TlsClient::make(Clock* clock) { return std::make_unique<OpenSslClient>(clock); }

}  // namespace postrider::net
