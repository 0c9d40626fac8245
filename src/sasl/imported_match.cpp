#include "core/overloaded.hpp"
#include "sasl/imported_scheme.hpp"
#include "sasl/scram_crypto.hpp"

#include <crypt.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <array>
#include <cerrno>
#include <memory>

namespace postrider::sasl {

namespace {

const EVP_MD* md_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::sha1: return ::EVP_sha1();
    case DigestKind::sha256: return ::EVP_sha256();
    case DigestKind::sha512: return ::EVP_sha512();
  }
  return nullptr;
}

struct WipeCrypt {
  void operator()(crypt_data* data) const {
    ::sodium_memzero(data, sizeof *data);
    std::default_delete<crypt_data>()(data);
  }
};

Result<bool> is_crypt(const CryptHash& hash, const Secret& password) {
  const std::string phrase(password.reveal());
  const Secret wiped(phrase);
  // crypt(3) ends at a NUL and takes so many octets: no hash of it can be of such a password.
  if (phrase.find('\0') != std::string::npos || phrase.size() >= CRYPT_MAX_PASSPHRASE_SIZE) return false;
  const std::unique_ptr<crypt_data, WipeCrypt> data(new crypt_data{});
  errno = 0;
  const char* const made = ::crypt_r(phrase.c_str(), hash.text.c_str(), data.get());
  if (made == nullptr || *made == '*') {
    if (errno == ENOMEM) return error(Error::exhausted, "sasl.import", "no memory for a hash");
    return error(Error::malformed, "sasl.import", "crypt(3) does not take it");
  }
  return same_octets(made, hash.text);
}

Result<bool> is_argon(const ArgonHash& hash, const Secret& password) {
  if (::sodium_init() < 0) return error(Error::exhausted, "sasl.import", "libsodium does not start");
  const std::string_view octets = password.reveal();
  const bool is_id = hash.text.starts_with("$argon2id$");
  errno = 0;
  const int result = is_id ? ::crypto_pwhash_argon2id_str_verify(hash.text.c_str(), octets.data(), octets.size())
                           : ::crypto_pwhash_argon2i_str_verify(hash.text.c_str(), octets.data(), octets.size());
  if (result == 0) return true;
  if (errno == ENOMEM) return error(Error::exhausted, "sasl.import", "no memory for a hash");
  return false;
}

bool is_digest(const SaltedDigest& hash, const Secret& password) {
  std::string octets;
  octets.reserve(password.reveal().size() + hash.salt.size());
  octets.append(password.reveal()).append(hash.salt);
  const Secret salted(std::move(octets));
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  const std::string_view text = salted.reveal();
  if (::EVP_Digest(text.data(), text.size(), out.data(), &size, md_of(hash.kind), nullptr) != 1) return false;
  return same_octets({reinterpret_cast<const char*>(out.data()), size}, hash.digest);
}

}  // namespace

Result<bool> matches(const ImportedHash& hash, const Secret& password) {
  return std::visit(Overloaded{[&](const CryptHash& h) { return is_crypt(h, password); },
                               [&](const ArgonHash& h) { return is_argon(h, password); },
                               [&](const SaltedDigest& h) { return Result<bool>(is_digest(h, password)); },
                               [&](const Pbkdf2Hash& h) {
                                 const Secret key = scram_salted(ScramHash::sha1, password, h.salt, h.iterations);
                                 return Result<bool>(same_octets(key.reveal(), h.key));
                               },
                               [&](const ScramHashed& h) {
                                 const Result<void> verified = verify_scram_keys(h.hash, h.keys, password);
                                 return Result<bool>(verified.has_value());
                               }},
                    hash);
}

}  // namespace postrider::sasl
