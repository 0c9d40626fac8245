#include "cli/dns_desk.hpp"

#include "core/clock.hpp"
#include "core/random.hpp"
#include "dns/unbound_resolver.hpp"
#include "net/tls.hpp"

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

bool is_for(const net::CertificateFacts& certificate, std::string_view hostname) {
  const std::size_t dot = hostname.find('.');
  return std::ranges::any_of(certificate.names, [&](std::string_view name) {
    if (name.starts_with("*.")) return dot != std::string_view::npos && name.substr(1) == hostname.substr(dot);
    return name == hostname;
  });
}

/// As they are in their files now. Without any that can be read there are none.
std::vector<net::CertificateFacts> certificates_of(const Config& config) {
  const std::vector<net::CertificateFiles> files = certificate_files(config);
  if (files.empty()) return {};
  SystemClock clock;
  SystemRandom random;
  const Result<std::unique_ptr<net::TlsServer>> opened = net::TlsServer::open(files, &clock, &random);
  return opened ? (*opened)->certificates() : std::vector<net::CertificateFacts>{};
}

/// Of the keys of the certificates that are shown to who asks for this host.
std::vector<std::string> digests_of(const std::vector<net::CertificateFacts>& certificates, std::string_view hostname) {
  std::vector<std::string> named;
  std::vector<std::string> others;
  for (const net::CertificateFacts& certificate : certificates) {
    if (is_for(certificate, hostname)) named.push_back(certificate.spki_sha256);
    if (certificate.names.empty()) others.push_back(certificate.spki_sha256);
  }
  return named.empty() ? others : named;
}

}  // namespace

web::DnsFacts ConfigDnsDesk::facts() {
  web::DnsFacts facts{.hostname = mail::Domain::parse(config_->hostname).value(),  // load_config has checked it
                      .ports = ports_of(*config_),
                      .spki_sha256 = {}};
  facts.spki_sha256 =
      digests_of(tls_ != nullptr ? tls_->certificates() : certificates_of(*config_), facts.hostname.text());
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
