#include "cli/sandbox.hpp"

#include "cli/instance.hpp"
#include "cli/persona_host.hpp"
#include "cli/print.hpp"
#include "cli/tls_files.hpp"
#include "core/text.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace postrider::cli {

namespace {

constexpr std::uint16_t kSmtpPort = 1025;
constexpr std::uint16_t kLmtpPort = 2424;
constexpr std::uint16_t kPop3Port = 1110;
constexpr std::uint16_t kSubmissionPort = 1587;
constexpr std::uint16_t kSubmissionsPort = 1465;
constexpr std::uint16_t kPop3sPort = 1995;
constexpr std::uint16_t kHttpPort = 8025;
constexpr std::string_view kPersonas = "personas";  // --deliver-to

struct User {
  mail::Address address;
  std::string password;
};

/// Removes the directory when the sandbox ends.
class ThrowAway {
 public:
  explicit ThrowAway(std::string directory) : directory_(std::move(directory)) {}
  ThrowAway(const ThrowAway&) = delete;
  ThrowAway& operator=(const ThrowAway&) = delete;
  ~ThrowAway() {
    std::error_code ignored;  // it is under the temporary directory: somebody else sweeps there too
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }

 private:
  std::string directory_;
};

Result<std::string> make_directory(const std::string& wanted) {
  if (!wanted.empty()) {
    std::error_code failed;
    std::filesystem::create_directories(wanted, failed);
    if (failed) return error(Error::denied, "sandbox", wanted + ": " + failed.message());
    return std::filesystem::absolute(wanted).string();
  }
  const char* const base = std::getenv("TMPDIR");
  std::string name = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/postrider-sandbox-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    return error(Error::denied, "sandbox", name + ": " + std::generic_category().message(errno));
  return name;
}

Result<std::vector<User>> parse_users(const SandboxOptions& options, const mail::Domain& domain) {
  std::vector<std::string> texts = options.users;
  if (texts.empty()) texts.emplace_back("dev:dev");
  std::vector<User> users;
  for (const std::string& text : texts) {
    const auto [name, password] = split_once(text, ':');
    if (name.empty() || password.empty()) return error(Error::malformed, "sandbox", "--user wants NAME:PASS");
    Result<mail::Address> address = name.find('@') == std::string_view::npos
                                        ? mail::Address::make(std::string(name), domain)
                                        : mail::Address::parse(name);
    if (!address) return fail(address);
    users.push_back({std::move(*address), std::string(password)});
  }
  return users;
}

Result<void> add_route(Config& config, const std::string& domain, const std::string& via) {
  const route::StaticRoute route{.domain = domain, .via = {via}};
  Result<void> checked = route::check_route(route);
  if (checked) config.routes.push_back(route);
  return checked;
}

Result<Config> make_config(const SandboxOptions& options, const std::string& directory) {
  Config config;
  config.file = {};  // there is none
  config.hostname = "sandbox.test";
  config.data_dir = directory + "/data";
  for (const std::string& text : options.domains.empty() ? std::vector<std::string>{"example.test"} : options.domains) {
    const Result<mail::Domain> domain = mail::Domain::parse(text);
    if (!domain) return fail(domain);
    config.domains.push_back(
        {.name = *domain, .catch_all = {}, .subaddress = "+", .postmaster = {}, .source = directory::Source::file});
  }
  const net::Address loopback = net::Address::v4({127, 0, 0, 1});
  const auto at = [&](std::uint16_t port) {
    return std::vector<net::Endpoint>{
        {.address = loopback, .port = options.auto_ports ? std::uint16_t{0} : port, .unix_path = {}}};
  };
  SmtpKeys keys;
  keys.plaintext_auth = true;  // loopback only
  keys.relay_from = {*net::Network4Or6::parse("127.0.0.0/8")};
  const auto listen = [&](server::Service service, std::uint16_t port) {
    const bool is_web = server::without_tls(service) == server::Service::http;
    config.listen.push_back({.service = service,
                             .address = at(port),
                             .smtp = keys,
                             .proxy_protocol_from = {},
                             .xclient_from = {},
                             .serve_health = is_web,
                             .serve_metrics = is_web});
  };
  listen(server::Service::smtp, kSmtpPort);
  listen(server::Service::submission, kSubmissionPort);
  listen(server::Service::submissions, kSubmissionsPort);
  listen(server::Service::lmtp, kLmtpPort);
  listen(server::Service::pop3, kPop3Port);
  listen(server::Service::pop3s, kPop3sPort);
  listen(server::Service::http, kHttpPort);
  const Result<std::string> certificate = make_first_certificate(directory, {config.hostname, "localhost"});
  if (!certificate) return fail(certificate);
  config.certificates.push_back(
      {.files = {.names = {}, .chains = {*certificate}, .private_keys = {directory + "/tls/key.pem"}}, .file = {}});
  config.log_level = Level::warn;
  if (!options.deliver_to.empty() && options.deliver_to != kPersonas) {
    const Result<void> added = add_route(config, "*", options.deliver_to);
    if (!added) return fail(added);
  }
  return config;
}

/// PROFILE.persona.test goes to the persona with that profile, everything else to the plain one.
Result<void> add_persona_routes(Config& config, const PersonaHost& personas) {
  std::string plain;
  for (const PersonaHost::Listening& one : personas.listening()) {
    const std::string via = fmt::format("{}127.0.0.1:{}", one.lmtp ? "lmtp://" : "", one.port);
    if (one.profile == "plain") plain = via;
    Result<void> added = add_route(config, one.profile + ".persona.test", via);
    if (!added) return added;
  }
  config.queue.retry = {std::chrono::seconds(2), std::chrono::seconds(10), std::chrono::minutes(1)};
  return add_route(config, "*", plain);
}

void print_ready(const std::vector<server::Listening>& listening, const std::string& certificate,
                 const PersonaHost* personas) {
  std::string ports;
  for (const server::Listening& one : listening) {
    if (!one.at.unix_path.empty()) continue;
    ports += fmt::format("{}\"{}\":{}", ports.empty() ? "" : ",", server::name_of(one.service), one.at.port);
  }
  std::string more;
  if (personas != nullptr) {
    for (const PersonaHost::Listening& one : personas->listening())
      more += fmt::format("{}\"{}\":{}", more.empty() ? "" : ",", one.profile, one.port);
    more = fmt::format(R"(,"personas":{{{}}})", more);
  }
  print_line(fmt::format(R"({{"v":1,"ready":true,"ports":{{{}}},"ca":{}{}}})", ports, json_quoted(certificate), more));
}

Result<void> add_users(const Config& config, const std::vector<User>& users) {
  std::vector<web::AdminRequest> requests;
  for (const User& user : users) {
    requests.push_back({.name = "account.add",
                        .words = {user.address.text()},
                        .options = {},
                        .secret = Secret(user.password),
                        .format = web::OutputFormat::text});
  }
  const Result<std::vector<web::AdminReply>> replies = run_admin_on_store(config, std::move(requests));
  if (!replies) return fail(replies);
  for (const web::AdminReply& reply : *replies) {
    // A directory that is used again (--dir) has its users already.
    if (reply.exit_code != kExitDone && reply.error.find("exists") == std::string::npos)
      return error(Error::malformed, "sandbox", reply.error);
  }
  return {};
}

}  // namespace

