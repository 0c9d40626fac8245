#include "sasl/scram_crypto.hpp"

#include "core/check.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace postrider::sasl {

namespace {

const EVP_MD* md_of(ScramHash hash) { return hash == ScramHash::sha1 ? ::EVP_sha1() : ::EVP_sha256(); }

unsigned char* octets_in(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* octets_in(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

std::size_t octets_of(ScramHash hash) { return hash == ScramHash::sha1 ? 20 : 32; }

std::string scram_digest(ScramHash hash, std::string_view octets) {
  std::string out(octets_of(hash), '\0');
  check(::EVP_Digest(octets.data(), octets.size(), octets_in(out), nullptr, md_of(hash), nullptr) == 1, "EVP_Digest");
  return out;
}

std::string scram_hmac(ScramHash hash, std::string_view key, std::string_view octets) {
  std::string out(octets_of(hash), '\0');
  check(::HMAC(md_of(hash), key.data(), static_cast<int>(key.size()), octets_in(octets), octets.size(), octets_in(out),
               nullptr) != nullptr,
        "HMAC");
  return out;
}

Secret scram_salted(ScramHash hash, const Secret& password, std::string_view salt, std::uint32_t iterations) {
  std::string out(octets_of(hash), '\0');
  const std::string_view octets = password.reveal();
  check(::PKCS5_PBKDF2_HMAC(octets.data(), static_cast<int>(octets.size()), octets_in(salt),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), md_of(hash),
                            static_cast<int>(out.size()), octets_in(out)) == 1,
        "PBKDF2");
  return Secret(std::move(out));
}

ScramKeys scram_keys_of(ScramHash hash, const Secret& salted, std::string salt, std::uint32_t iterations) {
  const Secret client_key(scram_hmac(hash, salted.reveal(), "Client Key"));  // 5802 §3
  return {.salt = std::move(salt),
          .iterations = iterations,
          .stored_key = scram_digest(hash, client_key.reveal()),
          .server_key = scram_hmac(hash, salted.reveal(), "Server Key")};
}

std::string xored(std::string_view a, std::string_view b) {
  check(a.size() == b.size(), "the same length");
  std::string out(a);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<char>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  }
  return out;
}

bool same_octets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace postrider::sasl
