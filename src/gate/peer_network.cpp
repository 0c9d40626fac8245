#include "gate/peer_network.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "route/via.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace postrider::gate {

namespace {

constexpr route::AddressOctets kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // 4291 §2.5.5.2
constexpr unsigned kMappedBits = 96;

bool is_v4(const route::AddressOctets& octets) {
  return std::equal(octets.begin(), octets.begin() + kMappedBits / 8, kMapped.begin());
}

PeerNetwork cut(route::AddressOctets octets, unsigned length) {
  for (unsigned bit = length; bit < 128; ++bit)
    octets.at(bit / 8) &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));  // bits behind the length
  return {.base = octets, .length = length};
}

}  // namespace

PeerNetwork network_of(const route::AddressOctets& peer) { return cut(peer, is_v4(peer) ? kMappedBits + 24 : 64); }

std::optional<PeerNetwork> site_of(const route::AddressOctets& peer) {
  if (is_v4(peer)) return std::nullopt;
  return cut(peer, 48);
}

bool overlap(const PeerNetwork& a, const PeerNetwork& b) {
  const unsigned length = std::min(a.length, b.length);
  return cut(a.base, length) == cut(b.base, length);
}

std::string to_text(const PeerNetwork& network) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = is_v4(network.base) && network.length >= kMappedBits;
  const std::uint8_t* const octets = network.base.data() + (v4 ? kMappedBits / 8 : 0);
  ::inet_ntop(v4 ? AF_INET : AF_INET6, octets, text.data(), text.size());
  return std::string(text.data()) + '/' + std::to_string(v4 ? network.length - kMappedBits : network.length);
}

Result<PeerNetwork> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<route::AddressOctets> address = route::parse_address(text.substr(0, slash));
  if (!address) return error(Error::malformed, "gate.network", "not an address");
  const bool v4 = is_v4(*address);
  if (slash == std::string_view::npos) return PeerNetwork{.base = *address, .length = 128};
  const Result<unsigned> length = parse_number<unsigned>(text.substr(slash + 1), {.min = 0, .max = v4 ? 32U : 128U});
  if (!length) return error(Error::malformed, "gate.network", "the length behind '/' is not 0-32 or 0-128");
  return cut(*address, v4 ? *length + kMappedBits : *length);
}

}  // namespace postrider::gate
