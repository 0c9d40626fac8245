// Domains and aliases.
#include "core/await.hpp"
#include "core/text.hpp"
#include "web/admin_address.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_dkim.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr Advice kAddDomain{.not_found = "check the spelling", .conflict = "domain list shows it"};
constexpr Advice kAddDomainKeys{.conflict = "domain dkim DOMAIN add makes keys"};
constexpr Advice kRemoveDomain{.not_found = "domain list shows what there is",
                               .conflict = "remove its accounts and aliases first"};
constexpr Advice kAddAlias{.not_found = "add the domain first: domain add",
                           .conflict = "account list and alias list show what there is"};
constexpr Advice kRemoveAlias{.not_found = "alias list shows what there is", .conflict = "try again"};

Result<mail::Domain> parse_domain(std::string_view text) {
  Result<mail::Domain> domain = mail::Domain::parse(text);
  if (domain && !domain->is_literal()) return domain;
  return error(Error::malformed, "web.admin", "not a domain name of the form example.com");
}

std::optional<std::string> text_of(const std::optional<mail::Address>& address) {
  if (!address) return std::nullopt;
  return address->text();
}

std::vector<std::string> texts_of(const std::vector<mail::Address>& addresses) {
  std::vector<std::string> out;
  for (const mail::Address& address : addresses) out.push_back(address.text());
  return out;
}

/// Puts the optional address of an option into `into`. False: the reply says what is wrong with it.
bool take_address(const AdminRequest& request, std::string_view name, std::optional<mail::Address>& into,
                  AdminReply& reply) {
  const std::optional<std::string> given = option(request, name);
  if (!given) return true;
  Result<mail::Address> address = parse_address(*given);
  if (!address) {
    add_failure(reply, fmt::format("--{} {}", name, *given), address.error(), Advice{});
    return false;
  }
  into = std::move(*address);
  return true;
}

/// The words from `first` on as addresses. Nothing when one is wrong; the reply says which.
std::optional<std::vector<mail::Address>> take_targets(const AdminRequest& request, std::size_t first,
                                                       AdminReply& reply) {
  std::vector<mail::Address> out;
  for (std::size_t i = first; i < request.words.size(); ++i) {
    Result<mail::Address> target = parse_address(request.words[i]);
    if (!target) {
      add_failure(reply, fmt::format("target {}", request.words[i]), target.error(), Advice{});
      return std::nullopt;
    }
    out.push_back(std::move(*target));
  }
  return out;
}

/// What `--kind`, `--of` and `--recipients` say. Errors  malformed.
Result<void> take_kind(const AdminRequest& request, directory::DomainRecord& record) {
  using directory::DomainKind;
  using By = directory::RelayRecipients::By;
  const std::string kind = option(request, "kind").value_or("local");
  if (kind == "relay") {
    record.kind = DomainKind::relay;
  } else if (kind == "alias") {
    record.kind = DomainKind::alias;
  } else if (kind != "local") {
    return error(Error::malformed, "web.admin", "--kind is local, relay or alias");
  }
  if (const std::optional<std::string> of = option(request, "of")) {
    Result<mail::Domain> real = parse_domain(*of);
    if (!real) return error(Error::malformed, "web.admin", "--of is not a domain name of the form example.com");
    record.alias_of = std::move(*real);
  }
  if (const std::optional<std::string> recipients = option(request, "recipients")) {
    if (record.kind != DomainKind::relay)
      return error(Error::malformed, "web.admin", "--recipients belongs to --kind relay");
    if (recipients->starts_with("file:"))
      return error(Error::malformed, "web.admin", "a file of recipients belongs into the configuration file");
    if (*recipients != "verify" && *recipients != "any")
      return error(Error::malformed, "web.admin", "--recipients is verify or any");
    record.recipients.by = *recipients == "any" ? By::any : By::verify;
  }
  return {};
}

