#include "cli/config_mail.hpp"

#include "core/text.hpp"
#include "directory/alias_file.hpp"
#include "directory/keys.hpp"
#include "directory/recipient_list.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace postrider::cli {

namespace {

using directory::DomainKind;
using directory::RelayRecipients;

/// "verify", "any" or "file:PATH".
Result<RelayRecipients> parse_recipients(const TableReader& keys, std::string_view value) {
  constexpr std::string_view kFile = "file:";
  if (value == "verify") return RelayRecipients{.by = RelayRecipients::By::verify};
  if (value == "any") return RelayRecipients{.by = RelayRecipients::By::any};
  if (value.starts_with(kFile) && value.size() > kFile.size())
    return RelayRecipients{.by = RelayRecipients::By::file, .path = keys.beside(value.substr(kFile.size()))};
  return error(Error::malformed, "config.recipients", "verify, any or file:PATH");
}

Result<DomainKind> parse_kind(std::string_view value) {
  if (value == "local") return DomainKind::local;
  if (value == "relay") return DomainKind::relay;
  if (value == "alias") return DomainKind::alias;
  return error(Error::malformed, "config.kind", "local, relay or alias");
}

void check_domain_keys(const TableReader& keys, const directory::DomainRecord& record) {
  const auto only_for = [&](std::string_view key, DomainKind kind, std::string_view name) {
    if (keys.has(key) && record.kind != kind)
      keys.mistake(keys.place_of(key), fmt::format("[[domain]] {} belongs to kind = \"{}\"", key, name));
  };
  for (const std::string_view key : {"catch_all", "postmaster"}) only_for(key, DomainKind::local, "local");
  only_for("recipients", DomainKind::relay, "relay");
  only_for("of", DomainKind::alias, "alias");
  if (record.kind == DomainKind::alias && !record.alias_of && !keys.has("of"))
    keys.mistake_here("[[domain]] of kind \"alias\" wants of = \"DOMAIN\"");
  if (record.alias_of == record.name) keys.mistake(keys.place_of("of"), "[[domain]] cannot be an alias of itself");
}

/// Errors  says why it cannot be read.
Result<std::string> read_named_file(const std::string& path) {
  std::error_code failed;
  const std::filesystem::file_status status = std::filesystem::status(path, failed);
  if (failed || !std::filesystem::exists(status))
    return error(Error::not_found, "config.file", "there is no such file");
  if (!std::filesystem::is_regular_file(status)) return error(Error::malformed, "config.file", "is not a regular file");
  const std::uintmax_t octets = std::filesystem::file_size(path, failed);
  if (failed || octets > kNamedFileOctetsMax) return error(Error::too_long, "config.file", "is larger than 64 MiB");
  std::ifstream in(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(octets), '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(text.size())))
    return error(Error::denied, "config.file", "cannot be read");
  return text;
}

Result<directory::AliasText> read_included(const std::string& from, std::string_view path) {
  std::string whole = (std::filesystem::path(from).parent_path() / path).lexically_normal().string();
  Result<std::string> text = read_named_file(whole);
  if (!text) return fail(text);
  return directory::AliasText{.path = std::move(whole), .text = std::move(*text)};
}

void add_all(std::vector<ConfigMistake>& to, const std::vector<directory::FileMistake>& found) {
  for (const directory::FileMistake& one : found) to.push_back({one.file, one.line, one.column, one.what});
}

/// One check of the whole; lives as long as it runs.
class MailCheck {
 public:
  MailCheck(LoadedConfig* loaded, const MailSections* sections)
      : loaded_(*loaded), config_(loaded->config), sections_(*sections) {}

  void run() {
    check_domains();
    for (std::size_t i = 0; i < config_.domains.size(); ++i) read_recipients(config_.domains[i], sections_.domains[i]);
    for (std::size_t i = 0; i < config_.aliases.size(); ++i) check_alias(config_.aliases[i], sections_.aliases[i]);
    for (std::size_t i = 0; i < config_.alias_files.size(); ++i)
      read_aliases(config_.alias_files[i], sections_.alias_files[i]);
    for (std::size_t i = 0; i < config_.routes.size(); ++i) check_login(config_.routes[i], sections_.route_logins[i]);
  }

 private:
  void mistake(const MailSections::Where& at, std::string what) {
    loaded_.mistakes.push_back({at.file, at.place.line, at.place.column, std::move(what)});
  }
  void note(const MailSections::Where& at, std::string what) {
    loaded_.notes.push_back({at.file, at.place.line, at.place.column, std::move(what)});
  }

  [[nodiscard]] const directory::DomainRecord* find_domain(const mail::Domain& name) const {
    const auto found = std::ranges::find(config_.domains, name, &directory::DomainRecord::name);
    return found == config_.domains.end() ? nullptr : &*found;
  }

  void check_domains() {
    std::set<mail::Domain> seen;
    for (std::size_t i = 0; i < config_.domains.size(); ++i) {
      const directory::DomainRecord& domain = config_.domains[i];
      const MailSections::Where& at = sections_.domains[i];
      if (!seen.insert(domain.name).second)
        mistake(at, fmt::format("[[domain]] {} is there already", domain.name.text()));
      if (!domain.alias_of) continue;
      const directory::DomainRecord* const real = find_domain(*domain.alias_of);
      if (real == nullptr) {
        note(at, fmt::format("{} is no [[domain]] of this file: it must be in the store (domain add)",
                             domain.alias_of->text()));
      } else if (real->kind != DomainKind::local) {
        mistake(at, fmt::format("[[domain]] {} is an alias of {}, which is not local", domain.name.text(),
                                real->name.text()));
      }
    }
  }

  void check_login(const route::StaticRoute& route, const MailSections::Where& at) {
    const std::string& secret = route.credentials.secret;
    if (!secret.empty() && !config_.secrets.contains(secret))
      mistake(at, fmt::format("[[route]] auth: there is no [secret.{}]", printable_ascii(secret, 64)));
  }

  void read_recipients(const directory::DomainRecord& domain, const MailSections::Where& at) {
    if (domain.recipients.by != RelayRecipients::By::file) return;
    const std::string& path = domain.recipients.path;
    const Result<std::string> text = read_named_file(path);
    if (!text)
      return mistake(at, fmt::format("recipients of {}: {}: {}", domain.name.text(), path, text.error().detail));
    std::vector<directory::FileMistake> found;
    config_.recipient_lists[domain.name] = std::make_shared<const directory::RecipientList>(
        directory::RecipientList::parse(*text, domain.name, path, found));
    add_all(loaded_.mistakes, found);
  }

  void check_alias(const directory::AliasRecord& alias, const MailSections::Where& at) {
    take_address(alias, at);
    if (alias.targets.size() > directory::kFileAliasTargetsMax)
      mistake(at, fmt::format("[[alias]] has at most {} targets", directory::kFileAliasTargetsMax));
    const std::string own = directory::keys::folded(alias.address);
    if (std::ranges::any_of(alias.targets, [&](const auto& target) { return directory::keys::folded(target) == own; }))
      mistake(at, "[[alias]] cannot be its own target");
  }

  void take_address(const directory::AliasRecord& alias, const MailSections::Where& at) {
    if (!seen_.insert(directory::keys::folded(alias.address)).second)
      mistake(at, fmt::format("{} is an alias already", alias.address.text()));
  }

  /// Of names without one: as it is set, or the first local domain.
  [[nodiscard]] std::optional<mail::Domain> domain_of(const directory::AliasFile& file) const {
    if (file.domain) return file.domain;
    const auto local = std::ranges::find(config_.domains, DomainKind::local, &directory::DomainRecord::kind);
    return local == config_.domains.end() ? std::nullopt : std::optional(local->name);
  }

  void read_aliases(const directory::AliasFile& file, const MailSections::Where& at) {
    const std::optional<mail::Domain> domain = domain_of(file);
    if (!domain) {
      return mistake(at, "[[alias_file]] wants domain = \"DOMAIN\" for its names (there is no local [[domain]] here)");
    }
    Result<std::string> text = read_named_file(file.path);
    if (!text) return mistake(at, fmt::format("[[alias_file]] {}: {}", file.path, text.error().detail));
    directory::ParsedAliases parsed = directory::parse_alias_file({.path = file.path, .text = std::move(*text)},
                                                                  file.format, *domain, &read_included);
    add_all(loaded_.mistakes, parsed.mistakes);
    add_all(loaded_.notes, parsed.notes);
    std::set<mail::Domain> unknown;
    for (directory::AliasRecord& alias : parsed.aliases) {
      take_address(alias, at);
      if (find_domain(alias.address.domain()) == nullptr) unknown.insert(alias.address.domain());
      config_.file_aliases.push_back(std::move(alias));
    }
    for (directory::CatchAll& all : parsed.catch_alls) {
      take_catch_all(all, at);
      if (find_domain(all.domain) == nullptr) unknown.insert(all.domain);
      config_.catch_alls.push_back(std::move(all));
    }
    for (const mail::Domain& name : unknown) {
      note(at, fmt::format("{} has aliases for {}, which is no [[domain]] of this file: it must be in the store "
                           "(domain add)",
                           file.path, name.text()));
    }
  }

  void take_catch_all(const directory::CatchAll& all, const MailSections::Where& at) {
    const directory::DomainRecord* const domain = find_domain(all.domain);
    if (domain != nullptr && domain->kind != DomainKind::local)
      return mistake(at, fmt::format("@{} takes all of a domain that is not local", all.domain.text()));
    const bool is_second = !caught_.insert(all.domain).second;
    if (is_second || (domain != nullptr && domain->catch_all))
      mistake(at, fmt::format("{} has a catch-all already", all.domain.text()));
  }

  LoadedConfig& loaded_;
  Config& config_;
  const MailSections& sections_;
  std::set<std::string> seen_;  // aliases, folded
  std::set<mail::Domain> caught_;
};

}  // namespace

void read_domain(TableReader& keys, Config* config, MailSections* sections) {
  std::optional<mail::Domain> name;
  keys.domain("name", &name);
  directory::DomainRecord record{.name = name ? *name : *mail::Domain::parse("unset"),
                                 .catch_all = {},
                                 .subaddress = "+",
                                 .postmaster = {},
                                 .source = directory::Source::file};
  keys.text(
      "kind",
      [&](std::string_view value) -> Result<void> {
        const Result<DomainKind> kind = parse_kind(value);
        if (!kind) return fail(kind);
        record.kind = *kind;
        return {};
      },
      "\"local\", \"relay\" or \"alias\"");
  keys.domain("of", &record.alias_of);
  keys.text(
      "recipients",
      [&](std::string_view value) -> Result<void> {
        Result<RelayRecipients> recipients = parse_recipients(keys, value);
        if (!recipients) return fail(recipients);
        record.recipients = std::move(*recipients);
        return {};
      },
      "\"verify\", \"any\" or \"file:PATH\"");
  keys.address("catch_all", &record.catch_all);
  keys.string("subaddress", &record.subaddress);
  keys.address("postmaster", &record.postmaster);
  check_domain_keys(keys, record);
  if (!keys.has("name")) keys.mistake_here("[[domain]] wants a name");
  if (!name) return;
  config->domains.push_back(std::move(record));
  sections->domains.push_back({keys.file(), keys.place()});
}

void read_alias(TableReader& keys, Config* config, MailSections* sections) {
  std::optional<mail::Address> address;
  std::vector<mail::Address> targets;
  keys.address("address", &address);
  keys.texts(
      "targets",
      [&](std::string_view value) -> Result<void> {
        Result<mail::Address> target = mail::Address::parse(value);
        if (!target) return fail(target);
        targets.push_back(std::move(*target));
        return {};
      },
      "addresses");
  if (!address || targets.empty()) return keys.mistake_here("[[alias]] wants address and targets");
  config->aliases.push_back(
      {.address = std::move(*address), .targets = std::move(targets), .source = directory::Source::file});
  sections->aliases.push_back({keys.file(), keys.place()});
}

void read_alias_file(TableReader& keys, Config* config, MailSections* sections) {
  directory::AliasFile file{.path = {}};
  keys.string("path", &file.path);
  keys.text(
      "format",
      [&](std::string_view value) -> Result<void> {
        if (value == "aliases")
          file.format = directory::AliasFormat::aliases;
        else if (value == "postfix-virtual")
          file.format = directory::AliasFormat::postfix_virtual;
        else
          return error(Error::malformed, "config.alias_file", "aliases or postfix-virtual");
        return {};
      },
      "\"aliases\" or \"postfix-virtual\"");
  keys.domain("domain", &file.domain);
  if (file.path.empty()) return keys.mistake_here("[[alias_file]] wants a path");
  file.path = keys.beside(file.path);
  config->alias_files.push_back(std::move(file));
  sections->alias_files.push_back({keys.file(), keys.place()});
}

void read_retry(TableReader& keys, std::vector<Duration>* into) {
  std::vector<Duration> retry;
  keys.texts(
      "retry",
      [&](std::string_view value) -> Result<void> {
        const Result<Duration> parsed = parse_duration(value);
        if (!parsed) return fail(parsed);
        if (*parsed < std::chrono::seconds(1)) return error(Error::malformed, "config.retry", "at least 1s");
        retry.push_back(*parsed);
        return {};
      },
      "durations such as \"5m\"");
  if (!retry.empty()) *into = std::move(retry);
}

namespace {

/// tls, what goes with it, and auth.
void read_security(TableReader& keys, route::StaticRoute* route) {
  using route::TlsPolicy;
  keys.text(
      "tls",
      [&](std::string_view value) -> Result<void> {
        for (const TlsPolicy policy : {TlsPolicy::automatic, TlsPolicy::none, TlsPolicy::opportunistic,
                                       TlsPolicy::required, TlsPolicy::verified}) {
          if (value != route::name_of(policy)) continue;
          route->tls = policy;
          return {};
        }
        return error(Error::malformed, "config.route", "auto, none, opportunistic, required or verified");
      },
      "\"auto\", \"none\", \"opportunistic\", \"required\" or \"verified\"");
  route::Credentials& with = route->credentials;
  keys.string("tls_name", &with.tls_name);
  for (const auto& [key, into] :
       {std::pair("tls_ca", &with.tls_authorities), std::pair("client_certificate", &with.client_certificate),
        std::pair("client_key", &with.client_key)}) {
    keys.string(key, into);
    if (!into->empty()) *into = keys.beside(*into);
  }
  keys.string("auth", &with.secret);
}

}  // namespace

void read_route(TableReader& keys, Config* config, MailSections* sections) {
  constexpr std::string_view kSocket = "lmtp+unix:";
  route::StaticRoute route;
  keys.string("domain", &route.domain);
  keys.texts(
      "via",
      [&](std::string_view value) -> Result<void> {
        const bool is_relative = value.starts_with(kSocket) && value.size() > kSocket.size();
        route.via.push_back(is_relative ? std::string(kSocket) + keys.beside(value.substr(kSocket.size()))
                                        : std::string(value));
        return {};
      },
      "next hops such as \"127.0.0.1:2600\"");
  keys.string("sender", &route.sender);
  keys.string("account", &route.account);
  keys.flag("match_local", &route.match_local);
  keys.string("source", &route.source);
  keys.string("helo", &route.hello);
  read_retry(keys, &route.retry);
  read_security(keys, &route);
  const bool says_for_whom = keys.has("domain") || keys.has("sender") || keys.has("account");
  if (!says_for_whom || !keys.has("via") || (route.domain.empty() && keys.has("domain")))
    return keys.mistake_here("[[route]] wants domain and via");
  const Result<void> checked = route::check_route(route);
  if (checked) {
    sections->route_logins.push_back({keys.file(), keys.place_of("auth")});
    return config->routes.push_back(std::move(route));
  }
  const std::string_view place = checked.error().place;
  keys.mistake(keys.place_of(place.substr(place.find('.') + 1)), "[[route]] " + describe(checked.error()));
}

void check_mail(LoadedConfig* loaded, const MailSections& sections) { MailCheck(loaded, &sections).run(); }

}  // namespace postrider::cli
