// Slows down those who guess passwords, without locking anybody out (SECURITY R10).
//
// What makes the next answer wait, right or wrong, is the largest of three, each counted over the last hour:
//   - failures of this login from this network: from the third on 1 s, 2 s, 4 s … 30 s; a success forgets them
//   - failures of all logins from this network (somebody tries one password on many): from the tenth on, doubled with
//     every ten more; at a hundred nobody logs in from there for an hour
//   - failures of this login from networks that it never logged in from (many hosts try many passwords): as before, but
//     for the ban; of each network two count, so that one alone slows nobody elsewhere
// The last two are not for who has logged in from there before: what others do neither slows nor bans an owner. In
// IPv6 the site's /48 counts beside the /64, with ten times the numbers, as a guesser has 65,536 of the latter.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "route/route.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::gate {

inline constexpr unsigned kFailuresBeforeDelay = 2;         // LIMITS.md "Accounts": slowed from the third
inline constexpr unsigned kFailuresOfManyBeforeDelay = 10;  // of a network over all logins, of a login over networks
inline constexpr unsigned kFailuresBeforeBan = 100;         // of a network within an hour
inline constexpr unsigned kSiteFactor = 10;                 // the /48 of IPv6 may have so many times more
inline constexpr Duration kLoginDelayMax = std::chrono::seconds(30);
inline constexpr Duration kBanLasts = std::chrono::hours(1);
inline constexpr Duration kKnownFor = std::chrono::days(30);  // since the last login from there
inline constexpr std::size_t kKnownNetworksMax = 32;          // of a login
inline constexpr std::size_t kGuardEntriesMax = 100'000;      // of each: (login, network), networks, logins
inline constexpr std::size_t kGuardedLoginOctetsMax = 64;     // a longer login is told from others by a hash

struct LoginGuardSettings {
  bool delays = true;  ///< false: for measuring; nobody is slowed or banned
  std::size_t entries_max = kGuardEntriesMax;
};

/// Failed logins by (account, network), by network, and by account from networks that it never logged in from. A
/// network is a /24, or a /64 of IPv6. Thread-safe, bounded; nothing outlives the process. What matters (who is slowed,
/// networks that an owner logged in from) is not pushed out by what does not (GuardTable).
class LoginGuard {
 public:
  LoginGuard(Clock* clock, LoginGuardSettings settings);
  ~LoginGuard();

  struct Judgement {
    Duration delay{};     ///< the answer, whatever it is, waits so long
    bool banned = false;  ///< no password is looked at: "try again later"
    WallTime until{};     ///< of the ban
  };
  /// Before a password is looked at, for the ban; and again when it was, just before what became of it is told here,
  /// for the delay: so those who guess in parallel wait for each other's failures. `login` as it was said. The same for
  /// logins that do not exist. Counts nothing.
  [[nodiscard]] Judgement judge(const std::string& login, const route::AddressOctets& peer);

  struct Ban {
    std::string network;  ///< "192.0.2.0/24"; empty: all that `login` never logged in from
    std::string login;    ///< empty: all logins from there
    unsigned failures = 0;
    bool banned = false;  ///< false: slowed only
    WallTime until;
  };
  /// Gives the ban that it brought.
  std::optional<Ban> failed(const std::string& login, const route::AddressOctets& peer);
  void succeeded(const std::string& login, const route::AddressOctets& peer);

  /// Who is slowed or banned now: bans first, then who failed most.
  [[nodiscard]] std::vector<Ban> bans() const;
  /// `what`: an address, a network or a login. Gives how many were lifted.
  [[nodiscard]] std::size_t lift(const std::string& what);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::gate
