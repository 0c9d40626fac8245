#include "core/numbers.hpp"
#include "core/text.hpp"
#include "net/net.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>

namespace postrider::net {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // 4291 §2.5.5.2
constexpr std::size_t kUnixPathOctetsMax = sizeof(sockaddr_un::sun_path) - 1;

/// Whether `a` and `b` agree in their first `bits` bits.
bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (a[whole] >> (8 - rest)) == (b[whole] >> (8 - rest));
}

}  // namespace

Address Address::v4(std::array<std::uint8_t, 4> octets) {
  Address address;
  std::ranges::copy(kMappedPrefix, address.octets_.begin());
  std::ranges::copy(octets, address.octets_.begin() + kMappedPrefix.size());
  return address;
}

Address Address::v6(std::array<std::uint8_t, 16> octets) {
  Address address;
  address.octets_ = octets;
  return address;
}

Result<Address> Address::parse(std::string_view text) {
  const std::string terminated(text);  // inet_pton wants an end, so an octet NUL would cut the text short
  if (text.find('\0') != std::string_view::npos) return error(Error::malformed, "net.address", "NUL in an address");
  std::array<std::uint8_t, 4> four{};
  if (::inet_pton(AF_INET, terminated.c_str(), four.data()) == 1) return v4(four);
  std::array<std::uint8_t, 16> sixteen{};
  if (::inet_pton(AF_INET6, terminated.c_str(), sixteen.data()) == 1) return v6(sixteen);
  return error(Error::malformed, "net.address", "not an IPv4 or IPv6 address");
}

bool Address::is_v4() const { return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets_.begin()); }

std::string Address::to_text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4()) {
    ::inet_ntop(AF_INET, octets_.data() + kMappedPrefix.size(), text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, octets_.data(), text.data(), text.size());
  }
  return text.data();
}

std::string Address::to_literal() const { return (is_v4() ? "[" : "[IPv6:") + to_text() + "]"; }  // 5321 §4.1.3

Result<Network4Or6> Network4Or6::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Result<Address> base = Address::parse(text.substr(0, slash));
  if (!base) return fail(base);
  Network4Or6 network;
  network.base_ = *base;
  network.length_ = 128;
  if (slash != std::string_view::npos) {
    const Result<unsigned> length =
        parse_number<unsigned>(text.substr(slash + 1), {.min = 0, .max = base->is_v4() ? 32U : 128U});
    if (!length) return error(Error::malformed, "net.network", "the length behind '/' is not 0-32 or 0-128");
    network.length_ = base->is_v4() ? *length + 96 : *length;
  }
  for (unsigned bit = network.length_; bit < 128; ++bit) {
    if ((base->octets()[bit / 8] >> (7 - bit % 8) & 1U) != 0) {
      return error(Error::malformed, "net.network", "bits are set behind the length");
    }
  }
  return network;
}

bool Network4Or6::contains(const Address& address) const {
  if (address.is_v4() != base_.is_v4()) return false;  // ::/0 does not mean IPv4
  return same_prefix(base_.octets(), address.octets(), length_);
}

std::string Network4Or6::to_text() const {
  return base_.to_text() + "/" + std::to_string(base_.is_v4() ? length_ - 96 : length_);
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  Endpoint endpoint;
  if (text.starts_with("unix:")) {
    endpoint.unix_path = text.substr(5);
    if (endpoint.unix_path.empty() || endpoint.unix_path.size() > kUnixPathOctetsMax ||
        endpoint.unix_path.find('\0') != std::string::npos) {
      return error(Error::malformed, "net.endpoint", "a Unix socket's path has 1-107 octets");
    }
    return endpoint;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return error(Error::malformed, "net.endpoint", "want ADDRESS:PORT");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const Result<Address> address = Address::parse(host);
  if (!address) return fail(address);
  if (bracketed != (host.find(':') != std::string_view::npos)) {
    return error(Error::malformed, "net.endpoint", "an IPv6 address stands in brackets, no other does");
  }
  const Result<std::uint16_t> port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return error(Error::malformed, "net.endpoint", "the port is not 0-65535");
  endpoint.address = *address;
  endpoint.port = *port;
  return endpoint;
}

std::string Endpoint::to_text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const std::string host = address.to_text();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace postrider::net
