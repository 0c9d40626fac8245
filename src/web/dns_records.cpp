#include "web/dns_records.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::web {

namespace {

constexpr std::size_t kTxtStringOctetsMax = 255;  // 1035 §3.3.14
constexpr int kLifetime = 3600;                   // seconds; an hour, so that a change is seen soon

/// Quoted strings of at most 255 octets; quotes and backslashes are escaped (1035 §5.1).
std::string to_strings(std::string_view text) {
  std::string out;
  do {
    std::string quoted;
    for (const char c : text.substr(0, kTxtStringOctetsMax)) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    out += (out.empty() ? "\"" : " \"") + quoted + '"';
    text.remove_prefix(std::min(kTxtStringOctetsMax, text.size()));
  } while (!text.empty());
  return out;
}

DnsRecord txt_record(std::string owner, std::string text, std::string_view purpose, bool needed) {
  std::string data = to_strings(text);
  return {.owner = std::move(owner),
          .type = "TXT",
          .data = std::move(data),
          .purpose = purpose,
          .needed = needed,
          .text = std::move(text)};
}

// 6186 §3, 8314 §5.1: what programs look for, in the order in which they should like it.
constexpr auto kServices =
    std::to_array<std::string_view>({"submissions", "submission", "imaps", "imap", "pop3s", "pop3"});

void add_services(std::vector<DnsRecord>& records, const std::string& domain, const DnsFacts& facts) {
  for (const std::string_view service : kServices) {
    const auto port = facts.ports.find(std::string(service));
    std::string data = "0 0 0 .";  // 2782: not here
    if (port != facts.ports.end()) data = fmt::format("0 1 {} {}.", port->second, facts.hostname.text());
    records.push_back({.owner = fmt::format("_{}._tcp.{}", service, domain),
                       .type = "SRV",
                       .data = std::move(data),
                       .purpose = "srv"});
  }
}

/// 7672 §3.1.1: of the key itself, so that a new certificate with the same key needs no new record.
void add_certificates(std::vector<DnsRecord>& records, const DnsFacts& facts) {
  std::vector<std::uint16_t> ports{25};
  for (const std::string_view service : kServices) {
    const auto port = facts.ports.find(std::string(service));
    if (port != facts.ports.end() && std::ranges::find(ports, port->second) == ports.end())
      ports.push_back(port->second);
  }
  for (const std::uint16_t port : ports) {
    for (const std::string& digest : facts.spki_sha256) {
      records.push_back({.owner = fmt::format("_{}._tcp.{}", port, facts.hostname.text()),
                         .type = "TLSA",
                         .data = "3 1 1 " + digest,
                         .purpose = "tlsa"});
    }
  }
}

}  // namespace

DnsRecord make_dkim_record(const mail::Domain& domain, const directory::DkimKey& key) {
  const bool is_rsa = key.algorithm == directory::DkimAlgorithm::rsa_sha256;
  return txt_record(fmt::format("{}._domainkey.{}", key.selector, domain.text()),
                    fmt::format("v=DKIM1; k={}; p={}", is_rsa ? "rsa" : "ed25519", key.public_key), "dkim", key.active);
}

std::vector<DnsRecord> make_dns_records(const mail::Domain& domain, directory::DomainKind kind,
                                        const std::vector<directory::DkimKey>& keys, const DnsFacts& facts) {
  const std::string& name = domain.text();
  std::vector<DnsRecord> records;
  records.push_back({.owner = name,
                     .type = "MX",
                     .data = fmt::format("10 {}.", facts.hostname.text()),
                     .purpose = "mx",
                     .needed = true});
  if (kind != directory::DomainKind::relay) {
    records.push_back(txt_record(name, "v=spf1 mx -all", "spf", true));
    for (const directory::DkimKey& key : keys) records.push_back(make_dkim_record(domain, key));
    records.push_back(txt_record("_dmarc." + name,
                                 fmt::format("v=DMARC1; p=quarantine; rua=mailto:postmaster@{}", name), "dmarc", true));
    records.push_back(
        txt_record("_smtp._tls." + name, fmt::format("v=TLSRPTv1; rua=mailto:postmaster@{}", name), "tlsrpt", false));
    add_services(records, name, facts);
  }
  add_certificates(records, facts);
  return records;
}

std::string to_zone_line(const DnsRecord& record) {
  return fmt::format("{}. {} IN {} {}", record.owner, kLifetime, record.type, record.data);
}

std::vector<std::string> dns_advice(const mail::Domain& domain, directory::DomainKind kind,
                                    const std::vector<directory::DkimKey>& keys, const DnsFacts& facts) {
  const std::string& host = facts.hostname.text();
  std::vector<std::string> lines{
      fmt::format("; {}. needs A and AAAA records, and its addresses PTR records with that name", host)};
  if (kind == directory::DomainKind::relay) return lines;
  if (keys.empty())
    lines.push_back(fmt::format("; no DKIM keys, nothing is signed: postrider domain dkim {} add", domain.text()));
  for (const directory::DkimKey& key : keys) {
    if (!key.active) lines.push_back(fmt::format("; {}: published, but does not sign", key.selector));
  }
  if (facts.spki_sha256.empty()) {
    lines.emplace_back("; no certificate is configured: no TLSA records");
  } else {
    lines.emplace_back("; TLSA records count only where DNSSEC signs them; publish the next key's before it is used");
  }
  lines.push_back(fmt::format("; MTA-STS (RFC 8461) is not served by this version. Any web server can: serve"));
  lines.push_back(fmt::format(
      "; https://mta-sts.{}/.well-known/mta-sts.txt with the lines version: STSv1, mode: testing,", domain.text()));
  lines.push_back(
      fmt::format("; mx: {}, max_age: 604800; then add _mta-sts.{}. TXT \"v=STSv1; id=1\"", host, domain.text()));
  lines.emplace_back("; mail programs find their settings by the SRV records");
  return lines;
}

}  // namespace postrider::web
