// What the commands ask of the queue.
#include "core/await.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "queue/queue_events.hpp"
#include "queue/records.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace postrider::queue {

namespace {

std::span<const Recipient> rest_of(const Listed& listed, std::size_t first) {
  return std::span(listed.recipients).subspan(std::min(first, listed.recipients.size()));
}

std::span<const Recipient> batch_of(const Listed& listed, std::size_t first) {
  const std::span<const Recipient> rest = rest_of(listed, first);
  return rest.first(std::min(kRecipientsACommitMax, rest.size()));
}

}  // namespace

Task<Result<std::vector<Listed>>> Queue::list(std::optional<QueueId> after, std::size_t entries_max) {
  Inside& inside = *inside_;
  std::vector<Listed> all;
  store::KeyRange range = store::range_of_prefix(kEntryPrefix);
  if (after) range.from = store::range_of_prefix(entry_key(*after)).to;
  while (all.size() < entries_max) {
    // The entry itself is one record, each recipient one more: ids come from a read of keys, the rest from `load`.
    store::KeyRange left = range;
    const Result<store::Page> page = co_await inside.store->scan(std::move(left), 1);
    if (!page) co_return fail(page);
    if (page->entries.empty()) {
      if (!page->next) break;
      range.from = *page->next;
      continue;
    }
    const store::Key& first = page->entries.front().key;
    const Result<EntryKey> key = parse_entry_key(first);
    if (!key) {
      inside.events->emit(QueueCorrupt{.id = {}, .key = to_hex(first)});
      range.from = first + '\0';
      continue;
    }
    range.from = store::range_of_prefix(entry_key(key->id)).to;
    Result<std::optional<Listed>> listed = co_await inside.load(key->id);
    if (!listed) co_return fail(listed);
    if (*listed) all.push_back(std::move(**listed));
  }
  co_return all;
}

Task<Result<Listed>> Queue::show(QueueId id) {
  Result<std::optional<Listed>> listed = co_await inside_->load(std::move(id));
  if (!listed) co_return fail(listed);
  if (!*listed) co_return error(Error::not_found, "queue.entry");
  co_return std::move(**listed);
}

Result<void> Queue::Inside::hold_all(const Listed& listed) {
  for (auto at = listed.recipients.begin(); at != listed.recipients.end(); ++at) {
    if (scheduler.hold(due_of(listed.entry.id, *at))) continue;
    while (at != listed.recipients.begin()) scheduler.give_back(due_of(listed.entry.id, *--at).who, std::nullopt);
    return error(Error::conflict, "queue.entry", "in delivery right now");
  }
  return {};
}

void Queue::Inside::end_hold(std::span<const Recipient> recipients, const QueueId& id, bool committed) {
  for (const Recipient& recipient : recipients) {
    const RecipientId who = due_of(id, recipient).who;
    if (committed) {
      settled(who);
    } else {
      scheduler.give_back(who, std::nullopt);
    }
  }
}

Task<Result<void>> Queue::retry(QueueId id) {
  const Result<Listed> listed = co_await show(id);
  if (!listed) co_return fail(listed);
  const Result<void> held = inside_->hold_all(*listed);
  if (!held) co_return fail(held);
  Result<void> done;
  for (std::size_t first = 0; done && first < listed->recipients.size(); first += kRecipientsACommitMax) {
    store::Transaction transaction;
    for (const Recipient& recipient : batch_of(*listed, first)) {
      Recipient now = recipient;
      now.state = RecipientState::due;
      now.due = inside_->clock->wall();
      inside_->stage_change(transaction, id, recipient, now);
    }
    if (first == 0) inside_->trace(transaction, id, "retried", {}, {});
    const Result<store::Version> committed =
        co_await inside_->store->commit(std::move(transaction), store::Durability::durable);
    if (!committed) done = fail(committed);
    inside_->end_hold(batch_of(*listed, first), id, committed.has_value());
    if (!committed) inside_->end_hold(rest_of(*listed, first + kRecipientsACommitMax), id, false);
  }
  co_return done;
}

Task<Result<void>> Queue::remove(QueueId id) {
  const Result<Listed> listed = co_await show(id);
  if (!listed) co_return fail(listed);
  const Result<void> held = inside_->hold_all(*listed);
  if (!held) co_return fail(held);
  Result<void> done;
  Entry entry = listed->entry;
  for (std::size_t first = 0; done && first < std::max<std::size_t>(listed->recipients.size(), 1);
       first += kRecipientsACommitMax) {
    store::Transaction transaction;
    for (const Recipient& recipient : batch_of(*listed, first)) {
      inside_->trace(transaction, id, "removed", recipient.address.text(), {});
      inside_->stage_end(transaction, entry, recipient);
    }
    const bool last = first + kRecipientsACommitMax >= listed->recipients.size();
    if (last) entry.recipients_left = 0;  // those whose records were set aside go with it
    inside_->stage_entry(transaction, entry);
    const Result<store::Version> committed =
        co_await inside_->store->commit(std::move(transaction), store::Durability::durable);
    if (committed) entry.version = *committed;
    if (!committed) done = fail(committed);
    inside_->end_hold(batch_of(*listed, first), id, committed.has_value());
    if (!committed) inside_->end_hold(rest_of(*listed, first + kRecipientsACommitMax), id, false);
  }
  co_return done;
}

Task<Result<std::vector<TraceEvent>>> Queue::trace(QueueId id) {
  std::vector<TraceEvent> events;
  const store::KeyRange whole = store::range_of_prefix(store::Key(kTracePrefix) + id.text());
  std::optional<store::KeyRange> range = whole;
  while (range) {
    const Result<store::Page> page = co_await inside_->store->scan(std::move(*range), kEntriesPageMax);
    if (!page) co_return fail(page);
    range.reset();
    if (page->next) range = store::KeyRange{.from = *page->next, .to = whole.to};
    for (const store::KeyedEntry& record : page->entries) {
      const Result<WallTime> at = parse_trace_time(record.key);
      Result<TraceEvent> event = at ? read_trace_event(*at, record.entry.value) : Result<TraceEvent>(fail(at));
      if (event) {
        events.push_back(std::move(*event));
      } else {
        inside_->events->emit(QueueCorrupt{.id = id.text(), .key = to_hex(record.key)});
      }
    }
  }
  if (events.empty()) co_return error(Error::not_found, "queue.trace");
  co_return events;
}

}  // namespace postrider::queue
