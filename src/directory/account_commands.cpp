// What the commands change of accounts, and of their app passwords.
#include "core/await.hpp"
#include "core/text.hpp"
#include "directory/app_password.hpp"
#include "directory/credentials.hpp"
#include "directory/directory.hpp"
#include "directory/keys.hpp"
#include "directory/logins.hpp"
#include "directory/lookup.hpp"
#include "directory/staging.hpp"
#include "sasl/imported_hash.hpp"
#include "sasl/password.hpp"

#include <algorithm>
#include <utility>

namespace postrider::directory {

namespace {

Result<void> check_password(const Secret& password) {
  if (password.empty()) return error(Error::malformed, "directory.password", "empty");
  if (password.reveal().size() > sasl::kPasswordOctetsMax) {
    return error(Error::malformed, "directory.password", "longer than 1024 octets");
  }
  return {};
}

/// Only what comes of the password is set in what it gives.
Task<Result<StoredAccount>> hash_on(Workers* workers, Random* random, Secret password, mail::Address address) {
  if (const Result<void> usable = check_password(password); !usable) co_return fail(usable);
  StoredAccount bare{.account = {.id = {}, .address = std::move(address), .enabled = true, .created = {}}};
  std::move_only_function<Result<StoredAccount>()> work = [held = std::move(bare), secret = std::move(password),
                                                           salts = make_salts(*random)] {
    return with_password(held, secret, salts);
  };
  co_return co_await run_on<StoredAccount>(workers, std::move(work));
}

bool is_same(const SendAs& a, const SendAs& b) {
  return a.domain == b.domain && iequals_ascii(a.local_part, b.local_part);
}

Result<void> check_name(const std::string& name) {
  const bool is_text =
      is_utf8(name) && std::ranges::none_of(name, [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; });
  if (name.empty() || name.size() > kAppPasswordNameOctetsMax || !is_text)
    return error(Error::malformed, "directory.app_password", "a name is 1 to 64 octets of text");
  return {};
}

/// The next account id, which the commit makes taken.
Task<Result<mail::AccountId>> stage_account_id(store::Store* store, store::Transaction* transaction) {
  const store::Key key = keys::next_account();
  const Result<std::optional<store::Entry>> entry = co_await store->get(key);
  if (!entry) co_return fail(entry);
  mail::AccountId id{1};
  if (*entry) {
    const Result<mail::AccountId> next = decode_account_id((*entry)->value);
    if (!next) co_return fail(next);
    id = *next;
    transaction->require_version(key, (*entry)->version);
  } else {
    transaction->require_absent(key);
  }
  transaction->put(key, encode_account_id(static_cast<mail::AccountId>(static_cast<std::uint64_t>(id) + 1)));
  co_return id;
}

}  // namespace

Task<Result<Account>> Directory::add_account(mail::Address address, Secret password, AccountClass kind) {
  Result<StoredAccount> hashed = co_await hash_on(logins_->workers(), random_, std::move(password), std::move(address));
  if (!hashed) co_return fail(hashed);
  hashed->account.kind = kind;
  co_return co_await make_account(std::move(*hashed));
}

Task<Result<Account>> Directory::import_account(mail::Address address, std::string password_hash, AccountClass kind) {
  const Result<void> known = sasl::check_imported_hash(password_hash);
  if (!known) co_return fail(known);
  StoredAccount made{.account = {.id = {}, .address = std::move(address), .enabled = true, .created = {}},
                     .imported_hash = std::move(password_hash)};
  made.account.kind = kind;
  co_return co_await make_account(std::move(made));
}

/// Gives it its number and time.
Task<Result<Account>> Directory::make_account(StoredAccount made) {
  const mail::Address address = made.account.address;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    store::Transaction transaction;
    const Result<void> staged = co_await stage_in_local_domain(lookup_.get(), &transaction, address.domain());
    if (!staged) co_return fail(staged);
    const Result<std::optional<Versioned<StoredAccount>>> present = co_await lookup_->account(address);
    if (!present) co_return fail(present);
    const Result<std::optional<AliasRecord>> alias = co_await lookup_->alias(address);
    if (!alias) co_return fail(alias);
    if (*present || *alias) co_return error(Error::conflict, "directory.account", "exists already");
    const Result<mail::AccountId> id = co_await stage_account_id(store_, &transaction);
    if (!id) co_return fail(id);
    made.account.id = *id;
    made.account.created = clock_->wall();
    transaction.require_absent(keys::account(address));
    transaction.require_absent(keys::alias(address));
    transaction.put(keys::account(address), encode_account(made));
    transaction.put(keys::order(address.domain(), *id), encode_address(address));
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (!done) continue;
    if (!*done) co_return fail(*done);
    logins_->changed(&made);
    co_return made.account;
  }
  co_return gave_up();
}

