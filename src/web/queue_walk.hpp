// What the queue's commands share while they go through it page by page.
#pragma once

#include "core/task.hpp"
#include "queue/queue.hpp"
#include "web/admin.hpp"
#include "web/queue_order.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace postrider::web {

inline constexpr std::size_t kQueueReadMax = 500;         ///< entries that one call of the queue reads
inline constexpr std::size_t kReplyLinesMax = 1000;       ///< of a page of a reply
inline constexpr std::size_t kReplyOctetsMax = 1U << 20;  ///< of a page of a reply
inline constexpr int kCallsAReplyMax = 40;                ///< of the queue, for one page of a reply

/// Lets others on this shard go on.
[[nodiscard]] Task<void> give_way();

/// Says of the words of an order that are no ids, or of entries that are not there, what is wrong with them; exit 2, 3.
void add_bad_words(AdminReply& reply, const QueueOrder& order);
/// `seen`: the entries that the command has dealt with. What is left is not there; or it is, but not chosen, which is
/// no failure: a line says `nothing_to`, unless that is empty.
[[nodiscard]] Task<void> add_missing(AdminRooms rooms, AdminReply* reply, QueueOrder order,
                                     std::vector<queue::QueueId> seen, std::string nothing_to, OutputFormat format);

/// Reads the order and the cursor of a request. Gives the reply that says what is wrong with them.
[[nodiscard]] std::optional<AdminReply> read_order_and_cursor(AdminRooms rooms, const AdminRequest& request,
                                                              QueueOrder& order, QueueCursor& cursor);

/// The exit code and text where nothing was chosen but has to be.
[[nodiscard]] AdminReply nothing_chosen(std::string_view command);

/// One command that changes what is chosen.
struct QueueDeed {
  std::string_view command;     ///< "queue remove"
  std::string_view done;        ///< "removed"
  std::string_view nothing_to;  ///< "nothing to remove"
  queue::Change change;
};
/// Asks (by `AdminReply::question`) where more than one entry is chosen by a selector, shows what would be done, or
/// does it; page by page.
[[nodiscard]] Task<AdminReply> change_chosen(AdminRooms rooms, QueueDeed deed, QueueOrder order, QueueCursor cursor,
                                             OutputFormat format);

}  // namespace postrider::web
