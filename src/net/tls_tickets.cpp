#include "net/tls_tickets.hpp"

#include "core/check.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <span>

namespace postrider::net {

namespace {

constexpr int kFailed = -1;
constexpr int kFullHandshake = 0;
constexpr int kGood = 1;
constexpr int kGoodButMakeAnother = 2;

bool set_up_mac(EVP_MAC_CTX* mac, TicketKey& key) {
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> parameters = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
}

int at_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int makes) {
  auto* const keys = static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (makes == 1) {
    TicketKey key = keys->current();
    std::ranges::copy(key.name, name);
    keys->fill(iv, static_cast<std::size_t>(EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())));
    const bool good =
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) == 1 && set_up_mac(mac, key);
    OPENSSL_cleanse(&key, sizeof key);
    return good ? kGood : kFailed;
  }
  std::optional<TicketKeys::Found> found = keys->find(name);
  if (!found) return kFullHandshake;
  const bool good = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, found->key.cipher.data(), iv) == 1 &&
                    set_up_mac(mac, found->key);
  OPENSSL_cleanse(&found->key, sizeof found->key);
  if (!good) return kFailed;
  return found->is_current ? kGood : kGoodButMakeAnother;
}

}  // namespace

TicketKeys::~TicketKeys() {
  if (current_) OPENSSL_cleanse(&*current_, sizeof(TicketKey));
  if (previous_) OPENSSL_cleanse(&*previous_, sizeof(TicketKey));
}

void TicketKeys::serve(ssl_ctx_st* context) {
  static constexpr std::string_view kName = "postrider";
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  check(
      SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kName.data()), kName.size()) == 1,
      "tls: session id context");
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, std::chrono::duration_cast<std::chrono::seconds>(kTicketKeyLife).count());
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &at_ticket);
}

void TicketKeys::forget() {
  const std::scoped_lock lock(mutex_);
  current_.reset();
  previous_.reset();
}

TicketKey TicketKeys::current() {
  const std::scoped_lock lock(mutex_);
  turn();
  if (!current_) {
    TicketKey& key = current_.emplace();
    random_->fill(std::as_writable_bytes(std::span(key.name)));
    random_->fill(std::as_writable_bytes(std::span(key.cipher)));
    random_->fill(std::as_writable_bytes(std::span(key.mac)));
    key.made = clock_->steady();
  }
  return *current_;
}

std::optional<TicketKeys::Found> TicketKeys::find(const unsigned char* name) {
  const std::scoped_lock lock(mutex_);
  turn();
  const auto is_named = [name](const std::optional<TicketKey>& key) {
    return key && CRYPTO_memcmp(key->name.data(), name, key->name.size()) == 0;
  };
  if (is_named(current_)) return Found{.key = *current_, .is_current = true};
  if (is_named(previous_)) return Found{.key = *previous_, .is_current = false};
  return std::nullopt;
}

void TicketKeys::fill(unsigned char* into, std::size_t octets) {
  const std::scoped_lock lock(mutex_);
  random_->fill(std::as_writable_bytes(std::span(into, octets)));
}

void TicketKeys::turn() {
  const SteadyTime now = clock_->steady();
  if (current_ && now - current_->made >= kTicketKeyLife) {
    previous_ = current_;
    current_.reset();
  }
  if (previous_ && now - previous_->made >= 2 * kTicketKeyLife) previous_.reset();
}

}  // namespace postrider::net
