#include "web/queue_tally.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace postrider::web {
namespace {

struct Age {
  Duration under;
  std::string_view name;
};
constexpr auto kAges = std::to_array<Age>({
    {std::chrono::minutes(5), "under 5m"},
    {std::chrono::minutes(30), "5m to 30m"},
    {std::chrono::hours(1), "30m to 1h"},
    {std::chrono::hours(4), "1h to 4h"},
    {std::chrono::hours(12), "4h to 12h"},
    {std::chrono::hours(24), "12h to 1d"},
    {std::chrono::hours(48), "1d to 2d"},
    {std::chrono::hours(120), "2d to 5d"},
    {Duration::max(), "over 5d"},
});
constexpr std::string_view kBlanks = " \t\r\n";
// What may stand around a word that is folded, and stays.
constexpr std::string_view kOpening = "<([{\"'";
constexpr std::string_view kEnding = ".,;:!?";
constexpr std::string_view kClosing = ">)]}\"'.,;:!?";

bool has_digit(std::string_view text) { return std::ranges::any_of(text, &is_digit_ascii); }

/// "550", "550-": a reply code in front of the rest.
bool is_code(std::string_view word) {
  if (word.size() == 4 && word[3] == '-') word.remove_suffix(1);
  return word.size() == 3 && word[0] >= '2' && word[0] <= '5' && std::ranges::all_of(word, &is_digit_ascii);
}

/// "5.7.1" (3463 §2).
bool is_status(std::string_view word) {
  const std::vector<std::string_view> parts = split(word, '.');
  return parts.size() == 3 && (parts[0] == "2" || parts[0] == "4" || parts[0] == "5") &&
         std::ranges::all_of(parts, [](std::string_view part) {
           return !part.empty() && part.size() <= 3 && std::ranges::all_of(part, &is_digit_ascii);
         });
}

/// The word with what names one message in it as "*".
std::string fold_word(std::string_view word) {
  const std::size_t begin = std::min(word.find_first_not_of(kOpening), word.size());
  const bool opens = word.find_first_of("<([{", begin) != std::string_view::npos;  // its end belongs to it
  const std::size_t last = word.find_last_not_of(opens ? kEnding : kClosing);
  const std::size_t end = last == std::string_view::npos || last < begin ? begin : last + 1;
  const std::string_view core = word.substr(begin, end - begin);
  if (is_status(core)) return std::string(word);
  if (!has_digit(core) && core.find('@') == std::string_view::npos) return std::string(word);
  return std::string(word.substr(0, begin)) + "*" + std::string(word.substr(end));
}

void count(TallyCount& into, const queue::Recipient& recipient, WallTime arrival) {
  if (recipient.state == queue::RecipientState::held) {
    ++into.held;
  } else if (recipient.attempts > 0) {
    ++into.deferred;
  } else {
    ++into.due;
  }
  if (!into.oldest || arrival < *into.oldest) into.oldest = arrival;
}

std::size_t age_of(Duration age) {
  const auto* const found = std::ranges::find_if(kAges, [age](const Age& a) { return age < a.under; });
  return std::min(static_cast<std::size_t>(found - kAges.begin()), kAges.size() - 1);
}

struct Why {
  queue::HeldWhy why;
  std::string_view name;
};
constexpr auto kWhys = std::to_array<Why>({
    {queue::HeldWhy::undeliverable, "undeliverable"},
    {queue::HeldWhy::command, "command"},
    {queue::HeldWhy::route, "route"},
    {queue::HeldWhy::frozen, "frozen"},
    {queue::HeldWhy::burst, "burst"},
});

}  // namespace

std::string fold_reply(std::string_view reply) {
  std::string out;
  bool first = true;
  bool starred = false;  // the last word is nothing but a star: another one is the same
  for (std::size_t at = reply.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(reply.find_first_of(kBlanks, at), reply.size());
    const std::string_view word = reply.substr(at, end - at);
    const std::string folded = first && is_code(word) ? std::string(word) : fold_word(word);
    if (!starred || folded != "*") out += (first ? "" : " ") + folded;
    starred = folded == "*";
    first = false;
    if (out.size() >= kFoldedReplyOctetsMax) break;
    at = reply.find_first_not_of(kBlanks, end);
  }
  return out.substr(0, kFoldedReplyOctetsMax);
}

QueueTally::Kept* QueueTally::row_of(Rows& rows, std::string_view name) {
  const auto found = rows.kept.find(name);
  if (found != rows.kept.end()) return &found->second;
  if (rows.kept.size() >= kTallyRowsMax) return nullptr;
  return &rows.kept[std::string(name)];
}

void QueueTally::add(const queue::Listed& listed) {
  ++messages_;
  octets_ += listed.entry.content.size_octets();
  for (const queue::Recipient& recipient : listed.recipients) add_recipient(listed.entry, recipient);
}

void QueueTally::add_recipient(const queue::Entry& entry, const queue::Recipient& recipient) {
  count(total_, recipient, entry.arrival);
  Kept* const destination = row_of(destinations_, recipient.address.domain().text());
  count(destination != nullptr ? destination->count : destinations_.others, recipient, entry.arrival);
  count(ages_[age_of(now_ - entry.arrival)], recipient, entry.arrival);
  if (recipient.state == queue::RecipientState::held) count(held_[recipient.held_why], recipient, entry.arrival);
  if (recipient.last_reply.empty()) return;
  Kept* const reply = row_of(replies_, fold_reply(recipient.last_reply));
  count(reply != nullptr ? reply->count : replies_.others, recipient, entry.arrival);
  if (reply != nullptr && reply->example.empty()) {
    reply->example = recipient.last_reply.substr(0, kFoldedReplyOctetsMax);
  }
}

std::vector<TallyRow> QueueTally::sorted(const Rows& rows) {
  std::vector<TallyRow> out;
  out.reserve(rows.kept.size() + 1);
  for (const auto& [name, kept] : rows.kept)
    out.push_back({.name = name, .count = kept.count, .example = kept.example});
  std::ranges::sort(out, [](const TallyRow& a, const TallyRow& b) {
    return a.count.all() != b.count.all() ? a.count.all() > b.count.all() : a.name < b.name;
  });
  if (rows.others.all() > 0) out.push_back({.name = "(others)", .count = rows.others});
  return out;
}

std::vector<TallyRow> QueueTally::destinations() const { return sorted(destinations_); }
std::vector<TallyRow> QueueTally::replies() const { return sorted(replies_); }

std::vector<TallyRow> QueueTally::ages() const {
  std::vector<TallyRow> out;
  for (std::size_t i = 0; i < kAges.size(); ++i) {
    const auto found = ages_.find(i);
    out.push_back({.name = std::string(kAges[i].name), .count = found == ages_.end() ? TallyCount{} : found->second});
  }
  return out;
}

std::vector<TallyRow> QueueTally::held() const {
  std::vector<TallyRow> out;
  for (const Why& why : kWhys) {
    const auto found = held_.find(why.why);
    if (found != held_.end()) out.push_back({.name = std::string(why.name), .count = found->second});
  }
  return out;
}

}  // namespace postrider::web
