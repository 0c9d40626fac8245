// The keys that a domain signs with.
#include "web/admin_dkim.hpp"

#include "core/await.hpp"
#include "core/text.hpp"
#include "dns/file_resolver.hpp"
#include "trust/dkim_sign.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {

namespace {

using directory::DkimKey;
using trust::DkimAlgorithm;

constexpr Advice kDkim{.not_found = "domain dkim DOMAIN shows what there is",
                       .conflict = "domain dkim DOMAIN shows it"};
constexpr std::string_view kUsage =
    "usage: domain dkim DOMAIN [list | add [--algorithm rsa|ed25519|both] | activate SELECTOR | retire SELECTOR | "
    "remove "
    "SELECTOR]";

directory::DkimAlgorithm to_stored(DkimAlgorithm algorithm) {
  return algorithm == DkimAlgorithm::rsa_sha256 ? directory::DkimAlgorithm::rsa_sha256
                                                : directory::DkimAlgorithm::ed25519_sha256;
}

std::string_view short_name(directory::DkimAlgorithm algorithm) {
  return algorithm == directory::DkimAlgorithm::rsa_sha256 ? "rsa" : "ed25519";
}

/// "20261128a": of today, with the first letter under which there is no key yet.
Result<std::string> new_selector_base(const std::vector<DkimKey>& keys, WallTime now) {
  const std::string today = to_rfc3339(now).substr(0, 10);
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    const std::string base = today.substr(0, 4) + today.substr(5, 2) + today.substr(8, 2) + letter;
    if (std::ranges::none_of(keys, [&](const DkimKey& key) { return key.selector.starts_with(base); })) return base;
  }
  return error(Error::exhausted, "web.admin", "too many keys of today");
}

AdminReply failure(const mail::Domain& domain, const Error& why) {
  AdminReply reply;
  add_failure(reply, "domain " + domain.text(), why, kDkim);
  return reply;
}

void add_key_row(AdminReply& reply, OutputFormat format, const mail::Domain& domain, const DkimKey& key,
                 std::vector<std::vector<std::string>>& rows) {
  if (format == OutputFormat::text) {
    rows.push_back({key.selector, std::string(short_name(key.algorithm)), key.active ? "signs" : "does not sign",
                    to_rfc3339(key.created)});
    return;
  }
  const DnsRecord record = make_dkim_record(domain, key);
  reply.lines.push_back(json_line()
                            .text("domain", domain.text())
                            .text("selector", key.selector)
                            .text("algorithm", short_name(key.algorithm))
                            .flag("active", key.active)
                            .time("created", key.created)
                            .text("name", record.owner)
                            .text("type", record.type)
                            .text("text", record.text)
                            .to_text());
}

void add_key_deed(AdminReply& reply, OutputFormat format, const mail::Domain& domain, std::string_view selector,
                  std::string_view verb, std::string_view advice) {
  if (format == OutputFormat::json) {
    reply.lines.push_back(
        json_line().text("domain", domain.text()).text("selector", selector).text("done", verb).to_text());
    return;
  }
  reply.lines.push_back(fmt::format("key {} of {} {}", selector, domain.text(), verb));
  if (!advice.empty()) reply.lines.emplace_back(advice);
}

AdminReply show_keys(const mail::Domain& domain, const std::vector<DkimKey>& keys, OutputFormat format) {
  AdminReply reply;
  std::vector<std::vector<std::string>> rows;
  for (const DkimKey& key : keys) add_key_row(reply, format, domain, key, rows);
  if (format == OutputFormat::text) reply.lines = aligned(rows);
  return reply;
}

Task<AdminReply> add_keys(AdminRooms rooms, mail::Domain domain, AdminRequest request) {
  const Result<std::vector<DkimAlgorithm>> algorithms = parse_algorithms(option(request, "algorithm").value_or("both"));
  if (!algorithms || algorithms->empty()) co_return used_wrongly("--algorithm", "is rsa, ed25519 or both", kUsage);
  const Result<std::vector<DkimKey>> keys = co_await add_dkim_keys(rooms, domain, *algorithms, false);
  if (!keys) co_return failure(domain, keys.error());
  if (request.format == OutputFormat::json) co_return show_keys(domain, *keys, request.format);
  AdminReply reply;
  for (const DkimKey& key : *keys) add_key_deed(reply, request.format, domain, key.selector, "added", {});
  reply.lines.emplace_back(
      "Publish, see by `domain dns DOMAIN --check` that it is seen, then `domain dkim DOMAIN activate "
      "SELECTOR`:");
  for (const DkimKey& key : *keys) reply.lines.push_back(to_zone_line(make_dkim_record(domain, key)));
  co_return reply;
}

struct Switch {
  std::string_view verb;
  std::string_view done;
  std::string_view advice;
};
constexpr Switch kActivate{"activate", "signs now",
                           "Retire the key that it replaces: domain dkim DOMAIN retire SELECTOR"};
constexpr Switch kRetire{
    "retire", "does not sign any more",
    "Leave its record for a week, mail that is on its way needs it; then: domain dkim DOMAIN remove "
    "SELECTOR"};
