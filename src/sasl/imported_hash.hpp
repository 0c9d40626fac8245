// Password hashes that came from elsewhere: they are verified, and replaced by ours at the next login.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"

#include <string>
#include <string_view>

namespace postrider::sasl {

/// Whether `text` is a hash that we can verify: crypt(3) (`$1$ $5$ $6$ $2a$ $2b$ $2y$ $y$`), argon2 (`$argon2…`), and
/// Dovecot's `{SCHEME}…` forms: CRYPT, MD5-CRYPT, SHA256-CRYPT, SHA512-CRYPT, BLF-CRYPT, ARGON2I, ARGON2ID, SHA, SSHA,
/// SHA256, SSHA256, SHA512, SSHA512, PBKDF2, SCRAM-SHA-1, SCRAM-SHA-256, with `.HEX` and `.B64` where Dovecot has them.
/// Errors  unsupported: another scheme, PLAIN and the like too (says which); malformed; exhausted: costs more than a
/// login may (iterations, memory).
[[nodiscard]] Result<void> check_imported_hash(std::string_view text);

/// Heavy: to be called on Workers. Errors  denied: not this password; as check_imported_hash; too_long.
[[nodiscard]] Result<void> verify_imported_hash(std::string_view text, const Secret& password);

}  // namespace postrider::sasl
