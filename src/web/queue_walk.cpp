#include "web/queue_walk.hpp"

#include "core/await.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"
#include "web/queue_output.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr std::size_t kBusyNamedMax = 3;

std::uint64_t recipients_of(const std::vector<queue::Listed>& entries) {
  std::uint64_t count = 0;
  for (const queue::Listed& listed : entries) count += listed.recipients.size();
  return count;
}

/// Takes away what is over the limit, from the end. `left`: recipients.
void cut(std::vector<queue::Listed>& entries, std::uint64_t left) {
  for (auto at = entries.begin(); at != entries.end(); ++at) {
    if (left == 0) {
      entries.erase(at, entries.end());
      return;
    }
    const std::uint64_t kept = std::min<std::uint64_t>(at->recipients.size(), left);
    at->recipients.erase(at->recipients.begin() + static_cast<std::ptrdiff_t>(kept), at->recipients.end());
    left -= kept;
  }
}

/// Takes away what the queue will leave as it is: a retry is for those that are tried, or were given up.
void leave_out(std::vector<queue::Listed>& entries, queue::Change::What what) {
  if (what != queue::Change::What::retry) return;
  std::erase_if(entries, [](queue::Listed& listed) {
    const auto erased = std::erase_if(listed.recipients, [](const queue::Recipient& recipient) {
      return recipient.state == queue::RecipientState::held && recipient.held_why != queue::HeldWhy::undeliverable;
    });
    return erased > 0 && listed.recipients.empty();
  });
}

Task<Result<void>> change_all(queue::Queue* queue, const queue::Change* change, queue::Selection selection,
                              queue::ChangePage* into) {
  std::optional<queue::QueueId> after;
  for (bool more = true; more;) {
    Result<queue::ChangePage> page = co_await queue->change(*change, selection, after, kQueueReadMax);
    if (!page) co_return fail(page);
    std::ranges::move(page->changed, std::back_inserter(into->changed));
    std::ranges::move(page->busy, std::back_inserter(into->busy));
    after = std::move(page->next);
    more = after.has_value();
  }
  co_return Result<void>{};
}

/// A page of changes of at most `left` recipients: an entry of more is changed in part.
Task<Result<queue::ChangePage>> change_some(queue::Queue* queue, const queue::Change* change,
                                            queue::Selection selection, std::optional<queue::QueueId> after,
                                            std::uint64_t left) {
  Result<queue::ListPage> chosen = co_await queue->list(selection, after, kQueueReadMax);
  if (!chosen) co_return fail(chosen);
  leave_out(chosen->entries, change->what);
  cut(chosen->entries, left);
  queue::ChangePage page{.changed = {}, .busy = {}, .next = std::move(chosen->next)};
  if (chosen->entries.empty()) co_return page;
  const queue::Listed last = std::move(chosen->entries.back());  // the only one that may be cut
  chosen->entries.pop_back();
  selection.ids.clear();
  for (const queue::Listed& listed : chosen->entries) selection.ids.push_back(listed.entry.id);
  if (!selection.ids.empty()) {
    const Result<void> changed = co_await change_all(queue, change, selection, &page);
    if (!changed) co_return fail(changed);
  }
  selection.ids = {last.entry.id};
  if (!last.recipients.empty()) selection.number_max = last.recipients.back().number;
  const Result<void> changed = co_await change_all(queue, change, selection, &page);
  if (!changed) co_return fail(changed);
  co_return page;
}

void add_busy(AdminReply& reply, const std::vector<queue::QueueId>& busy) {
  if (busy.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(busy.size(), kBusyNamedMax); ++i) names += (i > 0 ? ", " : "") + busy[i].text();
  if (busy.size() > kBusyNamedMax) names += fmt::format(" and {} more", busy.size() - kBusyNamedMax);
  add_failure(reply, entry_name(names), Error{Error::conflict, "web.queue", "not changed"}, kQueueAdvice);
}

