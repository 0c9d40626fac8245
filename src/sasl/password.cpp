#include "sasl/password.hpp"

#include <sodium.h>

#include <array>
#include <cerrno>

namespace postrider::sasl {

namespace {

// Made once, of 32 random octets that nobody kept; its parameters are the constants of the header.
constexpr const char* kDummyHash =
    "$argon2id$v=19$m=19456,t=3,p=1$2e8V9u1CxiYQjBfstp9lvg$sz04bUt4RGi5Z+MbICLS1HgvNBrPCD10Hk/nordVkRE";

Result<void> check_usable(const Secret& password) {
  if (password.reveal().size() > kPasswordOctetsMax) return error(Error::too_long, "sasl.password", "over 1024 octets");
  if (::sodium_init() < 0) return error(Error::exhausted, "sasl.password", "libsodium does not start");
  return {};
}

}  // namespace

Result<std::string> hash_password(const Secret& password) {
  if (const Result<void> usable = check_usable(password); !usable) return fail(usable);
  const std::string_view octets = password.reveal();
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (::crypto_pwhash_str_alg(out.data(), octets.data(), octets.size(), kArgonPasses, kArgonOctets,
                              crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return error(Error::exhausted, "sasl.password", "no memory for a hash");
  }
  return std::string(out.data());
}

Result<void> verify_password(const std::string& hash, const Secret& password) {
  if (const Result<void> usable = check_usable(password); !usable) return fail(usable);
  // The string functions of libsodium end at the first NUL; needs_rehash is -1 for what is no argon2 string at all.
  if (!hash.starts_with(crypto_pwhash_STRPREFIX) || hash.find('\0') != std::string::npos ||
      ::crypto_pwhash_str_needs_rehash(hash.c_str(), kArgonPasses, kArgonOctets) < 0) {
    return error(Error::malformed, "sasl.password", "not an argon2id hash");
  }
  const std::string_view octets = password.reveal();
  errno = 0;
  if (::crypto_pwhash_str_verify(hash.c_str(), octets.data(), octets.size()) == 0) return {};
  // EINVAL is libsodium's word for a mismatch; without it the hash could not be computed.
  if (errno != EINVAL) return error(Error::exhausted, "sasl.password", "no memory for a hash");
  return error(Error::denied, "sasl.password", "wrong password");
}

Result<void> verify_dummy(const Secret& password) {
  const Result<void> verified = verify_password(kDummyHash, password);
  if (!verified && verified.error().code != Error::denied) return fail(verified);
  return error(Error::denied, "sasl.password", "wrong password");
}

}  // namespace postrider::sasl
