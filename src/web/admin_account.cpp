// Accounts, their app passwords and whom they may send as.
#include "core/await.hpp"
#include "core/text.hpp"
#include "web/admin_address.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::web {
namespace {

using directory::AccountClass;
using directory::Scope;

constexpr Advice kAddAccount{
    .not_found = "add the domain first: domain add",
    .conflict = "account passwd changes a password; account list and alias list show what there is"};
constexpr Advice kAccount{.not_found = "account list shows what there is", .conflict = "try again"};
constexpr Advice kAppPassword{.not_found = "account app-password list shows what there is",
                              .conflict = "choose another name, or revoke that one first"};
constexpr Advice kSendAs{.not_found = "account list and account send-as list show what there is",
                         .conflict = "account send-as list shows it"};

constexpr int kRemovalTries = 3;  // of an account's mail

/// Local parts of accounts compare without regard to case, as the directory does.
bool is_same(const mail::Address& a, const mail::Address& b) {
  return a.domain() == b.domain() && iequals_ascii(a.local_part(), b.local_part());
}

std::string_view name_of(AccountClass kind) { return kind == AccountClass::app ? "app" : "person"; }

Result<AccountClass> parse_class(std::string_view text) {
  if (text == "person") return AccountClass::person;
  if (text == "app") return AccountClass::app;
  return error(Error::malformed, "web.admin", "a class is person or app");
}

struct ScopeName {
  Scope scope;
  std::string_view name;
};
constexpr auto kScopeNames = std::to_array<ScopeName>({
    {Scope::submission, "submission"},
    {Scope::pop3, "pop3"},
    {Scope::imap, "imap"},
});

/// "submission,pop3"; each at most once.
Result<std::vector<Scope>> parse_scopes(std::string_view text) {
  std::vector<Scope> scopes;
  for (const std::string_view piece : split(text, ',')) {
    const auto* const known = std::ranges::find(kScopeNames, piece, &ScopeName::name);
    if (known == kScopeNames.end() || std::ranges::find(scopes, known->scope) != scopes.end())
      return error(Error::malformed, "web.admin", "scopes are submission, pop3 and imap, with commas between");
    scopes.push_back(known->scope);
  }
  return scopes;
}

std::vector<std::string> names_of(const std::vector<Scope>& scopes) {
  std::vector<std::string> names;
  for (const Scope scope : scopes) names.emplace_back(std::ranges::find(kScopeNames, scope, &ScopeName::scope)->name);
  return names;
}

/// "ann@example.test", or "@example.test" for all of it.
Result<directory::SendAs> parse_right(std::string_view text) {
  if (text.starts_with('@')) {
    Result<mail::Domain> domain = mail::Domain::parse(text.substr(1));
    if (domain && !domain->is_literal()) return directory::SendAs{.local_part = {}, .domain = std::move(*domain)};
    return error(Error::malformed, "web.admin", "not a domain of the form @example.com");
  }
  const Result<mail::Address> address = parse_address(text);
  if (!address) return fail(address);
  return directory::SendAs{.local_part = address->local_part(), .domain = address->domain()};
}

std::string text_of(const directory::SendAs& right) {
  if (right.local_part.empty()) return "@" + right.domain.text();
  const Result<mail::Address> address = mail::Address::make(right.local_part, right.domain);
  return address ? address->text() : right.local_part + "@" + right.domain.text();
}

std::vector<std::string> texts_of(const std::vector<directory::SendAs>& rights) {
  std::vector<std::string> out;
  for (const directory::SendAs& right : rights) out.push_back(text_of(right));
  return out;
}

std::vector<std::string> scram_of(const directory::AccountFacts& facts) {
  std::vector<std::string> hashes;
  if (facts.scram_sha256) hashes.emplace_back("sha-256");
  if (facts.scram_sha1) hashes.emplace_back("sha-1");
  return hashes;
}

std::string about_password(const directory::AccountFacts& facts) {
  if (facts.imported) return "imported hash";
  return facts.scram_sha256 ? "scram" : "no scram";
}

/// Of `directory`, by its address; nullopt: there is none.
Task<Result<std::optional<directory::Account>>> find_account(directory::Directory* directory, mail::Address address) {
  Result<std::vector<directory::Account>> accounts = co_await directory->list_accounts();
  if (!accounts) co_return fail(accounts);
  const auto found =
      std::ranges::find_if(*accounts, [&](const auto& account) { return is_same(account.address, address); });
  if (found == accounts->end()) co_return std::optional<directory::Account>();
  co_return std::optional<directory::Account>(std::move(*found));
}

Task<AdminReply> switch_account(AdminRooms rooms, AdminRequest request, bool enabled, std::string_view verb) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAccount);
  const Result<void> set = co_await rooms.directory->set_enabled(*address, enabled);
  if (!set) co_return failure("account", address->text(), set.error(), kAccount);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = verb});
  co_return reply;
}

}  // namespace

