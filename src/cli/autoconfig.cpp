#include "cli/autoconfig.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::cli {

namespace {

using web::MailService;

struct Row {
  server::Service service;
  MailService::Kind kind;
  MailService::Tls tls;
};
// The best first.
constexpr auto kRows = std::to_array<Row>({
    {server::Service::submissions, MailService::Kind::submission, MailService::Tls::implicit},
    {server::Service::submission, MailService::Kind::submission, MailService::Tls::starttls},
    {server::Service::pop3s, MailService::Kind::pop3, MailService::Tls::implicit},
    {server::Service::pop3, MailService::Kind::pop3, MailService::Tls::starttls},
});

/// Whether `at`, which has a real port, came of `configured`, which may have none.
bool is_of(const net::Endpoint& at, const net::Endpoint& configured) {
  return at.unix_path.empty() && configured.unix_path.empty() && at.address == configured.address &&
         (configured.port == 0 || configured.port == at.port);
}

std::string autodiscover_url(const Config& config, const std::vector<server::Listening>& listening) {
  for (const ListenKeys& keys : config.listen) {
    if (keys.service != server::Service::https || !keys.serve_autoconfig) continue;
    for (const server::Listening& one : listening) {
      const bool is_ours = one.service == server::Service::https &&
                           std::ranges::any_of(keys.address, [&](const auto& at) { return is_of(one.at, at); });
      if (!is_ours) continue;
      const std::string port = one.at.port == 443 ? "" : fmt::format(":{}", one.at.port);
      return fmt::format("https://{}{}/autodiscover/autodiscover.xml", config.hostname, port);
    }
  }
  return {};
}

}  // namespace

web::MailSettings to_mail_settings(const Config& config, const std::vector<server::Listening>& listening,
                                   StartTls starttls) {
  web::MailSettings out{
      .hostname = config.hostname, .services = {}, .autodiscover_url = autodiscover_url(config, listening)};
  for (const Row& row : kRows) {
    if (row.tls == MailService::Tls::starttls && starttls == StartTls::no) continue;
    for (const server::Listening& one : listening) {
      if (one.service != row.service || !one.at.unix_path.empty()) continue;
      const bool again = std::ranges::any_of(out.services, [&](const MailService& service) {
        return service.kind == row.kind && service.tls == row.tls && service.port == one.at.port;
      });
      if (!again) out.services.push_back({.kind = row.kind, .tls = row.tls, .port = one.at.port});
    }
  }
  return out;
}

}  // namespace postrider::cli
