// The queue: listing, showing, retrying and removing entries.
#include "core/await.hpp"
#include "core/numbers.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr std::size_t kPageEntries = 200;
constexpr std::size_t kListEntriesMax = 100'000;
constexpr std::size_t kListOctetsMax =
    24 * 1024 * 1024;  // of lines: quoted once more they stay below kHttpReplyOctetsMax

constexpr Advice kEntry{.not_found = "queue list shows what there is",
                        .conflict = "it is in delivery right now; try again",
                        .conflict_exit = 75};

std::string entry_name(std::string_view id) { return fmt::format("queue entry {}", id); }

Result<queue::QueueId> parse_id(std::string_view text) {
  Result<queue::QueueId> id = queue::QueueId::parse(text);
  if (id) return id;
  return error(Error::malformed, "web.admin", "not a queue id");
}

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

std::optional<std::string> original_of(const queue::Recipient& recipient) {
  if (!recipient.original) return std::nullopt;
  return recipient.original->text();
}

/// The reverse-path for people.
std::string sender_of(const queue::Entry& entry) { return fmt::format("<{}>", entry.reverse_path.text()); }

JsonObject to_object(const queue::Recipient& recipient) {
  JsonObject out;
  out.text("recipient", recipient.address.text())
      .text_or_null("original", original_of(recipient))
      .text("state", name_of(recipient.state))
      .number("attempts", recipient.attempts)
      .time("due", recipient.due)
      .text("last_reply", recipient.last_reply);
  return out;
}

JsonObject to_object(const queue::TraceEvent& event) {
  JsonObject out;
  out.time("at", event.at).text("what", event.what).text("recipient", event.recipient).text("detail", event.detail);
  return out;
}

JsonObject to_line(const queue::Listed& listed) {
  std::vector<JsonObject> recipients;
  for (const queue::Recipient& recipient : listed.recipients) recipients.push_back(to_object(recipient));
  JsonObject out = json_line();
  out.text("id", listed.entry.id.text())
      .text("reverse_path", listed.entry.reverse_path.text())
      .time("arrival", listed.entry.arrival)
      .number("size", listed.entry.content.size_octets())
      .text("client", listed.entry.client)
      .text("report_to", name_of(listed.entry.report_to))
      .objects("recipients", recipients);
  return out;
}

/// "bob@example.test", or "bob@example.test and 3 more".
std::string summary_of(const std::vector<queue::Recipient>& recipients) {
  if (recipients.empty()) return "-";
  std::string out = shown(recipients.front().address.text());
  if (recipients.size() > 1) out += fmt::format(" and {} more", recipients.size() - 1);
  return out;
}

/// When the first recipient is due again; "held" when none is.
std::string next_of(const std::vector<queue::Recipient>& recipients) {
  std::optional<WallTime> next;
  for (const queue::Recipient& recipient : recipients) {
    if (recipient.state == queue::RecipientState::due && (!next || recipient.due < *next)) next = recipient.due;
  }
  return next ? fmt::format("due {}", to_rfc3339(*next)) : "held";
}

std::vector<std::string> to_row(const queue::Listed& listed) {
  return {
      listed.entry.id.text(),     to_rfc3339(listed.entry.arrival), fmt::to_string(listed.entry.content.size_octets()),
      next_of(listed.recipients), shown(sender_of(listed.entry)),   summary_of(listed.recipients)};
}

void add_trace(AdminReply& reply, const std::vector<queue::TraceEvent>& events) {
  std::vector<std::vector<std::string>> rows;
  for (const queue::TraceEvent& event : events) {
    rows.push_back({"  " + to_rfc3339(event.at), shown(event.what), shown(event.recipient), shown(event.detail)});
  }
  for (std::string& line : aligned(rows)) reply.lines.push_back(std::move(line));
}

void add_entry(AdminReply& reply, const queue::Listed& listed) {
  const queue::Entry& entry = listed.entry;
  reply.lines = aligned({{"id", entry.id.text()},
                         {"from", shown(sender_of(entry))},
                         {"arrival", to_rfc3339(entry.arrival)},
                         {"size", fmt::format("{} octets", entry.content.size_octets())},
                         {"client", shown(entry.client)},
                         {"failures to", std::string(name_of(entry.report_to))}});
  for (const queue::Recipient& recipient : listed.recipients) {
    const std::optional<std::string> original = original_of(recipient);
    reply.lines.push_back(fmt::format("to {}{}", shown(recipient.address.text()),
                                      original ? fmt::format(" (given as {})", shown(*original)) : ""));
    const std::string_view until = recipient.state == queue::RecipientState::held ? "until" : "next attempt";
    reply.lines.push_back(fmt::format("  {}, {} {}, {} attempt{} so far", name_of(recipient.state), until,
                                      to_rfc3339(recipient.due), recipient.attempts,
                                      recipient.attempts == 1 ? "" : "s"));
    if (!recipient.last_reply.empty()) reply.lines.push_back("  last reply: " + shown(recipient.last_reply));
  }
}

