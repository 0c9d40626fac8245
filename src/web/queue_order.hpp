// What a queue command was asked to do, out of its words and options. Pure.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "queue/queue.hpp"
#include "web/admin.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::web {

/// The choice that all queue commands understand, and how far they go.
struct QueueOrder {
  queue::Selection selection;    ///< by the options; `ids` are the good ones of `words`
  std::vector<std::string> bad;  ///< words that are no queue id
  bool by_id = false;            ///< words were given
  bool by_selector = false;      ///< --login --from --to --domain --mx --status --older-than --reply
  bool everything = false;       ///< --all
  std::optional<std::uint64_t> limit;
  bool dry_run = false;
  bool yes = false;
  [[nodiscard]] bool chooses() const { return by_id || by_selector || everything; }
};

/// Reads the options; `words` are taken as ids. Gives what is wrong with them, or nothing.
[[nodiscard]] std::optional<AdminReply> read_order(const AdminRequest& request, WallTime now, QueueOrder& order);

/// Where a command goes on that gave `AdminReply::next`: all that the server has to remember, kept by the client.
struct QueueCursor {
  enum class Phase : std::uint8_t {
    start,
    ask,  ///< counting what would be changed
    act,
  };
  Phase phase = Phase::start;
  std::optional<queue::QueueId> after;
  std::uint64_t messages = 0;  ///< so far
  std::uint64_t recipients = 0;
  friend bool operator==(const QueueCursor&, const QueueCursor&) = default;
};
[[nodiscard]] std::string to_text(const QueueCursor& cursor);
/// Errors  malformed.
[[nodiscard]] Result<QueueCursor> parse_cursor(std::string_view text);

/// "1 recipient", "2 recipients".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view singular);

}  // namespace postrider::web