Task<AdminReply> add_account(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAddAccount);
  const Result<AccountClass> kind = parse_class(option(request, "class").value_or("person"));
  if (!kind) co_return failure("account", address->text(), kind.error(), kAddAccount);
  const bool is_hash = option(request, "password-hash-stdin").has_value();
  std::string hash = is_hash ? std::string(request.secret.reveal()) : std::string();
  Task<Result<directory::Account>> adding =
      is_hash ? rooms.directory->import_account(*address, std::move(hash), *kind)
              : rooms.directory->add_account(*address, std::move(request.secret), *kind);
  const Result<directory::Account> added = co_await std::move(adding);
  if (!added) co_return failure("account", address->text(), added.error(), kAddAccount);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = added->address.text(), .verb = "added"});
  co_return reply;
}

Task<AdminReply> remove_account(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAccount);
  const Result<std::optional<directory::Account>> found = co_await find_account(rooms.directory, *address);
  if (!found) co_return failure("account", address->text(), found.error(), kAccount);
  const Result<void> removed = co_await rooms.directory->remove_account(*address);
  if (!removed) co_return failure("account", address->text(), removed.error(), kAccount);

  AdminReply reply;
  Result<void> emptied;
  for (int tries = 0; *found && tries < kRemovalTries; ++tries) {
    emptied = co_await rooms.mailboxes->remove_account((*found)->id);
    if (emptied || !is_transient(emptied.error().code)) break;
  }
  if (!emptied) {
    // Nobody can reach that mail any more: account numbers are never given again.
    reply.exit_code = 1;
    reply.error = fmt::format("account {}: removed, but its mail still takes up room: {} (look at the log)",
                              address->text(), shown(describe(emptied.error())));
    co_return reply;
  }
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = "removed"});
  co_return reply;
}

Task<AdminReply> list_accounts(AdminRooms rooms, AdminRequest request) {
  const Result<std::vector<directory::AccountFacts>> accounts = co_await rooms.directory->describe_accounts();
  if (!accounts) co_return failure("account", "list", accounts.error(), kAccount);
  AdminReply reply;
  std::vector<std::vector<std::string>> rows;
  for (const directory::AccountFacts& facts : *accounts) {
    const directory::Account& account = facts.account;
    if (request.format == OutputFormat::json) {
      reply.lines.push_back(json_line()
                                .text("account", account.address.text())
                                .number("id", static_cast<std::uint64_t>(account.id))
                                .flag("enabled", account.enabled)
                                .time("created", account.created)
                                .text("class", name_of(account.kind))
                                .texts("scram", scram_of(facts))
                                .flag("imported", facts.imported)
                                .number("app_passwords", facts.app_passwords)
                                .texts("send_as", texts_of(account.send_as))
                                .text("source", name_of(facts.source))
                                .to_text());
    } else {
      rows.push_back({account.address.text(), account.enabled ? "enabled" : "disabled", to_rfc3339(account.created),
                      std::string(name_of(account.kind)), about_password(facts),
                      fmt::format("{} app passwords", facts.app_passwords), std::string(name_of(facts.source))});
    }
  }
  if (request.format == OutputFormat::text) reply.lines = aligned(rows);
  co_return reply;
}

Task<AdminReply> set_password(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAccount);
  const Result<void> set = co_await rooms.directory->set_password(*address, std::move(request.secret));
  if (!set) co_return failure("account", address->text(), set.error(), kAccount);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = "password changed"});
  co_return reply;
}

Task<AdminReply> enable_account(AdminRooms rooms, AdminRequest request) {
  return switch_account(rooms, std::move(request), true, "enabled");
}

Task<AdminReply> disable_account(AdminRooms rooms, AdminRequest request) {
  return switch_account(rooms, std::move(request), false, "disabled");
}

Task<AdminReply> set_account_class(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAccount);
  const Result<AccountClass> kind = parse_class(request.words[1]);
  if (!kind) co_return failure("account", address->text(), kind.error(), kAccount);
  const Result<void> set = co_await rooms.directory->set_class(*address, *kind);
  if (!set) co_return failure("account", address->text(), set.error(), kAccount);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = "class changed"});
  co_return reply;
}

