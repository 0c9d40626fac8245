#include "directory/lookup.hpp"

#include "core/await.hpp"
#include "directory/keys.hpp"

namespace postrider::directory {

namespace {

constexpr std::size_t kPageEntries = 100;

template <class T>
Task<Result<std::optional<Versioned<T>>>> read(store::Store* store, store::Key key,
                                               Result<T> (*decode)(std::string_view)) {
  const Result<std::optional<store::Entry>> entry = co_await store->get(std::move(key));
  if (!entry) co_return fail(entry);
  if (!*entry) co_return std::optional<Versioned<T>>();
  Result<T> value = decode((*entry)->value);
  if (!value) co_return fail(value);
  co_return std::optional<Versioned<T>>(Versioned<T>{std::move(*value), (*entry)->version});
}

}  // namespace

Lookup::Lookup(store::Store* store, const Settings& settings)
    : store_(store), recipient_lists_(settings.recipient_lists) {
  for (DomainRecord domain : settings.domains) {
    domain.source = Source::file;
    file_domains_.insert_or_assign(domain.name, domain);
  }
  for (AliasRecord alias : settings.aliases) {
    alias.source = Source::file;
    file_aliases_.insert_or_assign(keys::folded(alias.address), alias);
  }
  for (const CatchAll& all : settings.catch_alls) catch_alls_.insert_or_assign(all.domain, all.targets);
}

const std::vector<mail::Address>& Lookup::catch_all(const mail::Domain& domain) const {
  static const std::vector<mail::Address> kNone;
  const auto found = catch_alls_.find(domain);
  return found == catch_alls_.end() ? kNone : found->second;
}

const RecipientList* Lookup::recipients(const mail::Domain& domain) const {
  const auto found = recipient_lists_.find(domain);
  return found == recipient_lists_.end() ? nullptr : found->second.get();
}

Task<Result<std::optional<DomainRecord>>> Lookup::domain(mail::Domain name) const {
  const auto in_file = file_domains_.find(name);
  if (in_file != file_domains_.end()) co_return std::optional<DomainRecord>(in_file->second);
  Result<std::optional<Versioned<DomainRecord>>> stored = co_await stored_domain(std::move(name));
  if (!stored) co_return fail(stored);
  if (!*stored) co_return std::optional<DomainRecord>();
  co_return std::optional<DomainRecord>(std::move((*stored)->value));
}

Task<Result<std::optional<AliasRecord>>> Lookup::alias(mail::Address address) const {
  const auto in_file = file_aliases_.find(keys::folded(address));
  if (in_file != file_aliases_.end()) co_return std::optional<AliasRecord>(in_file->second);
  Result<std::optional<Versioned<AliasRecord>>> stored = co_await stored_alias(std::move(address));
  if (!stored) co_return fail(stored);
  if (!*stored) co_return std::optional<AliasRecord>();
  co_return std::optional<AliasRecord>(std::move((*stored)->value));
}

Task<Result<std::optional<Versioned<DomainRecord>>>> Lookup::stored_domain(mail::Domain name) const {
  return read<DomainRecord>(store_, keys::domain(name), &decode_domain);
}

Task<Result<std::optional<Versioned<AliasRecord>>>> Lookup::stored_alias(mail::Address address) const {
  return read<AliasRecord>(store_, keys::alias(address), &decode_alias);
}

Task<Result<std::optional<Versioned<StoredAccount>>>> Lookup::account(mail::Address address) const {
  return read<StoredAccount>(store_, keys::account(address), &decode_account);
}

Task<Result<std::vector<Versioned<StoredAppPassword>>>> Lookup::app_passwords(mail::AccountId account) const {
  std::vector<Versioned<StoredAppPassword>> all;
  store::KeyRange range = store::range_of_prefix(keys::app_passwords_of(account));
  for (;;) {
    const Result<store::Page> page = co_await store_->scan(range, kPageEntries);
    if (!page) co_return fail(page);
    for (const store::KeyedEntry& entry : page->entries) {
      Result<StoredAppPassword> one = decode_app_password(entry.entry.value);
      if (!one) co_return fail(one);
      all.push_back({.value = std::move(*one), .version = entry.entry.version});
    }
    if (!page->next) co_return all;
    range.from = *page->next;
  }
}

Task<Result<std::optional<Account>>> Lookup::first_account(mail::Domain domain) const {
  store::KeyRange range = store::range_of_prefix(keys::order_of(domain));
  for (;;) {
    const Result<store::Page> page = co_await store_->scan(range, kPageEntries);
    if (!page) co_return fail(page);
    for (const store::KeyedEntry& entry : page->entries) {
      Result<mail::Address> address = decode_address(entry.entry.value);
      if (!address) co_return fail(address);
      Result<std::optional<Versioned<StoredAccount>>> stored = co_await account(std::move(*address));
      if (!stored) co_return fail(stored);
      if (*stored && (*stored)->value.account.enabled) {
        co_return std::optional<Account>(std::move((*stored)->value.account));
      }
    }
    if (!page->next) co_return std::optional<Account>();
    range.from = *page->next;
  }
}

}  // namespace postrider::directory
