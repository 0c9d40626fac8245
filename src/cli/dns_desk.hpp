// What the commands on DNS records know of this host: from the configuration, and from its certificates.
#pragma once

#include "cli/config.hpp"
#include "dns/resolver.hpp"
#include "net/tls.hpp"
#include "web/dns_records.hpp"

#include <memory>

namespace postrider::cli {

/// All outlive it. `resolver` may be null: one is made by the configuration when it is asked for. `tls` may be null:
/// then the certificates are read from their files.
class ConfigDnsDesk final : public web::DnsDesk {
 public:
  ConfigDnsDesk(const Config* config, dns::Resolver* resolver, const net::TlsServer* tls)
      : config_(config), resolver_(resolver), tls_(tls) {}
  [[nodiscard]] web::DnsFacts facts() override;
  [[nodiscard]] Result<dns::Resolver*> resolver() override;

 private:
  const Config* config_;
  dns::Resolver* resolver_;
  const net::TlsServer* tls_;
  std::unique_ptr<dns::Resolver> own_;
};

}  // namespace postrider::cli
