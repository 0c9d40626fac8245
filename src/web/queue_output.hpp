// Entries of the queue for people and as JSON.
#pragma once

#include "queue/queue.hpp"
#include "web/admin_output.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::web {

inline constexpr Advice kQueueAdvice{.not_found = "queue list shows what there is",
                                     .conflict = "it is in delivery right now; try again",
                                     .conflict_exit = 75};

/// "queue entry ID".
[[nodiscard]] std::string entry_name(std::string_view id);

/// "due", "deferred" or "held": the words of --status.
[[nodiscard]] std::string_view status_of(const queue::Recipient& recipient);

/// A line of `queue list`. The columns of all rows of a list stand under each other, also when they come in pages.
[[nodiscard]] std::string to_row(const queue::Listed& listed);
[[nodiscard]] JsonObject to_line(const queue::Listed& listed);

/// What `queue show` says of an entry and what happened to it.
void add_shown(AdminReply& reply, OutputFormat format, const queue::Listed& listed,
               const std::vector<queue::TraceEvent>& events);
/// The same for an entry that has left the queue.
void add_gone(AdminReply& reply, OutputFormat format, const queue::QueueId& id,
              const std::vector<queue::TraceEvent>& events);

/// A line of what was done to an entry's recipients: `key` "done" or "would", `verb` "removed".
void add_change(AdminReply& reply, OutputFormat format, std::string_view key, std::string_view verb,
                const queue::Listed& listed);

}  // namespace postrider::web