/// "local", "alias", "relay".
std::string_view name_of(directory::DomainKind kind) {
  switch (kind) {
    case directory::DomainKind::local: return "local";
    case directory::DomainKind::relay: return "relay";
    case directory::DomainKind::alias: return "alias";
  }
  return "local";
}

/// Of a relay domain, as it is configured.
std::optional<std::string> recipients_of(const directory::DomainRecord& domain) {
  using By = directory::RelayRecipients::By;
  if (domain.kind != directory::DomainKind::relay) return std::nullopt;
  switch (domain.recipients.by) {
    case By::any: return "any";
    case By::verify: return "verify";
    case By::file: return "file:" + domain.recipients.path;
  }
  return std::nullopt;
}

/// What is special about the domain, for a row of the list.
std::string about(const directory::DomainRecord& domain) {
  if (domain.alias_of) return "alias of " + domain.alias_of->text();
  if (const std::optional<std::string> recipients = recipients_of(domain)) return "relay, recipients " + *recipients;
  return "local";
}

/// What keys a new domain gets. Errors  malformed.
Result<std::vector<trust::DkimAlgorithm>> algorithms_for(const AdminRooms& rooms, const AdminRequest& request,
                                                         const directory::DomainRecord& record) {
  const std::optional<std::string> asked = option(request, "dkim");
  const bool can_sign = record.kind != directory::DomainKind::relay && rooms.dkim_keys != nullptr;
  if (asked && !can_sign) return error(Error::malformed, "web.admin", "--dkim belongs to local and alias domains");
  Result<std::vector<trust::DkimAlgorithm>> algorithms = parse_algorithms(asked.value_or(can_sign ? "both" : "none"));
  if (!algorithms) return error(Error::malformed, "web.admin", "--dkim is both, rsa, ed25519 or none");
  return algorithms;
}

}  // namespace

Task<AdminReply> add_domain(AdminRooms rooms, AdminRequest request) {
  AdminReply reply;
  Result<mail::Domain> name = parse_domain(request.words[0]);
  if (!name) co_return failure("domain", request.words[0], name.error(), kAddDomain);
  directory::DomainRecord record{.name = *name, .catch_all = {}, .postmaster = {}};
  if (!take_address(request, "catch-all", record.catch_all, reply)) co_return reply;
  if (!take_address(request, "postmaster", record.postmaster, reply)) co_return reply;
  const Result<void> kind = take_kind(request, record);
  if (!kind) co_return failure("domain", name->text(), kind.error(), kAddDomain);
  const Result<std::vector<trust::DkimAlgorithm>> algorithms = algorithms_for(rooms, request, record);
  if (!algorithms) co_return failure("domain", name->text(), algorithms.error(), kAddDomain);
  const directory::DomainKind of_kind = record.kind;
  const Result<void> added = co_await rooms.directory->add_domain(std::move(record));
  if (!added) co_return failure("domain", name->text(), added.error(), kAddDomain);
  add_deed(reply, request.format, Deed{.kind = "domain", .name = name->text(), .verb = "added"});
  std::vector<directory::DkimKey> keys;
  if (!algorithms->empty()) {
    Result<std::vector<directory::DkimKey>> made = co_await add_dkim_keys(rooms, *name, *algorithms, true);
    if (!made) {
      add_failure(reply, fmt::format("domain {}: added, but its mail is not signed", name->text()), made.error(),
                  kAddDomainKeys);
      co_return reply;
    }
    keys = std::move(*made);
  }
  if (request.format == OutputFormat::text) add_zone_lines(reply, rooms, *name, of_kind, keys);
  co_return reply;
}

Task<AdminReply> remove_domain(AdminRooms rooms, AdminRequest request) {
  const Result<mail::Domain> name = parse_domain(request.words[0]);
  if (!name) co_return failure("domain", request.words[0], name.error(), kRemoveDomain);
  const Result<void> removed = co_await rooms.directory->remove_domain(*name);
  if (!removed) co_return failure("domain", name->text(), removed.error(), kRemoveDomain);
  AdminReply reply;
  add_deed(reply, request.format, Deed{.kind = "domain", .name = name->text(), .verb = "removed"});
  co_return reply;
}

