// The remote of every temper on a simulated network: a host for each profile, to deliver to by any engine.
#pragma once

#include "core/check.hpp"
#include "net/sim_network.hpp"
#include "server/persona_service.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace postrider::persona {

/// 127.77.0.N for each profile of the table, of the host that tries them (so that logins in the clear are allowed), all
/// listening on port 25 from the start. What they took is in `service(profile)`.
class PersonaRemote {
 public:
  /// Both outlive it. It is to be drained before the shard ends.
  PersonaRemote(net::Network* own, Shard* shard) {
    std::uint8_t last = 1;
    for (const smtp::PersonaBehaviour& row : smtp::persona_behaviours()) {
      if (row.by != smtp::PersonaBy::profile) continue;
      const net::Address address = net::Address::v4({127, 77, 0, last++});
      Host host{.address = address, .service = std::make_unique<server::PersonaService>(own, shard)};
      const Result<net::Endpoint> at =
          host.service->listen(row.name, {.address = address, .port = 25, .unix_path = {}});
      check(at.has_value(), "test: a persona listens");
      hosts_.emplace(row.name, std::move(host));
    }
  }
  [[nodiscard]] const net::Address& address(std::string_view profile) const { return host(profile).address; }
  [[nodiscard]] server::PersonaService& service(std::string_view profile) const { return *host(profile).service; }
  void drain() {
    for (const auto& [name, host] : hosts_) host.service->drain();
  }

 private:
  struct Host {
    net::Address address;
    std::unique_ptr<server::PersonaService> service;
  };
  [[nodiscard]] const Host& host(std::string_view profile) const {
    const auto found = hosts_.find(profile);
    check(found != hosts_.end(), "test: a profile of the table");
    return found->second;
  }
  std::map<std::string, Host, std::less<>> hosts_;
};

}  // namespace postrider::persona
