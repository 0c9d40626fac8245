#include "web/admin.hpp"

#include "core/await.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

namespace postrider::web {
namespace {

constexpr std::size_t kMany = 1000;  // words of one command

enum class Password : std::uint8_t { none, wanted };

struct Command {
  std::string_view name;
  std::size_t words_min;
  std::size_t words_max;
  std::span<const std::string_view> options;
  Password password;
  std::string_view usage;
  Task<AdminReply> (*run)(AdminRooms rooms, AdminRequest request);
};

constexpr auto kAddDomainOptions =
    std::to_array<std::string_view>({"catch-all", "postmaster", "kind", "of", "recipients", "dkim"});
constexpr auto kDkimOptions = std::to_array<std::string_view>({"algorithm"});
constexpr auto kDnsOptions = std::to_array<std::string_view>({"check", "dns"});
constexpr auto kAddAccountOptions = std::to_array<std::string_view>({"class", "password-hash-stdin"});
constexpr auto kAddAppPasswordOptions = std::to_array<std::string_view>({"name", "scope"});
constexpr auto kListOptions = std::to_array<std::string_view>(
    {"login", "from", "to", "domain", "mx", "status", "older-than", "reply", "all", "limit", "after"});
constexpr auto kChangeOptions = std::to_array<std::string_view>(
    {"login", "from", "to", "domain", "mx", "status", "older-than", "reply", "all", "limit", "dry-run", "yes"});
constexpr std::string_view kListUsage =
    "[ID...] [--login A] [--from A] [--to A] [--domain D] [--mx HOST] [--status S] [--older-than T] [--reply REGEX] "
    "[--limit N] [--after ID]";
constexpr std::string_view kChangeUsage =
    "ID... | --all | [--login A] [--from A] [--to A] [--domain D] [--mx HOST] [--status S] [--older-than T] "
    "[--reply REGEX]; [--limit N] [--dry-run] [--yes]";
constexpr std::string_view kRedirectUsage =
    "ID... TARGET... | --all TARGET... | [--login A] [--from A] [--to A] [--domain D] [--mx HOST] [--status S] "
    "[--older-than T] [--reply REGEX] TARGET...; [--limit N] [--dry-run] [--yes]";

constexpr auto kCommands = std::to_array<Command>({
    {"domain.add", 1, 1, kAddDomainOptions, Password::none,
     "DOMAIN [--kind local|relay|alias] [--of DOMAIN] [--recipients verify|any] [--catch-all ADDRESS] "
     "[--postmaster ADDRESS] [--dkim both|rsa|ed25519|none]",
     &add_domain},
    {"domain.remove", 1, 1, {}, Password::none, "DOMAIN", &remove_domain},
    {"domain.dkim", 1, 3, kDkimOptions, Password::none,
     "DOMAIN [list | add [--algorithm rsa|ed25519|both] | activate SELECTOR | retire SELECTOR | remove SELECTOR]",
     &change_dkim},
    {"domain.dns", 1, 1, kDnsOptions, Password::none, "DOMAIN [--check] [--dns FILE]", &show_dns},
    {"domain.list", 0, 0, {}, Password::none, "", &list_domains},
    {"account.add", 1, 1, kAddAccountOptions, Password::wanted,
     "ADDRESS [--class person|app] [--password-hash-stdin], the password on stdin", &add_account},
    {"account.remove", 1, 1, {}, Password::none, "ADDRESS", &remove_account},
    {"account.list", 0, 0, {}, Password::none, "", &list_accounts},
    {"account.passwd", 1, 1, {}, Password::wanted, "ADDRESS, the password on stdin", &set_password},
    {"account.enable", 1, 1, {}, Password::none, "ADDRESS", &enable_account},
    {"account.disable", 1, 1, {}, Password::none, "ADDRESS", &disable_account},
    {"account.class", 2, 2, {}, Password::none, "ADDRESS person|app", &set_account_class},
    {"account.app-password.add", 1, 1, kAddAppPasswordOptions, Password::none,
     "ADDRESS --name NAME [--scope submission,pop3,imap]", &add_app_password},
    {"account.app-password.list", 1, 1, {}, Password::none, "ADDRESS", &list_app_passwords},
    {"account.app-password.revoke", 2, 2, {}, Password::none, "ADDRESS ID", &revoke_app_password},
    {"account.send-as.add", 2, 2, {}, Password::none, "ADDRESS ADDRESS|@DOMAIN", &add_send_as},
    {"account.send-as.remove", 2, 2, {}, Password::none, "ADDRESS ADDRESS|@DOMAIN", &remove_send_as},
    {"account.send-as.list", 1, 1, {}, Password::none, "ADDRESS", &list_send_as},
    {"alias.add", 2, kMany + 1, {}, Password::none, "ADDRESS TARGET...", &add_alias},
    {"alias.remove", 1, kMany + 1, {}, Password::none, "ADDRESS [TARGET...]", &remove_alias},
    {"alias.list", 0, 0, {}, Password::none, "", &list_aliases},
    {"ban.list", 0, 0, {}, Password::none, "", &list_bans},
    {"ban.lift", 1, kMany, {}, Password::none, "ADDRESS|ACCOUNT...", &lift_ban},
    {"queue.list", 0, kMany, kListOptions, Password::none, kListUsage, &list_queue},
    {"queue.show", 0, kMany, kListOptions, Password::none, kListUsage, &show_queue},
    {"queue.summary", 0, kMany, kListOptions, Password::none, kListUsage, &summarize_queue},
    {"queue.retry", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &retry_queue},
    {"queue.hold", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &hold_queue},
    {"queue.release", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &release_queue},
    {"queue.remove", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &remove_from_queue},
    {"queue.bounce", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &bounce_queue},
    {"queue.redirect", 1, kMany + queue::kRedirectTargetsMax, kChangeOptions, Password::none, kRedirectUsage,
     &redirect_queue},
    {"queue.freeze", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &freeze_queue},
    {"queue.thaw", 0, kMany, kChangeOptions, Password::none, kChangeUsage, &thaw_queue},
    {"reload", 0, 0, {}, Password::none, "", &reload},
});

/// "queue.list" as it is typed.
std::string typed(std::string_view name) {
  std::string out(name);
  std::ranges::replace(out, '.', ' ');
  return out;
}

/// What there is under the same first word, or all first words.
std::string alternatives(std::string_view name) {
  const std::string group(name.substr(0, name.find('.') + 1));
  std::string out;
  for (const Command& command : kCommands) {
    if (!group.empty() && command.name.starts_with(group)) out += (out.empty() ? "" : ", ") + typed(command.name);
  }
  return out.empty() ? "there are domain, account, alias, ban and queue" : "there are " + out;
}

/// Why the request is not as its command wants it; nullopt when it is.
std::optional<AdminReply> misuse(const Command& command, const AdminRequest& request) {
  const std::string name = typed(command.name);
  const std::string usage = fmt::format("usage: {}{}{}", name, command.usage.empty() ? "" : " ", command.usage);
  const std::size_t words = request.words.size();
  if (words < command.words_min) return used_wrongly(name, "a word is missing", usage);
  if (words > command.words_max) return used_wrongly(name, "too many words", usage);
  for (auto it = request.options.begin(); it != request.options.end(); ++it) {
    if (it->first.empty() || std::ranges::find(command.options, it->first) == command.options.end()) {
      return used_wrongly(name, fmt::format("unknown option --{}", it->first), usage);
    }
    const bool twice = std::any_of(request.options.begin(), it, [&](const auto& o) { return o.first == it->first; });
    if (twice) return used_wrongly(name, fmt::format("option --{} is given twice", it->first), usage);
  }
  if (command.password == Password::wanted && request.secret.empty()) {
    return used_wrongly(name, "the password is empty", usage);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> option(const AdminRequest& request, std::string_view name) {
  const auto found = std::ranges::find_if(request.options, [&](const auto& o) { return o.first == name; });
  if (found == request.options.end()) return std::nullopt;
  return found->second;
}

Task<AdminReply> Admin::run(AdminRequest request) {
  const auto* const command = std::ranges::find(kCommands, request.name, &Command::name);
  if (command == kCommands.end()) {
    co_return used_wrongly(typed(request.name), "no such command", alternatives(request.name));
  }
  std::optional<AdminReply> wrong = misuse(*command, request);
  if (wrong) co_return std::move(*wrong);
  co_return co_await command->run(rooms_, std::move(request));
}

}  // namespace postrider::web
