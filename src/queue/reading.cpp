// Finding the next job: reading the due index ahead, loading entries, ending what was held long enough.
#include "core/await.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "queue/queue_events.hpp"
#include "queue/records.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace postrider::queue {

namespace {

// A wait is made of steady time, due times are civil: a civil clock that steps is noticed after that long.
constexpr Duration kClockCheck = std::chrono::minutes(1);

}  // namespace

Task<Result<Job>> Queue::next(Signal* stop) {
  Inside& inside = *inside_;
  Signal& changed = inside.scheduler.changed();
  Shard* const shard = co_await this_shard();
  auto wake = [&changed] { changed.set(); };
  const Signal::Watch stopping = stop->watch(shard, std::move(wake));
  for (;;) {
    if (stop->is_set()) co_return error(Error::cancelled, "queue.next");
    changed.clear();
    inside.scheduler.end_pauses(inside.clock->steady());
    const Result<void> read = co_await inside.read_ahead();
    if (!read) co_return fail(read);
    const std::optional<Due> due = inside.scheduler.take(inside.clock->wall());
    if (!due) {
      if (stop->is_set()) continue;
      const SteadyTime until = inside.wake_time();
      const Result<void> woken = co_await changed.wait(until);
      if (!woken && woken.error().code != Error::timeout) co_return fail(woken);
      continue;
    }
    Result<std::optional<Job>> job = co_await inside.start(*due);
    if (!job) {
      inside.scheduler.give_back(due->who, std::nullopt);
      if (job.error().code == Error::conflict) continue;  // it changed under our hands: read it again
      co_return fail(job);
    }
    if (*job) co_return std::move(**job);
  }
}

SteadyTime Queue::Inside::wake_time() const {
  SteadyTime until = SteadyTime::never();
  const std::optional<WallTime> due = scheduler.next_due();
  if (due) until = clock->steady() + std::clamp<Duration>(*due - clock->wall(), Duration::zero(), kClockCheck);
  const std::optional<SteadyTime> pause = scheduler.next_pause_end();
  if (pause) until = std::min(until, *pause);
  return until;
}

Task<Result<void>> Queue::Inside::read_ahead() {
  for (std::optional<store::KeyRange> range = scheduler.begin_read(); range; range = scheduler.begin_read()) {
    const Result<store::Page> page = co_await store->scan(std::move(*range), scheduler.read_max());
    if (!page) {
      scheduler.fail_read();
      co_return fail(page);
    }
    std::vector<Due> dues;
    for (const store::KeyedEntry& entry : page->entries) {
      const Result<Due> due = parse_due_key(entry.key);
      if (due) {
        dues.push_back(*due);
      } else {
        events->emit(QueueCorrupt{.id = {}, .key = to_hex(entry.key)});
      }
    }
    scheduler.end_read(dues, page->next);
    if (scheduler.has_due(clock->wall())) break;  // after a start the first job does not wait for a full heap
  }
  co_return Result<void>{};
}

Task<Result<std::optional<Listed>>> Queue::Inside::load(QueueId id) {
  std::optional<Listed> listed;
  std::optional<store::KeyRange> range = store::range_of_prefix(entry_key(id));
  while (range) {
    Result<store::Page> page = co_await store->scan(std::move(*range), kEntriesPageMax);
    if (!page) co_return fail(page);
    range.reset();
    if (page->next) range = store::KeyRange{.from = *page->next, .to = store::range_of_prefix(entry_key(id)).to};
    for (store::KeyedEntry& record : page->entries) {
      const Result<EntryKey> key = parse_entry_key(record.key);
      bool readable = false;
      if (key && !key->is_recipient) {
        Result<Entry> entry = read_entry(id, record.entry);
        readable = entry.has_value();
        if (entry) listed = Listed{.entry = std::move(*entry), .recipients = {}};
      } else if (key && listed) {  // the entry sorts before its recipients; without it they are of no use
        Result<Recipient> recipient = read_recipient(key->number, record.entry);
        readable = recipient.has_value();
        if (recipient) listed->recipients.push_back(std::move(*recipient));
      }
      if (!readable) {
        const Result<void> aside = co_await set_aside(id, std::move(record));
        if (!aside) co_return fail(aside);
      }
    }
  }
  co_return listed;
}

Task<Result<void>> Queue::Inside::set_aside(QueueId id, store::KeyedEntry record) {
  events->emit(QueueCorrupt{.id = id.text(), .key = to_hex(record.key)});
  store::Transaction transaction;
  transaction.require_version(record.key, record.entry.version);
  transaction.put(aside_key(record.key), std::move(record.entry.value));
  transaction.erase(std::move(record.key));
  const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
  if (!committed) co_return fail(committed);
  co_return Result<void>{};
}

