// Networks as the guards count peers: whose addresses one customer has.
#pragma once

#include "core/result.hpp"
#include "route/route.hpp"

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::gate {

/// A prefix of an address; `length` counts in 128 bits also for IPv4, so a /24 has 120.
struct PeerNetwork {
  route::AddressOctets base{};
  unsigned length = 128;
  friend auto operator<=>(const PeerNetwork&, const PeerNetwork&) = default;
};

/// The /24 of an IPv4 address, the /64 of another.
[[nodiscard]] PeerNetwork network_of(const route::AddressOctets& peer);
/// The /48 of an IPv6 address, which is what a site has (6177); nullopt for IPv4.
[[nodiscard]] std::optional<PeerNetwork> site_of(const route::AddressOctets& peer);
/// Whether one of them lies in the other.
[[nodiscard]] bool overlap(const PeerNetwork& a, const PeerNetwork& b);

/// `192.0.2.0/24`, `2001:db8::/64`.
[[nodiscard]] std::string to_text(const PeerNetwork& network);
/// An address, or an address and a length; bits behind the length are cut off. Errors  malformed.
[[nodiscard]] Result<PeerNetwork> parse_network(std::string_view text);

}  // namespace postrider::gate
