#include "directory/credentials.hpp"

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

}  // namespace

Salts make_salts(Random& random) {
  Salts salts;
  salts.sha1 = make_salt(random);
  salts.sha256 = make_salt(random);
  return salts;
}

Result<StoredAccount> with_password(StoredAccount account, const Secret& password, const Salts& /*salts*/) {
  Result<std::string> hash = sasl::hash_password(password);
  if (!hash) return fail(hash);
  account.password_hash = std::move(*hash);
  account.imported_hash.clear();
  account.scram_sha1.reset();
  account.scram_sha256.reset();
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

Result<Upgrade> verify(const std::optional<StoredAccount>& account, const Secret& password, const Salts& /*salts*/) {
  if (!account) {
    const Result<void> denied = sasl::verify_dummy(password);
    return fail(denied);
  }
  const Result<void> verified = sasl::verify_password(account->password_hash, password);
  if (!verified && verified.error().code == Error::malformed) {
    return error(Error::corrupt, "directory.log_in", "the stored hash is none of ours");
  }
  if (!verified) return fail(verified);
  return Upgrade{};
}

}  // namespace postrider::directory
