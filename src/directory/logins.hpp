// Who may log in, and the grants that come of it.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/workers.hpp"
#include "directory/bounded_workers.hpp"
#include "directory/credentials.hpp"
#include "directory/directory.hpp"
#include "directory/grants.hpp"
#include "directory/login_cache.hpp"
#include "directory/lookup.hpp"
#include "directory/scram_census.hpp"
#include "store/store.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postrider::directory {

inline constexpr std::size_t kHashesAtOnceMax = 4;     // LIMITS.md "Accounts": argon2id, 19 MiB each
inline constexpr std::size_t kHashesWaitingMax = 256;  // some seconds' work; over it a login is told to come later

/// The half of Directory that sessions ask before they are let in; errors as there. `address`: of the login; nullopt:
/// nobody can have it. Thread-safe.
class Logins {
 public:
  Logins(store::Store* store, Workers* workers, Random* random, Clock* clock, const Lookup* lookup);

  using Granted = Result<std::shared_ptr<const Grant>>;
  [[nodiscard]] Task<Granted> log_in(std::optional<mail::Address> address, Secret password, Scope scope);
  /// `login`: as it was said, for the fake.
  [[nodiscard]] Task<Result<Directory::ScramLogin>> scram_keys(std::optional<mail::Address> address, std::string login,
                                                               sasl::ScramHash hash);
  [[nodiscard]] Task<Granted> grant(std::optional<mail::Address> address, std::optional<std::uint64_t> proved);
  [[nodiscard]] Task<Result<bool>> offers_scram(sasl::ScramHash hash);

  /// Where all hashes are made.
  [[nodiscard]] Workers* workers() { return &workers_; }
  [[nodiscard]] Grants& grants() { return grants_; }
  /// To be told of each committed change of an account. nullptr: it is gone.
  void changed(const StoredAccount* now);

 private:
  using Found = std::optional<Versioned<StoredAccount>>;
  [[nodiscard]] Task<Result<Found>> find(std::optional<mail::Address> address) const;
  [[nodiscard]] Task<Result<std::optional<Versioned<StoredAppPassword>>>> find_app_password(Found found,
                                                                                            Secret password,
                                                                                            Scope scope) const;
  [[nodiscard]] Task<Granted> let_in(Versioned<StoredAccount> account);
  [[nodiscard]] Task<Granted> let_in_by(StoredAccount account, Versioned<StoredAppPassword> used);
  [[nodiscard]] Task<Result<Versioned<StoredAccount>>> upgrade(Versioned<StoredAccount> account, Upgrade missing);
  [[nodiscard]] Task<Result<std::string>> fake_secret();

  store::Store* store_;
  Random* random_;
  Clock* clock_;
  const Lookup* lookup_;
  BoundedWorkers workers_;
  Grants grants_;
  LoginCache cache_;
  ScramCensus sha1_;
  ScramCensus sha256_;
  std::mutex mutex_;
  std::string fake_secret_;  // once it was read
};

}  // namespace postrider::directory