/// The only reply that has the password.
Task<AdminReply> add_app_password(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAppPassword);
  std::optional<std::string> name = option(request, "name");
  if (!name) co_return used_wrongly("account app-password add", "--name is missing", "say which program it is for");
  Result<std::vector<Scope>> scopes = parse_scopes(option(request, "scope").value_or("submission,pop3,imap"));
  if (!scopes) co_return failure("account", address->text(), scopes.error(), kAppPassword);
  const Result<directory::Directory::NewAppPassword> made =
      co_await rooms.directory->add_app_password(*address, std::move(*name), std::move(*scopes));
  if (!made) co_return failure("account", address->text(), made.error(), kAppPassword);
  AdminReply reply;
  if (request.format == OutputFormat::json) {
    reply.lines.push_back(json_line()
                              .text("account", address->text())
                              .text("id", made->record.id)
                              .text("name", made->record.name)
                              .texts("scopes", names_of(made->record.scopes))
                              .text("password", made->password.reveal())
                              .to_text());
  } else {
    reply.lines.push_back(fmt::format("account {} app-password {} password {}", address->text(), made->record.id,
                                      made->password.reveal()));
  }
  co_return reply;
}

Task<AdminReply> list_app_passwords(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAccount);
  const Result<std::vector<directory::AppPassword>> all = co_await rooms.directory->list_app_passwords(*address);
  if (!all) co_return failure("account", address->text(), all.error(), kAccount);
  AdminReply reply;
  std::vector<std::vector<std::string>> rows;
  for (const directory::AppPassword& one : *all) {
    const std::optional<std::string> used = one.last_used ? std::optional(to_rfc3339(*one.last_used)) : std::nullopt;
    const std::vector<std::string> scopes = names_of(one.scopes);
    if (request.format == OutputFormat::json) {
      reply.lines.push_back(json_line()
                                .text("account", address->text())
                                .text("id", one.id)
                                .text("name", one.name)
                                .texts("scopes", scopes)
                                .time("created", one.created)
                                .text_or_null("last_used", used)
                                .to_text());
    } else {
      rows.push_back({one.id, fmt::format("{}", fmt::join(scopes, ",")), "made " + to_rfc3339(one.created),
                      "used " + used.value_or("never"), shown(one.name)});
    }
  }
  if (request.format == OutputFormat::text) reply.lines = aligned(rows);
  co_return reply;
}

Task<AdminReply> revoke_app_password(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAppPassword);
  const Result<void> revoked = co_await rooms.directory->revoke_app_password(*address, request.words[1]);
  if (!revoked) co_return failure("account", address->text(), revoked.error(), kAppPassword);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = "app password revoked"});
  co_return reply;
}

Task<AdminReply> add_send_as(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kSendAs);
  Result<directory::SendAs> right = parse_right(request.words[1]);
  if (!right) co_return failure("send-as", request.words[1], right.error(), kSendAs);
  const Result<void> added = co_await rooms.directory->add_send_as(*address, std::move(*right));
  if (!added) co_return failure("account", address->text(), added.error(), kSendAs);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = "send-as added"});
  co_return reply;
}

Task<AdminReply> remove_send_as(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kSendAs);
  Result<directory::SendAs> right = parse_right(request.words[1]);
  if (!right) co_return failure("send-as", request.words[1], right.error(), kSendAs);
  const Result<void> removed = co_await rooms.directory->remove_send_as(*address, std::move(*right));
  if (!removed) co_return failure("account", address->text(), removed.error(), kSendAs);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "account", .name = address->text(), .verb = "send-as removed"});
  co_return reply;
}

Task<AdminReply> list_send_as(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("account", request.words[0], address.error(), kAccount);
  const Result<std::optional<directory::Account>> account = co_await find_account(rooms.directory, *address);
  if (!account) co_return failure("account", address->text(), account.error(), kAccount);
  if (!*account) {
    const Error none{Error::not_found, "web.admin", "no such account"};
    co_return failure("account", address->text(), none, kAccount);
  }
  AdminReply reply;
  for (const std::string& right : texts_of((*account)->send_as)) {
    if (request.format == OutputFormat::json) {
      reply.lines.push_back(json_line().text("account", address->text()).text("send_as", right).to_text());
    } else {
      reply.lines.push_back(right);
    }
  }
  co_return reply;
}

}  // namespace postrider::web
