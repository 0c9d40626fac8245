// `reload`.
#include "core/await.hpp"
#include "web/admin_commands.hpp"
#include "web/admin_output.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postrider::web {

namespace {
constexpr int kExitNeedsServer = 69;
}

Task<AdminReply> reload(AdminRooms rooms, AdminRequest request) {
  AdminReply reply;
  if (rooms.server == nullptr) {
    reply.exit_code = kExitNeedsServer;
    reply.error = "reload: no server runs (the next start reads everything)";
    co_return reply;
  }
  const core::ReloadReport report = rooms.server->reload();
  if (!report.done) {
    reply.exit_code = 1;
    reply.error = fmt::format("reload: nothing was changed: {}", fmt::join(report.lines, "; "));
    co_return reply;
  }
  for (const std::string& line : report.lines)
    reply.lines.push_back(request.format == OutputFormat::json ? json_line().text("reloaded", line).to_text() : line);
  co_return reply;
}

}  // namespace postrider::web
