// What is kept of a password, and whether a password is the one.
#pragma once

#include "core/random.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "directory/records.hpp"
#include "sasl/scram_keys.hpp"

#include <optional>
#include <string>

namespace postrider::directory {

/// For the keys of SCRAM: drawn where entropy is, used on Workers.
struct Salts {
  std::string sha1;
  std::string sha256;
};
[[nodiscard]] Salts make_salts(Random& random);

/// Heavy. The hash and both keys of SCRAM; none of the latter of a password that SASLprep refuses (4013).
/// Errors  those of sasl::hash_password.
[[nodiscard]] Result<StoredAccount> with_password(StoredAccount account, const Secret& password, const Salts& salts);

/// What is missing beside a password that was just right: ours in place of an imported hash, and the keys of SCRAM.
struct Upgrade {
  std::optional<std::string> password_hash;
  std::optional<sasl::ScramKeys> scram_sha1;
  std::optional<sasl::ScramKeys> scram_sha256;
  [[nodiscard]] bool empty() const { return !password_hash && !scram_sha1 && !scram_sha256; }
};
void apply(const Upgrade& upgrade, StoredAccount& account);

/// Heavy: one argon2id of ours, whether there is an account or not, with the password right or wrong; an imported hash
/// costs itself beside it.
/// Errors  denied: not the password, or no account; corrupt: the stored hash is none that we know; exhausted.
[[nodiscard]] Result<Upgrade> verify(const std::optional<StoredAccount>& account, const Secret& password,
                                     const Salts& salts);

}  // namespace postrider::directory
