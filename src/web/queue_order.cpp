#include "web/queue_order.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "core/units.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"
#include "web/reply_pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::web {
namespace {

constexpr std::size_t kNameOctetsMax = 256;  // of a host

std::unexpected<Error> wrong(std::string detail) {
  return error(Error::malformed, "web.queue_order", std::move(detail));
}

/// "example.test" or "@example.test" as the directory has it.
Result<std::string> parse_domain(std::string_view text) {
  if (text.starts_with('@')) text.remove_prefix(1);
  const Result<mail::Domain> domain = mail::Domain::parse(text, mail::Utf8::yes);
  if (!domain) return wrong("not a domain of the form example.com");
  return domain->text();
}

/// An address, or "@domain" for all addresses of it.
Result<std::string> parse_address_or_domain(std::string_view text) {
  if (text.find('@') == std::string_view::npos || text.starts_with('@')) {
    const Result<std::string> domain = parse_domain(text);
    if (domain) return "@" + *domain;
    return wrong("neither an address of the form user@example.com nor @example.com");
  }
  const Result<mail::Address> address = mail::Address::parse(text, mail::Utf8::yes);
  if (!address) return wrong("neither an address of the form user@example.com nor @example.com");
  return address->text();
}

/// "uid:1000", an address or "@domain".
Result<void> set_login(QueueOrder& order, const std::string& value, WallTime) {
  constexpr std::string_view kUser = "uid:";
  if (value.starts_with(kUser) && parse_number<std::uint32_t>(value.substr(kUser.size()))) {
    order.selection.login = value;
    return {};
  }
  const Result<std::string> login = parse_address_or_domain(value);
  if (!login) return wrong("not a login of the form user@example.com, @example.com or uid:1000");
  order.selection.login = *login;
  return {};
}

Result<void> set_from(QueueOrder& order, const std::string& value, WallTime) {
  if (value == "<>" || value.empty()) {
    order.selection.from = "<>";
    return {};
  }
  Result<std::string> from = parse_address_or_domain(value);
  if (!from) return fail(from);
  order.selection.from = std::move(*from);
  return {};
}

Result<void> set_to(QueueOrder& order, const std::string& value, WallTime) {
  Result<std::string> to = parse_address_or_domain(value);
  if (!to) return fail(to);
  order.selection.to = std::move(*to);
  return {};
}

Result<void> set_domain(QueueOrder& order, const std::string& value, WallTime) {
  Result<std::string> domain = parse_domain(value);
  if (!domain) return fail(domain);
  order.selection.domain = std::move(*domain);
  return {};
}

Result<void> set_mx(QueueOrder& order, const std::string& value, WallTime) {
  if (value.empty() || value.size() > kNameOctetsMax) return wrong("not the name or address of a host");
  order.selection.mx = value;
  return {};
}

struct Why {
  std::string_view name;
  queue::HeldWhy why;
};
constexpr auto kWhys = std::to_array<Why>({
    {"held:undeliverable", queue::HeldWhy::undeliverable},
    {"held:command", queue::HeldWhy::command},
    {"held:route", queue::HeldWhy::route},
    {"held:frozen", queue::HeldWhy::frozen},
    {"held:burst", queue::HeldWhy::burst},
});

Result<void> set_status(QueueOrder& order, const std::string& value, WallTime) {
  queue::Selection& selection = order.selection;
  if (value == "due" || value == "deferred") {
    selection.state = queue::RecipientState::due;
    selection.only_fresh = value == "due";
    selection.only_deferred = value == "deferred";
    return {};
  }
  const auto* const why = std::ranges::find(kWhys, value, &Why::name);
  if (value != "held" && why == kWhys.end()) {
    return wrong(
        "not a status: due, deferred, held, held:undeliverable, held:command, held:route, held:frozen or held:burst is "
        "one");
  }
  selection.state = queue::RecipientState::held;
  if (why != kWhys.end()) selection.held_why = {why->why};
  return {};
}

Result<void> set_older_than(QueueOrder& order, const std::string& value, WallTime now) {
  const Result<Duration> age = parse_duration(value);
  if (!age) return wrong("not a time span of the form 5m, 2h or 3d");
  order.selection.arrived_before = now - std::chrono::floor<std::chrono::microseconds>(*age);
  return {};
}

Result<void> set_reply(QueueOrder& order, const std::string& value, WallTime) {
  Result<std::function<bool(std::string_view)>> pattern = parse_reply_pattern(value);
  if (!pattern) return wrong(fmt::format("not a regular expression: {}", pattern.error().detail));
  order.selection.reply = std::move(*pattern);
  return {};
}

struct Selector {
  std::string_view name;
  Result<void> (*set)(QueueOrder& order, const std::string& value, WallTime now);
};
constexpr auto kSelectors = std::to_array<Selector>({
    {"login", &set_login},
    {"from", &set_from},
    {"to", &set_to},
    {"domain", &set_domain},
    {"mx", &set_mx},
    {"status", &set_status},
    {"older-than", &set_older_than},
    {"reply", &set_reply},
});

struct PhaseName {
  std::string_view name;
  QueueCursor::Phase phase;
};
constexpr auto kPhases = std::to_array<PhaseName>({
    {"start", QueueCursor::Phase::start},
    {"ask", QueueCursor::Phase::ask},
    {"act", QueueCursor::Phase::act},
});

}  // namespace

