// Changing recipients by command: held in the scheduler first, so that no job has them, then committed in batches.
#include "core/await.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "queue/records.hpp"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

namespace postrider::queue {

namespace {

constexpr int kTries = 20;  // an entry whose other recipients are in delivery changes under our hands

std::string_view trace_word(Change::What what) {
  switch (what) {
    case Change::What::retry: return "retried";
    case Change::What::hold: return "held";
    case Change::What::release: return "released";
    case Change::What::remove: return "removed";
    case Change::What::bounce: return "bounced";
    case Change::What::redirect: return "redirected";
  }
  return "changed";
}

std::string trace_detail(const Change& change) {
  if (change.what == Change::What::hold) return "by command, until released";
  std::string detail = "by command";
  std::string_view before = " to ";
  for (const Change::Destination& to : change.to) {
    detail.append(before).append(to.address.text());
    before = ", ";
  }
  return detail;
}

bool applies(Change::What what, const Entry& entry, const Recipient& recipient, const std::vector<Freeze>& freezes) {
  const bool due = recipient.state == RecipientState::due;
  switch (what) {
    case Change::What::retry: return due || recipient.held_why == HeldWhy::undeliverable;
    case Change::What::hold: return due;
    case Change::What::release:
      return !due && !(recipient.held_why == HeldWhy::frozen && is_frozen_by(freezes, entry, recipient));
    case Change::What::remove:
    case Change::What::bounce:
    case Change::What::redirect: return true;
  }
  return false;
}

Recipient changed(const Recipient& before, Change::What what, WallTime now) {
  Recipient next = before;
  const bool hold = what == Change::What::hold;
  next.state = hold ? RecipientState::held : RecipientState::due;
  next.held_why = hold ? HeldWhy::command : HeldWhy::undeliverable;
  next.due = hold ? kNever : now;
  if (what == Change::What::bounce) next.ordered = Ordered::bounce;
  return next;
}

/// Whom an entry has, as a redirect goes on.
class Places {
 public:
  explicit Places(const std::vector<Recipient>& recipients) {
    for (const Recipient& recipient : recipients) {
      take(recipient.address, recipient.account);
      next_number_ = std::max(next_number_, recipient.number + 1);
    }
  }
  [[nodiscard]] bool has(const Change::Destination& to) const {
    return addresses_.contains(to.address) || (to.account && accounts_.contains(*to.account));
  }
  void take(const mail::Address& address, const std::optional<mail::AccountId>& account) {
    addresses_.insert(address);
    if (account) accounts_.insert(*account);
  }
  void leave(const Recipient& recipient) {
    erase_one(addresses_, recipient.address);
    if (recipient.account) erase_one(accounts_, *recipient.account);
  }
  [[nodiscard]] std::uint32_t new_number() { return next_number_++; }

 private:
  template <class T>
  static void erase_one(std::multiset<T>& from, const T& what) {
    const auto at = from.find(what);
    if (at != from.end()) from.erase(at);
  }

  std::multiset<mail::Address> addresses_;
  std::multiset<mail::AccountId> accounts_;
  std::uint32_t next_number_ = 0;
};

Recipient redirected(const Recipient& before, const Change::Destination& to, WallTime now) {
  Recipient next = before;
  if (!next.original) next.original = before.address;
  next.address = to.address;
  next.account = to.account;
  next.ordered = Ordered::delivery;
  next.state = RecipientState::due;
  next.held_why = HeldWhy::undeliverable;
  next.delay_reported = false;
  next.attempts = 0;
  next.due = now;
  next.last_reply.clear();
  next.last_remote.clear();
  return next;
}

}  // namespace

/// One entry while it is changed. The doors outlive it.
struct Queue::Inside::Changing {
  const Change* change = nullptr;
  const Selection* selection = nullptr;  // without ids
  Listed listed;                         // as it is now, with all its recipients
  std::vector<Recipient> mine = {};      // those to be changed, held by us
  std::vector<Recipient> done = {};      // as they were before
  std::set<std::uint32_t> seen = {};     // done, or in delivery
  bool busy = false;                     // one is in delivery
  bool removed_empty = false;

