// The parsed forms of a static route's `via`.
#pragma once

#include "core/result.hpp"
#include "route/route.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::route {

/// A host by name or by address.
struct ViaHost {
  std::string host;                      ///< a name, or the address as it was written without brackets
  std::optional<AddressOctets> address;  ///< set: no look-up
  std::uint16_t port = 25;
  HopProtocol protocol = HopProtocol::smtp;
  bool tls_from_start = false;
};
/// LMTP over a Unix socket.
struct ViaUnix {
  std::string path;
};
struct ViaMx {
  std::string name;  ///< empty: the recipient's domain
};
struct ViaLocal {};
struct ViaHold {};
struct ViaDiscard {};
struct ViaError {
  std::string status;
  std::string text;
};
using Via = std::variant<ViaHost, ViaUnix, ViaMx, ViaLocal, ViaHold, ViaDiscard, ViaError>;
/// It goes over the network (or to a socket here), so that there may be a next one to try.
[[nodiscard]] inline bool is_way(const Via& via) {
  return std::holds_alternative<ViaHost>(via) || std::holds_alternative<ViaUnix>(via) ||
         std::holds_alternative<ViaMx>(via);
}

/// Errors  malformed: says which part is wrong.
[[nodiscard]] Result<Via> parse_via(std::string_view text);

/// How a hop of that way is protected by its route: with a login `automatic` is `verified`, TLS from the start is at
/// least `required`, and a Unix socket needs none.
[[nodiscard]] TlsPolicy tls_of(const StaticRoute& route, const Via& via);

/// 127.0.0.0/8 (mapped into IPv6) and ::1.
[[nodiscard]] bool is_loopback(const AddressOctets& address);

/// `192.0.2.1` (mapped into IPv6) or `2001:db8::1`; nullopt: no address.
[[nodiscard]] std::optional<AddressOctets> parse_address(std::string_view text);

/// Whether a route for `pattern` takes `domain`, both lower case.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view domain);

/// Whether a route takes what is asked: all that it sets holds. Its patterns are as `normalized` gives them.
[[nodiscard]] bool takes(const StaticRoute& route, const Query& query);

/// A route that check_route has passed, with its patterns spelled as `takes` compares them.
[[nodiscard]] StaticRoute normalized(StaticRoute route);

}  // namespace postrider::route