Task<Result<void>> Directory::remove_account(mail::Address address) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const Result<std::optional<Versioned<StoredAccount>>> stored = co_await lookup_->account(address);
    if (!stored) co_return fail(stored);
    if (!*stored) co_return error(Error::not_found, "directory.account", "no such account");
    const mail::AccountId id = (*stored)->value.account.id;
    const Result<std::vector<Versioned<StoredAppPassword>>> app_passwords = co_await lookup_->app_passwords(id);
    if (!app_passwords) co_return fail(app_passwords);
    store::Transaction transaction;
    transaction.require_version(keys::account(address), (*stored)->version);
    transaction.erase(keys::account(address));
    transaction.erase(keys::order(address.domain(), id));
    for (const Versioned<StoredAppPassword>& one : *app_passwords) {
      transaction.erase(keys::app_password(id, one.value.record.id));
    }
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (!done) continue;
    if (*done) {
      logins_->changed(nullptr);
      logins_->grants().take_back(id);
    }
    co_return *done;
  }
  co_return gave_up();
}

Task<Result<void>> Directory::set_password(mail::Address address, Secret password) {
  Result<StoredAccount> hashed = co_await hash_on(logins_->workers(), random_, std::move(password), address);
  if (!hashed) co_return fail(hashed);
  std::function<Result<void>(StoredAccount&)> change = [made = std::move(*hashed)](StoredAccount& account) {
    account.password_hash = made.password_hash;
    account.imported_hash.clear();
    account.scram_sha1 = made.scram_sha1;
    account.scram_sha256 = made.scram_sha256;
    ++account.passwords;
    return Result<void>();
  };
  const Result<StoredAccount> changed = co_await change_account(std::move(address), std::move(change));
  if (!changed) co_return fail(changed);
  logins_->grants().take_back(changed->account.id);
  co_return Result<void>();
}

Task<Result<void>> Directory::set_enabled(mail::Address address, bool enabled) {
  std::function<Result<void>(StoredAccount&)> change = [enabled](StoredAccount& account) {
    account.account.enabled = enabled;
    return Result<void>();
  };
  const Result<StoredAccount> changed = co_await change_account(std::move(address), std::move(change));
  if (!changed) co_return fail(changed);
  if (!enabled) logins_->grants().take_back(changed->account.id);
  co_return Result<void>();
}

Task<Result<void>> Directory::set_class(mail::Address address, AccountClass kind) {
  std::function<Result<void>(StoredAccount&)> change = [kind](StoredAccount& account) {
    account.account.kind = kind;
    return Result<void>();
  };
  const Result<StoredAccount> changed = co_await change_account(std::move(address), std::move(change));
  if (!changed) co_return fail(changed);
  logins_->grants().take_back(changed->account.id);  // a grant has the account as it was: caps begin at once
  co_return Result<void>();
}

Task<Result<void>> Directory::add_send_as(mail::Address address, SendAs right) {
  std::function<Result<void>(StoredAccount&)> change = [right = std::move(right)](StoredAccount& account) {
    std::vector<SendAs>& all = account.account.send_as;
    const bool has = std::ranges::any_of(all, [&](const SendAs& one) { return is_same(one, right); });
    if (has) return Result<void>(error(Error::conflict, "directory.send_as", "has that right"));
    if (all.size() >= kSendAsMax) return Result<void>(error(Error::exhausted, "directory.send_as", "has 100 rights"));
    all.push_back(right);
    return Result<void>();
  };
  const Result<StoredAccount> changed = co_await change_account(std::move(address), std::move(change));
  if (!changed) co_return fail(changed);
  co_return Result<void>();
}

Task<Result<void>> Directory::remove_send_as(mail::Address address, SendAs right) {
  std::function<Result<void>(StoredAccount&)> change = [right = std::move(right)](StoredAccount& account) {
    const std::size_t removed =
        std::erase_if(account.account.send_as, [&](const SendAs& one) { return is_same(one, right); });
    if (removed == 0) return Result<void>(error(Error::not_found, "directory.send_as", "has no such right"));
    return Result<void>();
  };
  const Result<StoredAccount> changed = co_await change_account(std::move(address), std::move(change));
  if (!changed) co_return fail(changed);
  co_return Result<void>();
}