constexpr Switch kRemove{"remove", "removed", "Take its record out of the DNS"};

/// One key, by its selector.
Task<AdminReply> change_key(AdminRooms rooms, mail::Domain domain, AdminRequest request) {
  const std::string verb = request.words[1];
  const std::string selector = request.words[2];
  const Switch& what = verb == kActivate.verb ? kActivate : verb == kRetire.verb ? kRetire : kRemove;
  Result<void> done;
  if (verb == kRemove.verb) {
    done = co_await rooms.dkim_keys->remove(domain, selector);
  } else {
    done = co_await rooms.dkim_keys->set_active(domain, selector, verb == kActivate.verb);
  }
  if (!done) co_return failure(domain, done.error());
  AdminReply reply;
  add_key_deed(reply, request.format, domain, selector, what.done, what.advice);
  co_return reply;
}

/// The domain with its kind. Errors  not_found; malformed; of the store.
Task<Result<directory::DomainRecord>> domain_of(AdminRooms rooms, std::string word) {
  const Result<mail::Domain> name = mail::Domain::parse(word, mail::Utf8::yes);
  if (!name) co_return error(Error::malformed, "web.admin", "not a domain name of the form example.com");
  const Result<std::vector<directory::DomainRecord>> domains = co_await rooms.directory->list_domains();
  if (!domains) co_return fail(domains);
  const auto found = std::ranges::find(*domains, *name, &directory::DomainRecord::name);
  if (found == domains->end()) co_return error(Error::not_found, "web.admin", "no such domain");
  co_return *found;
}

struct Checked {
  DnsRecord record;
  DnsFinding finding;
};

void show_finding(AdminReply& reply, OutputFormat format, const Checked& one) {
  const bool is_fault = one.finding.is_fault(one.record);
  if (is_fault) reply.exit_code = 1;
  if (format == OutputFormat::json) {
    reply.lines.push_back(json_line()
                              .text("name", one.record.owner)
                              .text("type", one.record.type)
                              .text("data", one.record.data)
                              .text("purpose", one.record.purpose)
                              .flag("needed", one.record.needed)
                              .text("status", name_of(one.finding.status))
                              .texts("found", one.finding.found)
                              .to_text());
    return;
  }
  const bool is_advice = one.finding.status == DnsFinding::Status::missing && !one.record.needed;
  reply.lines.push_back(fmt::format("{:<9} {:<4} {}{}", name_of(one.finding.status), one.record.type, one.record.owner,
                                    is_advice ? " (mail goes without it)" : ""));
  if (one.finding.status == DnsFinding::Status::ok) return;
  for (const std::string& found : one.finding.found)
    reply.lines.push_back(fmt::format(
        "          {} {}", one.finding.status == DnsFinding::Status::unknown ? "because" : "there is", shown(found)));
  reply.lines.push_back("          want     " + one.record.data);
}

/// Who is asked: the file that came with the request, or the desk's resolver.
struct Asked {
  std::unique_ptr<dns::Resolver> own;
  dns::Resolver* resolver = nullptr;
};

Result<Asked> resolver_for(const AdminRooms& rooms, const AdminRequest& request) {
  Asked asked;
  if (const std::optional<std::string> text = option(request, "dns")) {
    Result<std::unique_ptr<dns::Resolver>> file = dns::make_file_resolver(*text);
    if (!file) return fail(file);
    asked.own = std::move(*file);
    asked.resolver = asked.own.get();
    return asked;
  }
  const Result<dns::Resolver*> resolver = rooms.dns_desk->resolver();
  if (!resolver) return fail(resolver);
  asked.resolver = *resolver;
  return asked;
}

Task<AdminReply> check_records(AdminRooms rooms, AdminRequest request, std::vector<DnsRecord> records,
                               mail::Domain hostname) {
  AdminReply reply;
  const Result<Asked> asked = resolver_for(rooms, request);
  if (!asked) {
    add_failure(reply, "--dns", asked.error(), Advice{});
    co_return reply;
  }
  const DnsFinding host = co_await check_host_address(asked->resolver, hostname);
  const DnsRecord address{.owner = hostname.text(),
                          .type = "A",
                          .data = "an address of this host, or AAAA",
                          .purpose = "address",
                          .needed = true};
  show_finding(reply, request.format, {.record = address, .finding = host});
  for (const DnsRecord& record : records) {
    const DnsFinding finding = co_await check_dns_record(asked->resolver, record);
    show_finding(reply, request.format, {.record = record, .finding = finding});
  }
  if (reply.exit_code != 0) reply.error = "domain dns: not all is as it should be (see above)";
  co_return reply;
}

void add_records(AdminReply& reply, OutputFormat format, const std::vector<DnsRecord>& records) {
  for (const DnsRecord& record : records) {
    if (format == OutputFormat::text) {
      reply.lines.push_back(to_zone_line(record));
      continue;
    }
    reply.lines.push_back(json_line()
                              .text("name", record.owner)
                              .text("type", record.type)
                              .text("data", record.data)
                              .text("purpose", record.purpose)
                              .flag("needed", record.needed)
                              .to_text());
  }
}

}  // namespace

