// The header of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): who the client behind a proxy is.
#pragma once

#include "core/result.hpp"
#include "net/net.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::net {

inline constexpr std::size_t kProxyLineOctetsMax = 107;    // version 1, with its CRLF
inline constexpr std::size_t kProxyBlockOctetsMax = 2048;  // version 2, behind its 16 octets; TLVs are not read

/// Reads one header. The caller reads at most `wanted()` octets each time, so that nothing behind the header is taken.
class ProxyHeaderReader {
 public:
  /// How many octets may be read now; 0: the header is complete.
  [[nodiscard]] std::size_t wanted() const;
  /// Takes at most `wanted()` octets.
  /// Errors  malformed: no PROXY header, or none as the protocol has it; too_long: over a limit above.
  [[nodiscard]] Result<void> append(std::string_view octets);
  /// Of a complete header. nullopt: LOCAL, UNKNOWN, or a family without addresses: the connection is what it seems.
  [[nodiscard]] const std::optional<Endpoint>& client() const { return client_; }

 private:
  Result<void> read_line();
  Result<void> read_block();

  std::string octets_;
  std::optional<Endpoint> client_;
  bool complete_ = false;
};

}  // namespace postrider::net
