// The records that a domain should have in the DNS, and whether they are there.
#pragma once

#include "core/task.hpp"
#include "directory/directory.hpp"
#include "directory/dkim_keys.hpp"
#include "dns/resolver.hpp"
#include "mail/address.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::web {

/// What the records say of this host.
struct DnsFacts {
  mail::Domain hostname;
  /// Ports that are listened on, of "submissions", "submission", "pop3s", "pop3" …; one that is not here is not served.
  std::map<std::string, std::uint16_t> ports;
  std::vector<std::string> spki_sha256;  ///< hexadecimal, of each certificate for `hostname`; empty: no TLS
};

/// Where the facts are, and who can be asked; as they are at that moment. Outlives the commands.
class DnsDesk {
 public:
  virtual ~DnsDesk() = default;
  [[nodiscard]] virtual DnsFacts facts() = 0;
  /// Errors  as the making of a resolver.
  [[nodiscard]] virtual Result<dns::Resolver*> resolver() = 0;
};

struct DnsRecord {
  std::string owner;         ///< without its final dot
  std::string_view type;     ///< "MX", "TXT", "SRV", "TLSA"
  std::string data;          ///< as a zone file has it; TXT in strings of at most 255 octets
  std::string_view purpose;  ///< "mx", "spf", "dkim", "dmarc", "tlsrpt", "srv", "tlsa"
  bool needed = false;       ///< mail suffers without it
  std::string text = {};     ///< of TXT: its strings joined
};

/// Of a relay domain only MX and TLSA: the rest is its owner's.
[[nodiscard]] std::vector<DnsRecord> make_dns_records(const mail::Domain& domain, directory::DomainKind kind,
                                                      const std::vector<directory::DkimKey>& keys,
                                                      const DnsFacts& facts);

/// The TXT record of a key (6376 §3.6.1).
[[nodiscard]] DnsRecord make_dkim_record(const mail::Domain& domain, const directory::DkimKey& key);

/// A line of a zone file, with its final dot and a lifetime.
[[nodiscard]] std::string to_zone_line(const DnsRecord& record);

/// The lines as comments that stand with the records: what only people can do.
[[nodiscard]] std::vector<std::string> dns_advice(const mail::Domain& domain, directory::DomainKind kind,
                                                  const std::vector<directory::DkimKey>& keys, const DnsFacts& facts);

struct DnsFinding {
  enum class Status : std::uint8_t {
    ok,         ///< it is there, or another one that says enough
    missing,    ///<
    different,  ///< something else is there
    unknown,    ///< nobody could say
  };
  Status status = Status::ok;
  std::vector<std::string> found;  ///< what is there, as a zone file has it; of `unknown`: why
  /// Needed and not there, or not what it should be.
  [[nodiscard]] bool is_fault(const DnsRecord& record) const {
    return status != Status::ok && (status != Status::missing || record.needed);
  }
};
[[nodiscard]] std::string_view name_of(DnsFinding::Status status);

/// Asks for one record. `resolver` outlives the task.
[[nodiscard]] Task<DnsFinding> check_dns_record(dns::Resolver* resolver, DnsRecord record);
/// Whether the host has an address.
[[nodiscard]] Task<DnsFinding> check_host_address(dns::Resolver* resolver, mail::Domain hostname);

}  // namespace postrider::web
