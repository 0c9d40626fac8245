// The queue: listing and showing entries.
#include "core/await.hpp"
#include "web/admin_commands.hpp"
#include "web/queue_output.hpp"
#include "web/queue_walk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

/// Adds an entry.
using Add = Task<void> (*)(AdminRooms rooms, AdminReply* reply, OutputFormat format, queue::Listed listed);

/// Goes through what is chosen and adds each entry to the reply; page by page.
Task<AdminReply> walk_chosen(AdminRooms rooms, std::string command, QueueOrder order, QueueCursor cursor,
                             OutputFormat format, Add add) {
  AdminReply reply;
  if (cursor.phase == QueueCursor::Phase::start) add_bad_words(reply, order);
  if (order.by_id && order.selection.ids.empty()) co_return reply;
  cursor.phase = QueueCursor::Phase::act;
  std::vector<queue::QueueId> seen;
  std::size_t octets = 0;
  bool more = true;
  for (int calls = 0; more; ++calls) {
    const bool full = calls == kCallsAReplyMax || reply.lines.size() >= kReplyLinesMax || octets >= kReplyOctetsMax;
    if (full && !order.by_id) {
      reply.next = to_text(cursor);
      co_return reply;
    }
    if (calls > 0) co_await give_way();
    const std::uint64_t left = order.limit ? *order.limit - std::min(cursor.messages, *order.limit) : kQueueReadMax;
    Result<queue::ListPage> page = co_await rooms.queue->list(order.selection, cursor.after, kQueueReadMax);
    if (!page) {
      add_failure(reply, command, page.error(), kQueueAdvice);
      co_return reply;
    }
    if (page->entries.size() > left) page->entries.resize(left, page->entries.front());
    for (queue::Listed& listed : page->entries) {
      const std::size_t before = reply.lines.size();
      if (order.by_id) seen.push_back(listed.entry.id);
      co_await add(rooms, &reply, format, std::move(listed));
      for (std::size_t i = before; i < reply.lines.size(); ++i) octets += reply.lines[i].size();
    }
    cursor.messages += page->entries.size();
    if (page->next) cursor.after = page->next;
    more = page->next.has_value() && (!order.limit || cursor.messages < *order.limit);
  }
  if (order.by_id) co_await add_missing(rooms, &reply, order, std::move(seen), {}, format);
  co_return reply;
}

Task<void> add_row(AdminRooms, AdminReply* reply, OutputFormat format, queue::Listed listed) {
  reply->lines.push_back(format == OutputFormat::json ? to_line(listed).to_text() : to_row(listed));
  co_return;
}

/// The whole of a chosen entry: what was not chosen of it too.
Task<void> add_whole(AdminRooms rooms, AdminReply* reply, OutputFormat format, queue::Listed listed) {
  const queue::QueueId id = listed.entry.id;
  const Result<queue::Listed> whole = co_await rooms.queue->show(id);
  if (!whole && whole.error().code == Error::not_found) co_return;  // it has just gone
  const Result<std::vector<queue::TraceEvent>> events = co_await rooms.queue->trace(id);
  if (!whole || !events) {
    add_failure(*reply, entry_name(id.text()), whole ? events.error() : whole.error(), kQueueAdvice);
    co_return;
  }
  add_shown(*reply, format, *whole, *events);
}

Task<void> show_one(AdminRooms rooms, AdminReply* reply, OutputFormat format, queue::QueueId id) {
  const Result<queue::Listed> listed = co_await rooms.queue->show(id);
  if (!listed && listed.error().code != Error::not_found) {
    add_failure(*reply, entry_name(id.text()), listed.error(), kQueueAdvice);
    co_return;
  }
  const Result<std::vector<queue::TraceEvent>> events = co_await rooms.queue->trace(id);
  if (!events && (listed || events.error().code != Error::not_found)) {
    add_failure(*reply, entry_name(id.text()), events.error(), kQueueAdvice);
  } else if (listed) {
    add_shown(*reply, format, *listed, *events);
  } else if (!events || events->empty()) {
    add_failure(*reply, entry_name(id.text()), listed.error(), kQueueAdvice);
  } else {
    if (reply->exit_code == 0) reply->exit_code = 3;
    if (!reply->error.empty()) reply->error += "; ";
    reply->error += fmt::format("{}: not in the queue any more (its trace is shown)", entry_name(id.text()));
    add_gone(*reply, format, id, *events);
  }
}

}  // namespace

Task<AdminReply> list_queue(AdminRooms rooms, AdminRequest request) {
  QueueOrder order;
  QueueCursor cursor;
  std::optional<AdminReply> wrong = read_order_and_cursor(rooms, request, order, cursor);
  if (wrong) co_return std::move(*wrong);
  const std::optional<std::string> start = option(request, "after");
  if (start && !cursor.after) {
    const Result<queue::QueueId> id = queue::QueueId::parse(*start);
    if (!id) co_return used_wrongly("--after " + *start, "not a queue id", "give the last id of the list before");
    cursor.after = *id;
  }
  std::string command = "queue list";
  co_return co_await walk_chosen(rooms, std::move(command), std::move(order), std::move(cursor), request.format,
                                 &add_row);
}

Task<AdminReply> show_queue(AdminRooms rooms, AdminRequest request) {
  QueueOrder order;
  QueueCursor cursor;
  std::optional<AdminReply> wrong = read_order_and_cursor(rooms, request, order, cursor);
  if (wrong) co_return std::move(*wrong);
  if (!order.chooses()) co_return nothing_chosen("queue show");
  if (!order.by_id) {
    std::string command = "queue show";
    co_return co_await walk_chosen(rooms, std::move(command), std::move(order), std::move(cursor), request.format,
                                   &add_whole);
  }
  AdminReply reply;
  add_bad_words(reply, order);
  for (const queue::QueueId& id : order.selection.ids) co_await show_one(rooms, &reply, request.format, id);
  co_return reply;
}

}  // namespace postrider::web
