// The kinds of imported hashes, read and bounded before anything is computed.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"
#include "sasl/scram_keys.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::sasl {

inline constexpr std::size_t kImportedHashOctetsMax = 1024;
inline constexpr unsigned kBcryptCostMax = 14;  // 1 s
inline constexpr std::uint32_t kCryptRoundsMax = 1'000'000;
inline constexpr std::uint32_t kPbkdf2IterationsMax = 1'000'000;
inline constexpr std::uint64_t kImportedMemoryKibMax = 262'144;       // argon2, yescrypt
inline constexpr std::uint64_t kImportedMemoryPassesMax = 1'048'576;  // KiB times passes

/// By crypt(3).
struct CryptHash {
  std::string text;
};
/// By libsodium: argon2i or argon2id.
struct ArgonHash {
  std::string text;
};
enum class DigestKind : std::uint8_t { sha1, sha256, sha512 };
/// SSHA and the like: the digest of password and salt.
struct SaltedDigest {
  DigestKind kind = DigestKind::sha1;
  std::string digest;
  std::string salt;
};
/// Dovecot's: PBKDF2 by HMAC-SHA-1.
struct Pbkdf2Hash {
  std::string salt;
  std::uint32_t iterations = 0;
  std::string key;
};
struct ScramHashed {
  ScramHash hash = ScramHash::sha256;
  ScramKeys keys;
};
using ImportedHash = std::variant<CryptHash, ArgonHash, SaltedDigest, Pbkdf2Hash, ScramHashed>;

/// Errors: of check_imported_hash.
[[nodiscard]] Result<ImportedHash> parse_imported_hash(std::string_view text);

/// `$…$`: by its prefix. Errors: of check_imported_hash.
[[nodiscard]] Result<ImportedHash> parse_crypt_hash(std::string_view text);

/// Whether it is of this password. Heavy. Errors  exhausted: no memory.
[[nodiscard]] Result<bool> matches(const ImportedHash& hash, const Secret& password);

}  // namespace postrider::sasl
