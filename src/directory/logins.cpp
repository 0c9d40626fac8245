#include "directory/logins.hpp"

#include "core/await.hpp"
#include "core/text.hpp"
#include "directory/app_password.hpp"
#include "directory/keys.hpp"
#include "sasl/scram_crypto.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace postrider::directory {

namespace {

constexpr std::size_t kSecretOctets = 32;

std::unexpected<Error> denied() {
  return error(Error::denied, "directory.log_in", "unknown, disabled or wrong password");
}

/// Steady, so that nobody learns from two tries that there is no such account (SECURITY R10).
sasl::ScramKeys fake_keys(const std::string& secret, const std::string& name, sasl::ScramHash hash) {
  const bool is_sha1 = hash == sasl::ScramHash::sha1;
  const auto derived = [&](std::string_view what, std::size_t octets) {
    std::string text(what);
    text += is_sha1 ? "-sha1 " : "-sha256 ";
    text += name;
    return sasl::scram_hmac(sasl::ScramHash::sha256, secret, text).substr(0, octets);
  };
  const std::size_t key_octets = sasl::octets_of(hash);
  return {.salt = derived("salt", sasl::kScramSaltOctets),
          .stored_key = derived("stored", key_octets),
          .server_key = derived("server", key_octets)};
}

/// What a grant says of it is still so, and it may be used.
bool is_same_account(const Account& now, const Account& before) {
  return now.enabled && now.id == before.id && now.kind == before.kind;
}

/// Whether the same proves it: what changed since is not the password, nor that it may be used.
bool is_as_good(const StoredAccount& now, const StoredAccount& before) {
  return is_same_account(now.account, before.account) && now.passwords == before.passwords;
}

/// Tells the passwords of all accounts apart: one that was removed and made anew during an exchange has another.
std::uint64_t number_of_password(const StoredAccount& stored) {
  constexpr unsigned kBits = 32;
  return static_cast<std::uint64_t>(stored.account.id) << kBits | (stored.passwords & 0xFFFF'FFFFU);
}

}  // namespace

Logins::Logins(store::Store* store, Workers* workers, Random* random, Clock* clock, const Lookup* lookup)
    : store_(store),
      random_(random),
      clock_(clock),
      lookup_(lookup),
      workers_(workers, kHashesAtOnceMax, kHashesWaitingMax),
      cache_(clock, random),
      sha1_(store, sasl::ScramHash::sha1),
      sha256_(store, sasl::ScramHash::sha256) {}

void Logins::changed(const StoredAccount* now) {
  sha1_.changed(now);
  sha256_.changed(now);
}

/// One reading of the store, whatever the login.
Task<Result<Logins::Found>> Logins::find(std::optional<mail::Address> address) const {
  if (address) co_return co_await lookup_->account(std::move(*address));
  const Result<std::optional<store::Entry>> nothing = co_await store_->get(keys::accounts());
  if (!nothing) co_return fail(nothing);
  co_return Found();
}

/// One reading of the store and one digest, whatever the login.
Task<Result<std::optional<Versioned<StoredAppPassword>>>> Logins::find_app_password(Found found, Secret password,
                                                                                    Scope scope) const {
  const mail::AccountId id = found ? found->value.account.id : mail::AccountId{};
  const std::string digest = digest_of_app_password(id, password);
  const Result<std::vector<Versioned<StoredAppPassword>>> all = co_await lookup_->app_passwords(id);
  if (!all) co_return fail(all);
  std::optional<Versioned<StoredAppPassword>> match;
  for (const Versioned<StoredAppPassword>& one : *all) {
    const bool has_scope = std::ranges::find(one.value.record.scopes, scope) != one.value.record.scopes.end();
    if (sasl::same_octets(one.value.digest, digest) && has_scope) match = one;
  }
  co_return match;
}

Task<Logins::Granted> Logins::log_in(std::optional<mail::Address> address, Secret password, Scope scope) {
  std::string name = address ? keys::folded(*address) : std::string();
  Result<Found> found = co_await find(std::move(address));
  if (!found) co_return fail(found);
  Secret tried = password;
  Result<std::optional<Versioned<StoredAppPassword>>> used =
      co_await find_app_password(*found, std::move(tried), scope);
  if (!used) co_return fail(used);
  const bool enabled = *found && (*found)->value.account.enabled;
  if (*used && enabled) co_return co_await let_in_by(std::move((*found)->value), std::move(**used));

  const std::string key = cache_.key_of(name, password);
  if (enabled && cache_.has(key, (*found)->version)) co_return co_await let_in(std::move(**found));

  std::optional<StoredAccount> stored;
  if (*found) stored = (*found)->value;
  std::move_only_function<Result<Upgrade>()> work = [held = std::move(stored), secret = std::move(password),
                                                     salts = make_salts(*random_)] {
    return verify(held, secret, salts);  // the same work for known and unknown, enabled and disabled (SECURITY R10)
  };
  Result<Upgrade> verified = co_await run_on<Upgrade>(&workers_, std::move(work));
  const bool is_wrong =
      !verified && (verified.error().code == Error::denied || verified.error().code == Error::too_long);
  if (is_wrong) co_return denied();
  if (!verified) co_return fail(verified);
  if (!enabled) co_return denied();
  Result<Versioned<StoredAccount>> proved = co_await upgrade(std::move(**found), std::move(*verified));
  if (!proved) co_return fail(proved);
  cache_.put(key, proved->version);
  co_return co_await let_in(std::move(*proved));
}

/// The account with what was missing. A change that came in between wins: the next login tries again.
Task<Result<Versioned<StoredAccount>>> Logins::upgrade(Versioned<StoredAccount> account, Upgrade missing) {
  if (missing.empty()) co_return account;
  StoredAccount better = account.value;
  apply(missing, better);
  const store::Key key = keys::account(better.account.address);
  store::Transaction transaction;
  transaction.require_version(key, account.version);
  transaction.put(key, encode_account(better));
  const Result<store::Version> committed = co_await store_->commit(std::move(transaction), store::Durability::lazy);
  if (!committed) co_return account;  // lost is a convenience, and `account` is what was proved
  changed(&better);
  co_return Versioned<StoredAccount>{.value = std::move(better), .version = *committed};
}

/// By its own password. The grant is out before the record is read again: what changes it from then on finds it, what
/// changed it before is seen.
Task<Logins::Granted> Logins::let_in(Versioned<StoredAccount> account) {
  std::shared_ptr<const Grant> grant = grants_.issue(account.value.account, {}, {});
  mail::Address address = account.value.account.address;
  const Result<Found> now = co_await lookup_->account(std::move(address));
  if (!now) co_return fail(now);
  if (!*now || !is_as_good((*now)->value, account.value)) co_return denied();
  co_return grant;
}

Task<Logins::Granted> Logins::let_in_by(StoredAccount account, Versioned<StoredAppPassword> used) {
  AppPassword& record = used.value.record;
  std::shared_ptr<const Grant> grant = grants_.issue(account.account, record.name, record.id);
  mail::Address address = account.account.address;
  const Result<Found> now = co_await lookup_->account(std::move(address));
  if (!now) co_return fail(now);
  if (!*now || !is_same_account((*now)->value.account, account.account)) co_return denied();
  const store::Key key = keys::app_password(account.account.id, record.id);
  const Result<std::optional<store::Entry>> is_there = co_await store_->get(key);
  if (!is_there) co_return fail(is_there);
  if (!*is_there) co_return denied();

  const WallTime hour = std::chrono::floor<std::chrono::hours>(clock_->wall());
  if (record.last_used != hour) {
    record.last_used = hour;
    store::Transaction transaction;
    transaction.require_version(key, used.version);
    transaction.put(key, encode_app_password(used.value));
    const Result<store::Version> noted = co_await store_->commit(std::move(transaction), store::Durability::lazy);
    static_cast<void>(noted);  // what is lost is when it was last used
  }
  co_return grant;
}

Task<Result<Directory::ScramLogin>> Logins::scram_keys(std::optional<mail::Address> address, std::string login,
                                                       sasl::ScramHash hash) {
  const std::string name = address ? keys::folded(*address) : lowered_ascii(login);
  const Result<std::string> secret = co_await fake_secret();
  if (!secret) co_return fail(secret);
  const Result<Found> found = co_await find(std::move(address));
  if (!found) co_return fail(found);
  Directory::ScramLogin answer{.keys = fake_keys(*secret, name, hash), .known = false, .password = 0};
  if (!*found) co_return answer;
  const StoredAccount& stored = (*found)->value;
  answer.password = number_of_password(stored);
  const std::optional<sasl::ScramKeys>& keys = hash == sasl::ScramHash::sha1 ? stored.scram_sha1 : stored.scram_sha256;
  if (!keys) co_return answer;
  answer.keys = *keys;  // also of a disabled one, whose salt stays what it was
  answer.known = stored.account.enabled;
  co_return answer;
}

Task<Logins::Granted> Logins::grant(std::optional<mail::Address> address, std::optional<std::uint64_t> proved) {
  Result<Found> found = co_await find(std::move(address));
  if (!found) co_return fail(found);
  if (!*found || !(*found)->value.account.enabled) co_return denied();
  if (proved && number_of_password((*found)->value) != *proved) co_return denied();
  co_return co_await let_in(std::move(**found));
}

Task<Result<bool>> Logins::offers_scram(sasl::ScramHash hash) {
  return hash == sasl::ScramHash::sha1 ? sha1_.all_have_keys() : sha256_.all_have_keys();
}

/// Made once for the store, so that a fake salt stays what it is over restarts.
Task<Result<std::string>> Logins::fake_secret() {
  {
    const std::scoped_lock lock(mutex_);
    if (!fake_secret_.empty()) co_return fake_secret_;
  }
  const store::Key key = keys::fake_secret();
  Result<std::optional<store::Entry>> stored = co_await store_->get(key);
  if (!stored) co_return fail(stored);
  if (!*stored) {
    std::string made(kSecretOctets, '\0');
    random_->fill(std::as_writable_bytes(std::span(made)));
    store::Transaction transaction;
    transaction.require_absent(key);
    transaction.put(key, std::move(made));
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    if (!committed && committed.error().code != Error::conflict) co_return fail(committed);
    stored = co_await store_->get(key);  // ours, or that of whom we lost to
    if (!stored) co_return fail(stored);
  }
  if (!*stored || (*stored)->value.size() != kSecretOctets) {
    co_return error(Error::corrupt, "directory.scram", "the secret of the fake salts is damaged");
  }
  const std::scoped_lock lock(mutex_);
  fake_secret_ = (*stored)->value;
  co_return fake_secret_;
}

}  // namespace postrider::directory
