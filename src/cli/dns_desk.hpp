// What the commands on DNS records know of this host: from the configuration.
#pragma once

#include "cli/config.hpp"
#include "dns/resolver.hpp"
#include "web/dns_records.hpp"

#include <memory>

namespace postrider::cli {

/// All outlive it. `resolver` may be null: one is made by the configuration when it is asked for.
class ConfigDnsDesk final : public web::DnsDesk {
 public:
  ConfigDnsDesk(const Config* config, dns::Resolver* resolver) : config_(config), resolver_(resolver) {}
  [[nodiscard]] web::DnsFacts facts() override;
  [[nodiscard]] Result<dns::Resolver*> resolver() override;

 private:
  const Config* config_;
  dns::Resolver* resolver_;
  std::unique_ptr<dns::Resolver> own_;
};

}  // namespace postrider::cli