Task<Result<std::optional<Job>>> Queue::Inside::start(Due due) {
  scheduler.watch(due.who.id);  // a large entry is read in parts, which takes a while
  Result<std::optional<Listed>> loaded = co_await load(due.who.id);
  if (!loaded) co_return fail(loaded);
  std::optional<Recipient> found;
  if (*loaded) {
    const auto at = std::ranges::find((*loaded)->recipients, due.who.number, &Recipient::number);
    if (at != (*loaded)->recipients.end()) found = *at;
  }
  if (!found || found->due != due.at) {
    const Result<void> dropped = co_await drop_stale(due, found);
    if (!dropped) co_return fail(dropped);
    co_return std::optional<Job>();
  }
  Job job{.entry = std::move((*loaded)->entry), .recipients = {}};
  std::vector<Recipient> held_too_long;
  const WallTime now = clock->wall();
  for (Recipient& recipient : (*loaded)->recipients) {
    const Due its = due_of(job.entry.id, recipient);
    const bool due_now = its.at <= now || (recipient.state == RecipientState::due && its.at <= now + kTogether);
    if (!due_now || (its.who != due.who && !scheduler.hold_unsettled(its))) continue;
    (recipient.state == RecipientState::held ? held_too_long : job.recipients).push_back(std::move(recipient));
  }
  Result<void> ready;
  if (!held_too_long.empty()) ready = co_await expire_held(&job.entry, held_too_long);
  if (!ready) std::ranges::move(held_too_long, std::back_inserter(job.recipients));
  if (ready) ready = co_await freeze_some(&job, due.who);
  if (!ready) {
    for (const Recipient& recipient : job.recipients) {
      const RecipientId who = due_of(job.entry.id, recipient).who;
      if (who != due.who) scheduler.give_back(who, std::nullopt);  // that one is the caller's
    }
    co_return fail(ready);
  }
  if (job.recipients.empty()) co_return std::optional<Job>();
  co_return std::optional<Job>(std::move(job));
}

Task<Result<void>> Queue::Inside::expire_held(Entry* entry, std::vector<Recipient> held) {
  Entry left = *entry;
  store::Transaction transaction;
  for (const Recipient& recipient : held) {
    trace(transaction, left.id, "expired", recipient.address.text(), recipient.last_reply);
    stage_end(transaction, left, recipient);
  }
  stage_entry(transaction, left);
  const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
  if (!committed) co_return fail(committed);
  left.version = *committed;
  for (const Recipient& recipient : held) {
    settled(due_of(left.id, recipient).who);
    events->emit(HeldExpired{.id = left.id.text(), .recipient = recipient.address.text()});
  }
  *entry = std::move(left);
  co_return Result<void>{};
}

Task<Result<void>> Queue::Inside::freeze_some(Job* job, RecipientId first) {
  const Result<Freezes::Copy> all = co_await freezes.all();
  if (!all) co_return fail(all);
  if ((*all)->empty()) co_return Result<void>{};
  std::vector<Recipient> frozen;
  std::erase_if(job->recipients, [&](const Recipient& one) {  // what is ordered back or expanded is not delivered
    const bool matches = one.ordered == Ordered::delivery && is_frozen_by(**all, job->entry, one);
    if (matches) frozen.push_back(one);
    return matches;
  });
  // `first` goes last: as long as it is not settled, the caller may give it back.
  std::ranges::partition(frozen, [&](const Recipient& one) { return one.number != first.number; });
  for (std::span<const Recipient> rest = frozen; !rest.empty();) {
    const std::span<const Recipient> batch = rest.first(std::min(kRecipientsACommitMax, rest.size()));
    store::Transaction transaction;
    for (const Recipient& recipient : batch) {
      Recipient held = recipient;
      held.state = RecipientState::held;
      held.held_why = HeldWhy::frozen;
      held.due = kNever;
      trace(transaction, job->entry.id, "held", recipient.address.text(), "frozen, until the thaw");
      stage_change(transaction, job->entry.id, recipient, held);
    }
    const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
    if (!committed) {
      std::ranges::copy(rest, std::back_inserter(job->recipients));
      co_return fail(committed);
    }
    for (const Recipient& recipient : batch) settled(due_of(job->entry.id, recipient).who);
    rest = rest.subspan(batch.size());
  }
  co_return Result<void>{};
}

Task<Result<void>> Queue::Inside::drop_stale(Due due, std::optional<Recipient> found) {
  // Either the heap had it from a snapshot older than its settle, or the key is an orphan of a record that was set
  // aside.
  store::Transaction transaction;
  if (found) {
    transaction.require_version(recipient_key(due.who), found->version);
  } else {
    transaction.require_absent(recipient_key(due.who));
  }
  transaction.erase(due_key(due));
  const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::lazy);
  if (!committed) co_return fail(committed);
  scheduler.staged(due.who, found ? std::optional(found->due) : std::nullopt);
  settled(due.who);
  co_return Result<void>{};
}

}  // namespace postrider::queue
