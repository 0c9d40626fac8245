// The configuration file (INTERFACE §3): TOML in, values out, every mistake at once.
#pragma once

#include "core/clock.hpp"
#include "core/events.hpp"
#include "core/units.hpp"
#include "directory/directory.hpp"
#include "net/net.hpp"
#include "net/tls.hpp"
#include "queue/queue.hpp"
#include "route/route.hpp"
#include "server/server.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::cli {

/// One mistake: `file:line:column: what (what to do)`.
struct ConfigMistake {
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
  std::string what;
};
[[nodiscard]] std::string to_text(const ConfigMistake& mistake);

/// Keys of [smtp], which may also stand in a [[listen]] of an smtp listener and win there.
struct SmtpKeys {
  std::uint64_t max_message_size = 50ULL * 1024 * 1024;
  std::uint64_t max_recipients = 1000;
  std::vector<net::Network4Or6> relay_from;
  bool plaintext_auth = false;
  bool scram_sha_1 = false;
  bool scram_plus = false;
  smtp::BareNewline bare_newline = smtp::BareNewline::reject;
  bool binarymime = false;
  Duration greeting_delay{};
};

struct ListenKeys {
  server::Service service = server::Service::smtp;
  std::vector<net::Endpoint> address;
  SmtpKeys smtp;
  std::vector<net::Network4Or6> proxy_protocol_from;
  std::vector<net::Network4Or6> xclient_from;
  bool serve_health = false;
  bool serve_metrics = false;
  bool serve_autoconfig = false;
};

/// [tls] or a [[certificate]], and where it stands.
struct CertificateKeys {
  net::CertificateFiles files;
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
};

/// [secret.NAME]: who we are elsewhere. The password is read when it is needed, by `load_logins`.
struct SecretKeys {
  std::string username;
  std::string password_file;  ///< absolute
  std::string credential;     ///< a name in $CREDENTIALS_DIRECTORY (systemd); one of both is set
  ConfigMistake at;           ///< where it stands
};

struct Config {
  std::string file;  ///< where it was read from
  std::string hostname;
  std::string data_dir;  ///< absolute
  std::string user;
  Duration drain_timeout = std::chrono::seconds(8);
  std::vector<ListenKeys> listen;
  std::vector<CertificateKeys> certificates;
  std::uint64_t max_connections = 10'000;
  std::uint64_t max_connections_per_ip = 50;
  std::vector<directory::DomainRecord> domains;
  std::vector<directory::AliasRecord> aliases;       ///< [[alias]]
  std::vector<directory::AliasFile> alias_files;     ///< [[alias_file]], paths absolute
  std::vector<directory::AliasRecord> file_aliases;  ///< what the alias files say
  std::vector<directory::CatchAll> catch_alls;       ///< and their "@domain"
  std::map<mail::Domain, std::shared_ptr<const directory::RecipientList>> recipient_lists;  ///< "file:PATH"
  std::optional<mail::Address> catch_everything;  ///< of the sandbox; no key of the file
  std::vector<route::StaticRoute> routes;
  std::map<std::string, SecretKeys, std::less<>> secrets;
  std::vector<net::Network4Or6> allow_private;
  std::uint16_t outbound_port = 25;
  queue::Settings queue = queue::default_settings();
  std::vector<std::string> dns_servers;
  std::string dns_trust_anchor;
  LogFormat log_format = LogFormat::text;
  Level log_level = Level::info;
  std::string submit_origin;   ///< domain of bare user names; empty: submit_door.hpp says which
  std::uint64_t min_free = 0;  ///< 0: the store's default
};

struct LoadedConfig {
  Config config;
  std::vector<ConfigMistake> mistakes;  ///< empty: `config` may be used
  std::vector<ConfigMistake> notes;     ///< for `config check`: right as it is, if it is meant
};

/// Reads the file, its includes, and the files that they name (alias files, lists of recipients).
[[nodiscard]] LoadedConfig load_config(const std::string& file);

[[nodiscard]] std::vector<net::CertificateFiles> certificate_files(const Config& config);
/// What is wrong with the files of the certificates, for who may read them: a file that is missing or no good, a key of
/// another certificate, one that has expired.
[[nodiscard]] std::vector<ConfigMistake> check_certificates(const Config& config);

/// All settings with their values, defaults included, as TOML (`config show`).
[[nodiscard]] std::string show_config(const Config& config);

/// The known name that `text` most likely means; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view text, const std::vector<std::string_view>& known);

}  // namespace postrider::cli
