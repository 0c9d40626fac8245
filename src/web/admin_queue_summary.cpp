// The queue: how much of it there is, where it wants to go, since when, and what it was told.
#include "core/await.hpp"
#include "web/admin_commands.hpp"
#include "web/queue_output.hpp"
#include "web/queue_tally.hpp"
#include "web/queue_walk.hpp"

#include <fmt/format.h>

namespace postrider::web {
namespace {

constexpr std::size_t kTextRowsMax = 20;  // of each table, for people, unless --limit says another number

std::string oldest_of(const TallyCount& count) { return count.oldest ? to_rfc3339(*count.oldest) : "-"; }

void add_count(JsonObject& line, const TallyCount& count) {
  line.number("due", count.due).number("deferred", count.deferred).number("held", count.held);
  line.text_or_null("oldest", count.oldest ? std::optional(to_rfc3339(*count.oldest)) : std::nullopt);
}

void add_json(AdminReply& reply, std::string_view kind, const std::vector<TallyRow>& rows, std::size_t rows_max) {
  for (std::size_t i = 0; i < std::min(rows.size(), rows_max); ++i) {
    JsonObject line = json_line();
    line.text("kind", kind).text("name", rows[i].name);
    add_count(line, rows[i].count);
    if (!rows[i].example.empty()) line.text("example", rows[i].example);
    reply.lines.push_back(line.to_text());
  }
}

void add_table(AdminReply& reply, std::string_view title, std::vector<TallyRow> rows, std::size_t rows_max) {
  std::erase_if(rows, [](const TallyRow& row) { return row.count.all() == 0; });
  if (rows.empty()) return;
  std::vector<std::vector<std::string>> table{{"due", "deferred", "held", "oldest", std::string(title)}};
  std::uint64_t left_out = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TallyRow& row = rows[i];
    if (i >= rows_max) {
      left_out += row.count.all();
      continue;
    }
    table.push_back({fmt::to_string(row.count.due), fmt::to_string(row.count.deferred), fmt::to_string(row.count.held),
                     oldest_of(row.count), shown(row.name)});
  }
  reply.lines.emplace_back();
  for (std::string& line : aligned(table)) reply.lines.push_back(std::move(line));
  if (rows.size() > rows_max) {
    reply.lines.push_back(fmt::format("and {} more, with {}", rows.size() - rows_max, counted(left_out, "recipient")));
  }
}

void add_summary(AdminReply& reply, const QueueTally& tally, OutputFormat format, std::size_t rows_max) {
  const TallyCount& total = tally.total();
  if (format == OutputFormat::json) {
    JsonObject line = json_line();
    line.text("kind", "total").number("messages", tally.messages()).number("recipients", total.all());
    line.number("octets", tally.octets());
    add_count(line, total);
    reply.lines.push_back(line.to_text());
    add_json(reply, "held", tally.held(), rows_max);
    add_json(reply, "age", tally.ages(), rows_max);
    add_json(reply, "destination", tally.destinations(), rows_max);
    add_json(reply, "reply", tally.replies(), rows_max);
    return;
  }
  reply.lines.push_back(fmt::format("{} for {} ({} due, {} deferred, {} held), {} octets, oldest {}",
                                    counted(tally.messages(), "message"), counted(total.all(), "recipient"), total.due,
                                    total.deferred, total.held, tally.octets(), oldest_of(total)));
  if (tally.messages() == 0) return;
  add_table(reply, "held why", tally.held(), rows_max);
  add_table(reply, "age", tally.ages(), rows_max);
  add_table(reply, "destination", tally.destinations(), rows_max);
  add_table(reply, "last reply", tally.replies(), rows_max);
}

}  // namespace

Task<AdminReply> summarize_queue(AdminRooms rooms, AdminRequest request) {
  QueueOrder order;
  QueueCursor cursor;
  std::optional<AdminReply> wrong = read_order_and_cursor(rooms, request, order, cursor);
  if (wrong) co_return std::move(*wrong);
  AdminReply reply;
  add_bad_words(reply, order);
  if (order.by_id && order.selection.ids.empty()) co_return reply;
  QueueTally tally(rooms.clock->wall());
  std::optional<queue::QueueId> after;
  for (bool more = true; more;) {
    Result<queue::ListPage> page = co_await rooms.queue->list(order.selection, after, kQueueReadMax);
    if (!page) {
      add_failure(reply, "queue summary", page.error(), kQueueAdvice);
      co_return reply;
    }
    for (const queue::Listed& listed : page->entries) tally.add(listed);
    after = std::move(page->next);
    more = after.has_value();
    if (more) co_await give_way();
  }
  const std::uint64_t all = request.format == OutputFormat::json ? kTallyRowsMax + 1 : kTextRowsMax;
  add_summary(reply, tally, request.format, order.limit.value_or(all));
  co_return reply;
}

}  // namespace postrider::web
