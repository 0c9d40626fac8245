#include "delivery/mailbox_turns.hpp"

#include "core/await.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <vector>

namespace postrider::delivery {

namespace {

struct Append {
  mailbox::NewMessage message;
  store::Transaction together;
  Completion<Result<store::Version>> done;
};

// Half of a transaction's limits: room for the mailbox record, and for what stage_append adds to each message.
constexpr std::size_t kTurnOctetsMax = store::kTransactionOctetsMax / 2;

constexpr int kConflictsMax = 5;  // each conflict means that somebody else went on; the queue tries again later

}  // namespace

struct MailboxTurns::Inside {
  store::Store* store;
  mailbox::Mailboxes* mailboxes;
  std::mutex mutex;
  std::map<mail::AccountId, std::deque<Append>> waiting;  // an account is here while its turns are being taken

  /// Takes what fits into one transaction; empty ends the turns.
  std::vector<Append> take(mail::AccountId account) {
    const std::scoped_lock lock(mutex);
    std::deque<Append>& queue = waiting.at(account);
    std::vector<Append> batch;
    std::size_t octets = 0;
    while (!queue.empty() && batch.size() < kAppendsATurnMax) {
      const Append& next = queue.front();
      octets += next.together.size_octets() + next.message.content.prefix.size();
      if (!batch.empty() && octets > kTurnOctetsMax) break;
      batch.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    if (batch.empty()) waiting.erase(account);
    return batch;
  }

  /// One commit of `batch[first, last)`; on conflict the state of the mailbox is read again by the caller.
  Task<Result<store::Version>> commit(mail::AccountId account, std::vector<Append>* batch, std::size_t first,
                                      std::size_t last) {
    Result<mailbox::Mailbox> inbox = co_await mailboxes->open_inbox(account);
    if (!inbox) co_return fail(inbox);
    store::Transaction transaction;
    std::vector<mailbox::NewMessage> messages;
    for (std::size_t i = first; i < last; ++i) {
      messages.push_back((*batch)[i].message);
      transaction.append((*batch)[i].together);
    }
    const Result<void> staged = mailbox::stage_append(transaction, *inbox, messages);
    if (!staged) co_return fail(staged);
    mailbox::stage_state(transaction, *inbox);
    co_return co_await store->commit(std::move(transaction), store::Durability::durable);
  }
};

MailboxTurns::MailboxTurns(store::Store* store, mailbox::Mailboxes* mailboxes) : inside_(std::make_shared<Inside>()) {
  inside_->store = store;
  inside_->mailboxes = mailboxes;
}

MailboxTurns::~MailboxTurns() = default;

Task<Result<store::Version>> MailboxTurns::append(mail::AccountId account, mailbox::NewMessage message,
                                                  store::Transaction together) {
  Shard* const shard = co_await this_shard();
  Append append{std::move(message), std::move(together), {}};
  const Completion<Result<store::Version>> done = append.done;
  bool first = false;
  {
    const std::scoped_lock lock(inside_->mutex);
    const auto [queue, made] = inside_->waiting.try_emplace(account);
    queue->second.push_back(std::move(append));
    first = made;
  }
  if (first) spawn(shard, "mailbox.turns", take_turns(inside_, account));
  co_return co_await done.wait();
}

Task<void> MailboxTurns::take_turns(std::shared_ptr<Inside> inside, mail::AccountId account) {
  for (;;) {
    std::vector<Append> batch = inside->take(account);
    if (batch.empty()) co_return;
    const Result<store::Version> all = co_await inside->commit(account, &batch, 0, batch.size());
    const bool each_by_itself =
        !all && (all.error().code == Error::conflict || (batch.size() > 1 && !is_transient(all.error().code)));
    if (!each_by_itself) {
      for (const Append& append : batch) append.done.set(all);
      continue;
    }
    // One of them cannot go in, or the mailbox was changed by somebody else: each by itself.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Result<store::Version> one = error(Error::conflict, "delivery.turn");
      for (int tries = 0; tries < kConflictsMax && !one && one.error().code == Error::conflict; ++tries) {
        one = co_await inside->commit(account, &batch, i, i + 1);
      }
      batch[i].done.set(std::move(one));
    }
  }
}

}  // namespace postrider::delivery
