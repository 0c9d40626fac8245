#include "net/proxy_header.hpp"

#include "core/check.hpp"
#include "core/numbers.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace postrider::net {

namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);  // §2.2
constexpr std::string_view kLineStart = "PROXY ";                   // §2.1
constexpr std::size_t kBlockStartOctets = 16;
constexpr std::string_view kPlace = "net.proxy_header";

std::unexpected<Error> malformed(std::string what) { return error(Error::malformed, kPlace, std::move(what)); }

std::uint8_t octet(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }
std::uint16_t number16(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(octet(text, at) << 8U | octet(text, at + 1));
}

template <std::size_t size>
std::array<std::uint8_t, size> octets_at(std::string_view text, std::size_t at) {
  std::array<std::uint8_t, size> out{};
  for (std::size_t i = 0; i < size; ++i) out[i] = octet(text, at + i);
  return out;
}

/// A port as version 1 writes it: no leading zeros.
Result<std::uint16_t> parse_port(std::string_view text) {
  if (text.size() > 1 && text.starts_with('0')) return malformed("a port");
  return parse_number<std::uint16_t>(text);
}

}  // namespace

std::size_t ProxyHeaderReader::wanted() const {
  if (complete_) return 0;
  if (octets_.size() < kSignature.size()) return kSignature.size() - octets_.size();  // no header is shorter
  if (!octets_.starts_with(kSignature)) return 1;                                     // up to the LF
  if (octets_.size() < kBlockStartOctets) return kBlockStartOctets - octets_.size();
  return kBlockStartOctets + number16(octets_, 14) - octets_.size();
}

Result<void> ProxyHeaderReader::append(std::string_view octets) {
  check(octets.size() <= wanted(), "proxy header: more octets than were wanted");
  octets_ += octets;
  const std::string_view seen = octets_;
  if (kSignature.starts_with(seen.substr(0, kSignature.size()))) {
    if (seen.size() < kBlockStartOctets) return {};
    if (number16(seen, 14) > kProxyBlockOctetsMax) return error(Error::too_long, kPlace, "the block of version 2");
    if (octet(seen, 12) >> 4U != 2) return malformed("the version");
    return wanted() == 0 ? read_block() : Result<void>();
  }
  if (!seen.starts_with(kLineStart.substr(0, seen.size()))) return malformed("no PROXY header");
  if (seen.substr(0, kSignature.size()).contains('\n')) return malformed("the line is too short");
  if (seen.ends_with('\n')) return read_line();
  if (seen.size() >= kProxyLineOctetsMax) return error(Error::too_long, kPlace, "the line of version 1");
  return {};
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 25` (§2.1).
Result<void> ProxyHeaderReader::read_line() {
  if (!octets_.ends_with("\r\n")) return malformed("the line does not end in CRLF");
  const std::string_view line(octets_.data(), octets_.size() - 2);
  const std::vector<std::string_view> words = split(line, ' ');
  complete_ = true;
  if (words.size() >= 2 && words[1] == "UNKNOWN") return {};
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return malformed("the line of version 1");
  const Result<Address> source = Address::parse(words[2]);
  const Result<Address> destination = Address::parse(words[3]);
  const Result<std::uint16_t> port = parse_port(words[4]);
  const Result<std::uint16_t> own_port = parse_port(words[5]);
  if (!source || !destination || !port || !own_port) return malformed("an address or port");
  const bool four = words[1] == "TCP4";
  if (words[2].contains(':') == four || words[3].contains(':') == four)
    return malformed("an address of the other kind");
  client_ = Endpoint{.address = *source, .port = *port, .unix_path = {}};
  return {};
}

/// §2.2: command, family, addresses.
Result<void> ProxyHeaderReader::read_block() {
  complete_ = true;
  const unsigned command = octet(octets_, 12) & 0x0FU;
  if (command > 1) return malformed("the command");
  if (command == 0) return {};  // LOCAL: the proxy itself, a health check
  const std::string_view block = std::string_view(octets_).substr(kBlockStartOctets);
  switch (octet(octets_, 13)) {
    case 0x11:  // TCP over IPv4
      if (block.size() < 12) return malformed("too short for IPv4");
      client_ = Endpoint{.address = Address::v4(octets_at<4>(block, 0)), .port = number16(block, 8), .unix_path = {}};
      return {};
    case 0x21:  // TCP over IPv6
      if (block.size() < 36) return malformed("too short for IPv6");
      client_ = Endpoint{.address = Address::v6(octets_at<16>(block, 0)), .port = number16(block, 32), .unix_path = {}};
      return {};
    case 0x00:             // unspecified
    case 0x31: return {};  // a Unix socket: no address to take over
    default: return malformed("the family");
  }
}

}  // namespace postrider::net
