#include "queue/queue.hpp"

#include "core/check.hpp"
#include "core/numbers.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/records.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace postrider::queue {

namespace {

constexpr Duration kGiveBackPause =
    std::chrono::minutes(1);  // its outcome could not be written: a peer is not asked over and over

Result<std::string> checked_record(std::string record) {
  if (record.size() > store::kValueOctetsMax) return error(Error::too_long, "queue.record");
  return record;
}

std::vector<Due> dues_of(const NewEntry& entry) {
  std::vector<Due> dues;
  const WallTime first = entry.held ? kNever : released_at(entry.request, entry.arrival);
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
      salt(random_door->below(std::numeric_limits<std::uint64_t>::max())),
      settings(std::move(queue_settings)),
      events(event_sink),
      scheduler(active_max),
      freezes(store_door, event_sink) {
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
                     .login = entry.login,
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
                              .reverse_path = given.reverse_path,
                              .ordered = given.ordered,
                              .state = entry.held ? RecipientState::held : RecipientState::due,
                              .held_why = entry.held.value_or(HeldWhy::undeliverable),
                              .due = due.at,
                              .last_reply = given.refused.substr(0, kReplyTextOctetsMax)};
    transaction.put(recipient_key(due.who), to_record(recipient));
    transaction.put(due_key(due), std::string());
  }
  const bool single = entry.recipients.size() == 1;
  std::string sender = "from <" + entry.reverse_path.text() + "> " + entry.client;
  if (!entry.login.empty()) sender += " as " + entry.login;
  inside_->trace(transaction, entry.id, "accepted", single ? entry.recipients.front().address.text() : std::string(),
                 sender);
  if (entry.held == HeldWhy::burst)
    inside_->trace(transaction, entry.id, "held", std::string(), "its login sends much in a short time");
  if (transaction.size_octets() > store::kTransactionOctetsMax) return error(Error::too_long, "queue.transaction");
  return {};
}

void Queue::accepted(const NewEntry& entry) { inside_->scheduler.add(dues_of(entry)); }

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
