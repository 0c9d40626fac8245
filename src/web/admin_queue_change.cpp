// The queue: what an administrator does with what is in it.
#include "core/await.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"
#include "web/queue_walk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

using What = queue::Change::What;

queue::Change change_to(What what) { return {.what = what, .to = {}}; }

Task<AdminReply> change(AdminRooms rooms, AdminRequest request, QueueDeed deed) {
  QueueOrder order;
  QueueCursor cursor;
  std::optional<AdminReply> wrong = read_order_and_cursor(rooms, request, order, cursor);
  if (wrong) co_return std::move(*wrong);
  queue::Selection& selection = order.selection;
  // What is held already stays as it is, unless it is asked for; there is nothing to release of what is not held.
  if (deed.change.what == What::hold && !selection.state) selection.state = queue::RecipientState::due;
  if (deed.change.what == What::release && !selection.state) selection.state = queue::RecipientState::held;
  co_return co_await change_chosen(rooms, std::move(deed), std::move(order), std::move(cursor), request.format);
}

/// Where mail for `target` goes in the end: mailboxes here, or addresses elsewhere. Errors  denied: `detail` says why.
Task<Result<std::vector<queue::Change::Destination>>> resolve_target(AdminRooms rooms, mail::Address target) {
  const Result<directory::Resolution> resolved = co_await rooms.directory->resolve(target);
  if (!resolved) co_return fail(resolved);
  std::vector<queue::Change::Destination> out;
  if (const auto* const unknown = std::get_if<directory::Unknown>(&*resolved)) {
    co_return error(Error::denied, "web.redirect", unknown->reason);
  }
  const auto* const deliverable = std::get_if<directory::Deliverable>(&*resolved);
  if (deliverable == nullptr) {
    out.push_back({.address = target, .account = std::nullopt});
    co_return out;
  }
  for (const directory::Target& one : deliverable->targets) {
    out.push_back({.address = one.address, .account = one.account});
  }
  co_return out;
}

bool has(const std::vector<queue::Change::Destination>& all, const mail::Address& address) {
  return std::ranges::find(all, address, &queue::Change::Destination::address) != all.end();
}

/// Takes the words with an @ out of the request: an id has none. Errors  malformed: not an address; denied: `detail`
/// says why.
Task<Result<queue::Change>> take_destinations(AdminRooms rooms, AdminRequest* request) {
  queue::Change change = change_to(What::redirect);
  std::vector<std::string> ids;
  for (const std::string& word : request->words) {
    if (word.find('@') == std::string::npos) {
      ids.push_back(word);
      continue;
    }
    const Result<mail::Address> target = mail::Address::parse(word, mail::Utf8::yes);
    if (!target) {
      co_return error(Error::malformed, "web.redirect",
                      fmt::format("target {}: not an address of the form user@example.com", word));
    }
    const Result<std::vector<queue::Change::Destination>> found = co_await resolve_target(rooms, *target);
    if (!found && found.error().code == Error::denied) {
      co_return error(Error::denied, "web.redirect", fmt::format("target {}: {}", word, found.error().detail));
    }
    if (!found) co_return fail(found);
    for (const queue::Change::Destination& one : *found) {
      if (!has(change.to, one.address)) change.to.push_back(one);
    }
  }
  request->words = std::move(ids);
  if (change.to.size() > queue::kRedirectTargetsMax) {
    co_return error(
        Error::denied, "web.redirect",
        fmt::format("these are {} targets, {} at most can be", change.to.size(), queue::kRedirectTargetsMax));
  }
  co_return change;
}

}  // namespace

Task<AdminReply> retry_queue(AdminRooms rooms, AdminRequest request) {
  return change(rooms, std::move(request), {"queue retry", "due now", "nothing to retry", change_to(What::retry)});
}

Task<AdminReply> hold_queue(AdminRooms rooms, AdminRequest request) {
  return change(rooms, std::move(request), {"queue hold", "held", "nothing to hold", change_to(What::hold)});
}

Task<AdminReply> release_queue(AdminRooms rooms, AdminRequest request) {
  return change(rooms, std::move(request),
                {"queue release", "released", "nothing to release", change_to(What::release)});
}

Task<AdminReply> remove_from_queue(AdminRooms rooms, AdminRequest request) {
  return change(rooms, std::move(request), {"queue remove", "removed", "nothing to remove", change_to(What::remove)});
}

Task<AdminReply> bounce_queue(AdminRooms rooms, AdminRequest request) {
  return change(rooms, std::move(request), {"queue bounce", "bounced", "nothing to bounce", change_to(What::bounce)});
}

Task<AdminReply> redirect_queue(AdminRooms rooms, AdminRequest request) {
  Result<queue::Change> change_made = co_await take_destinations(rooms, &request);
  if (!change_made && change_made.error().code == Error::denied) {
    co_return AdminReply{
        .exit_code = 1,
        .lines = {},
        .error = fmt::format("queue redirect: {} (nothing was changed)", shown(change_made.error().detail))};
  }
  if (!change_made && change_made.error().code == Error::malformed) {
    co_return used_wrongly("queue redirect", change_made.error().detail, "correct it");
  }
  if (!change_made) {
    AdminReply reply;
    add_failure(reply, "queue redirect", change_made.error(), Advice{});
    co_return reply;
  }
  if (change_made->to.empty()) {
    co_return used_wrongly("queue redirect", "no target is given", "end it with the address that is to have the mail");
  }
  QueueDeed deed{.command = "queue redirect",
                 .done = "redirected",
                 .nothing_to = "nothing to redirect",
                 .change = std::move(*change_made)};
  co_return co_await change(rooms, std::move(request), std::move(deed));
}

}  // namespace postrider::web
