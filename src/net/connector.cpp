#include "net/connector.hpp"

#include "core/await.hpp"

#include <algorithm>
#include <ranges>

namespace postrider::net {

namespace {

struct Range {
  std::array<std::uint8_t, 16> first;
  unsigned length;  // in bits, of the family's own form
};

/// Special-purpose IPv4 (6890 and its registry). The documentation networks (5737) are left out: nobody routes them,
/// and tests use them as public addresses.
constexpr auto kForbidden4 = std::to_array<Range>({
    {{0}, 8},             // "this network", 1122 §3.2.1.3
    {{10}, 8},            // private, 1918 §3
    {{100, 64}, 10},      // shared, 6598 §7
    {{127}, 8},           // loopback, 1122 §3.2.1.3
    {{169, 254}, 16},     // link-local, 3927 §2.1
    {{172, 16}, 12},      // private, 1918 §3
    {{192, 0, 0}, 24},    // protocol assignments, 6890 §2.1
    {{192, 88, 99}, 24},  // 6to4 relays, 7526 §4
    {{192, 168}, 16},     // private, 1918 §3
    {{198, 18}, 15},      // benchmarks, 2544
    {{224}, 4},           // multicast, 5771
    {{240}, 4},           // reserved, and the broadcast address, 1112 §4
});

/// IPv6 outside global unicast is forbidden as a whole; these lie inside it.
constexpr auto kForbidden6 = std::to_array<Range>({
    {{0x20, 0x01, 0x00, 0x00}, 32},  // Teredo, 4380: a tunnel to whatever IPv4 address it carries
    {{0x20, 0x01, 0x00, 0x10}, 28},  // ORCHID, 4843: names, not places
    {{0x20, 0x01, 0x00, 0x20}, 28},  // ORCHIDv2, 7343
});

bool in_range(std::span<const std::uint8_t> octets, const Range& range) {
  const auto bits_differ = [&](unsigned bit) {
    return ((octets[bit / 8] ^ range.first[bit / 8]) >> (7 - bit % 8) & 1U) != 0;
  };
  return std::ranges::none_of(std::views::iota(0U, range.length), bits_differ);
}

bool in_any(std::span<const std::uint8_t> octets, std::span<const Range> ranges) {
  return std::ranges::any_of(ranges, [octets](const Range& range) { return in_range(octets, range); });
}

constexpr Range kGlobalUnicast{{0x20}, 3};             // 4291 §2.4
constexpr Range kSixToFour{{0x20, 0x02}, 16};          // 3056 §2
constexpr Range kNat64{{0x00, 0x64, 0xFF, 0x9B}, 96};  // 6052 §2.1

}  // namespace

bool is_forbidden(const Address& address) {
  const std::span<const std::uint8_t> octets(address.octets());
  if (address.is_v4()) return in_any(octets.last<4>(), kForbidden4);
  if (in_range(octets, kNat64)) return in_any(octets.last<4>(), kForbidden4);
  if (in_range(octets, kSixToFour)) return in_any(octets.subspan<2, 4>(), kForbidden4);
  return !in_range(octets, kGlobalUnicast) || in_any(octets, kForbidden6);
}

Connector::Connector(Network* network, std::vector<Network4Or6> allow_private)
    : network_(network), allow_private_(std::move(allow_private)) {}

bool Connector::refuses(const Address& address) const {
  const auto holds_it = [&](const Network4Or6& network) { return network.contains(address); };
  if (std::ranges::any_of(allow_private_, holds_it)) return false;
  return is_forbidden(address) || std::ranges::count(network_->own_addresses(), address) > 0;
}

Task<Result<std::unique_ptr<Stream>>> Connector::connect(Endpoint to, FoundBy found_by, std::optional<Address> source,
                                                         SteadyTime until) {
  const bool judged = found_by == FoundBy::dns;
  if (judged && (!to.unix_path.empty() || refuses(to.address))) {
    co_return error(Error::denied, "net.connect", to.to_text() + " is not a public address");
  }
  co_return co_await network_->dial(std::move(to), source, until);
}

}  // namespace postrider::net
