// Local delivery: a recipient leaves the queue and its message is in the mailbox, in one commit.
#include "core/await.hpp"
#include "delivery/job.hpp"
#include "mail/trace_fields.hpp"

#include <algorithm>

namespace postrider::delivery {

Task<void> Job::deliver_locally(queue::Recipient recipient) {
  const Result<directory::Resolution> found = co_await workshop_->rooms.directory->resolve(recipient.address);
  std::vector<Ended> ended;
  if (found) {
    const auto* const deliverable = std::get_if<directory::Deliverable>(&*found);
    const bool there =
        deliverable != nullptr && std::ranges::any_of(deliverable->targets, [&](const directory::Target& target) {
          return target.account == recipient.account;
        });
    if (there) {
      const Result<void> appended = co_await append(recipient);
      if (appended) co_return;
      const bool later = is_transient(appended.error().code);
      const std::string line = (later ? "451 4.3.0 " : "550 5.3.0 ") + describe(appended.error());
      const queue::Outcome outcome{
          later ? queue::Attempt::deferred : queue::Attempt::failed, later ? "4.3.0" : "5.3.0", line, {}};
      ended.push_back({std::move(recipient), outcome});
    } else {
      const queue::Outcome gone{queue::Attempt::failed, "5.1.1", "550 5.1.1 the mailbox is gone", {}};
      ended.push_back({std::move(recipient), gone});
    }
  } else {
    const queue::Outcome unknown{queue::Attempt::deferred, "4.3.0", "451 4.3.0 " + describe(found.error()), {}};
    ended.push_back({std::move(recipient), unknown});
  }
  co_await settle(std::move(ended));
}

Task<void> Job::resolve_again(queue::Recipient recipient) {
  const Result<directory::Resolution> found = co_await workshop_->rooms.directory->resolve(recipient.address);
  queue::Outcome outcome{queue::Attempt::failed, "5.1.1", "550 5.1.1 no such mailbox here", {}};
  if (!found) {
    outcome = {queue::Attempt::deferred, "4.3.0", "451 4.3.0 " + describe(found.error()), {}};
  } else if (const auto* const deliverable = std::get_if<directory::Deliverable>(&*found)) {
    const directory::Target& first = deliverable->targets.front();
    if (deliverable->targets.size() == 1 && first.account) {
      recipient.account = first.account;
      recipient.address = first.address;
      co_await deliver_locally(std::move(recipient));
      co_return;
    }
    // Its targets would have to be recipients of their own, which they become at acceptance or by a command only.
    outcome = {queue::Attempt::deferred, "4.3.5", "451 4.3.5 the address has become an alias: to be redirected", {}};
  }
  std::vector<queue::Recipient> one;
  one.push_back(std::move(recipient));
  co_await settle_all(std::move(one), std::move(outcome));
}

Task<Result<void>> Job::append(queue::Recipient recipient) {
  const queue::Outcome outcome{queue::Attempt::delivered, "2.0.0", "250 2.0.0 delivered", {}};
  std::vector<Ended> ended;
  ended.push_back({recipient, outcome});
  std::optional<queue::NewEntry> report;
  Result<void> result = error(Error::conflict, "delivery.append");
  for (int tries = 0; tries < kCommitTriesMax && !result && result.error().code == Error::conflict; ++tries) {
    co_await lock();
    if (tries > 0) {
      const Result<void> read = co_await read_again(&ended);
      if (!read || ended.empty()) {  // empty: settled by somebody else, nothing is left to do
        unlock();
        co_return read;
      }
    }
    queue::Entry entry = entry_;
    mailbox::NewMessage message{
        .content = entry.content, .internal_date = workshop_->doors.clock->wall(), .flags = 0, .keywords = {}};
    message.content.prefix = mail::return_path_field(sender_of(recipient)) +
                             mail::delivered_to_field(recipient.address) + entry.content.prefix;
    // 5321 §4.4: an earlier one goes, at final delivery only
    message.content.dropped = store::all_ranges(entry.content.dropped, entry.return_paths);
    store::Transaction transaction;
    transaction.add_ref(entry.content.body.id);
    const Result<queue::Fate> fate =
        workshop_->rooms.queue->stage_settle(transaction, entry, ended.front().recipient, outcome);
    if (!fate) {
      unlock();
      co_return fail(fate);
    }
    Ended one{ended.front().recipient, outcome};
    const Result<std::optional<queue::NewEntry>> made = co_await stage_success(&transaction, *fate, std::move(one));
    if (!made) {
      unlock();
      co_return fail(made);
    }
    report = *made;
    workshop_->rooms.queue->stage_entry(transaction, entry);
    const Result<store::Version> committed =
        co_await workshop_->turns.append(*recipient.account, message, std::move(transaction));
    if (committed) {
      entry.version = *committed;
      entry_ = std::move(entry);
      if (workshop_->settings.planted == Planted::double_local_delivery) {
        store::Transaction again;
        again.add_ref(message.content.body.id);
        (void)co_await workshop_->turns.append(*recipient.account, message, std::move(again));
      }
    }
    unlock();
    result = committed ? Result<void>{} : Result<void>(fail(committed));
  }
  if (result) {
    workshop_->rooms.queue->settled(entry_.id, recipient.number);
    if (report) workshop_->rooms.queue->accepted(*report);
    tell(ended.front());
    let_go(1);
  }
  co_return result;
}

Task<Result<std::optional<queue::NewEntry>>> Job::stage_success(store::Transaction* transaction, queue::Fate fate,
                                                                Ended ended) {
  if (fate != queue::Fate::report_success) co_return std::optional<queue::NewEntry>();
  std::vector<Reported> about(1, Reported{std::move(ended.recipient), std::move(ended.outcome)});
  co_return co_await workshop_->reporter.stage(transaction, entry_, std::move(about), ReportKind::success);
}

}  // namespace postrider::delivery
