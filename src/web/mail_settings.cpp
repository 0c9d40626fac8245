#include "web/mail_settings.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {

namespace {

using enum MailService::Kind;
using enum MailService::Tls;

std::optional<int> hex_value(char c) {
  if (is_digit_ascii(c)) return c - '0';
  const char lower = to_lower_ascii(c);
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return std::nullopt;
}

/// `%` that begins no escape stays.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const std::optional<int> high = hex_value(text[i + 1]);
      const std::optional<int> low = hex_value(text[i + 2]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

const MailService* first_of(const MailSettings& settings, MailService::Kind kind) {
  const auto found = std::ranges::find(settings.services, kind, &MailService::kind);
  return found == settings.services.end() ? nullptr : &*found;
}

std::string client_config_server(const MailSettings& settings, const MailService& service, std::string_view username,
                                 bool scram) {
  const bool incoming = service.kind == pop3;
  const std::string_view element = incoming ? "incomingServer" : "outgoingServer";
  std::string out = fmt::format(
      "    <{} type=\"{}\">\n      <hostname>{}</hostname>\n      <port>{}</port>\n      <socketType>{}</socketType>\n"
      "      <username>{}</username>\n      <authentication>password-cleartext</authentication>\n",
      element, incoming ? "pop3" : "smtp", xml_escaped(settings.hostname), service.port,
      service.tls == implicit ? "SSL" : "STARTTLS", xml_escaped(username));
  if (scram) out += "      <authentication>password-encrypted</authentication>\n";
  return out + fmt::format("    </{}>\n", element);
}

std::string autodiscover_protocol(const MailSettings& settings, const MailService& service, std::string_view login) {
  return fmt::format(
      "      <Protocol>\n        <Type>{}</Type>\n        <Server>{}</Server>\n        <Port>{}</Port>\n"
      "        <LoginName>{}</LoginName>\n        <DomainRequired>off</DomainRequired>\n        <SPA>off</SPA>\n"
      "        <SSL>on</SSL>\n        <Encryption>{}</Encryption>\n        <AuthRequired>on</AuthRequired>\n"
      "      </Protocol>\n",
      service.kind == pop3 ? "POP3" : "SMTP", xml_escaped(settings.hostname), service.port, xml_escaped(login),
      service.tls == implicit ? "SSL" : "TLS");
}

constexpr std::string_view kAutodiscoverHead =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
    "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n";

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += c;
    }
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  for (const std::string_view piece : split(query, '&')) {
    const auto [key, value] = split_once(piece, '=');
    if (iequals_ascii(unescaped(key), name)) return unescaped(value);
  }
  return std::nullopt;
}

Result<SettingsWanted> parse_settings_wanted(std::string_view query, std::string_view host) {
  for (const std::string_view name : {"emailaddress", "email"}) {
    const std::optional<std::string> text = query_value(query, name);
    if (!text || text->empty()) continue;
    const Result<mail::Address> address = mail::Address::parse(*text, mail::Utf8::yes);
    if (!address) return fail(address);
    return SettingsWanted{.domain = address->domain(), .address = *address};
  }
  std::string_view name = host.substr(0, host.find(':'));  // a name has no colon
  for (const std::string_view label : {"autoconfig.", "autodiscover."}) {
    if (istarts_with_ascii(name, label)) {
      name.remove_prefix(label.size());
      break;
    }
  }
  const Result<mail::Domain> domain = mail::Domain::parse(name);
  if (!domain) return fail(domain);
  return SettingsWanted{.domain = *domain, .address = std::nullopt};
}

std::string to_client_config(const MailSettings& settings, const SettingsWanted& wanted, bool scram) {
  const std::string domain = xml_escaped(wanted.domain.text());
  const std::string username = wanted.address ? wanted.address->text() : "%EMAILADDRESS%";
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{0}\">\n"
      "    <domain>{0}</domain>\n    <displayName>{0}</displayName>\n"
      "    <displayShortName>{0}</displayShortName>\n",
      domain);
  for (const MailService::Kind kind : {pop3, submission}) {
    for (const MailService& service : settings.services) {
      if (service.kind == kind) out += client_config_server(settings, service, username, scram);
    }
  }
  return out + "  </emailProvider>\n</clientConfig>\n";
}

std::string to_autodiscover(const MailSettings& settings, const mail::Address& address) {
  std::string out(kAutodiscoverHead);
  out += fmt::format(
      "  <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n"
      "    <User>\n      <DisplayName>{}</DisplayName>\n    </User>\n    <Account>\n"
      "      <AccountType>email</AccountType>\n      <Action>settings</Action>\n",
      xml_escaped(address.text()));
  for (const MailService::Kind kind : {pop3, submission}) {
    const MailService* const service = first_of(settings, kind);
    if (service != nullptr) out += autodiscover_protocol(settings, *service, address.text());
  }
  return out + "    </Account>\n  </Response>\n</Autodiscover>\n";
}

std::string autodiscover_error() {
  return std::string(kAutodiscoverHead) +
         "  <Response>\n    <Error>\n      <ErrorCode>600</ErrorCode>\n      <Message>Invalid Request</Message>\n"
         "      <DebugData/>\n    </Error>\n  </Response>\n</Autodiscover>\n";
}

Result<std::string> to_autodiscover_json(const MailSettings& settings, std::string_view protocol) {
  if (settings.autodiscover_url.empty() || !iequals_ascii(protocol, "AutodiscoverV1")) {
    return error(Error::unsupported, "web.autodiscover", "AutodiscoverV1 only");
  }
  return fmt::format("{{\"Protocol\":\"AutodiscoverV1\",\"Url\":{}}}\n", json_quoted(settings.autodiscover_url));
}

}  // namespace postrider::web