Result<std::vector<DkimAlgorithm>> parse_algorithms(std::string_view word) {
  if (word == "both") return std::vector{DkimAlgorithm::rsa_sha256, DkimAlgorithm::ed25519_sha256};
  if (word == "rsa") return std::vector{DkimAlgorithm::rsa_sha256};
  if (word == "ed25519") return std::vector{DkimAlgorithm::ed25519_sha256};
  if (word == "none") return std::vector<DkimAlgorithm>{};
  return error(Error::malformed, "web.admin", "is rsa, ed25519, both or none");
}

Task<Result<std::vector<DkimKey>>> add_dkim_keys(AdminRooms rooms, mail::Domain domain,
                                                 std::vector<DkimAlgorithm> algorithms, bool active) {
  const Result<std::vector<DkimKey>> before = co_await rooms.dkim_keys->of(domain);
  if (!before) co_return fail(before);
  const Result<std::string> base = new_selector_base(*before, rooms.clock->wall());
  if (!base) co_return fail(base);
  std::vector<DkimKey> added;
  for (const DkimAlgorithm algorithm : algorithms) {
    std::move_only_function<Result<trust::NewDkimKey>()> work = [algorithm] { return trust::make_dkim_key(algorithm); };
    Result<trust::NewDkimKey> made = co_await run_on<trust::NewDkimKey>(rooms.workers, std::move(work));
    if (!made) co_return fail(made);
    DkimKey key{.selector = *base + (algorithm == DkimAlgorithm::rsa_sha256 ? "-rsa" : "-ed"),
                .algorithm = to_stored(algorithm),
                .private_key = {},
                .public_key = std::move(made->public_key),
                .active = active,
                .created = rooms.clock->wall()};
    added.push_back(key);
    key.private_key = std::move(made->private_key);
    const Result<void> stored = co_await rooms.dkim_keys->add(domain, std::move(key));
    if (!stored) co_return fail(stored);
  }
  co_return added;
}

void add_zone_lines(AdminReply& reply, const AdminRooms& rooms, const mail::Domain& domain, directory::DomainKind kind,
                    const std::vector<DkimKey>& keys) {
  if (rooms.dns_desk == nullptr) return;
  const DnsFacts facts = rooms.dns_desk->facts();
  for (std::string& line : dns_advice(domain, kind, keys, facts)) reply.lines.push_back(std::move(line));
  add_records(reply, OutputFormat::text, make_dns_records(domain, kind, keys, facts));
}

Task<AdminReply> change_dkim(AdminRooms rooms, AdminRequest request) {
  const Result<directory::DomainRecord> domain = co_await domain_of(rooms, request.words[0]);
  if (!domain) {
    AdminReply reply;
    add_failure(reply, "domain " + request.words[0], domain.error(),
                Advice{.not_found = "domain list shows what there is"});
    co_return reply;
  }
  const std::string verb = request.words.size() > 1 ? request.words[1] : "list";
  const bool of_one = verb == "activate" || verb == "retire" || verb == "remove";
  if (!of_one && verb != "list" && verb != "add") co_return used_wrongly("domain dkim", "no such deed", kUsage);
  if (of_one != (request.words.size() == 3))
    co_return used_wrongly("domain dkim", of_one ? "a selector is missing" : "too many words", kUsage);
  if (verb != "add" && !request.options.empty())
    co_return used_wrongly("domain dkim", "--algorithm belongs to add", kUsage);
  if (of_one) co_return co_await change_key(rooms, domain->name, std::move(request));
  if (verb == "add") co_return co_await add_keys(rooms, domain->name, std::move(request));
  const Result<std::vector<DkimKey>> keys = co_await rooms.dkim_keys->of(domain->name);
  if (!keys) co_return failure(domain->name, keys.error());
  co_return show_keys(domain->name, *keys, request.format);
}

Task<AdminReply> show_dns(AdminRooms rooms, AdminRequest request) {
  AdminReply reply;
  const Result<directory::DomainRecord> domain = co_await domain_of(rooms, request.words[0]);
  if (!domain) {
    add_failure(reply, "domain " + request.words[0], domain.error(),
                Advice{.not_found = "domain list shows what there is"});
    co_return reply;
  }
  const Result<std::vector<DkimKey>> keys = co_await rooms.dkim_keys->of(domain->name);
  if (!keys) co_return failure(domain->name, keys.error());
  const DnsFacts facts = rooms.dns_desk->facts();
  std::vector<DnsRecord> records = make_dns_records(domain->name, domain->kind, *keys, facts);
  if (option(request, "check"))
    co_return co_await check_records(rooms, std::move(request), std::move(records), facts.hostname);
  if (request.format == OutputFormat::text) reply.lines = dns_advice(domain->name, domain->kind, *keys, facts);
  add_records(reply, request.format, records);
  co_return reply;
}

}  // namespace postrider::web
