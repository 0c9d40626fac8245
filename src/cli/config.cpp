#include "cli/config.hpp"

#include "cli/config_mail.hpp"
#include "cli/config_secret.hpp"
#include "cli/config_table.hpp"
#include "cli/config_tls.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

namespace postrider::cli {

namespace {

constexpr std::uint64_t kSubmissionSizeMax = 35ULL * 1024 * 1024;  // LIMITS.md "message size"
constexpr Duration kGreetingDelayMax = std::chrono::seconds(30);

constexpr std::array kServices = {server::Service::smtp, server::Service::submission, server::Service::submissions,
                                  server::Service::lmtp, server::Service::pop3,       server::Service::pop3s,
                                  server::Service::http, server::Service::https};

/// Loads the whole configuration; one object a load.
class Loader {
 public:
  explicit Loader(const std::string& file) { out_.config.file = file; }

  LoadedConfig run() {
    read_file(out_.config.file, Depth::main);
    check_whole();
    return std::move(out_);
  }

 private:
  enum class Depth : std::uint8_t { main, included };

  void read_file(const std::string& file, Depth depth) {
    std::vector<std::string> patterns;
    read_toml(file, &out_.mistakes, [&](TableReader& top) {
      top.once(seen_);
      read_top(top);
      if (depth == Depth::main) top.texts("include", add_to(&patterns), "file names");
      top.finish();
    });
    for (const std::string& pattern : patterns) include(pattern, file);
  }

  void include(const std::string& pattern, const std::string& from) {
    const std::filesystem::path path = std::filesystem::path(from).parent_path() / pattern;
    const std::string want = path.filename().string();
    const std::size_t star = want.find('*');
    std::vector<std::string> found;
    std::error_code failed;
    for (const auto& item : std::filesystem::directory_iterator(path.parent_path(), failed)) {
      const std::string name = item.path().filename().string();
      const bool matches = star == std::string::npos
                               ? name == want
                               : name.starts_with(want.substr(0, star)) && name.ends_with(want.substr(star + 1)) &&
                                     name.size() + 1 >= want.size();
      if (matches) found.push_back(item.path().string());
    }
    if (found.empty() && star == std::string::npos)
      out_.mistakes.push_back({path.string(), 0, 0, "cannot be read (named by include)"});
    std::ranges::sort(found);
    for (const std::string& file : found) read_file(file, Depth::included);
  }

