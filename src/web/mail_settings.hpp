// What a mail program is told so that its user types an address and a password only: Thunderbird's autoconfig,
// Outlook's autodiscover. Pure. Answers name what is listened to, and say nothing of accounts.
#pragma once

#include "core/result.hpp"
#include "mail/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::web {

inline constexpr std::size_t kAutodiscoverOctetsMax = 64 * 1024;

/// Protected by TLS, always: settings that show a password to the network are nothing to find.
struct MailService {
  enum class Kind : std::uint8_t { pop3, submission };
  enum class Tls : std::uint8_t { implicit, starttls };
  Kind kind = Kind::submission;
  Tls tls = Tls::implicit;
  std::uint16_t port = 0;
};

struct MailSettings {
  std::string hostname;
  std::vector<MailService> services;  ///< of a kind the first is the one to take
  std::string autodiscover_url;       ///< https; empty: not served
};

/// Whose settings: an address, or a domain where the request does not say more.
struct SettingsWanted {
  mail::Domain domain;
  std::optional<mail::Address> address;
};

/// Takes  the query of the request (`emailaddress=`, `email=`), else the name in its Host field, where a first label
/// `autoconfig` or `autodiscover` counts for nothing. Errors  malformed: neither has a domain.
[[nodiscard]] Result<SettingsWanted> parse_settings_wanted(std::string_view query, std::string_view host);

/// The value of `name` in a query, its escapes resolved; `+` stays, as addresses have it. Names in any case.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);

/// Thunderbird's config-v1.1. `scram`: SCRAM is offered. The password inside TLS comes first all the same: what
/// programs mean by the other is CRAM-MD5 in some of them.
[[nodiscard]] std::string to_client_config(const MailSettings& settings, const SettingsWanted& wanted, bool scram);

/// The address in Outlook's request. Errors  malformed: not that document, a DTD in it, or no address; too_long.
[[nodiscard]] Result<mail::Address> parse_autodiscover_request(std::string_view body);
[[nodiscard]] std::string to_autodiscover(const MailSettings& settings, const mail::Address& address);
/// Outlook's 600, "Invalid Request".
[[nodiscard]] std::string autodiscover_error();

/// Autodiscover version 2: where the document for `protocol` is. Errors  unsupported: another one than AutodiscoverV1.
[[nodiscard]] Result<std::string> to_autodiscover_json(const MailSettings& settings, std::string_view protocol);

/// For text and attributes.
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace postrider::web
