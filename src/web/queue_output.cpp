#include "web/queue_output.hpp"

#include "web/queue_order.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr std::size_t kNamesMax = 3;  // recipients that a line names

std::string_view name_of(queue::RecipientState state) {
  switch (state) {
    case queue::RecipientState::due: return "due";
    case queue::RecipientState::held: return "held";
  }
  return "unknown";
}

std::string_view name_of(queue::ReportTo report_to) {
  switch (report_to) {
    case queue::ReportTo::sender: return "sender";
    case queue::ReportTo::postmaster: return "postmaster";
    case queue::ReportTo::nobody: return "nobody";
  }
  return "unknown";
}

std::string_view name_of(queue::HeldWhy why) {
  switch (why) {
    case queue::HeldWhy::undeliverable: return "undeliverable";
    case queue::HeldWhy::command: return "command";
    case queue::HeldWhy::route: return "route";
    case queue::HeldWhy::frozen: return "frozen";
    case queue::HeldWhy::burst: return "burst";
  }
  return "unknown";
}

std::string_view name_of(queue::Ordered ordered) {
  switch (ordered) {
    case queue::Ordered::delivery: return "delivery";
    case queue::Ordered::bounce: return "bounce";
    case queue::Ordered::expand: return "expand";
  }
  return "unknown";
}

bool is_held(const queue::Recipient& recipient) { return recipient.state == queue::RecipientState::held; }

std::optional<std::string> original_of(const queue::Recipient& recipient) {
  if (!recipient.original) return std::nullopt;
  return recipient.original->text();
}

/// The reverse-path for people.
std::string sender_of(const mail::Path& path) { return fmt::format("<{}>", path.text()); }

JsonObject to_object(const queue::Recipient& recipient) {
  JsonObject out;
  out.text("recipient", recipient.address.text())
      .text_or_null("original", original_of(recipient))
      .text("state", name_of(recipient.state))
      .number("attempts", recipient.attempts)
      .time("due", recipient.due)
      .text("last_reply", recipient.last_reply)
      .text("status", status_of(recipient))
      .text_or_null("held_why",
                    is_held(recipient) ? std::optional<std::string>(name_of(recipient.held_why)) : std::nullopt)
      .text("last_remote", recipient.last_remote)
      .flag("delay_reported", recipient.delay_reported)
      .text("ordered", name_of(recipient.ordered));
  if (recipient.reverse_path) out.text("reverse_path", recipient.reverse_path->text());
  return out;
}

JsonObject to_object(const queue::TraceEvent& event) {
  JsonObject out;
  out.time("at", event.at).text("what", event.what).text("recipient", event.recipient).text("detail", event.detail);
  return out;
}

std::vector<JsonObject> to_objects(const std::vector<queue::TraceEvent>& events) {
  std::vector<JsonObject> out;
  for (const queue::TraceEvent& event : events) out.push_back(to_object(event));
  return out;
}

/// "bob@example.test", or "bob@example.test and 3 more".
std::string names_of(const std::vector<queue::Recipient>& recipients, std::size_t names_max) {
  if (recipients.empty()) return "-";
  std::string out;
  const std::size_t named = std::min(recipients.size(), names_max);
  for (std::size_t i = 0; i < named; ++i) out += (i > 0 ? ", " : "") + shown(recipients[i].address.text());
  if (recipients.size() > named) out += fmt::format(" and {} more", recipients.size() - named);
  return out;
}

/// When the first recipient is due again; "held" and why when none is.
std::string next_of(const std::vector<queue::Recipient>& recipients) {
  std::optional<WallTime> next;
  for (const queue::Recipient& recipient : recipients) {
    if (!is_held(recipient) && (!next || recipient.due < *next)) next = recipient.due;
  }
  if (next) return fmt::format("due {}", to_rfc3339(*next));
  return recipients.empty() ? "-" : fmt::format("held ({})", name_of(recipients.front().held_why));
}

std::string_view explained(queue::HeldWhy why) {
  switch (why) {
    case queue::HeldWhy::undeliverable: return "it failed, and its sender is not to be written to";
    case queue::HeldWhy::command: return "by queue hold";
    case queue::HeldWhy::route: return "by a route via \"hold\"";
    case queue::HeldWhy::frozen: return "by queue freeze";
    case queue::HeldWhy::burst: return "its login sent much in a short time";
  }
  return "";
}

/// "  due, next attempt TIME, 0 attempts so far", "  held by queue hold until it is released, …".
std::string standing_of(const queue::Recipient& recipient) {
  const std::string attempts = counted(recipient.attempts, "attempt") + " so far";
  if (!is_held(recipient)) {
    return fmt::format("  {}, next attempt {}, {}", status_of(recipient), to_rfc3339(recipient.due), attempts);
  }
  const std::string until =
      recipient.due >= queue::kNever ? "until it is released" : "until " + to_rfc3339(recipient.due);
  return fmt::format("  held ({}) {}, {}", explained(recipient.held_why), until, attempts);
}