  void read_top(TableReader& top) {
    Config& config = out_.config;
    top.text(
        "hostname",
        [&](std::string_view value) -> Result<void> {
          const Result<mail::Domain> domain = mail::Domain::parse(value);
          if (!domain) return fail(domain);
          config.hostname = domain->text();
          return {};
        },
        "a host name such as \"mx.example.test\"");
    top.text(
        "data_dir",
        [&](std::string_view value) -> Result<void> {
          config.data_dir = top.beside(value);
          return {};
        },
        "a directory");
    top.string("user", &config.user);
    top.duration("drain_timeout", &config.drain_timeout);
    top.section("smtp", [&](TableReader& keys) {
      read_smtp(keys, &smtp_defaults_);
      has_size_ = keys.has("max_message_size");
      keys.number("max_connections", &config.max_connections, {.min = 1, .max = 1'000'000});
      keys.number("max_connections_per_ip", &config.max_connections_per_ip, {.min = 1, .max = 1'000'000});
    });
    top.section("tls",
                [&](TableReader& keys) { read_certificate(keys, CertificateSection::default_certificate, &config); });
    top.tables("certificate", [&](TableReader& keys) { read_certificate(keys, CertificateSection::named, &config); });
    top.section("outbound", [&](TableReader& keys) {
      keys.networks("allow_private", &config.allow_private);
      std::uint64_t port = config.outbound_port;
      keys.number("port", &port, {.min = 1, .max = 65'535});
      config.outbound_port = narrow<std::uint16_t>(port);
    });
    top.section("queue", [&](TableReader& keys) { read_queue(keys); });
    top.section("dns", [&](TableReader& keys) {
      keys.texts(
          "servers",
          [&](std::string_view value) -> Result<void> {
            const Result<net::Endpoint> server = net::Endpoint::parse(value);
            if (!server) return fail(server);
            config.dns_servers.emplace_back(value);
            return {};
          },
          "name servers such as \"127.0.0.1:53\"");
      keys.string("trust_anchor", &config.dns_trust_anchor);
    });
    top.section("log", [&](TableReader& keys) { read_log(keys); });
    top.section("submit", [&](TableReader& keys) {
      keys.text(
          "origin",
          [&](std::string_view value) -> Result<void> {
            if (value.empty()) return {};  // as without the key
            const Result<mail::Domain> domain = mail::Domain::parse(value, mail::Utf8::yes);
            if (!domain) return fail(domain);
            config.submit_origin = domain->text();
            return {};
          },
          "a domain such as \"example.test\"");
    });
    top.section("store", [&](TableReader& keys) { keys.size("min_free", &config.min_free); });
    top.tables("domain", [&](TableReader& keys) { read_domain(keys, &config, &mail_); });
    top.tables("account", [&](TableReader& keys) { refuse_account(keys); });
    top.tables("alias", [&](TableReader& keys) { read_alias(keys, &config, &mail_); });
    top.tables("alias_file", [&](TableReader& keys) { read_alias_file(keys, &config, &mail_); });
    top.tables("route", [&](TableReader& keys) { read_route(keys, &config, &mail_); });
    top.named("secret", [&](std::string_view name, TableReader& keys) { read_secret(name, keys, &config); });
    top.tables("listen", [&](TableReader& keys) { read_listen(keys); });
  }

  /// Accounts are in the store only: one clear mistake, not one for each of their keys.
  static void refuse_account(TableReader& keys) {
    std::string ignored;
    for (const std::string_view key : {"address", "password_hash", "class"}) keys.string(key, &ignored);
    keys.texts("send_as", [](std::string_view /*value*/) { return Result<void>(); }, "addresses");
    keys.mistake_here(
        "this version has no accounts in the configuration file: make one with postrider account add "
        "(--password-hash-stdin takes a hash)");
  }

  /// A list of networks that are trusted with something: everybody is a mistake.
  static void read_trusted(TableReader& keys, std::string_view key, std::vector<net::Network4Or6>* into,
                           std::string_view why) {
    keys.networks(key, into);
    if (std::ranges::any_of(*into, &net::Network4Or6::is_everything))
      keys.mistake(keys.place_of(key), fmt::format("{} with everybody in it {}", key, why));
  }

  static void read_smtp(TableReader& keys, SmtpKeys* into) {
    keys.size("max_message_size", &into->max_message_size);
    keys.number("max_recipients", &into->max_recipients, {.min = 1, .max = queue::kRecipientsMax});
    read_trusted(keys, "relay_from", &into->relay_from, "is an open relay (name the networks that may send)");
    keys.flag("plaintext_auth", &into->plaintext_auth);
    keys.flag("scram_sha_1", &into->scram_sha_1);
    keys.flag("scram_plus", &into->scram_plus);
    keys.flag("binarymime", &into->binarymime);
    keys.text(
        "bare_newline",
        [into](std::string_view value) -> Result<void> {
          if (value == "reject")
            into->bare_newline = smtp::BareNewline::reject;
          else if (value == "normalize")
            into->bare_newline = smtp::BareNewline::normalize;
          else
            return error(Error::unsupported, "config.smtp", "reject or normalize");
          return {};
        },
        "\"reject\" or \"normalize\"");
    keys.duration("greeting_delay", &into->greeting_delay);
    if (into->greeting_delay > kGreetingDelayMax)
      keys.mistake(keys.place_of("greeting_delay"), "greeting_delay is at most 30s (clients wait 5 minutes at most)");
  }

  void read_queue(TableReader& keys) {
    queue::Settings& queue = out_.config.queue;
    read_retry(keys, &queue.retry);
    keys.duration("warn_after", &queue.warn_after);
    keys.duration("expire_after", &queue.expire_after);
    keys.duration("expire_after_bounce", &queue.expire_after_bounce);
    if (keys.has("warn_after") && queue.warn_after >= queue.expire_after && queue.warn_after > Duration::zero())
      keys.mistake(keys.place_of("warn_after"), "warn_after must come before expire_after (0s: nobody is warned)");
  }

  void read_log(TableReader& keys) {
    Config& config = out_.config;
    keys.text(
        "format",
        [&](std::string_view value) -> Result<void> {
          if (value == "text")
            config.log_format = LogFormat::text;
          else if (value == "json")
            config.log_format = LogFormat::json;
          else
            return error(Error::unsupported, "config.log", "text or json");
          return {};
        },
        "\"text\" or \"json\"");
    keys.text(
        "level",
        [&](std::string_view value) -> Result<void> {
          for (const Level level : {Level::debug, Level::info, Level::warn, Level::error}) {
            if (value != name_of(level)) continue;
            config.log_level = level;
            return {};
          }
          return error(Error::unsupported, "config.log", "debug, info, warn or error");
        },
        "\"debug\", \"info\", \"warn\" or \"error\"");
    keys.text(
        "output",
        [](std::string_view value) -> Result<void> {
          if (value == "stderr") return {};
          return error(Error::unsupported, "config.log", "this version writes to stderr only");
        },
        "\"stderr\"");
  }

  void read_listen(TableReader& keys) {
    ListenKeys listen;
    listen.smtp = smtp_defaults_;
    keys.text(
        "service",
        [&](std::string_view value) -> Result<void> {
          for (const server::Service service : kServices) {
            if (value != server::name_of(service)) continue;
            listen.service = service;
            return {};
          }
          return error(Error::unsupported, "config.listen",
                       "this version serves smtp, submission, submissions, lmtp, pop3, pop3s, http and https");
        },
        "a service");
    keys.texts(
        "address",
        [&](std::string_view value) -> Result<void> {
          Result<net::Endpoint> endpoint = net::Endpoint::parse(value);
          if (!endpoint) return fail(endpoint);
          if (!endpoint->unix_path.empty()) endpoint->unix_path = keys.beside(endpoint->unix_path);
          listen.address.push_back(std::move(*endpoint));
          return {};
        },
        "an address such as \"127.0.0.1:2525\"");
    keys.texts(
        "serve",
        [&](std::string_view value) -> Result<void> {
          if (value == "health")
            listen.serve_health = true;
          else if (value == "metrics")
            listen.serve_metrics = true;
          else if (value == "autoconfig")
            listen.serve_autoconfig = true;
          else
            return error(Error::unsupported, "config.listen", "this version serves health, metrics and autoconfig");
          return {};
        },
        "what an http listener offers");
    const server::Service plain = server::without_tls(listen.service);
    if (plain == server::Service::submission && !has_size_) listen.smtp.max_message_size = kSubmissionSizeMax;
    read_smtp(keys, &listen.smtp);
    read_trusted(keys, "proxy_protocol_from", &listen.proxy_protocol_from,
                 "lets anyone say who he is (name your proxies)");
    read_trusted(keys, "xclient_from", &listen.xclient_from, "lets anyone say who he is (name your proxies)");
    const bool brings_mail = listen.service == server::Service::smtp || listen.service == server::Service::lmtp;
    if (!brings_mail && !listen.xclient_from.empty())
      keys.mistake(keys.place_of("xclient_from"), "xclient_from belongs to smtp and lmtp listeners");
    if (listen.address.empty()) return keys.mistake_here("[[listen]] wants an address");
    if (plain != listen.service)
      tls_wanted_.push_back({keys.file(), keys.place().line, keys.place().column,
                             fmt::format("{} wants a certificate (set [tls] certificate and private_key)",
                                         server::name_of(listen.service))});
    if (plain == listen.service && has_logins(plain) && !listen.smtp.plaintext_auth)
      logins_locked_.push_back({keys.file(), keys.place().line, keys.place().column,
                                fmt::format("nobody can log in to {} without a certificate (set [tls] certificate and "
                                            "private_key)",
                                            server::name_of(plain))});
    const bool plain_login = has_logins(listen.service) && listen.smtp.plaintext_auth;
    if (plain_login && !std::ranges::all_of(listen.address, &is_loopback)) {
      keys.mistake_here("plaintext_auth off loopback would send passwords in the clear (listen on 127.0.0.1)");
    }
    out_.config.listen.push_back(std::move(listen));
  }

  static bool has_logins(server::Service service) {
    const server::Service plain = server::without_tls(service);
    return plain == server::Service::submission || plain == server::Service::pop3;
  }

  static bool is_loopback(const net::Endpoint& at) {
    static const std::array<net::Network4Or6, 2> kLoopback = {*net::Network4Or6::parse("127.0.0.0/8"),
                                                              *net::Network4Or6::parse("::1")};
    return !at.unix_path.empty() ||
           std::ranges::any_of(kLoopback, [&](const net::Network4Or6& n) { return n.contains(at.address); });
  }

  void check_whole() {
    const Config& config = out_.config;
    const bool is_good = out_.mistakes.empty();  // else what is missing may be what is wrong above
    if (is_good && config.hostname.empty()) out_.mistakes.push_back({config.file, 1, 1, "hostname is not set"});
    if (is_good && config.data_dir.empty()) out_.mistakes.push_back({config.file, 1, 1, "data_dir is not set"});
    if (is_good) check_tls(&out_, tls_wanted_, logins_locked_);
    check_mail(&out_, mail_);
  }

  LoadedConfig out_;
  SmtpKeys smtp_defaults_;
  bool has_size_ = false;                     // [smtp] max_message_size is set
  std::vector<ConfigMistake> tls_wanted_;     // what is wrong when there is no certificate
  std::vector<ConfigMistake> logins_locked_;  // what is to be noted then
  MailSections mail_;
  std::set<std::string> seen_;
};

}  // namespace

std::string to_text(const ConfigMistake& mistake) {
  if (mistake.line == 0) return fmt::format("{}: {}", mistake.file, mistake.what);
  return fmt::format("{}:{}:{}: {}", mistake.file, mistake.line, mistake.column, mistake.what);
}

LoadedConfig load_config(const std::string& file) { return Loader(file).run(); }

}  // namespace postrider::cli
