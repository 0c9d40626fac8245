#include "queue/queue.hpp"

#include "core/check.hpp"
#include "core/numbers.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/records.hpp"

#include <algorithm>
#include <utility>

namespace postrider::queue {

namespace {

constexpr Duration kGiveBackPause =
    std::chrono::minutes(1);  // its outcome could not be written: a peer is not asked over and over

std::string detail_of(const Outcome& outcome) {
  std::string detail = outcome.status + ' ' + outcome.reply;
  if (!outcome.remote.empty()) detail += " from " + outcome.remote;
  return detail;
}

Result<std::string> checked_record(std::string record) {
  if (record.size() > store::kValueOctetsMax) return error(Error::too_long, "queue.record");
  return record;
}

/// 3461 §4.1, for senders to whom we report. For all others we do not report a success though NOTIFY asks for it: a
/// stranger's reverse-path may be anybody's (SECURITY R8).
bool wants_success(const Entry& entry, const Recipient& recipient, const Outcome& outcome) {
  if (entry.report_to != ReportTo::sender || entry.reverse_path.is_null()) return false;  // 5321 §4.5.5
  const std::optional<mail::NotifyOn>& notify = recipient.request.notify;
  const bool passed_on = outcome.attempt == Attempt::relayed && outcome.reports_passed_on;  // 3461 §5.2.1
  return notify && notify->success && !passed_on;
}

/// 3461 §4.1: NEVER, or a list without FAILURE.
bool wants_no_failure(const Recipient& recipient) {
  return recipient.request.notify && !recipient.request.notify->failure;
}

std::vector<Due> dues_of(const NewEntry& entry) {
  std::vector<Due> dues;
  const WallTime first = released_at(entry.request, entry.arrival);
  for (std::uint32_t number = 0; number < entry.recipients.size(); ++number) {
    dues.push_back({.at = first, .who = {.id = entry.id, .number = number}});
  }
  return dues;
}

}  // namespace

Queue::Inside::Inside(store::Store* store_door, Clock* clock_door, Random* random_door, Settings queue_settings,
                      Events* event_sink, std::size_t active_max)
    : store(store_door),
      clock(clock_door),
      random(random_door),
      settings(std::move(queue_settings)),
      events(event_sink),
      scheduler(active_max) {
  check(!settings.retry.empty(), "queue: a retry table");
}

Queue::Queue(store::Store* store, Clock* clock, Random* random, Settings settings, Events* events,
             std::size_t active_max)
    : inside_(std::make_unique<Inside>(store, clock, random, std::move(settings), events, active_max)) {}
Queue::~Queue() = default;

void Queue::Inside::trace(store::Transaction& transaction, const QueueId& id, std::string_view what,
                          std::string recipient, std::string_view detail) {
  const TraceEvent event{.at = clock->wall(),
                         .what = std::string(what),
                         .recipient = std::move(recipient),
                         .detail = printable_ascii(detail, kTraceDetailOctetsMax)};
  transaction.put(trace_key(id, event.at, trace_sequence.fetch_add(1)), to_record(event));
}

Result<void> Queue::stage_accept(store::Transaction& transaction, const NewEntry& entry) {
  if (entry.recipients.empty() || entry.recipients.size() > kRecipientsMax)
    return error(Error::too_long, "queue.recipients");
  const Entry stored{.id = entry.id,
                     .reverse_path = entry.reverse_path,
                     .content = entry.content,
                     .return_paths = entry.return_paths,
                     .has_eight_bit = entry.has_eight_bit,
                     .report_to = entry.report_to,
                     .request = entry.request,
                     .arrival = entry.arrival,
                     .client = entry.client,
                     .recipients_left = narrow<std::uint32_t>(entry.recipients.size())};
  Result<std::string> record = checked_record(to_record(stored));
  if (!record) return fail(record);
  const store::Key key = entry_key(entry.id);
  transaction.require_absent(key);
  transaction.put(key, std::move(*record));
  for (const Due& due : dues_of(entry)) {
    const NewRecipient& given = entry.recipients[due.who.number];
    const Recipient recipient{.number = due.who.number,
                              .address = given.address,
                              .original = given.original,
                              .account = given.account,
                              .request = given.request,
                              .due = due.at,
                              .last_reply = {}};
    transaction.put(recipient_key(due.who), to_record(recipient));
    transaction.put(due_key(due), std::string());
  }
  const bool single = entry.recipients.size() == 1;
  const std::string sender = "from <" + entry.reverse_path.text() + "> " + entry.client;
  inside_->trace(transaction, entry.id, "accepted", single ? entry.recipients.front().address.text() : std::string(),
                 sender);
  if (transaction.size_octets() > store::kTransactionOctetsMax) return error(Error::too_long, "queue.transaction");
  return {};
}

void Queue::accepted(const NewEntry& entry) { inside_->scheduler.add(dues_of(entry)); }

WallTime Queue::Inside::given_up_at(const Entry& entry) const {
  const Duration lifetime = entry.reverse_path.is_null() ? settings.expire_after_bounce : settings.expire_after;
  return released_at(entry.request, entry.arrival) + std::chrono::floor<std::chrono::microseconds>(lifetime);
}

std::optional<Outcome> Queue::overdue(const Entry& entry) const {
  const std::optional<WallTime> back = returned_at(entry);
  if (!back || inside_->clock->wall() < *back) return std::nullopt;
  return Outcome{.attempt = Attempt::failed,
                 .status = "5.4.7",
                 .reply = "554 5.4.7 not delivered by the time that the sender set",
                 .remote = {}};
}

Outcome Queue::judged(const Entry& entry, const Outcome& outcome) const {
  if (outcome.attempt != Attempt::deferred) return outcome;
  std::string status;
  if (overdue(entry)) {
    status = "5.4.7";  // 2852 §4.1.4
  } else if (inside_->clock->wall() >= inside_->given_up_at(entry)) {
    status = "4.4.7";  // 5321 §4.5.4.1; 3463 §3.5: delivery time expired
  } else {
    return outcome;
  }
  return {.attempt = Attempt::failed, .status = std::move(status), .reply = outcome.reply, .remote = outcome.remote};
}

void Queue::Inside::stage_end(store::Transaction& transaction, Entry& entry, const Recipient& recipient) {
  const Due due = due_of(entry.id, recipient);
  const store::Key key = recipient_key(due.who);
  transaction.require_version(key, recipient.version);
  transaction.erase(key);
  transaction.erase(due_key(due));
  check(entry.recipients_left > 0, "queue: an entry has no recipients left");
  --entry.recipients_left;
  scheduler.staged(due.who, std::nullopt);
}

void Queue::Inside::stage_change(store::Transaction& transaction, const QueueId& id, const Recipient& before,
                                 const Recipient& now) {
  const Due due = due_of(id, before);
  const store::Key key = recipient_key(due.who);
  transaction.require_version(key, before.version);
  transaction.put(key, to_record(now));
  transaction.erase(due_key(due));
  transaction.put(due_key(due_of(id, now)), std::string());
  scheduler.staged(due.who, now.due);
}

Result<Fate> Queue::stage_settle(store::Transaction& transaction, Entry& entry, const Recipient& recipient,
                                 const Outcome& outcome) {
  const WallTime now = inside_->clock->wall();
  const std::string address = recipient.address.text();
  const std::string detail = detail_of(outcome);
  Recipient next = recipient;
  ++next.attempts;
  next.last_reply = printable_ascii(outcome.reply, kReplyTextOctetsMax);
  switch (outcome.attempt) {
    case Attempt::delivered:
    case Attempt::relayed:
      inside_->trace(transaction, entry.id, outcome.attempt == Attempt::delivered ? "delivered" : "relayed", address,
                     detail);
      inside_->stage_end(transaction, entry, recipient);
      if (!wants_success(entry, recipient, outcome)) return Fate::done;
      inside_->trace(transaction, entry.id, "reported", address, "to <" + entry.reverse_path.text() + '>');
      return Fate::report_success;
    case Attempt::deferred: {
      const WallTime given_up = inside_->given_up_at(entry);
      const WallTime last = std::min(given_up, returned_at(entry).value_or(given_up));
      const Duration delay = retry_delay(inside_->settings, next.attempts, *inside_->random);
      next.state = RecipientState::due;
      next.due = now + std::chrono::ceil<std::chrono::microseconds>(delay);
      if (now < last) next.due = std::min(next.due, last);  // one more try at the very end
      inside_->trace(transaction, entry.id, "deferred", address, detail);
      inside_->stage_change(transaction, entry.id, recipient, next);
      return Fate::retried;
    }
    case Attempt::held:      // TODO(queue): issue 4
    case Attempt::expanded:  // TODO(queue): issue 4
    case Attempt::failed: break;
  }
  inside_->trace(transaction, entry.id, "failed", address, detail);
  if (entry.reverse_path.is_null() ||
      entry.report_to == ReportTo::nobody) {  // 5321 §4.5.5, §6.1: never answered by a DSN
    inside_->stage_end(transaction, entry, recipient);
    inside_->trace(transaction, entry.id, "removed", address, "null reverse-path: nobody to report to");
    return Fate::dropped_null_sender;
  }
  if (entry.report_to == ReportTo::sender && wants_no_failure(recipient)) {
    inside_->stage_end(transaction, entry, recipient);
    inside_->trace(transaction, entry.id, "removed", address, "the sender asked for no report");
    return Fate::dropped_unwanted;
  }
  if (entry.report_to == ReportTo::sender) {
    inside_->stage_end(transaction, entry, recipient);
    inside_->trace(transaction, entry.id, "reported", address, "to <" + entry.reverse_path.text() + '>');
    return Fate::report_sender;
  }
  next.state = RecipientState::held;
  next.due = now + std::chrono::floor<std::chrono::microseconds>(inside_->settings.expire_after);
  inside_->trace(transaction, entry.id, "held", address, "until released, removed or expired");
  inside_->stage_change(transaction, entry.id, recipient, next);
  return Fate::held_for_postmaster;
}

void Queue::Inside::stage_entry(store::Transaction& transaction, const Entry& entry) {
  const store::Key key = entry_key(entry.id);
  transaction.require_version(key, entry.version);
  if (entry.recipients_left > 0) {
    transaction.put(key, to_record(entry));
    return;
  }
  transaction.erase(key);
  transaction.drop_ref(entry.content.body.id);
}

void Queue::stage_entry(store::Transaction& transaction, const Entry& entry) {
  inside_->stage_entry(transaction, entry);
}

void Queue::Inside::settled(const RecipientId& who) {
  scheduler.settled(who);
  std::optional<store::KeyRange> consumed = scheduler.consumed();
  if (consumed) store->consumed(std::move(*consumed));
}

void Queue::settled(const QueueId& id, std::uint32_t number) { inside_->settled({.id = id, .number = number}); }

void Queue::give_back(const QueueId& id, std::uint32_t number) {
  inside_->scheduler.give_back({.id = id, .number = number}, inside_->clock->steady() + kGiveBackPause);
}

std::uint64_t Queue::depth() const { return inside_->scheduler.depth(); }

}  // namespace postrider::queue
