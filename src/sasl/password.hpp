// Password hashes: argon2id, made and verified (9106 by libsodium). Heavy: to be called on Workers.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"

#include <string>
#include <string_view>

namespace postrider::sasl {

inline constexpr std::size_t kPasswordOctetsMax = 1024;
// LIMITS.md "Accounts": argon2id 19 MiB, t=3.
inline constexpr unsigned long long kArgonPasses = 3;
inline constexpr std::size_t kArgonOctets = 19ULL * 1024 * 1024;

/// `$argon2id$v=19$m=…`. Errors  too_long; exhausted: no memory.
[[nodiscard]] Result<std::string> hash_password(const Secret& password);

/// Constant work for a given hash. Errors  denied: not this password; malformed: no hash of ours; too_long.
[[nodiscard]] Result<void> verify_password(const std::string& hash, const Secret& password);

/// The hash that unknown users are checked against, so that they cost the same (SECURITY R10). Always denied.
[[nodiscard]] Result<void> verify_dummy(const Secret& password);

}  // namespace postrider::sasl
