// What the commands change of domains and aliases. Each change reads, stages with preconditions on what it read, and
// commits; in a conflict it reads again.
#include "core/await.hpp"
#include "directory/directory.hpp"
#include "directory/keys.hpp"
#include "directory/lookup.hpp"
#include "directory/staging.hpp"

#include <algorithm>

namespace postrider::directory {

namespace {

constexpr std::size_t kSubaddressOctetsMax = 8;

/// What a domain of that kind can have. One of the store cannot have a file: what is read is read by the configuration.
Result<void> check_kind(const DomainRecord& domain) {
  const bool is_local = domain.kind == DomainKind::local;
  if (!is_local && (domain.catch_all || domain.postmaster))
    return error(Error::malformed, "directory.domain", "only a local domain has a catch-all or a postmaster");
  if ((domain.kind == DomainKind::alias) != domain.alias_of.has_value())
    return error(Error::malformed, "directory.domain", "an alias domain, and only that, is of another domain");
  if (domain.alias_of == domain.name)
    return error(Error::malformed, "directory.domain", "a domain cannot be an alias of itself");
  if (domain.recipients.by == RelayRecipients::By::file)
    return error(Error::malformed, "directory.domain", "a file of recipients belongs into the configuration file");
  return {};
}

Result<void> check_domain(const DomainRecord& domain) {
  if (domain.name.is_literal()) return error(Error::malformed, "directory.domain", "an address literal is no domain");
  const bool separates =
      domain.subaddress.size() <= kSubaddressOctetsMax && std::ranges::all_of(domain.subaddress, [](char c) {
        return c > ' ' && c <= '~' && c != '@' && !is_alnum_ascii(c);
      });
  if (!separates)
    return error(Error::malformed, "directory.domain", "a subaddress separator is 1 to 8 marks like + or -");
  return check_kind(domain);
}

Task<Result<bool>> has_keys(store::Store* store, store::Key prefix) {
  store::KeyRange range = store::range_of_prefix(prefix);
  for (;;) {
    const Result<store::Page> page = co_await store->scan(range, 1);
    if (!page) co_return fail(page);
    if (!page->entries.empty()) co_return true;
    if (!page->next) co_return false;
    range.from = *page->next;
  }
}

/// Puts the alias as it is after the change, or erases it when it has no targets.
void stage_alias(store::Transaction& transaction, const AliasRecord& alias, std::optional<store::Version> version) {
  const store::Key key = keys::alias(alias.address);
  if (version) {
    transaction.require_version(key, *version);
  } else {
    transaction.require_absent(key);
  }
  if (alias.targets.empty()) {
    transaction.erase(key);
  } else {
    transaction.put(key, encode_alias(alias));
  }
}

/// Adds the targets that are not there yet. Errors  conflict: all are; malformed: too many, or the alias itself.
Result<void> add_targets(AliasRecord& alias, const std::vector<mail::Address>& targets) {
  const std::size_t before = alias.targets.size();
  for (const mail::Address& target : targets) {
    if (keys::folded(target) == keys::folded(alias.address)) {
      return error(Error::malformed, "directory.alias", "an alias cannot be its own target");
    }
    if (std::ranges::find(alias.targets, target) == alias.targets.end()) alias.targets.push_back(target);
  }
  if (alias.targets.size() == before) return error(Error::conflict, "directory.alias", "the alias has these targets");
  if (alias.targets.size() > kAliasTargetsMax || encode_alias(alias).size() > store::kValueOctetsMax) {
    return error(Error::malformed, "directory.alias", "too many targets");
  }
  return {};
}

}  // namespace

Task<Result<void>> Directory::add_domain(DomainRecord domain) {
  if (const Result<void> good = check_domain(domain); !good) co_return fail(good);
  if (lookup_->file_domains().contains(domain.name))
    co_return error(Error::denied, "directory.domain", "is in the file");
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const Result<std::optional<Versioned<DomainRecord>>> present = co_await lookup_->stored_domain(domain.name);
    if (!present) co_return fail(present);
    if (*present) co_return error(Error::conflict, "directory.domain", "exists already");
    store::Transaction transaction;
    if (domain.alias_of) {
      const Result<void> real = co_await stage_in_local_domain(lookup_.get(), &transaction, *domain.alias_of);
      if (!real) co_return fail(real);
    }
    transaction.require_absent(keys::domain(domain.name));
    transaction.put(keys::domain(domain.name), encode_domain(domain));
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (done) co_return *done;
  }
  co_return gave_up();
}

