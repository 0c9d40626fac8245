// The next hop of a recipient that is not here: static routes, then MX (5321 §5).
#pragma once

#include "core/random.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "dns/resolver.hpp"
#include "mail/address.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace postrider::route {

inline constexpr std::size_t kMxHostsMax = 20;  // LIMITS.md "MX tried"
inline constexpr std::size_t kAddressesAHostMax = 4;

using AddressOctets = std::array<std::uint8_t, 16>;  // as net::Address keeps them

/// One host to try, with its addresses in the order to try them.
struct Hop {
  std::string host;  ///< for logs and reports: name or literal
  std::vector<AddressOctets> addresses;
  std::uint16_t port = 25;
  bool from_dns = true;  ///< false: the address itself is written in the configuration (SECURITY R11)
};

struct Relay {
  std::vector<Hop> hops;    ///< at least one; tried in order on connect failure and 4yz at greeting
  std::string destination;  ///< key of connection limits: the route's via, or the recipient's domain
};
struct Hold {};
struct Discard {};
/// No way: permanent (null MX, no such domain, loop) or for now (dead DNS).
struct NoRoute {
  bool permanent = false;
  std::string status;  ///< 3463
  std::string text;
};

struct RouteDecision {
  std::variant<Relay, Hold, Discard, NoRoute> next;
  std::string rule;    ///< "route[0] *.remote.test via 127.0.0.1:2600", "mx", "implicit mx", "null mx", …
  std::string reason;  ///< for people
};

/// [[route]] of the file. First match wins.
struct StaticRoute {
  std::string domain;            ///< "remote.test", "*.remote.test" (not remote.test itself), "*"
  std::vector<std::string> via;  ///< "host:port", "[v6]:port", "mx", "mx:NAME", "hold", "discard", "error:5.1.2 text"
};

/// Errors  malformed: says which part of a via is wrong.
[[nodiscard]] Result<void> check_route(const StaticRoute& route);

struct Settings {
  std::vector<StaticRoute> routes;
  std::uint16_t port = 25;                   ///< [outbound] port
  std::string hostname;                      ///< ours: an MX of that name is a loop (5321 §5.1)
  std::vector<AddressOctets> own_addresses;  ///< an MX that resolves to us is a loop
};

class Router {
 public:
  Router(dns::Resolver* resolver, Random* random, Settings settings);

  /// Where mail for that domain goes. Never fails: what goes wrong is in the decision.
  [[nodiscard]] Task<RouteDecision> route(mail::Domain domain);

 private:
  dns::Resolver* resolver_;
  Random* random_;
  Settings settings_;
};

}  // namespace postrider::route
