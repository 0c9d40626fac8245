#include "directory/directory.hpp"

#include "core/await.hpp"
#include "directory/keys.hpp"
#include "directory/logins.hpp"
#include "directory/lookup.hpp"
#include "directory/recipient_list.hpp"

#include <algorithm>
#include <map>

namespace postrider::directory {

namespace {

constexpr std::size_t kPageEntries = 500;

/// All records of a range.
template <class T>
Task<Result<std::vector<T>>> read_all(store::Store* store, store::Key prefix, Result<T> (*decode)(std::string_view)) {
  std::vector<T> all;
  store::KeyRange range = store::range_of_prefix(prefix);
  for (;;) {
    const Result<store::Page> page = co_await store->scan(range, kPageEntries);
    if (!page) co_return fail(page);
    for (const store::KeyedEntry& entry : page->entries) {
      Result<T> value = decode(entry.entry.value);
      if (!value) co_return fail(value);
      all.push_back(std::move(*value));
    }
    if (!page->next) co_return all;
    range.from = *page->next;
  }
}

}  // namespace

Directory::Directory(store::Store* store, Workers* workers, Random* random, Clock* clock, Settings settings)
    : store_(store),
      random_(random),
      clock_(clock),
      lookup_(std::make_unique<const Lookup>(store, settings)),
      logins_(std::make_unique<Logins>(store, workers, random, clock, lookup_.get())),
      hostname_(settings.hostname),
      catch_everything_(settings.catch_everything) {}
Directory::~Directory() = default;

Task<Result<bool>> Directory::is_local(mail::Domain domain) {
  const Result<std::optional<DomainRecord>> found = co_await lookup_->domain(std::move(domain));
  if (!found) co_return fail(found);
  co_return found->has_value() && (*found)->kind != DomainKind::relay;
}

Task<Result<std::shared_ptr<const Grant>>> Directory::log_in(std::string login, Secret password, Scope scope) {
  Result<std::optional<mail::Address>> address = co_await address_of_login(std::move(login));
  if (!address) co_return fail(address);
  co_return co_await logins_->log_in(std::move(*address), std::move(password), scope);
}

Task<Result<Directory::ScramLogin>> Directory::scram_keys(std::string login, sasl::ScramHash hash) {
  std::string asked = login;
  Result<std::optional<mail::Address>> address = co_await address_of_login(std::move(asked));
  if (!address) co_return fail(address);
  co_return co_await logins_->scram_keys(std::move(*address), std::move(login), hash);
}

Task<Result<std::shared_ptr<const Grant>>> Directory::grant(std::string login, std::optional<std::uint64_t> password) {
  Result<std::optional<mail::Address>> address = co_await address_of_login(std::move(login));
  if (!address) co_return fail(address);
  co_return co_await logins_->grant(std::move(*address), password);
}

Task<Result<bool>> Directory::offers_scram(sasl::ScramHash hash) { return logins_->offers_scram(hash); }

/// nullopt: nobody can have that login.
Task<Result<std::optional<mail::Address>>> Directory::address_of_login(std::string login) {
  using Found = std::optional<mail::Address>;
  Result<mail::Address> whole = mail::Address::parse(login);
  if (whole) co_return Found(std::move(*whole));
  const Result<std::vector<DomainRecord>> domains = co_await list_domains();
  if (!domains) co_return fail(domains);
  const auto is_local = [](const DomainRecord& domain) { return domain.kind == DomainKind::local; };
  if (std::ranges::count_if(*domains, is_local) != 1) co_return Found();
  Result<mail::Address> made = mail::Address::make(std::move(login), std::ranges::find_if(*domains, is_local)->name);
  if (!made) co_return Found();
  co_return Found(std::move(*made));
}

Task<Result<std::vector<DomainRecord>>> Directory::list_domains() {
  Result<std::vector<DomainRecord>> stored = co_await read_all<DomainRecord>(store_, keys::domains(), &decode_domain);
  if (!stored) co_return fail(stored);
  std::map<mail::Domain, DomainRecord> by_name = lookup_->file_domains();  // the file's come first, as in Lookup
  for (DomainRecord& domain : *stored) by_name.emplace(domain.name, std::move(domain));
  std::vector<DomainRecord> all;
  for (auto& [name, domain] : by_name) all.push_back(std::move(domain));
  co_return all;
}

Task<Result<std::vector<Account>>> Directory::list_accounts() {
  Result<std::vector<StoredAccount>> stored =
      co_await read_all<StoredAccount>(store_, keys::accounts(), &decode_account);
  if (!stored) co_return fail(stored);
  std::vector<Account> all;
  for (StoredAccount& account : *stored) all.push_back(std::move(account.account));
  co_return all;
}

Task<Result<std::vector<AccountFacts>>> Directory::describe_accounts() {
  Result<std::vector<StoredAccount>> stored =
      co_await read_all<StoredAccount>(store_, keys::accounts(), &decode_account);
  if (!stored) co_return fail(stored);
  std::vector<AccountFacts> all;
  for (StoredAccount& account : *stored) {
    const auto app_passwords = co_await lookup_->app_passwords(account.account.id);
    if (!app_passwords) co_return fail(app_passwords);
    all.push_back({.account = std::move(account.account),
                   .source = account.source,
                   .imported = account.password_hash.empty(),
                   .scram_sha1 = account.scram_sha1.has_value(),
                   .scram_sha256 = account.scram_sha256.has_value(),
                   .app_passwords = app_passwords->size()});
  }
  co_return all;
}

Task<Result<std::vector<AliasRecord>>> Directory::list_aliases() {
  Result<std::vector<AliasRecord>> stored = co_await read_all<AliasRecord>(store_, keys::aliases(), &decode_alias);
  if (!stored) co_return fail(stored);
  std::map<std::string, AliasRecord> by_address = lookup_->file_aliases();
  for (AliasRecord& alias : *stored) by_address.emplace(keys::folded(alias.address), std::move(alias));
  std::vector<AliasRecord> all;
  for (auto& [address, alias] : by_address) all.push_back(std::move(alias));
  co_return all;
}

}  // namespace postrider::directory
