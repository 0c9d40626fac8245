// The next hop of a recipient that is not here: static routes, then MX (5321 §5).
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "dns/resolver.hpp"
#include "mail/address.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace postrider::route {

inline constexpr std::size_t kMxHostsMax = 20;  // LIMITS.md "MX tried"
inline constexpr std::size_t kAddressesAHostMax = 4;
inline constexpr std::size_t kViasMax = 20;  // of one static route

using AddressOctets = std::array<std::uint8_t, 16>;  // as net::Address keeps them

enum class HopProtocol : std::uint8_t { smtp, lmtp };

/// How the way to a host is protected.
enum class TlsPolicy : std::uint8_t {
  automatic,      ///< nothing was said: as `opportunistic` (where DANE and MTA-STS will have their word)
  none,           ///< STARTTLS is never said
  opportunistic,  ///< where it is offered, by any certificate (7435); in the clear where it does not come about
  required,       ///< by any certificate, never in the clear
  verified,       ///< by a certificate that is trusted, and for the name
};
[[nodiscard]] std::string_view name_of(TlsPolicy policy);

/// One host to try, with its addresses in the order to try them.
struct Hop {
  std::string host;  ///< for logs and reports: name, literal, or the path of a Unix socket
  std::vector<AddressOctets> addresses;
  std::uint16_t port = 25;
  bool from_dns = true;  ///< false: the address itself is written in the configuration (SECURITY R11)
  HopProtocol protocol = HopProtocol::smtp;
  std::string unix_path = {};  ///< set: a Unix socket; there are no addresses then
  TlsPolicy tls = TlsPolicy::automatic;
  bool tls_from_start = false;  ///< 8314 §3: no STARTTLS; never with `none`
};

/// What goes with TLS and a login, of one route.
struct Credentials {
  std::string tls_name = {};            ///< that the certificate must have, and SNI; empty: the hop's host
  std::string tls_authorities = {};     ///< file in PEM; empty: the system's
  std::string client_certificate = {};  ///< file in PEM, shown where the remote asks; empty: none
  std::string client_key = {};          ///< file in PEM; empty: in that of the certificate
  std::string secret = {};              ///< name of what to log in by (4954); empty: nobody logs in
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

struct Relay {
  std::vector<Hop> hops;    ///< at least one; tried in order on connect failure and 4yz at greeting
  std::string destination;  ///< key of connection limits: the route's via, or the recipient's domain
  std::optional<AddressOctets> source = std::nullopt;  ///< to connect from; unset: the system chooses
  std::string hello = {};                              ///< said in EHLO; empty: our hostname
  Credentials credentials = {};
};
/// The route says that the directory's word counts: to a mailbox here.
struct Local {};
struct Hold {};
struct Discard {};
/// No way: permanent (null MX, no such domain, loop) or for now (dead DNS).
struct NoRoute {
  bool permanent = false;
  std::string status;  ///< 3463
  std::string text;
};

struct RouteDecision {
  std::variant<Relay, Local, Hold, Discard, NoRoute> next;
  std::vector<Duration> retry = {};  ///< the route's own retry table; empty: the queue's
  std::string rule;                  ///< "route[0] *.remote.test via 127.0.0.1:2600", "mx", "implicit mx", "null mx", …
  std::string reason;                ///< for people
};

/// [[route]] of the file. First match wins: all that is set must hold.
struct StaticRoute {
  std::string domain = "*";  ///< of the recipient: "remote.test", "*.remote.test" (not remote.test itself), "*"
  /// "host:port", "[v6]:port", "mx", "mx:NAME", "smtps://host[:port]", "lmtp://host:port", "lmtp+unix:PATH", "local",
  /// "hold", "discard", "error:5.1.2 text".
  std::vector<std::string> via = {};
  std::string sender = {};           ///< reverse-path: "a@x.test", "@x.test", "*.x.test", "<>"; empty: any
  std::string account = {};          ///< who logged in to send it: an address, or "@domain"; empty: any
  bool match_local = false;          ///< takes recipients of local domains too
  std::string source = {};           ///< address to connect from
  std::string hello = {};            ///< [[route]] helo
  std::vector<Duration> retry = {};  ///< empty: the queue's
  TlsPolicy tls = TlsPolicy::automatic;
  Credentials credentials = {};  ///< [[route]] tls_name, tls_ca, client_certificate, client_key, auth
};

/// Errors  malformed: says which part of a via is wrong, or which key does not go with it; `place` names the key.
[[nodiscard]] Result<void> check_route(const StaticRoute& route);

struct Settings {
  std::vector<StaticRoute> routes;
  std::uint16_t port = 25;                   ///< [outbound] port
  std::string hostname;                      ///< ours: an MX of that name is a loop (5321 §5.1)
  std::vector<AddressOctets> own_addresses;  ///< an MX that resolves to us is a loop
};

/// What a route is chosen by.
struct Query {
  mail::Domain domain;       ///< of the recipient
  bool is_local = false;     ///< the recipient is in a local domain: only routes with match_local take it
  mail::Path sender = {};    ///< reverse-path
  std::string account = {};  ///< who logged in; empty: nobody
};

class Router {
 public:
  Router(dns::Resolver* resolver, Random* random, Settings settings);

  /// Where mail for that recipient goes. Never fails: what goes wrong is in the decision. A local one that no route
  /// takes gives Local.
  [[nodiscard]] Task<RouteDecision> route(Query query);
  /// Without asking anybody: the `Relay::destination` that `route` would give for a recipient that goes over the
  /// network, also where names would not resolve; empty for every other end of a route.
  [[nodiscard]] std::string destination(const Query& query) const;
  /// Without asking anybody: what is to be said at RCPT already, by a route via "error:".
  [[nodiscard]] std::optional<NoRoute> refusal(const Query& query) const;
  /// A local recipient that a route takes away from its mailbox (match_local).
  [[nodiscard]] bool takes_local(const Query& query) const;

 private:
  dns::Resolver* resolver_;
  Random* random_;
  Settings settings_;
};

}  // namespace postrider::route
