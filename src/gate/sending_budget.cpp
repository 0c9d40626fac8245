#include "gate/sending_budget.hpp"

#include "core/await.hpp"
#include "core/numbers.hpp"
#include "core/record.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace postrider::gate {

namespace {

// The gate's keys. All begin with "G"; no other room reads them.
//   Gs subject        its counts
//   Gr subject mark   a recipient that it wrote to before, no value
// A subject is 'a' and an account's id, or 'u' and a user's; a mark is 8 octets; numbers are big-endian.
constexpr std::string_view kCountsPrefix = "Gs";
constexpr std::string_view kKnownPrefix = "Gr";
constexpr std::uint8_t kCountsFormat = 1;
constexpr std::uint64_t kU32Max = 0xFFFF'FFFF;

store::Key counts_key(std::string_view subject) { return store::Key(kCountsPrefix).append(subject); }

store::Key known_key(std::string_view subject, RecipientMark mark) {
  store::Key key = store::Key(kKnownPrefix).append(subject);
  append_u64(key, mark);
  return key;
}

/// FNV-1a over the address in lower case: what lies on disk must not change with a library.
RecipientMark mark_of(const mail::Address& address) {
  RecipientMark mark = 0xcbf2'9ce4'8422'2325;
  for (const char c : lowered_ascii(address.text())) {
    mark ^= static_cast<unsigned char>(c);
    mark *= 0x0100'0000'01b3;
  }
  return mark;
}

std::int64_t day_of(WallTime at) { return std::chrono::floor<std::chrono::days>(at).time_since_epoch().count(); }
WallTime start_of_day(std::int64_t day) { return WallTime(std::chrono::days(day)); }

/// Messages that were sent in one moment.
struct Sent {
  WallTime at;
  std::uint32_t messages = 0;
  std::uint32_t recipients = 0;
};

}  // namespace

struct SendingBudget::Counts {
  WallTime first;        // message of all
  std::int64_t day = 0;  // of these two
  std::uint32_t messages = 0;
  std::uint32_t new_recipients = 0;
  std::uint32_t known = 0;     // recipients on disk
  std::int64_t told_caps = 0;  // the day when somebody was told last
  std::int64_t told_burst = 0;
  std::deque<Sent> recent = {};  // within burst_within; one more than burst_messages at most
  WallTime used;                 // last

  void begin_day(std::int64_t today) {
    if (std::exchange(day, today) != today) messages = new_recipients = 0;
  }
  void forget_old(WallTime now, const SendingLimits& limits) {
    while (!recent.empty() &&
           (recent.size() > limits.burst_messages + 1 || recent.front().at + limits.burst_within <= now))
      recent.pop_front();
  }
  [[nodiscard]] Sent sum() const {
    Sent all;
    for (const Sent& one : recent) {
      all.at = one.at;
      all.messages += one.messages;
      all.recipients += one.recipients;
    }
    return all;
  }
};

struct SendingBudget::State {
  std::mutex mutex;
  std::map<std::string, Counts> by_subject;

  void make_room() {
    if (by_subject.size() < kBudgetSubjectsMax) return;
    by_subject.erase(std::ranges::min_element(by_subject, {}, [](const auto& one) { return one.second.used; }));
  }
};

namespace {

template <class Counts>
std::string to_record(const Counts& counts) {
  const Sent recent = counts.sum();
  RecordWriter out(kCountsFormat);
  out.signed_number(to_micros(counts.first)).signed_number(counts.day);
  out.number(counts.messages).number(counts.new_recipients).number(counts.known);
  out.signed_number(counts.told_caps).signed_number(counts.told_burst);
  out.signed_number(to_micros(recent.at)).number(recent.messages).number(recent.recipients);
  return std::move(out).finish();
}

template <class Counts>
Result<void> read_record(std::string_view octets, Counts& counts) {
  RecordReader in(octets, kCountsFormat);
  const auto number = [&in] { return narrow<std::uint32_t>(in.number_up_to(kU32Max)); };
  counts.first = from_micros(in.signed_number());
  counts.day = in.signed_number();
  counts.messages = number();
  counts.new_recipients = number();
  counts.known = number();
  counts.told_caps = in.signed_number();
  counts.told_burst = in.signed_number();
  Sent recent{.at = from_micros(in.signed_number())};
  recent.messages = number();
  recent.recipients = number();
  if (recent.messages > 0) counts.recent.push_back(recent);  // as if all were sent last
  return in.end();
}

}  // namespace

BudgetSubject BudgetSubject::account(mail::AccountId id) {
  std::string key = "a";
  append_u64(key, std::to_underlying(id));
  return BudgetSubject(std::move(key));
}

BudgetSubject BudgetSubject::local_user(std::uint32_t uid) {
  std::string key = "u";
  append_u32(key, uid);
  return BudgetSubject(std::move(key));
}

SendingBudget::SendingBudget(store::Store* store, Clock* clock, SendingLimits limits)
    : store_(store), clock_(clock), limits_(limits), state_(std::make_unique<State>()) {}
SendingBudget::~SendingBudget() = default;

