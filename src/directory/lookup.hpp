// Reads what there is: the store's records and the configuration file's, which come first.
#pragma once

#include "core/result.hpp"
#include "core/task.hpp"
#include "directory/directory.hpp"
#include "directory/records.hpp"
#include "store/store.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::directory {

/// A record as it is at a version.
template <class T>
struct Versioned {
  T value;
  store::Version version = 0;
};

/// Thread-safe: nothing in it changes. Errors of all: transient, corrupt from the store.
class Lookup {
 public:
  Lookup(store::Store* store, const Settings& settings);

  [[nodiscard]] Task<Result<std::optional<DomainRecord>>> domain(mail::Domain name) const;
  [[nodiscard]] Task<Result<std::optional<AliasRecord>>> alias(mail::Address address) const;
  [[nodiscard]] Task<Result<std::optional<Versioned<DomainRecord>>>> stored_domain(mail::Domain name) const;
  [[nodiscard]] Task<Result<std::optional<Versioned<AliasRecord>>>> stored_alias(mail::Address address) const;
  [[nodiscard]] Task<Result<std::optional<Versioned<StoredAccount>>>> account(mail::Address address) const;
  /// All of the account, as their ids are ordered.
  [[nodiscard]] Task<Result<std::vector<Versioned<StoredAppPassword>>>> app_passwords(mail::AccountId account) const;
  /// The enabled account of the domain that was made first.
  [[nodiscard]] Task<Result<std::optional<Account>>> first_account(mail::Domain domain) const;

  /// What "@domain" of an alias file says; empty: nothing does.
  [[nodiscard]] const std::vector<mail::Address>& catch_all(const mail::Domain& domain) const;
  /// nullptr: the domain has none.
  [[nodiscard]] const RecipientList* recipients(const mail::Domain& domain) const;

  [[nodiscard]] const std::map<mail::Domain, DomainRecord>& file_domains() const { return file_domains_; }
  /// By folded address.
  [[nodiscard]] const std::map<std::string, AliasRecord>& file_aliases() const { return file_aliases_; }

 private:
  store::Store* store_;
  std::map<mail::Domain, DomainRecord> file_domains_;
  std::map<std::string, AliasRecord> file_aliases_;
  std::map<mail::Domain, std::vector<mail::Address>> catch_alls_;
  std::map<mail::Domain, std::shared_ptr<const RecipientList>> recipient_lists_;
};

}  // namespace postrider::directory