Task<AdminReply> list_domains(AdminRooms rooms, AdminRequest request) {
  const Result<std::vector<directory::DomainRecord>> domains = co_await rooms.directory->list_domains();
  if (!domains) co_return failure("domain", "list", domains.error(), kRemoveDomain);
  AdminReply reply;
  std::vector<std::vector<std::string>> rows;
  for (const directory::DomainRecord& domain : *domains) {
    const std::optional<std::string> catch_all = text_of(domain.catch_all);
    const std::optional<std::string> postmaster = text_of(domain.postmaster);
    if (request.format == OutputFormat::json) {
      reply.lines.push_back(
          json_line()
              .text("domain", domain.name.text())
              .text_or_null("catch_all", catch_all)
              .text_or_null("postmaster", postmaster)
              .text("subaddress", domain.subaddress)
              .text("source", name_of(domain.source))
              .text("kind", name_of(domain.kind))
              .text_or_null("of", domain.alias_of ? std::optional(domain.alias_of->text()) : std::nullopt)
              .text_or_null("recipients", recipients_of(domain))
              .to_text());
    } else {
      rows.push_back({domain.name.text(), fmt::format("catch-all {}", catch_all.value_or("-")),
                      fmt::format("postmaster {}", postmaster.value_or("-")), about(domain),
                      std::string(name_of(domain.source))});
    }
  }
  if (request.format == OutputFormat::text) reply.lines = aligned(rows);
  co_return reply;
}

Task<AdminReply> add_alias(AdminRooms rooms, AdminRequest request) {
  AdminReply reply;
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("alias", request.words[0], address.error(), kAddAlias);
  std::optional<std::vector<mail::Address>> targets = take_targets(request, 1, reply);
  if (!targets) co_return reply;
  const Result<void> added = co_await rooms.directory->add_alias(*address, std::move(*targets));
  if (!added) co_return failure("alias", address->text(), added.error(), kAddAlias);
  add_deed(reply, request.format, Deed{.kind = "alias", .name = address->text(), .verb = "added"});
  co_return reply;
}

Task<AdminReply> remove_alias(AdminRooms rooms, AdminRequest request) {
  AdminReply reply;
  const Result<mail::Address> address = parse_address(request.words[0]);
  if (!address) co_return failure("alias", request.words[0], address.error(), kRemoveAlias);
  std::optional<std::vector<mail::Address>> targets = take_targets(request, 1, reply);
  if (!targets) co_return reply;
  const std::string_view verb = targets->empty() ? "removed" : "targets removed";
  const Result<void> removed = co_await rooms.directory->remove_alias(*address, std::move(*targets));
  if (!removed) co_return failure("alias", address->text(), removed.error(), kRemoveAlias);
  add_deed(reply, request.format, Deed{.kind = "alias", .name = address->text(), .verb = verb});
  co_return reply;
}

Task<AdminReply> list_aliases(AdminRooms rooms, AdminRequest request) {
  const Result<std::vector<directory::AliasRecord>> aliases = co_await rooms.directory->list_aliases();
  if (!aliases) co_return failure("alias", "list", aliases.error(), kRemoveAlias);
  AdminReply reply;
  std::vector<std::vector<std::string>> rows;
  for (const directory::AliasRecord& alias : *aliases) {
    const std::vector<std::string> targets = texts_of(alias.targets);
    if (request.format == OutputFormat::json) {
      reply.lines.push_back(json_line()
                                .text("alias", alias.address.text())
                                .texts("targets", targets)
                                .text("source", name_of(alias.source))
                                .to_text());
    } else {
      rows.push_back(
          {alias.address.text(), std::string(name_of(alias.source)), fmt::format("{}", fmt::join(targets, " "))});
    }
  }
  if (request.format == OutputFormat::text) reply.lines = aligned(rows);
  co_return reply;
}

}  // namespace postrider::web
