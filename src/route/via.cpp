#include "route/via.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "dns/resolver.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

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
    return error(Error::malformed, "route.via",
                 "want host:port, mx, mx:NAME, smtps://host:port, lmtp://host:port, lmtp+unix:PATH, local, hold, "
                 "discard or error:STATUS text");
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

constexpr std::string_view kLmtp = "lmtp://";
constexpr std::string_view kSmtps = "smtps://";
constexpr std::string_view kSmtpsPort = ":465";  // 8314 §7.3

/// Behind the scheme; the port may be left out.
Result<Via> parse_smtps(std::string_view text) {
  const bool has_port = text.rfind(':') != std::string_view::npos && !text.ends_with(']');
  Result<Via> via = parse_host(has_port ? text : std::string(text) + std::string(kSmtpsPort));
  if (via) std::get<ViaHost>(*via).tls_from_start = true;
  return via;
}
constexpr std::string_view kLmtpUnix = "lmtp+unix:";

Result<Via> parse_unix(std::string_view path) {
  if (path.empty()) return error(Error::malformed, "route.via", "after lmtp+unix: comes the path of a socket");
  if (path.size() >= sizeof(sockaddr_un{}.sun_path))
    return error(Error::too_long, "route.via", "the path of a socket has at most 107 octets");
  if (path != printable_ascii(path, path.size()))
    return error(Error::malformed, "route.via", "the path of a socket must be printable ASCII");
  return ViaUnix{.path = std::string(path)};
}

/// "example.test", "*.example.test" or "*", as it is compared; nullopt: none of these.
std::optional<std::string> domain_pattern(std::string_view text) {
  if (text == "*") return std::string(text);
  const std::string_view star = text.starts_with("*.") ? text.substr(0, 2) : std::string_view();
  const Result<mail::Domain> parsed = mail::Domain::parse(text.substr(star.size()));
  if (!parsed || (!star.empty() && parsed->is_literal())) return std::nullopt;
  return std::string(star) + parsed->text();
}

/// "a@example.test" or "@example.test", as it is compared; nullopt: neither.
std::optional<std::string> address_pattern(std::string_view text) {
  if (text.starts_with('@')) {
    const Result<mail::Domain> parsed = mail::Domain::parse(text.substr(1));
    return parsed ? std::optional('@' + parsed->text()) : std::nullopt;
  }
  const Result<mail::Address> parsed = mail::Address::parse(text);
  return parsed ? std::optional(lowered_ascii(parsed->text())) : std::nullopt;
}

std::optional<std::string> sender_pattern(std::string_view text) {
  if (text.empty() || text == "<>") return std::string(text);
  return text.starts_with('*') ? domain_pattern(text) : address_pattern(text);
}

/// `address` in lower case.
bool is_or_is_in(std::string_view address, std::string_view pattern) {
  return pattern.starts_with('@') ? address.ends_with(pattern) : address == pattern;
}

bool takes_sender(std::string_view pattern, const mail::Path& sender) {
  if (pattern.empty()) return true;
  if (sender.is_null()) return pattern == "<>";
  if (pattern.starts_with('*')) return matches(pattern, sender.address().domain().text());
  return is_or_is_in(lowered_ascii(sender.text()), pattern);
}

Result<void> check_from(const StaticRoute& route) {
  if (!sender_pattern(route.sender)) {
    return error(Error::malformed, "route.sender",
                 '"' + route.sender + R"(" is not an address, "@domain", "*.domain" or "<>")");
  }
  if (!route.account.empty() && !address_pattern(route.account))
    return error(Error::malformed, "route.account", '"' + route.account + R"(" is not an address or "@domain")");
  return {};
}

/// It does not leave this host, so that nobody hears it.
bool stays_here(const Via& via) {
  const auto* const host = std::get_if<ViaHost>(&via);
  return std::holds_alternative<ViaUnix>(via) || (host != nullptr && host->address && is_loopback(*host->address));
}

/// A hop whose name is known from the route, or is that of another's say-so.
bool has_name(const Via& via) {
  const auto* const host = std::get_if<ViaHost>(&via);
  return host == nullptr || !host->address;
}

Result<void> check_login(const StaticRoute& route, const Via& via) {
  if (route.credentials.secret.empty() || !is_way(via)) return {};
  const auto wrong = [](std::string why) { return error(Error::malformed, "route.auth", std::move(why)); };
  const auto* const exchanger = std::get_if<ViaMx>(&via);
  if (exchanger != nullptr && exchanger->name.empty())
    return wrong("via = \"mx\" would show the password to everybody's mail exchanger: name the smart host");
  if (std::holds_alternative<ViaUnix>(via)) return {};
  if (route.tls == TlsPolicy::opportunistic)
    return wrong("goes with tls = \"required\" or \"verified\": opportunistic TLS may be none");
  if (route.tls == TlsPolicy::none && !stays_here(via))
    return wrong("without TLS would show the password (tls = \"none\" goes with it on 127.0.0.1 and ::1 only)");
  return {};
}

