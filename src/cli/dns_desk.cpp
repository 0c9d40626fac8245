#include "cli/dns_desk.hpp"

#include "dns/unbound_resolver.hpp"

#include <algorithm>
#include <array>

namespace postrider::cli {

namespace {

/// Not on loopback: 127.0.0.0/8, ::1.
bool is_for_others(const net::Endpoint& at) {
  constexpr std::array<std::uint8_t, 16> kLoopbackSix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return at.address.is_v4() ? at.address.octets()[12] != 127 : at.address.octets() != kLoopbackSix;
}

/// Of services on several ports the one that others can reach.
std::map<std::string, std::uint16_t> ports_of(const Config& config) {
  std::map<std::string, std::uint16_t> ports;
  for (const bool for_others : {true, false}) {
    for (const ListenKeys& listen : config.listen) {
      for (const net::Endpoint& at : listen.address) {
        if (at.unix_path.empty() && is_for_others(at) == for_others)
          ports.emplace(server::name_of(listen.service), at.port);
      }
    }
  }
  return ports;
}

}  // namespace

web::DnsFacts ConfigDnsDesk::facts() {
  web::DnsFacts facts{.hostname = mail::Domain::parse(config_->hostname).value(),  // load_config has checked it
                      .ports = ports_of(*config_),
                      .spki_sha256 = {}};
  return facts;
}

Result<dns::Resolver*> ConfigDnsDesk::resolver() {
  if (resolver_ != nullptr) return resolver_;
  Result<std::unique_ptr<dns::Resolver>> made =
      dns::make_unbound_resolver({.servers = config_->dns_servers, .trust_anchor = config_->dns_trust_anchor});
  if (!made) return fail(made);
  own_ = std::move(*made);
  resolver_ = own_.get();
  return resolver_;
}

}  // namespace postrider::cli
