// `config show`: every setting with its value, as TOML that could be read again.
#include "cli/config.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace postrider::cli {

namespace {

/// JSON strings are TOML basic strings.
std::string quoted_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ", ";
    out += json_quoted(item);
  }
  return out + "]";
}

template <class T, class F>
std::vector<std::string> texts_of(const std::vector<T>& items, F to_string) {
  std::vector<std::string> out;
  std::ranges::transform(items, std::back_inserter(out), to_string);
  return out;
}

std::string network_list(const std::vector<net::Network4Or6>& networks) {
  return quoted_list(texts_of(networks, [](const net::Network4Or6& n) { return n.to_text(); }));
}

std::string duration_text(Duration duration) {
  return fmt::format("\"{}ms\"", std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

std::string smtp_text(const SmtpKeys& keys) {
  return fmt::format(
      "max_message_size = \"{}\"\nmax_recipients = {}\nrelay_from = {}\nplaintext_auth = {}\nscram_sha_1 = "
      "{}\nscram_plus = {}\nbare_newline = \"{}\"\n"
      "binarymime = {}\ngreeting_delay = {}\n",
      keys.max_message_size, keys.max_recipients, network_list(keys.relay_from), keys.plaintext_auth, keys.scram_sha_1,
      keys.scram_plus, keys.bare_newline == smtp::BareNewline::normalize ? "normalize" : "reject", keys.binarymime,
      duration_text(keys.greeting_delay));
}

std::string listen_text(const ListenKeys& listen) {
  std::string out =
      fmt::format("\n[[listen]]\nservice = \"{}\"\naddress = {}\n", server::name_of(listen.service),
                  quoted_list(texts_of(listen.address, [](const net::Endpoint& e) { return e.to_text(); })));
  if (server::without_tls(listen.service) == server::Service::http) {
    std::vector<std::string> serve;
    if (listen.serve_health) serve.emplace_back("health");
    if (listen.serve_metrics) serve.emplace_back("metrics");
    if (listen.serve_autoconfig) serve.emplace_back("autoconfig");
    return out + "serve = " + quoted_list(serve) + "\n";
  }
  return out + smtp_text(listen.smtp) +
         fmt::format("proxy_protocol_from = {}\nxclient_from = {}\n", network_list(listen.proxy_protocol_from),
                     network_list(listen.xclient_from));
}

std::string domain_text(const directory::DomainRecord& domain) {
  std::string out = fmt::format("\n[[domain]]\nname = {}\nsubaddress = {}\n", json_quoted(domain.name.text()),
                                json_quoted(domain.subaddress));
  switch (domain.kind) {
    case directory::DomainKind::local:
      return out + fmt::format("kind = \"local\"\ncatch_all = {}\npostmaster = {}\n",
                               json_quoted(domain.catch_all ? domain.catch_all->text() : ""),
                               json_quoted(domain.postmaster ? domain.postmaster->text() : ""));
    case directory::DomainKind::alias:
      return out + fmt::format("kind = \"alias\"\nof = {}\n", json_quoted(domain.alias_of->text()));
    case directory::DomainKind::relay: break;
  }
  using By = directory::RelayRecipients::By;
  const std::string recipients = domain.recipients.by == By::any      ? "any"
                                 : domain.recipients.by == By::verify ? "verify"
                                                                      : "file:" + domain.recipients.path;
  return out + fmt::format("kind = \"relay\"\nrecipients = {}\n", json_quoted(recipients));
}

std::string certificate_text(const CertificateKeys& keys) {
  const net::CertificateFiles& files = keys.files;
  const std::string head =
      files.names.empty() ? "\n[tls]\n" : fmt::format("\n[[certificate]]\nnames = {}\n", quoted_list(files.names));
  return head + fmt::format("certificate = {}\nprivate_key = {}\n", quoted_list(files.chains),
                            quoted_list(files.private_keys));
}

std::string route_text(const route::StaticRoute& route) {
  std::string out = fmt::format("\n[[route]]\ndomain = {}\nvia = {}\nmatch_local = {}\n", json_quoted(route.domain),
                                quoted_list(route.via), route.match_local);
  if (!route.sender.empty()) out += fmt::format("sender = {}\n", json_quoted(route.sender));
  if (!route.source.empty()) out += fmt::format("source = {}\n", json_quoted(route.source));
  if (!route.hello.empty()) out += fmt::format("helo = {}\n", json_quoted(route.hello));
  if (!route.retry.empty())
    out += fmt::format("retry = [{}]\n", fmt::join(texts_of(route.retry, &duration_text), ", "));
  out += fmt::format("tls = \"{}\"\n", route::name_of(route.tls));
  const route::Credentials& with = route.credentials;
  for (const auto& [key, value] : {std::pair("tls_name", &with.tls_name), std::pair("tls_ca", &with.tls_authorities),
                                   std::pair("client_certificate", &with.client_certificate),
                                   std::pair("client_key", &with.client_key), std::pair("auth", &with.secret)}) {
    if (!value->empty()) out += fmt::format("{} = {}\n", key, json_quoted(*value));
  }
  return out;
}

std::string secret_text(std::string_view name, const SecretKeys& secret) {
  const bool in_file = !secret.password_file.empty();
  return fmt::format("\n[secret.{}]\nusername = {}\n{} = {}  # password: ***\n", json_quoted(name),
                     json_quoted(secret.username), in_file ? "password_file" : "credential",
                     json_quoted(in_file ? secret.password_file : secret.credential));
}

}  // namespace

std::string show_config(const Config& config) {
  std::string out = fmt::format("# {}\nhostname = {}\ndata_dir = {}\nuser = {}\ndrain_timeout = {}\n", config.file,
                                json_quoted(config.hostname), json_quoted(config.data_dir), json_quoted(config.user),
                                duration_text(config.drain_timeout));
  out += fmt::format("\n[smtp]\nmax_connections = {}\nmax_connections_per_ip = {}\n", config.max_connections,
                     config.max_connections_per_ip);
  out +=
      fmt::format("\n[queue]\nretry = [{}]\nwarn_after = {}\nexpire_after = {}\nexpire_after_bounce = {}\n",
                  fmt::join(texts_of(config.queue.retry, &duration_text), ", "), duration_text(config.queue.warn_after),
                  duration_text(config.queue.expire_after), duration_text(config.queue.expire_after_bounce));
  out += fmt::format("\n[outbound]\nallow_private = {}\nport = {}\n", network_list(config.allow_private),
                     config.outbound_port);
  out += fmt::format("\n[dns]\nservers = {}\ntrust_anchor = {}\n", quoted_list(config.dns_servers),
                     json_quoted(config.dns_trust_anchor));
  out += fmt::format("\n[log]\nformat = \"{}\"\nlevel = \"{}\"\n",
                     config.log_format == LogFormat::json ? "json" : "text", name_of(config.log_level));
  out += fmt::format("\n[submit]\norigin = {}\n", json_quoted(config.submit_origin));
  out += fmt::format("\n[store]\nmin_free = \"{}\"\n", config.min_free);
  for (const CertificateKeys& keys : config.certificates) out += certificate_text(keys);
  for (const ListenKeys& listen : config.listen) out += listen_text(listen);
  for (const directory::DomainRecord& domain : config.domains) out += domain_text(domain);
  for (const directory::AliasRecord& alias : config.aliases) {
    out += fmt::format("\n[[alias]]\naddress = {}\ntargets = {}\n", json_quoted(alias.address.text()),
                       quoted_list(texts_of(alias.targets, [](const mail::Address& a) { return a.text(); })));
  }
  for (const directory::AliasFile& file : config.alias_files) {
    out += fmt::format("\n[[alias_file]]\npath = {}\nformat = \"{}\"\n", json_quoted(file.path),
                       file.format == directory::AliasFormat::aliases ? "aliases" : "postfix-virtual");
    if (file.domain) out += fmt::format("domain = {}\n", json_quoted(file.domain->text()));
  }
  for (const route::StaticRoute& route : config.routes) out += route_text(route);
  for (const auto& [name, secret] : config.secrets) out += secret_text(name, secret);
  return out;
}

}  // namespace postrider::cli