/// What a page of a command does, and where it is.
struct Walk {
  AdminRooms rooms;
  QueueDeed deed;
  QueueOrder order;
  QueueCursor cursor;
  OutputFormat format = OutputFormat::text;
  std::vector<queue::QueueId> seen = {};
  AdminReply reply = {};

  [[nodiscard]] bool asks() const { return cursor.phase == QueueCursor::Phase::ask; }
  [[nodiscard]] std::optional<std::uint64_t> left() const {
    if (!order.limit) return std::nullopt;
    return *order.limit - std::min(cursor.recipients, *order.limit);
  }
};

/// One call of the queue. Gives whether there is more. Errors  those of the queue.
Task<Result<bool>> look(Walk* walk) {
  Result<queue::ListPage> page =
      co_await walk->rooms.queue->list(walk->order.selection, walk->cursor.after, kQueueReadMax);
  if (!page) co_return fail(page);
  leave_out(page->entries, walk->deed.change.what);
  const std::optional<std::uint64_t> left = walk->left();
  if (left) cut(page->entries, *left);
  walk->cursor.messages += page->entries.size();
  walk->cursor.recipients += recipients_of(page->entries);
  for (const queue::Listed& listed : page->entries) {
    walk->seen.push_back(listed.entry.id);
    if (!walk->asks()) add_change(walk->reply, walk->format, "would", walk->deed.done, listed);
  }
  if (page->next) walk->cursor.after = page->next;
  co_return page->next.has_value() && walk->left() != 0;
}

Task<Result<bool>> act(Walk* walk) {
  queue::Queue* const queue = walk->rooms.queue;
  const std::optional<std::uint64_t> left = walk->left();
  Result<queue::ChangePage> page = queue::ChangePage{};
  if (left) {
    page = co_await change_some(queue, &walk->deed.change, walk->order.selection, walk->cursor.after, *left);
  } else {
    page = co_await queue->change(walk->deed.change, walk->order.selection, walk->cursor.after, kQueueReadMax);
  }
  if (!page) co_return fail(page);
  walk->cursor.messages += page->changed.size();
  walk->cursor.recipients += recipients_of(page->changed);
  for (const queue::Listed& listed : page->changed) {
    walk->seen.push_back(listed.entry.id);
    add_change(walk->reply, walk->format, "done", walk->deed.done, listed);
  }
  add_busy(walk->reply, page->busy);
  std::ranges::copy(page->busy, std::back_inserter(walk->seen));
  if (page->next) walk->cursor.after = page->next;
  co_return page->next.has_value() && walk->left() != 0;
}

std::string total_of(const Walk& walk) {
  return fmt::format("{} of {}", counted(walk.cursor.recipients, "recipient"),
                     counted(walk.cursor.messages, "message"));
}

/// All has been counted: whether it is to be done.
void end_asking(Walk& walk) {
  if (walk.cursor.messages <= 1) {
    QueueCursor go_on;
    go_on.phase = QueueCursor::Phase::act;
    walk.reply.next = to_text(go_on);
    return;
  }
  walk.reply.exit_code = 2;
  walk.reply.question = fmt::format("{}: {}", walk.deed.command, total_of(walk));
  walk.reply.error =
      fmt::format("{}: this would change {} (--yes does it, --dry-run shows them)", walk.deed.command, total_of(walk));
}

Task<void> end(Walk* walk) {
  if (walk->order.by_id) {
    std::string nothing_to(walk->left() == 0 ? "" : walk->deed.nothing_to);  // the limit left out some
    co_await add_missing(walk->rooms, &walk->reply, walk->order, walk->seen, std::move(nothing_to), walk->format);
  } else if (walk->asks()) {
    end_asking(*walk);
  } else if (walk->format == OutputFormat::text) {
    walk->reply.lines.push_back(
        walk->cursor.messages == 0
            ? std::string(walk->deed.nothing_to)
            : fmt::format("{} {}{}", total_of(*walk), walk->order.dry_run ? "would be " : "", walk->deed.done));
  }
}

}  // namespace

