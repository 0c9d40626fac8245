#include "directory/credentials.hpp"

#include "sasl/imported_hash.hpp"
#include "sasl/password.hpp"

#include <span>
#include <utility>

namespace postrider::directory {

namespace {

std::string make_salt(Random& random) {
  std::string salt(sasl::kScramSaltOctets, '\0');
  random.fill(std::as_writable_bytes(std::span(salt)));
  return salt;
}

/// nullopt: a password that SASLprep refuses (4013), which no client of SCRAM can send either.
std::optional<sasl::ScramKeys> keys_of(sasl::ScramHash hash, const Secret& password, const std::string& salt) {
  Result<sasl::ScramKeys> keys = sasl::make_scram_keys(hash, password, salt);
  if (!keys) return std::nullopt;
  return std::move(*keys);
}

/// What is wrong with the stored hash is not the peer's fault.
Result<void> as_ours(const Result<void>& verified) {
  if (verified) return verified;
  const Error& why = verified.error();
  const bool is_damaged = why.code == Error::malformed || why.code == Error::unsupported;
  if (is_damaged) return error(Error::corrupt, "directory.log_in", "the stored hash is none that we know");
  return verified;
}

}  // namespace

Salts make_salts(Random& random) {
  Salts salts;
  salts.sha1 = make_salt(random);
  salts.sha256 = make_salt(random);
  return salts;
}

Result<StoredAccount> with_password(StoredAccount account, const Secret& password, const Salts& salts) {
  Result<std::string> hash = sasl::hash_password(password);
  if (!hash) return fail(hash);
  account.password_hash = std::move(*hash);
  account.imported_hash.clear();
  account.scram_sha1 = keys_of(sasl::ScramHash::sha1, password, salts.sha1);
  account.scram_sha256 = keys_of(sasl::ScramHash::sha256, password, salts.sha256);
  ++account.passwords;
  return account;
}

void apply(const Upgrade& upgrade, StoredAccount& account) {
  if (upgrade.password_hash) {
    account.password_hash = *upgrade.password_hash;
    if (account.source == Source::store) account.imported_hash.clear();  // of the file it tells when that changes
  }
  if (upgrade.scram_sha1) account.scram_sha1 = upgrade.scram_sha1;
  if (upgrade.scram_sha256) account.scram_sha256 = upgrade.scram_sha256;
}

Result<Upgrade> verify(const std::optional<StoredAccount>& account, const Secret& password, const Salts& salts) {
  if (!account) {
    const Result<void> refused = sasl::verify_dummy(password);
    return fail(refused);
  }
  Upgrade missing;
  if (account->password_hash.empty()) {
    const Result<void> right = as_ours(sasl::verify_imported_hash(account->imported_hash, password));
    Result<std::string> hash = sasl::hash_password(password);  // also for a wrong one: the same work as for all others
    if (!right) return fail(right);
    if (!hash) return fail(hash);
    missing.password_hash = std::move(*hash);
  } else {
    const Result<void> right = as_ours(sasl::verify_password(account->password_hash, password));
    if (!right) return fail(right);
  }
  if (!account->scram_sha1) missing.scram_sha1 = keys_of(sasl::ScramHash::sha1, password, salts.sha1);
  if (!account->scram_sha256) missing.scram_sha256 = keys_of(sasl::ScramHash::sha256, password, salts.sha256);
  return missing;
}

}  // namespace postrider::directory
