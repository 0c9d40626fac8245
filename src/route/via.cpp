#include "route/via.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "dns/resolver.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace postrider::route {

namespace {

/// `class.subject.detail` of a refusal (3463 §2).
bool is_refusal_status(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 3 || (parts[0] != "4" && parts[0] != "5")) return false;
  return std::ranges::all_of(parts, [](std::string_view part) {
    return parse_number<std::uint16_t>(part, {.min = 0, .max = 999}).has_value();
  });
}

Result<Via> parse_error(std::string_view text) {
  const auto [status, words] = split_once(text, ' ');
  if (!is_refusal_status(status))
    return error(Error::malformed, "route.via", "after error: comes a status such as 5.1.2");
  const std::string_view said = trimmed(words);
  if (said != printable_ascii(said, said.size()))
    return error(Error::malformed, "route.via", "error text must be printable ASCII");
  return ViaError{.status = std::string(status), .text = std::string(said.empty() ? "no route" : said)};
}

Result<Via> parse_host(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return error(Error::malformed, "route.via", "want host:port, mx, mx:NAME, hold, discard or error:STATUS text");
  }
  const Result<std::uint16_t> port = parse_number<std::uint16_t>(text.substr(colon + 1), {.min = 1, .max = 65535});
  if (!port) return error(Error::malformed, "route.via", "the port must be a number from 1 to 65535");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<AddressOctets> address = parse_address(host);
  const bool has_colon = host.find(':') != std::string_view::npos;
  if (bracketed && !address) return error(Error::malformed, "route.via", "no address between the brackets");
  if (!bracketed && has_colon)
    return error(Error::malformed, "route.via", "an IPv6 address needs brackets: [2001:db8::1]:25");
  if (address) return ViaHost{.host = lowered_ascii(host), .address = address, .port = *port};
  const Result<dns::Name> name = dns::Name::parse(host);
  if (!name) return error(Error::malformed, "route.via", "the host is neither a name nor an address");
  return ViaHost{.host = name->text(), .address = std::nullopt, .port = *port};
}

}  // namespace

std::optional<AddressOctets> parse_address(std::string_view text) {
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  AddressOctets octets{};
  if (inet_pton(AF_INET6, terminated.c_str(), octets.data()) == 1) return octets;
  AddressOctets mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (inet_pton(AF_INET, terminated.c_str(), mapped.data() + 12) == 1) return mapped;
  return std::nullopt;
}

Result<Via> parse_via(std::string_view text) {
  if (text == "mx") return ViaMx{};
  if (text == "hold") return ViaHold{};
  if (text == "discard") return ViaDiscard{};
  if (text.starts_with("error:")) return parse_error(text.substr(6));
  const bool is_port = text.starts_with("mx:") && parse_number<std::uint16_t>(text.substr(3)).has_value();
  if (!text.starts_with("mx:") || is_port) return parse_host(text);  // "mx:25" is a host named mx
  const Result<dns::Name> name = dns::Name::parse(text.substr(3));
  if (!name) return error(Error::malformed, "route.via", "after mx: comes a domain name");
  return ViaMx{.name = name->text()};
}

bool matches(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  if (pattern.starts_with("*.")) return domain.size() >= pattern.size() && domain.ends_with(pattern.substr(1));
  return domain == pattern;
}

Result<void> check_route(const StaticRoute& route) {
  std::string_view domain = route.domain;
  if (domain != "*") {
    if (domain.starts_with("*.")) domain.remove_prefix(2);
    const Result<mail::Domain> parsed = mail::Domain::parse(domain);
    if (!parsed)
      return error(Error::malformed, "route.domain", '"' + route.domain + "\" is not a domain, \"*.domain\" or \"*\"");
  }
  if (route.via.empty()) return error(Error::malformed, "route.via", "\"" + route.domain + "\" has no via");
  for (const std::string& text : route.via) {
    const Result<Via> via = parse_via(text);
    if (!via) return error(via.error().code, via.error().place, '"' + text + "\": " + via.error().detail);
  }
  return {};
}

}  // namespace postrider::route