Task<Result<void>> Directory::remove_domain(mail::Domain domain) {
  if (lookup_->file_domains().contains(domain)) co_return error(Error::denied, "directory.domain", "is in the file");
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const Result<std::optional<Versioned<DomainRecord>>> stored = co_await lookup_->stored_domain(domain);
    if (!stored) co_return fail(stored);
    if (!*stored) co_return error(Error::not_found, "directory.domain", "no such domain");
    const Result<bool> accounts = co_await has_keys(store_, keys::accounts_of(domain));
    if (!accounts) co_return fail(accounts);
    const Result<bool> aliases = co_await has_keys(store_, keys::aliases_of(domain));
    if (!aliases) co_return fail(aliases);
    const bool in_file = std::ranges::any_of(
        lookup_->file_aliases(), [&](const auto& alias) { return alias.second.address.domain() == domain; });
    if (*accounts || *aliases || in_file)
      co_return error(Error::conflict, "directory.domain", "has accounts or aliases");
    const Result<std::vector<DomainRecord>> domains = co_await list_domains();
    if (!domains) co_return fail(domains);
    if (std::ranges::any_of(*domains, [&](const DomainRecord& other) { return other.alias_of == domain; }))
      co_return error(Error::conflict, "directory.domain", "another domain is an alias of it");
    store::Transaction transaction;
    transaction.require_version(keys::domain(domain), (*stored)->version);
    transaction.erase(keys::domain(domain));
    transaction.erase(keys::dkim_keys(domain));
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (done) co_return *done;
  }
  co_return gave_up();
}

Task<Result<void>> Directory::add_alias(mail::Address address, std::vector<mail::Address> targets) {
  if (lookup_->file_aliases().contains(keys::folded(address)))
    co_return error(Error::denied, "directory.alias", "is in the file");
  if (targets.empty()) co_return error(Error::malformed, "directory.alias", "an alias needs a target");
  for (int tries = 0; tries < kTriesMax; ++tries) {
    store::Transaction transaction;
    const Result<void> staged = co_await stage_in_domain(lookup_.get(), &transaction, address.domain());
    if (!staged) co_return fail(staged);
    const Result<std::optional<Versioned<StoredAccount>>> account = co_await lookup_->account(address);
    if (!account) co_return fail(account);
    if (*account) co_return error(Error::conflict, "directory.alias", "is an account");
    Result<std::optional<Versioned<AliasRecord>>> stored = co_await lookup_->stored_alias(address);
    if (!stored) co_return fail(stored);
    AliasRecord alias{.address = address, .targets = {}, .source = Source::store};
    if (*stored) alias = std::move((*stored)->value);
    const Result<void> added = add_targets(alias, targets);
    if (!added) co_return fail(added);
    transaction.require_absent(keys::account(address));
    stage_alias(transaction, alias, *stored ? std::optional((*stored)->version) : std::nullopt);
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (done) co_return *done;
  }
  co_return gave_up();
}

Task<Result<void>> Directory::remove_alias(mail::Address address, std::vector<mail::Address> targets) {
  if (lookup_->file_aliases().contains(keys::folded(address)))
    co_return error(Error::denied, "directory.alias", "is in the file");
  for (int tries = 0; tries < kTriesMax; ++tries) {
    Result<std::optional<Versioned<AliasRecord>>> stored = co_await lookup_->stored_alias(address);
    if (!stored) co_return fail(stored);
    if (!*stored) co_return error(Error::not_found, "directory.alias", "no such alias");
    AliasRecord alias = std::move((*stored)->value);
    if (targets.empty()) alias.targets.clear();
    for (const mail::Address& target : targets) {
      if (std::erase(alias.targets, target) == 0)
        co_return error(Error::not_found, "directory.alias", "no such target");
    }
    store::Transaction transaction;
    stage_alias(transaction, alias, (*stored)->version);
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    const std::optional<Result<void>> done = outcome(committed);
    if (done) co_return *done;
  }
  co_return gave_up();
}

}  // namespace postrider::directory