void add_recipient(AdminReply& reply, const queue::Recipient& recipient) {
  const std::optional<std::string> original = original_of(recipient);
  reply.lines.push_back(fmt::format("to {}{}", shown(recipient.address.text()),
                                    original ? fmt::format(" (given as {})", shown(*original)) : ""));
  reply.lines.push_back(standing_of(recipient));
  if (recipient.reverse_path) reply.lines.push_back("  from " + shown(sender_of(*recipient.reverse_path)));
  if (recipient.ordered == queue::Ordered::bounce) reply.lines.emplace_back("  is to be sent back (queue bounce)");
  if (recipient.ordered == queue::Ordered::expand) reply.lines.emplace_back("  ends as expanded: an alias of others");
  if (recipient.delay_reported) reply.lines.emplace_back("  its sender was told that it is late");
  if (!recipient.last_remote.empty()) reply.lines.push_back("  last asked: " + shown(recipient.last_remote));
  if (!recipient.last_reply.empty()) reply.lines.push_back("  last reply: " + shown(recipient.last_reply));
}

void add_trace(AdminReply& reply, const std::vector<queue::TraceEvent>& events) {
  std::vector<std::vector<std::string>> rows;
  for (const queue::TraceEvent& event : events) {
    rows.push_back({"  " + to_rfc3339(event.at), shown(event.what), shown(event.recipient), shown(event.detail)});
  }
  for (std::string& line : aligned(rows)) reply.lines.push_back(std::move(line));
}

}  // namespace

std::string entry_name(std::string_view id) { return fmt::format("queue entry {}", id); }

std::string_view status_of(const queue::Recipient& recipient) {
  if (is_held(recipient)) return "held";
  return recipient.attempts > 0 ? "deferred" : "due";
}

std::string to_row(const queue::Listed& listed) {
  const queue::Entry& entry = listed.entry;
  return fmt::format("{}  {}  {:>8}  {:<28}  {:<28}  {}", entry.id.text(), to_rfc3339(entry.arrival),
                     entry.content.size_octets(), next_of(listed.recipients), shown(sender_of(entry.reverse_path)),
                     names_of(listed.recipients, 1));
}

JsonObject to_line(const queue::Listed& listed) {
  std::vector<JsonObject> recipients;
  recipients.reserve(listed.recipients.size());
  for (const queue::Recipient& recipient : listed.recipients) recipients.push_back(to_object(recipient));
  JsonObject out = json_line();
  out.text("id", listed.entry.id.text())
      .text("reverse_path", listed.entry.reverse_path.text())
      .time("arrival", listed.entry.arrival)
      .number("size", listed.entry.content.size_octets())
      .text("client", listed.entry.client)
      .text("login", listed.entry.login)
      .text("report_to", name_of(listed.entry.report_to))
      .objects("recipients", recipients);
  return out;
}

void add_shown(AdminReply& reply, OutputFormat format, const queue::Listed& listed,
               const std::vector<queue::TraceEvent>& events) {
  if (format == OutputFormat::json) {
    reply.lines.push_back(to_line(listed).objects("trace", to_objects(events)).to_text());
    return;
  }
  const queue::Entry& entry = listed.entry;
  if (!reply.lines.empty()) reply.lines.emplace_back();
  for (std::string& line : aligned({{"id", entry.id.text()},
                                    {"from", shown(sender_of(entry.reverse_path))},
                                    {"arrival", to_rfc3339(entry.arrival)},
                                    {"size", fmt::format("{} octets", entry.content.size_octets())},
                                    {"client", shown(entry.client)},
                                    {"login", entry.login.empty() ? "-" : shown(entry.login)},
                                    {"failures to", std::string(name_of(entry.report_to))}})) {
    reply.lines.push_back(std::move(line));
  }
  for (const queue::Recipient& recipient : listed.recipients) add_recipient(reply, recipient);
  reply.lines.emplace_back("trace");
  add_trace(reply, events);
}

void add_gone(AdminReply& reply, OutputFormat format, const queue::QueueId& id,
              const std::vector<queue::TraceEvent>& events) {
  if (format == OutputFormat::json) {
    reply.lines.push_back(json_line().text("id", id.text()).objects("trace", to_objects(events)).to_text());
  } else {
    add_trace(reply, events);
  }
}

void add_change(AdminReply& reply, OutputFormat format, std::string_view key, std::string_view verb,
                const queue::Listed& listed) {
  const std::string& id = listed.entry.id.text();
  if (format == OutputFormat::text) {
    reply.lines.push_back(fmt::format("id {}: {}{} ({})", id, key == "would" ? "would be " : "", verb,
                                      names_of(listed.recipients, kNamesMax)));
    return;
  }
  std::vector<std::string> recipients;
  for (const queue::Recipient& recipient : listed.recipients) recipients.push_back(recipient.address.text());
  reply.lines.push_back(json_line().text("id", id).text(key, verb).texts("recipients", recipients).to_text());
}

}  // namespace postrider::web