/// TLS and AUTH by what the ways of the route are.
Result<void> check_security(const StaticRoute& route) {
  const Credentials& with = route.credentials;
  const auto wrong = [](std::string_view place, std::string why) {
    return error(Error::malformed, place, std::move(why));
  };
  if (!with.client_key.empty() && with.client_certificate.empty())
    return wrong("route.client_key", "belongs to a client_certificate");
  if (!with.tls_name.empty() && !dns::Name::parse(with.tls_name))
    return wrong("route.tls_name", '"' + with.tls_name + "\" is not a host name");
  bool some_tls = false;
  for (const std::string& text : route.via) {
    const Via via = *parse_via(text);
    if (const Result<void> login = check_login(route, via); !login) return login;
    const auto* const host = std::get_if<ViaHost>(&via);
    const bool may_be_clear = route.tls == TlsPolicy::none || route.tls == TlsPolicy::opportunistic;
    if (host != nullptr && host->tls_from_start && may_be_clear)
      return wrong("route.tls", "smtps:// is TLS from the start: it goes with \"required\" and \"verified\"");
    if (std::holds_alternative<ViaUnix>(via) && route.tls == TlsPolicy::verified)
      return wrong("route.tls", "a Unix socket has no TLS");
    if (tls_of(route, via) == TlsPolicy::verified && with.tls_name.empty() && !has_name(via))
      return wrong(route.tls == TlsPolicy::verified ? "route.tls" : "route.auth",
                   "wants a certificate for a name, and the via is an address (set tls_name)");
    some_tls = some_tls || (is_way(via) && tls_of(route, via) != TlsPolicy::none);
  }
  if (!some_tls && (!with.tls_name.empty() || !with.tls_authorities.empty() || !with.client_certificate.empty()))
    return wrong("route.tls", "\"none\" needs no tls_name, tls_ca and client_certificate");
  return {};
}

}  // namespace

std::string_view name_of(TlsPolicy policy) {
  switch (policy) {
    case TlsPolicy::automatic: return "auto";
    case TlsPolicy::none: return "none";
    case TlsPolicy::opportunistic: return "opportunistic";
    case TlsPolicy::required: return "required";
    case TlsPolicy::verified: return "verified";
  }
  return "auto";
}

TlsPolicy tls_of(const StaticRoute& route, const Via& via) {
  if (std::holds_alternative<ViaUnix>(via)) return TlsPolicy::none;
  if (route.tls != TlsPolicy::automatic) return route.tls;
  if (!route.credentials.secret.empty()) return TlsPolicy::verified;
  const auto* const host = std::get_if<ViaHost>(&via);
  return host != nullptr && host->tls_from_start ? TlsPolicy::required : TlsPolicy::automatic;
}

bool is_loopback(const AddressOctets& address) {
  constexpr AddressOctets kV6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr AddressOctets kV4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127};
  constexpr std::ptrdiff_t kV4Network = 13;
  return address == kV6 || std::equal(kV4.begin(), kV4.begin() + kV4Network, address.begin());
}

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
  if (text == "local") return ViaLocal{};
  if (text == "hold") return ViaHold{};
  if (text == "discard") return ViaDiscard{};
  if (text.starts_with("error:")) return parse_error(text.substr(6));
  if (text.starts_with(kLmtpUnix)) return parse_unix(text.substr(kLmtpUnix.size()));
  if (text.starts_with(kLmtp)) {
    Result<Via> via = parse_host(text.substr(kLmtp.size()));
    if (via) std::get<ViaHost>(*via).protocol = HopProtocol::lmtp;
    return via;
  }
  if (text.starts_with(kSmtps)) return parse_smtps(text.substr(kSmtps.size()));
  if (text.find("://") != std::string_view::npos)
    return error(Error::malformed, "route.via", "of the forms with :// there are smtps:// and lmtp://");
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

bool takes(const StaticRoute& route, const Query& query) {
  if (query.is_local && !route.match_local) return false;
  if (!matches(route.domain, query.domain.text())) return false;
  if (!takes_sender(route.sender, query.sender)) return false;
  return route.account.empty() || is_or_is_in(lowered_ascii(query.account), route.account);
}

StaticRoute normalized(StaticRoute route) {
  route.domain = domain_pattern(route.domain).value_or(std::move(route.domain));
  route.sender = sender_pattern(route.sender).value_or(std::move(route.sender));
  if (!route.account.empty()) route.account = address_pattern(route.account).value_or(std::move(route.account));
  return route;
}

Result<void> check_route(const StaticRoute& route) {
  if (!domain_pattern(route.domain))
    return error(Error::malformed, "route.domain", '"' + route.domain + "\" is not a domain, \"*.domain\" or \"*\"");
  if (const Result<void> good = check_from(route); !good) return good;
  if (route.via.empty()) return error(Error::malformed, "route.via", "\"" + route.domain + "\" has no via");
  if (route.via.size() > kViasMax)
    return error(Error::too_long, "route.via", fmt::format("a list has at most {}", kViasMax));
  for (std::size_t i = 0; i < route.via.size(); ++i) {
    const Result<Via> via = parse_via(route.via[i]);
    if (!via) return error(via.error().code, via.error().place, '"' + route.via[i] + "\": " + via.error().detail);
    if (!is_way(*via) && i + 1 < route.via.size()) {
      return error(Error::malformed, "route.via",
                   '"' + route.via[i] + "\" is never passed: what is behind it in the list is never tried");
    }
  }
  if (const Result<void> good = check_security(route); !good) return good;
  if (!route.source.empty() && !parse_address(route.source))
    return error(Error::malformed, "route.source", '"' + route.source + "\" is not an IPv4 or IPv6 address");
  if (!route.hello.empty() && !mail::Domain::parse(route.hello))
    return error(Error::malformed, "route.helo", '"' + route.hello + "\" is not a host name");
  return {};
}

}  // namespace postrider::route