std::optional<AdminReply> read_order(const AdminRequest& request, WallTime now, QueueOrder& order) {
  for (const auto& [name, value] : request.options) {
    const auto* const selector = std::ranges::find(kSelectors, name, &Selector::name);
    if (selector == kSelectors.end()) continue;
    const Result<void> set = selector->set(order, value, now);
    if (!set) return used_wrongly(fmt::format("--{} {}", name, value), set.error().detail, "correct it");
    order.by_selector = true;
  }
  const std::optional<std::string> limit = option(request, "limit");
  if (limit) {
    const Result<std::uint64_t> number = parse_number<std::uint64_t>(*limit, {.min = 1});
    if (!number) return used_wrongly("--limit " + *limit, "not a number", "give 1 or more");
    order.limit = *number;
  }
  for (const std::string& word : request.words) {
    const Result<queue::QueueId> id = queue::QueueId::parse(word);
    if (id) order.selection.ids.push_back(*id);
    if (!id) order.bad.push_back(word);
  }
  order.by_id = !request.words.empty();
  order.everything = option(request, "all").has_value();
  order.dry_run = option(request, "dry-run").has_value();
  order.yes = option(request, "yes").has_value();
  if (order.everything && (order.by_id || order.by_selector)) {
    return used_wrongly("--all", "something else is chosen too", "leave out one of the two");
  }
  return std::nullopt;
}

std::string to_text(const QueueCursor& cursor) {
  const auto* const phase = std::ranges::find(kPhases, cursor.phase, &PhaseName::phase);
  return fmt::format("{} {} {} {}", phase == kPhases.end() ? "start" : phase->name,
                     cursor.after ? cursor.after->text() : "-", cursor.messages, cursor.recipients);
}

Result<QueueCursor> parse_cursor(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ' ');
  const auto* const phase = std::ranges::find(kPhases, parts[0], &PhaseName::name);
  if (parts.size() != 4 || phase == kPhases.end()) return wrong("not a place to go on");
  QueueCursor cursor;
  cursor.phase = phase->phase;
  if (parts[1] != "-") {
    const Result<queue::QueueId> id = queue::QueueId::parse(parts[1]);
    if (!id) return fail(id);
    cursor.after = *id;
  }
  const Result<std::uint64_t> messages = parse_number<std::uint64_t>(parts[2]);
  if (!messages) return fail(messages);
  const Result<std::uint64_t> recipients = parse_number<std::uint64_t>(parts[3]);
  if (!recipients) return fail(recipients);
  cursor.messages = *messages;
  cursor.recipients = *recipients;
  return cursor;
}

std::string counted(std::uint64_t count, std::string_view singular) {
  return fmt::format("{} {}{}", count, singular, count == 1 ? "" : "s");
}

}  // namespace postrider::web
