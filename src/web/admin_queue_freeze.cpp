// The queue: standing orders to hold what matches, now or later, and their end.
#include "core/await.hpp"
#include "core/text.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"
#include "web/queue_output.hpp"
#include "web/queue_walk.hpp"

#include <fmt/format.h>

namespace postrider::web {
namespace {

constexpr Advice kFreezeAdvice{.not_found = "queue freeze shows what there is", .conflict = "nothing was changed"};

/// What a standing order cannot say: these choose among what is in the queue now.
bool is_passing(const QueueOrder& order) {
  const queue::Selection& selection = order.selection;
  return order.by_id || selection.login || selection.mx || selection.state || selection.arrived_before ||
         selection.reply;
}

/// In lower case, as the queue keeps it.
queue::Freeze freeze_of(const queue::Selection& selection) {
  return {.from = lowered_ascii(selection.from.value_or("")),
          .to = lowered_ascii(selection.to.value_or("")),
          .domain = lowered_ascii(selection.domain.value_or(""))};
}

/// "--domain x.test --from @y.test".
std::string name_of(const queue::Freeze& freeze) {
  std::string out;
  if (!freeze.domain.empty()) out += " --domain " + freeze.domain;
  if (!freeze.from.empty()) out += " --from " + freeze.from;
  if (!freeze.to.empty()) out += " --to " + freeze.to;
  return out.empty() ? "--all" : out.substr(1);
}

void add_freeze(AdminReply& reply, OutputFormat format, const queue::Freeze& freeze, std::string_view key,
                std::string_view verb) {
  if (format == OutputFormat::text) {
    reply.lines.push_back(fmt::format("{}: {}{}", shown(name_of(freeze)), key == "would" ? "would be " : "", verb));
    return;
  }
  JsonObject line = json_line();
  line.text("freeze", name_of(freeze)).text("from", freeze.from).text("to", freeze.to).text("domain", freeze.domain);
  reply.lines.push_back(line.text(key, verb).to_text());
}

Task<AdminReply> list_freezes(AdminRooms rooms, OutputFormat format) {
  AdminReply reply;
  const Result<std::vector<queue::Freeze>> freezes = co_await rooms.queue->freezes();
  if (!freezes) {
    add_failure(reply, "queue freeze", freezes.error(), kFreezeAdvice);
    co_return reply;
  }
  for (const queue::Freeze& freeze : *freezes) add_freeze(reply, format, freeze, "state", "frozen");
  co_return reply;
}

/// Lifts what `asked` names: with --all every freeze. Gives whether there was one.
Task<Result<bool>> lift(AdminRooms rooms, AdminReply* reply, OutputFormat format, queue::Freeze asked, bool dry_run) {
  const Result<std::vector<queue::Freeze>> freezes = co_await rooms.queue->freezes();
  if (!freezes) co_return fail(freezes);
  bool found = false;
  for (const queue::Freeze& freeze : *freezes) {
    if (asked != queue::Freeze{} && freeze != asked) continue;
    found = true;
    if (!dry_run) {
      const Result<void> lifted = co_await rooms.queue->thaw(freeze);
      if (!lifted && lifted.error().code != Error::not_found) co_return fail(lifted);  // somebody else has lifted it
    }
    add_freeze(*reply, format, freeze, dry_run ? "would" : "done", "lifted");
  }
  co_return found;
}

}  // namespace

Task<AdminReply> freeze_queue(AdminRooms rooms, AdminRequest request) {
  QueueOrder order;
  QueueCursor cursor;
  std::optional<AdminReply> wrong = read_order_and_cursor(rooms, request, order, cursor);
  if (wrong) co_return std::move(*wrong);
  if (!order.chooses()) co_return co_await list_freezes(rooms, request.format);
  if (is_passing(order)) co_return co_await hold_queue(rooms, std::move(request));
  AdminReply reply;
  const queue::Freeze freeze = freeze_of(order.selection);
  if (order.limit) co_return used_wrongly("queue freeze", "a freeze has no --limit", "queue hold has");
  if (!order.dry_run) {
    const Result<void> frozen = co_await rooms.queue->freeze(freeze);
    if (!frozen && frozen.error().code == Error::exhausted) {
      reply.exit_code = 1;
      reply.error = fmt::format("queue freeze: there are {} freezes (queue thaw lifts one)", queue::kFreezesMax);
      co_return reply;
    }
    if (!frozen) {
      add_failure(reply, "queue freeze", frozen.error(), kFreezeAdvice);
      co_return reply;
    }
  }
  add_freeze(reply, request.format, freeze, order.dry_run ? "would" : "done", "frozen");
  co_return reply;
}

Task<AdminReply> thaw_queue(AdminRooms rooms, AdminRequest request) {
  QueueOrder order;
  QueueCursor cursor;
  std::optional<AdminReply> wrong = read_order_and_cursor(rooms, request, order, cursor);
  if (wrong) co_return std::move(*wrong);
  if (!order.chooses()) {
    co_return used_wrongly("queue thaw", "nothing is chosen",
                           "queue freeze shows what there is; --all lifts everything");
  }
  const bool standing = !is_passing(order);
  const bool at_start = cursor.phase == QueueCursor::Phase::start;
  QueueDeed deed{.command = "queue thaw",
                 .done = "released",
                 .nothing_to = "nothing to release",
                 .change = {.what = queue::Change::What::release, .to = {}}};
  if (!order.selection.state) order.selection.state = queue::RecipientState::held;
  if (!standing) {  // what `queue freeze` with the same words held, it held as `queue hold` does
    if (order.selection.held_why.empty()) {
      order.selection.held_why = {queue::HeldWhy::frozen, queue::HeldWhy::command};
    }
    co_return co_await change_chosen(rooms, std::move(deed), std::move(order), std::move(cursor), request.format);
  }
  const queue::Freeze asked = freeze_of(order.selection);
  order.selection.held_why = {queue::HeldWhy::frozen};
  order.yes = true;  // to thaw is to release what the freeze holds
  AdminReply lifting;
  bool found = true;
  if (at_start) {
    const Result<bool> lifted = co_await lift(rooms, &lifting, request.format, asked, order.dry_run);
    if (!lifted) {
      add_failure(lifting, "queue thaw", lifted.error(), kFreezeAdvice);
      co_return lifting;
    }
    found = *lifted;
  }
  AdminReply reply =
      co_await change_chosen(rooms, std::move(deed), std::move(order), std::move(cursor), request.format);
  // Also without the freeze: a thaw that was cut short has left some held.
  const bool released = !reply.next.empty() || reply.lines.size() > (request.format == OutputFormat::text ? 1U : 0U);
  if (!found && !released && reply.exit_code == 0) {
    add_failure(reply, "queue thaw " + name_of(asked), Error{Error::not_found, "web.queue", "no such freeze"},
                kFreezeAdvice);
  }
  reply.lines.insert(reply.lines.begin(), lifting.lines.begin(), lifting.lines.end());
  co_return reply;
}

}  // namespace postrider::web