Task<Result<void>> SendingBudget::load(std::string key) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->by_subject.contains(key)) co_return Result<void>{};
  }
  const Result<std::optional<store::Entry>> stored = co_await store_->get(counts_key(key));
  if (!stored) co_return fail(stored);
  Counts counts{.first = {}, .used = clock_->wall()};
  if (*stored) {
    const Result<void> read = read_record((*stored)->value, counts);
    if (!read) co_return fail(read);
  }
  const std::scoped_lock lock(state_->mutex);
  state_->make_room();
  state_->by_subject.try_emplace(std::move(key), std::move(counts));  // another session may have been faster
  co_return Result<void>{};
}

Task<Result<SendingBudget::Allowed>> SendingBudget::allow_message(BudgetSubject who) {
  const Result<void> loaded = co_await load(who.key());
  if (!loaded) co_return fail(loaded);
  const WallTime now = clock_->wall();
  const std::int64_t today = day_of(now);
  Allowed allowed{.until = start_of_day(today + 1)};
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->by_subject.find(who.key());
  if (found == state_->by_subject.end() || !who.has_caps()) co_return allowed;
  Counts& counts = found->second;
  counts.begin_day(today);
  if (counts.messages < limits_.messages_a_day) co_return allowed;
  allowed.over = Cap::messages;
  allowed.refused = now - counts.first >= limits_.observed;
  allowed.first_today = std::exchange(counts.told_caps, today) != today;
  co_return allowed;
}

Task<Result<SendingBudget::Allowed>> SendingBudget::allow_recipient(BudgetSubject who, mail::Address recipient,
                                                                    std::size_t pending) {
  const Result<void> loaded = co_await load(who.key());
  if (!loaded) co_return fail(loaded);
  const WallTime now = clock_->wall();
  const std::int64_t today = day_of(now);
  Allowed allowed{.until = start_of_day(today + 1)};
  if (!who.has_caps()) co_return allowed;
  allowed.mark = mark_of(recipient);
  const Result<std::optional<store::Entry>> known = co_await store_->get(known_key(who.key(), allowed.mark));
  if (!known) co_return fail(known);
  allowed.is_new = !known->has_value();
  if (!allowed.is_new) co_return allowed;
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->by_subject.find(who.key());
  if (found == state_->by_subject.end()) co_return allowed;
  Counts& counts = found->second;
  counts.begin_day(today);
  if (counts.new_recipients + pending < limits_.new_recipients_a_day) co_return allowed;
  allowed.over = Cap::new_recipients;
  // Who never sent anything is in its first day.
  allowed.refused = counts.first != WallTime() && now - counts.first >= limits_.observed;
  allowed.first_today = std::exchange(counts.told_caps, today) != today;
  co_return allowed;
}

Task<Result<SendingBudget::Counted>> SendingBudget::count(BudgetSubject who, std::size_t recipients,
                                                          std::vector<RecipientMark> fresh,
                                                          store::Transaction* transaction) {
  const Result<void> loaded = co_await load(who.key());
  if (!loaded) co_return fail(loaded);
  const WallTime now = clock_->wall();
  const std::int64_t today = day_of(now);
  Counted counted;
  const std::scoped_lock lock(state_->mutex);
  Counts& counts = state_->by_subject.try_emplace(who.key(), Counts{.first = {}, .used = now}).first->second;
  counts.used = now;
  counts.begin_day(today);
  if (counts.first == WallTime()) counts.first = now;
  ++counts.messages;
  counts.new_recipients += narrow<std::uint32_t>(fresh.size());
  for (const RecipientMark mark : fresh) {
    if (counts.known >= kKnownRecipientsMax) break;
    ++counts.known;
    transaction->put(known_key(who.key(), mark), std::string());
  }
  counts.recent.push_back({.at = now, .messages = 1, .recipients = narrow<std::uint32_t>(recipients)});
  counts.forget_old(now, limits_);
  const Sent recent = counts.sum();
  // Sessions that ask at the same time are each told that there is room for one of them.
  const bool is_capped = who.has_caps() && now - counts.first >= limits_.observed;
  const bool passes_cap = is_capped && (counts.messages > limits_.messages_a_day ||
                                        (!fresh.empty() && counts.new_recipients > limits_.new_recipients_a_day));
  counted.is_burst =
      passes_cap || recent.messages > limits_.burst_messages || recent.recipients > limits_.burst_recipients;
  if (counted.is_burst) counted.first_today = std::exchange(counts.told_burst, today) != today;
  transaction->put(counts_key(who.key()), to_record(counts));
  co_return counted;
}

void SendingBudget::uncount(const BudgetSubject& who, std::size_t recipients, std::size_t fresh) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->by_subject.find(who.key());
  if (found == state_->by_subject.end()) return;
  Counts& counts = found->second;
  const auto less = [](std::uint32_t& from, std::size_t by) { from -= std::min(from, narrow<std::uint32_t>(by)); };
  less(counts.messages, 1);
  less(counts.new_recipients, fresh);
  less(counts.known, fresh);
  if (counts.recent.empty()) return;
  less(counts.recent.back().messages, 1);
  less(counts.recent.back().recipients, recipients);
}

}  // namespace postrider::gate
