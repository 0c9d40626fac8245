#include "cli/init.hpp"

#include "cli/instance.hpp"
#include "cli/print.hpp"
#include "cli/tls_files.hpp"

#include <filesystem>

namespace postrider::cli {

namespace {

constexpr std::string_view kTemplate =
    R"(# Postrider: docs/manual/config.md explains every key. `postrider config check` finds every mistake.
hostname = "{hostname}"        # how this host names itself: its A and PTR records should agree
data_dir = "data"              # everything that the server writes
# user = "postrider"           # root gives itself up for this user after the ports are open
drain_timeout = "8s"           # how long sessions may go on after SIGTERM

# From the internet. To receive on the real port: address = ["0.0.0.0:25", "[::]:25"]
[[listen]]
service = "smtp"
address = "127.0.0.1:2525"

# From another mail server on this host that hands mail over for the mailboxes here.
[[listen]]
service = "lmtp"
address = "127.0.0.1:2424"

# For people and their programs: TLS from the start, or by STARTTLS on 2587. The real ports are 465, 587 and 995.
[[listen]]
service = "submissions"
address = "127.0.0.1:2465"

[[listen]]
service = "submission"
address = "127.0.0.1:2587"

[[listen]]
service = "pop3s"
address = "127.0.0.1:2995"

# Passwords without TLS are taken on loopback only.
[[listen]]
service = "pop3"
address = "127.0.0.1:2110"
plaintext_auth = true

[[listen]]
service = "http"
address = "127.0.0.1:8025"
serve = ["health", "metrics"]

# A certificate that this host signed itself: put one that clients trust in its place, then `postrider reload`.
[tls]
certificate = "tls/fullchain.pem"
private_key = "tls/key.pem"

[smtp]
# max_message_size = "50MiB"   # 35MiB for submission
max_recipients = 1000
relay_from = []                # networks that may send to anywhere without a password; loopback is not trusted by itself

# Domains, accounts and aliases are in the store (postrider domain|account|alias add), or here (docs/manual/aliases.md):
# [[domain]]                   # we are its gateway or backup MX
# name = "inner.example"
# kind = "relay"
# recipients = "verify"        # at RCPT the next hop is asked; "any", "file:PATH"
# [[alias_file]]
# path = "/etc/aliases"
# domain = "{domain}"

# Mail that is not for a local domain: the first match wins, without a match the MX decides. A route never grants relaying.
# [[route]]
# domain = "*"
# via = "smarthost.example:25"

[queue]
retry = ["5m", "10m", "20m", "40m", "1h", "2h"]
warn_after = "4h"              # senders who may relay hear that their mail is late
expire_after = "5d"
expire_after_bounce = "2d"
)";

std::string fill(std::string_view text, std::string_view name, std::string_view value) {
  std::string out(text);
  const std::size_t at = out.find(name);
  return out.replace(at, name.size(), value);
}

web::AdminRequest request_of(std::string name, std::vector<std::string> words, std::string secret) {
  return {.name = std::move(name),
          .words = std::move(words),
          .options = {},
          .secret = Secret(std::move(secret)),
          .format = web::OutputFormat::text};
}

/// Domain and accounts that are not there yet. Gives the DNS records to publish. Errors  as the store; conflict: a
/// server runs on it.
Result<std::vector<std::string>> add_missing(const Config& config, const InitOptions& options) {
  SystemRandom random;
  std::vector<web::AdminRequest> requests;
  requests.push_back(request_of("domain.add", {options.domain}, {}));
  std::vector<std::pair<std::string, std::string>> accounts;
  for (const std::string& account : options.accounts) {
    std::string address = account.contains('@') ? account : account + "@" + options.domain;
    std::string password = make_password(random);
    requests.push_back(request_of("account.add", {address}, password));
    accounts.emplace_back(std::move(address), std::move(password));
  }
  requests.push_back(request_of("domain.dns", {options.domain}, {}));
  const Result<std::vector<web::AdminReply>> replies = run_admin_on_store(config, std::move(requests));
  if (!replies) return fail(replies);
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    const web::AdminReply& reply = (*replies)[i + 1];
    if (reply.exit_code == kExitDone) {
      print_line(fmt::format("account {} password {}", accounts[i].first, accounts[i].second));
    } else if (!options.if_missing) {
      return error(Error::conflict, "init", reply.error);
    }
  }
  return replies->back().lines;
}

}  // namespace

std::string make_password(Random& random) {
  static constexpr std::string_view kLetters = "abcdefghjkmnpqrstuvwxyz23456789";  // none that look alike
  std::string out;
  for (int i = 0; i < 20; ++i) out += kLetters[random.below(kLetters.size())];
  return out;
}

int run_init(const InitOptions& asked) {
  InitOptions options = asked;
  const Result<mail::Domain> domain = mail::Domain::parse(options.domain);
  if (!domain || domain->is_literal()) {
    print_error("init: --domain wants a domain name such as example.test");
    return kExitUsage;
  }
  options.domain = domain->text();
  if (options.hostname.empty()) options.hostname = "mx." + options.domain;
  const Result<mail::Domain> hostname = mail::Domain::parse(options.hostname);
  if (!hostname || hostname->is_literal()) {
    print_error("init: --hostname wants a host name such as mx.example.test");
    return kExitUsage;
  }
  if (options.accounts.empty()) options.accounts.emplace_back("postmaster");

  const std::string file = (std::filesystem::path(options.directory) / "postrider.toml").string();
  std::error_code failed;
  const std::filesystem::path data = std::filesystem::path(options.directory) / "data";
  const bool made = std::filesystem::create_directories(data, failed);
  if (made && !failed) std::filesystem::permissions(data, std::filesystem::perms::owner_all, failed);
  if (failed) {
    print_error(fmt::format("init: {}: {}", options.directory, failed.message()));
    return kExitFailed;
  }
  if (std::filesystem::exists(file)) {
    if (!options.if_missing) {
      print_error(fmt::format("init: {} exists already (use --if-missing to complete it)", file));
      return kExitFailed;
    }
  } else {
    const Result<void> written =
        write_new_file(file, fill(fill(kTemplate, "{hostname}", hostname->text()), "{domain}", options.domain), 0640);
    if (!written) return report(written.error());
    const Result<std::string> certified = make_first_certificate(options.directory, {hostname->text(), "localhost"});
    if (!certified) return report(certified.error());
  }
  const LoadedConfig loaded = load_config(file);
  for (const ConfigMistake& mistake : loaded.mistakes) print_error(to_text(mistake));
  if (!loaded.mistakes.empty()) return kExitFailed;
  const Result<std::vector<std::string>> records = add_missing(loaded.config, options);
  if (!records) {
    print_error("init: " + describe(records.error()));
    return records.error().code == Error::conflict && records.error().place == "store.locked" ? kExitTryAgain
                                                                                              : kExitFailed;
  }
  print_line(fmt::format("\n{} is ready: postrider -c {} serve", options.directory, file));
  print_line(fmt::format("\nPublish these DNS records (postrider domain dns {} --check sees whether they are there):",
                         options.domain));
  for (const std::string& line : *records) print_line(line);
  return kExitDone;
}

}  // namespace postrider::cli
