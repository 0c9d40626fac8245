// Who is slowed or banned for failed logins.
#include "core/await.hpp"
#include "core/numbers.hpp"
#include "gate/login_guard.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr std::size_t kBansAPage = 1000;

AdminReply no_server(std::string_view command) {
  AdminReply reply;
  reply.exit_code = 69;
  reply.error =
      fmt::format("{}: no server runs, and only a running one knows of bans (start it: postrider serve)", command);
  return reply;
}

std::optional<std::string> unless_empty(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace

Task<AdminReply> list_bans(AdminRooms rooms, AdminRequest request) {
  if (rooms.login_guard == nullptr) co_return no_server("ban list");
  AdminReply reply;
  const std::vector<gate::LoginGuard::Ban> bans = rooms.login_guard->bans();
  const std::size_t first = parse_number<std::size_t>(request.cursor, {.min = 0, .max = bans.size()}).value_or(0);
  const std::size_t end = std::min(bans.size(), first + kBansAPage);
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = first; i < end; ++i) {
    const gate::LoginGuard::Ban& ban = bans[i];
    const std::string_view state = ban.banned ? "banned" : "slowed";
    if (request.format == OutputFormat::json) {
      reply.lines.push_back(json_line()
                                .text_or_null("network", unless_empty(ban.network))
                                .text_or_null("login", unless_empty(ban.login))
                                .number("failures", ban.failures)
                                .text("state", state)
                                .time("until", ban.until)
                                .to_text());
    } else {
      rows.push_back({ban.network.empty() ? "new networks" : ban.network,
                      ban.login.empty() ? "all logins" : shown(ban.login), fmt::format("{} failed", ban.failures),
                      fmt::format("{} until {}", state, to_rfc3339(ban.until))});
    }
  }
  if (request.format == OutputFormat::text) reply.lines = aligned(rows);
  if (end < bans.size()) reply.next = std::to_string(end);
  co_return reply;
}

Task<AdminReply> lift_ban(AdminRooms rooms, AdminRequest request) {
  if (rooms.login_guard == nullptr) co_return no_server("ban lift");
  AdminReply reply;
  for (const std::string& word : request.words) {
    if (rooms.login_guard->lift(word) > 0) {
      add_deed(reply, request.format, Deed{.kind = "ban", .name = word, .verb = "lifted"});
    } else {
      add_failure(reply, fmt::format("ban {}", shown(word)),
                  Error{Error::not_found, "web.admin", "neither slowed nor banned"},
                  Advice{.not_found = "ban list shows what there is"});
    }
  }
  co_return reply;
}

}  // namespace postrider::web