/// An entry that has left the queue: what became of it.
Task<AdminReply> show_gone(AdminRooms rooms, queue::QueueId id, OutputFormat format, Error why) {
  AdminReply reply;
  const Result<std::vector<queue::TraceEvent>> events = co_await rooms.queue->trace(id);
  if (!events || events->empty()) {
    add_failure(reply, entry_name(id.text()), why, kEntry);
    co_return reply;
  }
  reply.exit_code = 3;
  reply.error = fmt::format("{}: not in the queue any more (its trace is shown)", entry_name(id.text()));
  if (format == OutputFormat::text) {
    add_trace(reply, *events);
    co_return reply;
  }
  std::vector<JsonObject> trace;
  for (const queue::TraceEvent& event : *events) trace.push_back(to_object(event));
  reply.lines.push_back(json_line().text("id", id.text()).objects("trace", trace).to_text());
  co_return reply;
}

/// Does one thing to all ids of the request; goes on after a failure.
using Act = Task<Result<void>> (queue::Queue::*)(queue::QueueId id);
Task<AdminReply> for_all(AdminRooms rooms, AdminRequest request, Act act, std::string_view verb) {
  AdminReply reply;
  for (const std::string& word : request.words) {
    const Result<queue::QueueId> id = parse_id(word);
    if (!id) {
      add_failure(reply, entry_name(word), id.error(), kEntry);
      continue;
    }
    const Result<void> done = co_await (rooms.queue->*act)(*id);
    if (!done) {
      add_failure(reply, entry_name(word), done.error(), kEntry);
      continue;
    }
    add_deed(reply, request.format, Deed{.kind = "id", .name = word, .verb = verb});
  }
  co_return reply;
}

}  // namespace

Task<AdminReply> list_queue(AdminRooms rooms, AdminRequest request) {
  std::size_t wanted = kListEntriesMax;
  const std::optional<std::string> limit = option(request, "limit");
  if (limit) {
    const Result<std::size_t> number = parse_number<std::size_t>(*limit, {.min = 1, .max = kListEntriesMax});
    if (!number) co_return used_wrongly("--limit " + *limit, "not a number of entries", "give 1 to 100000");
    wanted = *number;
  }
  std::optional<queue::QueueId> after;
  const std::optional<std::string> start = option(request, "after");
  if (start) {
    const Result<queue::QueueId> id = parse_id(*start);
    if (!id) co_return used_wrongly("--after " + *start, id.error().detail, "give the last id of the list before");
    after = *id;
  }

  AdminReply reply;
  std::vector<std::vector<std::string>> rows;
  std::size_t listed = 0;
  std::size_t octets = 0;
  bool more = true;
  while (more && listed < wanted && octets < kListOctetsMax) {
    const std::size_t page_max = std::min(kPageEntries, wanted - listed);
    const Result<std::vector<queue::Listed>> page = co_await rooms.queue->list(after, page_max);
    if (!page) {
      add_failure(reply, "queue list", page.error(), kEntry);
      break;
    }
    for (const queue::Listed& entry : *page) {
      if (request.format == OutputFormat::json) {
        reply.lines.push_back(to_line(entry).to_text());
        octets += reply.lines.back().size();
      } else {
        rows.push_back(to_row(entry));
        for (const std::string& cell : rows.back()) octets += cell.size() + 2;
      }
      after = entry.entry.id;
    }
    listed += page->size();
    more = page->size() == page_max;
  }
  if (request.format == OutputFormat::text) reply.lines = aligned(rows);
  if (more && reply.exit_code == 0 && (!limit || listed < wanted)) {
    reply.exit_code = 1;
    reply.error = fmt::format("queue list: cut after {} entries (go on with --after {})", listed, after->text());
  }
  co_return reply;
}

Task<AdminReply> show_queue(AdminRooms rooms, AdminRequest request) {
  AdminReply reply;
  const Result<queue::QueueId> id = parse_id(request.words[0]);
  if (!id) {
    add_failure(reply, entry_name(request.words[0]), id.error(), kEntry);
    co_return reply;
  }
  Result<queue::Listed> listed = co_await rooms.queue->show(*id);
  if (!listed && listed.error().code == Error::not_found) {
    co_return co_await show_gone(rooms, *id, request.format, std::move(listed.error()));
  }
  if (!listed) {
    add_failure(reply, entry_name(id->text()), listed.error(), kEntry);
    co_return reply;
  }
  const Result<std::vector<queue::TraceEvent>> events = co_await rooms.queue->trace(*id);
  if (!events) {
    add_failure(reply, entry_name(id->text()), events.error(), kEntry);
    co_return reply;
  }
  if (request.format == OutputFormat::text) {
    add_entry(reply, *listed);
    reply.lines.emplace_back("trace");
    add_trace(reply, *events);
    co_return reply;
  }
  std::vector<JsonObject> trace;
  for (const queue::TraceEvent& event : *events) trace.push_back(to_object(event));
  reply.lines.push_back(to_line(*listed).objects("trace", trace).to_text());
  co_return reply;
}

Task<AdminReply> retry_queue(AdminRooms rooms, AdminRequest request) {
  return for_all(rooms, std::move(request), &queue::Queue::retry, "due now");
}

Task<AdminReply> remove_from_queue(AdminRooms rooms, AdminRequest request) {
  return for_all(rooms, std::move(request), &queue::Queue::remove, "removed");
}

}  // namespace postrider::web