Task<void> give_way() {
  const Completion<bool> now;
  now.set(true);
  (void)co_await now.wait();
}

void add_bad_words(AdminReply& reply, const QueueOrder& order) {
  for (const std::string& word : order.bad) {
    add_failure(reply, entry_name(word), Error{Error::malformed, "web.queue", "not a queue id"}, kQueueAdvice);
  }
}

Task<void> add_missing(AdminRooms rooms, AdminReply* reply, QueueOrder order, std::vector<queue::QueueId> seen,
                       std::string nothing_to, OutputFormat format) {
  std::ranges::sort(seen);
  for (const queue::QueueId& id : order.selection.ids) {
    if (std::ranges::binary_search(seen, id)) continue;
    const Result<queue::Listed> listed = co_await rooms.queue->show(id);
    if (!listed) {
      add_failure(*reply, entry_name(id.text()), listed.error(), kQueueAdvice);
    } else if (nothing_to.empty()) {
      continue;
    } else if (format == OutputFormat::text) {
      reply->lines.push_back(fmt::format("id {}: {}", id.text(), nothing_to));
    } else {
      reply->lines.push_back(json_line().text("id", id.text()).text("done", "nothing").to_text());
    }
  }
}

std::optional<AdminReply> read_order_and_cursor(AdminRooms rooms, const AdminRequest& request, QueueOrder& order,
                                                QueueCursor& cursor) {
  std::optional<AdminReply> wrong = read_order(request, rooms.clock->wall(), order);
  if (wrong) return wrong;
  if (request.cursor.empty()) return std::nullopt;
  const Result<QueueCursor> read = parse_cursor(request.cursor);
  if (!read) return used_wrongly("cursor", read.error().detail, "give the next of the reply before");
  cursor = *read;
  return std::nullopt;
}

AdminReply nothing_chosen(std::string_view command) {
  return used_wrongly(
      command, "nothing is chosen",
      "give IDs, or choose by --login --from --to --domain --mx --status --older-than --reply; --all is everything");
}

Task<AdminReply> change_chosen(AdminRooms rooms, QueueDeed deed, QueueOrder order, QueueCursor cursor,
                               OutputFormat format) {
  if (!order.chooses()) co_return nothing_chosen(deed.command);
  const bool fresh = cursor.phase == QueueCursor::Phase::start;
  Walk walk{.rooms = rooms, .deed = std::move(deed), .order = std::move(order), .cursor = cursor, .format = format};
  if (fresh) add_bad_words(walk.reply, walk.order);
  if (walk.order.by_id && walk.order.selection.ids.empty()) co_return walk.reply;
  // Those who give IDs have seen what they name.
  const bool wants_yes = !walk.order.by_id && !walk.order.yes && !walk.order.dry_run;
  if (fresh) walk.cursor.phase = wants_yes ? QueueCursor::Phase::ask : QueueCursor::Phase::act;
  const bool looks = walk.order.dry_run || walk.asks();
  bool more = true;
  for (int calls = 0; more; ++calls) {
    // IDs are few, and which of them are missing is known at the end only.
    if (!walk.order.by_id && (calls == kCallsAReplyMax || walk.reply.lines.size() >= kReplyLinesMax)) {
      walk.reply.next = to_text(walk.cursor);
      co_return walk.reply;
    }
    if (calls > 0) co_await give_way();
    Result<bool> went = false;
    if (looks) {
      went = co_await look(&walk);
    } else {
      went = co_await act(&walk);
    }
    if (!went) {
      add_failure(walk.reply, walk.deed.command, went.error(), kQueueAdvice);
      co_return walk.reply;
    }
    more = *went;
  }
  co_await end(&walk);
  co_return walk.reply;
}

}  // namespace postrider::web
