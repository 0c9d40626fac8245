// rooms: core mail net store directory mailbox queue web
// Words and options of the queue's commands, cursors, and replies that a summary folds: what is read is written the
// same again, and what a remote said is folded within its limit and without what names one message.
#include "web/queue_order.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "web/queue_tally.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using postrider::check;
using postrider::web::AdminRequest;
using postrider::web::QueueCursor;
using postrider::web::QueueOrder;

constexpr postrider::WallTime kNow{std::chrono::days(20'000)};

/// Lines "name=value" are options, others are words.
void read_orders(std::string_view text) {
  AdminRequest request;
  for (const std::string_view line : postrider::split(text, '\n')) {
    const auto [name, value] = postrider::split_once(line, '=');
    if (name.size() < line.size()) {
      request.options.emplace_back(name, value);
    } else {
      request.words.emplace_back(line);
    }
  }
  QueueOrder order;
  const auto wrong = postrider::web::read_order(request, kNow, order);
  if (wrong) {
    check(wrong->exit_code == 2 && !wrong->error.empty(), "what is wrong is said");
    check(std::ranges::all_of(wrong->error, [](char c) { return c >= ' ' && c <= '~'; }), "and can be shown");
    return;
  }
  check(order.selection.ids.size() + order.bad.size() == request.words.size(), "each word is an id or is not");
  check(!order.everything || !order.by_selector, "everything is no choice");
}

void read_cursor(std::string_view text) {
  const postrider::Result<QueueCursor> cursor = postrider::web::parse_cursor(text);
  if (!cursor) return;
  const postrider::Result<QueueCursor> again = postrider::web::parse_cursor(postrider::web::to_text(*cursor));
  check(again.has_value() && *again == *cursor, "a cursor is read as it is written");
}

void fold(std::string_view text) {
  const std::string folded = postrider::web::fold_reply(text);
  check(folded.size() <= postrider::web::kFoldedReplyOctetsMax, "a folded reply is within its limit");
  check(folded.find('@') == std::string::npos, "no address is left");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_orders(text);
  read_cursor(text);
  fold(text);
  return 0;
}