/// Gives the account as it is after the change.
Task<Result<StoredAccount>> Directory::change_account(mail::Address address,
                                                      std::function<Result<void>(StoredAccount&)> change) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    Result<std::optional<Versioned<StoredAccount>>> stored = co_await lookup_->account(address);
    if (!stored) co_return fail(stored);
    if (!*stored) co_return error(Error::not_found, "directory.account", "no such account");
    StoredAccount changed = std::move((*stored)->value);
    const Result<void> possible = change(changed);
    if (!possible) co_return fail(possible);
    store::Transaction transaction;
    transaction.require_version(keys::account(address), (*stored)->version);
    transaction.put(keys::account(address), encode_account(changed));
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (!done) continue;
    if (!*done) co_return fail(*done);
    logins_->changed(&changed);
    co_return changed;
  }
  co_return gave_up();
}

Task<Result<Directory::NewAppPassword>> Directory::add_app_password(mail::Address address, std::string name,
                                                                    std::vector<Scope> scopes) {
  if (const Result<void> good = check_name(name); !good) co_return fail(good);
  if (scopes.empty()) co_return error(Error::malformed, "directory.app_password", "it must be for something");
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const Result<std::optional<Versioned<StoredAccount>>> stored = co_await lookup_->account(address);
    if (!stored) co_return fail(stored);
    if (!*stored) co_return error(Error::not_found, "directory.account", "no such account");
    const mail::AccountId id = (*stored)->value.account.id;
    const Result<std::vector<Versioned<StoredAppPassword>>> present = co_await lookup_->app_passwords(id);
    if (!present) co_return fail(present);
    if (present->size() >= kAppPasswordsMax)
      co_return error(Error::exhausted, "directory.app_password", "has 50 app passwords");
    if (std::ranges::any_of(*present, [&](const auto& one) { return one.value.record.name == name; }))
      co_return error(Error::conflict, "directory.app_password", "has one of that name");
    Secret password = make_app_password(*random_);
    StoredAppPassword made{.record = {.id = make_app_password_id(*random_),
                                      .name = name,
                                      .scopes = scopes,
                                      .created = clock_->wall(),
                                      .last_used = std::nullopt},
                           .digest = digest_of_app_password(id, password)};
    store::Transaction transaction;
    transaction.require_version(keys::account(address), (*stored)->version);
    transaction.put(keys::account(address), encode_account((*stored)->value));  // is not removed meanwhile
    transaction.require_absent(keys::app_password(id, made.record.id));
    transaction.put(keys::app_password(id, made.record.id), encode_app_password(made));
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (done && !*done) co_return fail(*done);
    if (done) co_return NewAppPassword{.record = std::move(made.record), .password = std::move(password)};
  }
  co_return gave_up();
}

Task<Result<std::vector<AppPassword>>> Directory::list_app_passwords(mail::Address address) {
  const Result<std::optional<Versioned<StoredAccount>>> stored = co_await lookup_->account(std::move(address));
  if (!stored) co_return fail(stored);
  if (!*stored) co_return error(Error::not_found, "directory.account", "no such account");
  Result<std::vector<Versioned<StoredAppPassword>>> present =
      co_await lookup_->app_passwords((*stored)->value.account.id);
  if (!present) co_return fail(present);
  std::vector<AppPassword> all;
  for (Versioned<StoredAppPassword>& one : *present) all.push_back(std::move(one.value.record));
  std::ranges::sort(all, {}, [](const AppPassword& one) { return std::pair(one.created, one.id); });
  co_return all;
}

Task<Result<void>> Directory::revoke_app_password(mail::Address address, std::string id) {
  const Result<std::optional<Versioned<StoredAccount>>> stored = co_await lookup_->account(std::move(address));
  if (!stored) co_return fail(stored);
  if (!*stored) co_return error(Error::not_found, "directory.account", "no such account");
  const mail::AccountId account = (*stored)->value.account.id;
  const store::Key key = keys::app_password(account, id);
  const Result<std::optional<store::Entry>> present = co_await store_->get(key);
  if (!present) co_return fail(present);
  if (!*present) co_return error(Error::not_found, "directory.app_password", "no such app password");
  store::Transaction transaction;
  transaction.erase(key);
  const Result<store::Version> committed = co_await store_->commit(std::move(transaction), store::Durability::durable);
  if (!committed) co_return fail(committed);
  logins_->grants().take_back(account, id);
  co_return Result<void>();
}

}  // namespace postrider::directory
