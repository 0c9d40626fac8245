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

std::vector<Due> dues_of(const NewEntry& entry) {
  std::vector<Due> dues;
  for (std::uint32_t number = 0; number < entry.recipients.size(); ++number) {
    dues.push_back({.at = entry.arrival, .who = {.id = entry.id, .number = number}});
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

Outcome Queue::judged(const Entry& entry, const Outcome& outcome) const {
  const Settings& settings = inside_->settings;
  const Duration lifetime = entry.reverse_path.is_null() ? settings.expire_after_bounce : settings.expire_after;
  if (outcome.attempt != Attempt::deferred || inside_->clock->wall() - entry.arrival < lifetime) return outcome;
  // 5321 §4.5.4.1: the give-up time has passed. 3463 §3.5: delivery time expired.
  return {.attempt = Attempt::failed, .status = "4.4.7", .reply = outcome.reply, .remote = outcome.remote};
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
                                 const Outcome& given) {
  const Outcome outcome = judged(entry, given);
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
      return Fate::done;
    case Attempt::deferred: {
      const Duration lifetime =
          entry.reverse_path.is_null() ? inside_->settings.expire_after_bounce : inside_->settings.expire_after;
      const WallTime last = entry.arrival + std::chrono::floor<std::chrono::microseconds>(lifetime);
      const Duration delay = retry_delay(inside_->settings, next.attempts, *inside_->random);
      next.state = RecipientState::due;
      next.due =
          std::min(now + std::chrono::ceil<std::chrono::microseconds>(delay), last);  // one more try at the very end
      inside_->trace(transaction, entry.id, "deferred", address, detail);
      inside_->stage_change(transaction, entry.id, recipient, next);
      return Fate::retried;
    }
    case Attempt::failed: break;
  }
  inside_->trace(transaction, entry.id, "failed", address, detail);
  if (entry.reverse_path.is_null() ||
      entry.report_to == ReportTo::nobody) {  // 5321 §4.5.5, §6.1: never answered by a DSN
    inside_->stage_end(transaction, entry, recipient);
    inside_->trace(transaction, entry.id, "removed", address, "null reverse-path: nobody to report to");
    return Fate::dropped_null_sender;
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
