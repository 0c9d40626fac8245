// Outgoing connections and the one place where addresses found by DNS are judged (SECURITY R11).
#pragma once

#include "net/net.hpp"

namespace postrider::net {

/// Who named the address: a host:port written in the configuration is allowed, one found by DNS is judged.
enum class FoundBy : std::uint8_t { configuration, dns };

/// True for loopback, unspecified, link-local, private (1918, 4193), shared (6598), multicast, reserved, and IPv6 forms
/// that carry such an IPv4 address (mapped, 6to4 2002::/16, NAT64 64:ff9b::/96).
[[nodiscard]] bool is_forbidden(const Address& address);

class Connector {
 public:
  /// `allow_private`: networks that may be connected to although forbidden ([outbound] allow_private).
  Connector(Network* network, std::vector<Network4Or6> allow_private);

  /// Errors  denied: the address was found by DNS and is forbidden or our own; timeout; closed: refused or unreachable.
  [[nodiscard]] Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, FoundBy found_by,
                                                              std::optional<Address> source, SteadyTime until);

  /// Whether `connect` would refuse `address` when found by DNS: so that route can skip it with a reason.
  [[nodiscard]] bool refuses(const Address& address) const;

 private:
  Network* network_;
  std::vector<Network4Or6> allow_private_;
};

}  // namespace postrider::net
