// Slows down those who guess passwords, without locking anybody out (SECURITY R10).
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

struct LoginGuardSettings {
  bool delays = true;  ///< false: for measuring
};

/// Failed logins by (account, network), by network, and by account from networks that it never logged in from. A
/// network is a /24, or a /64 of IPv6. Thread-safe, bounded; nothing outlives the process.
class LoginGuard {
 public:
  LoginGuard(Clock* clock, LoginGuardSettings settings);
  ~LoginGuard();

  struct Judgement {
    Duration delay{};     ///< the answer, whatever it is, waits so long
    bool banned = false;  ///< no password is looked at: "try again later"
    WallTime until{};     ///< of the ban
  };
  /// Before a password is looked at. `login` as it was said. The same for logins that do not exist.
  [[nodiscard]] Judgement judge(const std::string& login, const route::AddressOctets& peer);
  void failed(const std::string& login, const route::AddressOctets& peer);
  void succeeded(const std::string& login, const route::AddressOctets& peer);

  struct Ban {
    std::string network;  ///< "192.0.2.0/24"
    std::string login;    ///< empty: all logins from there
    unsigned failures = 0;
    bool banned = false;  ///< false: slowed only
    WallTime until;
  };
  /// Who is slowed or banned now.
  [[nodiscard]] std::vector<Ban> bans() const;
  /// `what`: an address, a network or a login. Gives how many were lifted.
  [[nodiscard]] std::size_t lift(const std::string& what);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::gate