  [[nodiscard]] std::vector<Recipient> chosen(const std::vector<Freeze>& frozen) const {
    std::vector<Recipient> out;
    for (const Recipient& recipient : listed.recipients) {
      if (!seen.contains(recipient.number) && selects(*selection, listed.entry, recipient) &&
          applies(change->what, listed.entry, recipient, frozen))
        out.push_back(recipient);
    }
    return out;
  }
  /// An entry whose records were all set aside can be removed only.
  [[nodiscard]] bool removes_empty() const {
    return change->what == Change::What::remove && listed.recipients.empty() && selects_empty(*selection, listed.entry);
  }
  void stage_redirect(Inside& inside, store::Transaction& transaction, Entry& entry, const Recipient& recipient,
                      Places& places, std::vector<Due>& added) const {
    const WallTime now = inside.clock->wall();
    places.leave(recipient);
    bool placed = false;
    for (const Change::Destination& to : change->to) {
      if (places.has(to)) continue;
      places.take(to.address, to.account);
      Recipient next = redirected(recipient, to, now);
      if (!std::exchange(placed, true)) {
        inside.stage_change(transaction, entry.id, recipient, next);
        continue;
      }
      next.number = places.new_number();
      const Due due = due_of(entry.id, next);
      transaction.require_absent(recipient_key(due.who));
      transaction.put(recipient_key(due.who), to_record(next));
      transaction.put(due_key(due), std::string());
      ++entry.recipients_left;
      added.push_back(due);
    }
    if (!placed) inside.stage_end(transaction, entry, recipient);
  }
  /// Whether the entry has room for all targets: for a redirect of `mine`.
  [[nodiscard]] bool has_room() const {
    if (change->what != Change::What::redirect) return true;
    Places places(listed.recipients);
    for (const Recipient& recipient : mine) places.leave(recipient);
    std::size_t added = 0;
    for (const Change::Destination& to : change->to) {
      if (places.has(to)) continue;
      places.take(to.address, to.account);
      ++added;
    }
    return listed.entry.recipients_left + added <= kRecipientsMax + mine.size();
  }
};

Task<Result<void>> Queue::Inside::change_held(Changing* changing) {
  const Change::What what = changing->change->what;
  const bool ends = what == Change::What::remove;
  const std::span<const Recipient> mine = changing->mine;
  // Those whose records were set aside go with the others.
  const bool all = ends && mine.size() == changing->listed.recipients.size();
  Places places(changing->listed.recipients);
  std::size_t first = 0;
  do {
    const std::span<const Recipient> batch = mine.subspan(first, std::min(kRecipientsACommitMax, mine.size() - first));
    first += batch.size();
    store::Transaction transaction;
    Entry entry = changing->listed.entry;
    std::vector<Due> added;
    for (const Recipient& recipient : batch) {
      trace(transaction, entry.id, trace_word(what), recipient.address.text(), trace_detail(*changing->change));
      if (ends) {
        stage_end(transaction, entry, recipient);
      } else if (what == Change::What::redirect) {
        changing->stage_redirect(*this, transaction, entry, recipient, places, added);
      } else {
        stage_change(transaction, entry.id, recipient, changed(recipient, what, clock->wall()));
      }
    }
    if (all && first == mine.size()) entry.recipients_left = 0;
    const bool entry_too = ends || what == Change::What::redirect;
    if (entry_too) stage_entry(transaction, entry);
    const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
    if (!committed) {
      for (const Recipient& recipient : mine.subspan(first - batch.size())) {
        scheduler.give_back(due_of(entry.id, recipient).who, std::nullopt);
      }
      co_return fail(committed);
    }
    for (const Recipient& recipient : batch) {
      settled(due_of(entry.id, recipient).who);
      changing->seen.insert(recipient.number);
      changing->done.push_back(recipient);
    }
    if (!added.empty()) scheduler.add(added);
    if (entry_too) entry.version = *committed;
    changing->removed_empty = mine.empty();
    changing->listed.entry = std::move(entry);
  } while (first < mine.size());
  co_return Result<void>{};
}

Task<Result<void>> Queue::Inside::change_tries(Changing* changing) {
  const Result<Freezes::Copy> frozen = co_await freezes.all();
  if (!frozen) co_return fail(frozen);
  const QueueId id = changing->listed.entry.id;
  for (int tries = 0; tries < kTries; ++tries) {
    changing->mine.clear();
    for (const Recipient& recipient : changing->chosen(**frozen)) {
      if (scheduler.hold(due_of(id, recipient))) {
        changing->mine.push_back(recipient);
      } else {
        changing->busy = true;
        changing->seen.insert(recipient.number);
      }
    }
    if (changing->mine.empty() && !changing->removes_empty()) co_return Result<void>{};
    Result<void> result = error(Error::too_long, "queue.recipients", "no room in " + id.text());
    if (changing->has_room()) {
      result = co_await change_held(changing);
    } else {
      for (const Recipient& recipient : changing->mine) scheduler.give_back(due_of(id, recipient).who, std::nullopt);
    }
    if (result || result.error().code != Error::conflict) co_return result;
    Result<std::optional<Listed>> again = co_await load(id);
    if (!again) co_return fail(again);
    if (!*again) co_return Result<void>{};  // its last one has ended
    changing->listed = std::move(**again);
  }
  changing->busy = true;
  co_return Result<void>{};
}

Task<Result<void>> Queue::Inside::change_entry(const Change* change, const Selection* selection, Listed listed,
                                               ChangePage* out) {
  Listed told{.entry = listed.entry, .recipients = {}};
  Changing changing{.change = change, .selection = selection, .listed = std::move(listed)};
  Result<void> result = co_await change_tries(&changing);
  if (changing.busy) out->busy.push_back(told.entry.id);
  told.recipients = std::move(changing.done);
  if (!told.recipients.empty() || changing.removed_empty) out->changed.push_back(std::move(told));
  co_return result;
}

Task<Result<ChangePage>> Queue::change(Change change, Selection selection, std::optional<QueueId> after,
                                       std::size_t read_max) {
  if (change.what == Change::What::redirect && change.to.empty()) co_return error(Error::malformed, "queue.redirect");
  if (change.to.size() > kRedirectTargetsMax) co_return error(Error::too_long, "queue.redirect");
  std::vector<QueueId> ids = std::exchange(selection.ids, {});
  std::optional<QueueId> done = after;
  Result<ListPage> page = co_await inside_->read(std::move(ids), std::move(after), read_max);
  if (!page) co_return fail(page);
  ChangePage out{.changed = {}, .busy = {}, .next = page->next};
  bool any_done = false;
  for (Listed& listed : page->entries) {
    const QueueId id = listed.entry.id;
    const Result<void> result = co_await inside_->change_entry(&change, &selection, std::move(listed), &out);
    if (!result && !any_done) co_return fail(result);
    if (!result) {
      out.next = done;  // what was done is told; who goes on after it meets the failure, if it is still there
      co_return out;
    }
    done = id;
    any_done = true;
  }
  co_return out;
}

}  // namespace postrider::queue