int run_sandbox(const SandboxOptions& options) {
  const Result<std::string> directory = make_directory(options.directory);
  if (!directory) return report(directory.error());
  const ThrowAway throw_away(options.directory.empty() ? *directory : std::string());
  Result<Config> config = make_config(options, *directory);
  if (!config) return report(config.error());
  const Result<std::vector<User>> users = parse_users(options, config->domains.front().name);
  if (!users) return report(users.error());
  if (options.deliver_to.empty()) config->catch_everything = users->front().address;
  std::error_code failed;
  std::filesystem::create_directories(config->data_dir, failed);
  if (failed) return report({Error::denied, "sandbox", failed.message()});
  const Result<void> added = add_users(*config, *users);
  if (!added) return report(added.error());
  std::unique_ptr<PersonaHost> personas;
  if (options.deliver_to == kPersonas) {
    Result<std::unique_ptr<PersonaHost>> started = PersonaHost::start();
    if (!started) return report(started.error());
    personas = std::move(*started);
    const Result<void> routed = add_persona_routes(*config, *personas);
    if (!routed) return report(routed.error());
  }
  return run_server(*config, {.dns_file = options.dns_file,
                              .end_with_stdin = true,
                              .on_ready = [&](const std::vector<server::Listening>& listening) {
                                print_ready(listening, config->certificates.front().files.chains.front(),
                                            personas.get());
                              }});
}

}  // namespace postrider::cli
