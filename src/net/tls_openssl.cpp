#include "net/tls_openssl.hpp"

#include "core/check.hpp"
#include "core/numbers.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace postrider::net {

void OpenSslFree::operator()(ssl_st* it) const { SSL_free(it); }
void OpenSslFree::operator()(ssl_ctx_st* it) const { SSL_CTX_free(it); }
void OpenSslFree::operator()(x509_st* it) const { X509_free(it); }
void OpenSslFree::operator()(x509_store_st* it) const { X509_STORE_free(it); }
void OpenSslFree::operator()(evp_pkey_st* it) const { EVP_PKEY_free(it); }
void OpenSslFree::operator()(bio_st* it) const { BIO_free(it); }

std::string openssl_reason() {
  const unsigned long last = ERR_peek_last_error();
  ERR_clear_error();
  if (last == 0) return "no reason given";
  const char* const reason = ERR_reason_error_string(last);
  if (reason != nullptr) return reason;
  std::string text(256, '\0');
  ERR_error_string_n(last, text.data(), text.size());
  text.resize(text.find('\0'));
  return text;
}

Owned<ssl_ctx_st> make_context(TlsSide side) {
  Owned<ssl_ctx_st> context(SSL_CTX_new(side == TlsSide::server ? TLS_server_method() : TLS_client_method()));
  check(context != nullptr, "tls: OpenSSL makes no context");
  SSL_CTX* const it = context.get();
  check(SSL_CTX_set_min_proto_version(it, TLS1_2_VERSION) == 1, "tls: version");  // 8996
  SSL_CTX_set_max_proto_version(it, 0);
  SSL_CTX_set_options(it, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(it, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(it, 1);  // a record costs one read, not one for its head and one for the rest
  return context;
}

Owned<bio_st> read_from(std::string_view text) {
  return Owned<bio_st>(BIO_new_mem_buf(text.data(), narrow<int>(text.size())));
}

}  // namespace postrider::net
