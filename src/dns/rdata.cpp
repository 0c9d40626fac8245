#include "dns/rdata.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::dns {

namespace {

constexpr std::size_t kWireNameOctetsMax = 255;  // 1035 §2.3.4

std::unexpected<Error> malformed(std::string_view what) {
  return error(Error::malformed, "dns.rdata", std::string(what));
}

std::uint8_t octet_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

/// Lower case; octets that a Name cannot hold become `\DDD` (1035 §5.1), so that such a name finds no address.
void append_label(std::string& out, std::string_view label) {
  for (const char c : label) {
    const bool plain = c > ' ' && c <= '~' && c != '\\' && c != '.';
    if (plain) {
      out += to_lower_ascii(c);
    } else {
      out += fmt::format("\\{:03}", static_cast<std::uint8_t>(c));
    }
  }
}

/// The whole of `wire` as one name; the root is empty.
Result<std::string> parse_wire_name(std::string_view wire) {
  if (wire.size() > kWireNameOctetsMax) return malformed("a name over 255 octets");
  std::string name;
  while (!wire.empty()) {
    const std::size_t size = octet_at(wire, 0);
    wire.remove_prefix(1);
    if (size == 0) return wire.empty() ? Result<std::string>(std::move(name)) : malformed("octets behind a name");
    if (size > 63 || size > wire.size()) return malformed("a label that does not fit");  // 1035 §4.1.4: or compressed
    if (!name.empty()) name += '.';
    append_label(name, wire.substr(0, size));
    wire.remove_prefix(size);
  }
  return malformed("a name without its end");
}

}  // namespace

Result<MxRecord> parse_mx_rdata(std::string_view rdata) {
  if (rdata.size() < 3) return malformed("MX too short");
  Result<std::string> exchange = parse_wire_name(rdata.substr(2));
  if (!exchange) return fail(exchange);
  const auto preference = static_cast<std::uint16_t>(octet_at(rdata, 0) << 8 | octet_at(rdata, 1));  // 1035 §3.3.9
  return MxRecord{.preference = preference, .exchange = std::move(*exchange)};
}

Result<SrvRecord> parse_srv_rdata(std::string_view rdata) {
  if (rdata.size() < 7) return malformed("SRV too short");
  Result<std::string> target = parse_wire_name(rdata.substr(6));
  if (!target) return fail(target);
  const auto number = [&](std::size_t at) {
    return static_cast<std::uint16_t>(octet_at(rdata, at) << 8 | octet_at(rdata, at + 1));
  };
  return SrvRecord{.priority = number(0), .weight = number(2), .port = number(4), .target = std::move(*target)};
}

Result<TlsaRecord> parse_tlsa_rdata(std::string_view rdata) {
  if (rdata.size() < 4) return malformed("TLSA too short");
  return TlsaRecord{.usage = octet_at(rdata, 0),
                    .selector = octet_at(rdata, 1),
                    .matching = octet_at(rdata, 2),
                    .data = std::string(rdata.substr(3))};
}

Result<std::string> parse_txt_rdata(std::string_view rdata) {
  std::string joined;
  while (!rdata.empty()) {  // 1035 §3.3.14
    const std::size_t size = octet_at(rdata, 0);
    rdata.remove_prefix(1);
    if (size > rdata.size()) return malformed("a string that does not fit");
    joined.append(rdata.substr(0, size));
    rdata.remove_prefix(size);
  }
  return joined;
}

Result<std::array<std::uint8_t, 16>> parse_a_rdata(std::string_view rdata) {
  if (rdata.size() != 4) return malformed("A is not 4 octets");
  std::array<std::uint8_t, 16> octets{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // 4291 §2.5.5.2
  std::ranges::copy(rdata, octets.begin() + 12);
  return octets;
}

Result<std::array<std::uint8_t, 16>> parse_aaaa_rdata(std::string_view rdata) {
  if (rdata.size() != 16) return malformed("AAAA is not 16 octets");
  std::array<std::uint8_t, 16> octets{};
  std::ranges::copy(rdata, octets.begin());
  return octets;
}

}  // namespace postrider::dns
