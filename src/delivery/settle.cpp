// The ends of attempts: one commit for all that end together, with the reports that they lead to.
#include "core/await.hpp"
#include "delivery/events.hpp"
#include "delivery/job.hpp"

#include <algorithm>
#include <span>
#include <tuple>

namespace postrider::delivery {

/// Recipients of whom one reader hears the same, in one report.
struct Job::Telling {
  ReportKind kind;
  mail::Path reader;
  mail::Domain domain;  ///< of a notice: whose postmaster reads it
  std::vector<Reported> about;
};

namespace {

/// Reports in one commit: a body that is kept inline is up to 64 KiB.
constexpr std::size_t kReportsACommitMax = 4;
/// Left in a transaction for reports and the entry; and how many ends are staged between two looks at what is left.
constexpr std::size_t kOctetsForReports = kReportsACommitMax * (store::kInlineBlobOctetsMax + 16 * 1024);
constexpr std::size_t kKeysForReports = 300;
constexpr std::size_t kEndsBetweenLooks = 10;

std::string_view name_of(queue::Attempt attempt) {
  switch (attempt) {
    case queue::Attempt::delivered: return "delivered";
    case queue::Attempt::relayed: return "relayed";
    case queue::Attempt::deferred: return "deferred";
    case queue::Attempt::failed: return "failed";
    case queue::Attempt::held: return "held";
    case queue::Attempt::expanded: return "expanded";
  }
  return "unknown";
}

/// No room for the report that a failure leads to (SECURITY R8: someone hears of it), or it cannot be made: tried again
/// by the retry table, when that may be otherwise. False: there are no failures, the report is not what is in the way.
bool put_off_failures(std::span<Ended> ended) {
  bool any = false;
  for (Ended& one : ended) {
    if (one.outcome.attempt != queue::Attempt::failed) continue;
    any = true;
    one.outcome.attempt = queue::Attempt::deferred;
    one.outcome.status = "4.3.1";
    one.outcome.reply = "451 4.3.1 no room for the report about: " + one.outcome.reply;
  }
  return any;
}

/// Nothing was in the way but a report of success: without it, as what was relayed must not be relayed again. False:
/// there are no successes to tell of.
bool forgo_successes(std::span<Ended> ended) {
  bool any = false;
  for (Ended& one : ended) {
    const bool tells = one.outcome.attempt == queue::Attempt::relayed && one.recipient.request.notify &&
                       one.recipient.request.notify->success && !one.outcome.reports_passed_on;
    any = any || tells;
    if (tells) one.outcome.reports_passed_on = true;
  }
  return any;
}

/// Nor for a report that something is late, which is no reason to try again sooner: without it. False: there is none.
bool forgo_delays(std::span<Ended> ended) {
  bool any = false;
  for (Ended& one : ended) {
    const bool tells = one.outcome.attempt == queue::Attempt::deferred && !one.recipient.delay_reported;
    any = any || tells;
    if (tells) one.recipient.delay_reported = true;
  }
  return any;
}

/// What is told of a fate; nullopt: nothing.
std::optional<ReportKind> kind_of(queue::Fate fate, queue::Attempt attempt) {
  switch (fate) {
    case queue::Fate::report_sender: return ReportKind::failure;
    case queue::Fate::held_for_postmaster: return ReportKind::notice;
    case queue::Fate::report_success:
      return attempt == queue::Attempt::expanded ? ReportKind::expanded : ReportKind::success;
    case queue::Fate::report_delay: return ReportKind::delay;
    case queue::Fate::done:
    case queue::Fate::retried:
    case queue::Fate::held:
    case queue::Fate::dropped_null_sender:
    case queue::Fate::dropped_unwanted: return std::nullopt;
  }
  return std::nullopt;
}

bool is_full(const store::Transaction& transaction) {
  return transaction.key_count() + kKeysForReports > store::kTransactionKeysMax ||
         transaction.size_octets() + kOctetsForReports > store::kTransactionOctetsMax;
}

}  // namespace

Task<void> Job::settle_all(std::vector<queue::Recipient> recipients, queue::Outcome outcome) {
  std::vector<Ended> ended;
  for (queue::Recipient& recipient : recipients) ended.push_back({std::move(recipient), outcome});
  co_await settle(std::move(ended));
}

Task<void> Job::settle(std::vector<Ended> ended) {
  const queue::Queue& queue = *workshop_->rooms.queue;
  for (Ended& one : ended) one.outcome = queue.judged(entry_, one.recipient, one.outcome);
  const auto is_for_now = [&](const Ended& one) {
    if (one.outcome.attempt == queue::Attempt::deferred) return !queue.is_late(entry_, one.recipient);
    return one.outcome.attempt != queue::Attempt::failed;
  };
  const auto told = std::ranges::partition(ended, is_for_now);
  if (!told.empty() && gathered_.empty()) {
    gathered_since_ = workshop_->doors.clock->steady();
    changed_.set();
  }
  gathered_.insert(gathered_.end(), std::move_iterator(told.begin()), std::move_iterator(told.end()));
  ended.erase(told.begin(), told.end());
  if (!ended.empty()) co_await settle_now(std::move(ended));
}

Task<void> Job::tell_gathered() {
  std::vector<Ended> gathered = std::exchange(gathered_, {});
  if (!gathered.empty()) co_await settle_now(std::move(gathered));
}

Task<void> Job::settle_now(std::vector<Ended> ended) {
  const std::size_t all = ended.size();
  // Failures first, and those with one reader in a row, so that they are reported together.
  const auto order_of = [this](const Ended& one) {
    return std::tuple(one.outcome.attempt != queue::Attempt::failed, sender_of(one.recipient).text(),
                      one.recipient.number);
  };
  std::ranges::sort(ended, {}, order_of);
  while (!ended.empty()) co_await settle_some(&ended);
  let_go(all);
}

Task<void> Job::settle_some(std::vector<Ended>* ended) {
  Result<void> result = error(Error::conflict, "delivery.settle");
  std::size_t most = ended->size();
  std::size_t count = 0;
  for (int tries = 0; tries < kCommitTriesMax && !result && result.error().code == Error::conflict; ++tries) {
    const Basis basis = tries > 0 ? Basis::read_again : Basis::as_known;
    result = co_await commit(ended, most, &count, basis);
    if (ended->empty()) co_return;
    if (!result && count == 0) break;  // it could not be read
    if (!result && result.error().code == Error::too_long && most > queue::kRecipientsACommitMax) {
      most = queue::kRecipientsACommitMax;  // a report for many readers takes its part of the transaction
      result = co_await commit(ended, most, &count, Basis::as_known);
    }
    if (result || result.error().code == Error::conflict) continue;
    const std::span<Ended> those(ended->data(), count);
    const bool is_for_now = result.error().code != Error::exhausted && is_transient(result.error().code);
    const bool put_off = !is_for_now && put_off_failures(those);
    const bool forgone = forgo_successes(those);
    const bool unsaid = forgo_delays(those);
    if (put_off || forgone || unsaid) result = co_await commit(ended, count, &count, Basis::as_known);
  }
  if (count == 0) count = ended->size();
  for (const Ended& one : std::span(*ended).first(count)) {
    if (result) {
      tell(one);
    } else {
      workshop_->rooms.queue->give_back(entry_.id, one.recipient.number);
    }
  }
  ended->erase(ended->begin(), ended->begin() + static_cast<std::ptrdiff_t>(count));
  if (!result) {
    workshop_->doors.events->emit(SettleFailed{.id = entry_.id.text(), .error = describe(result.error())});
  }
}

Task<Result<void>> Job::commit(std::vector<Ended>* ended, std::size_t most, std::size_t* count, Basis basis) {
  co_await lock();
  *count = 0;
  Result<void> staged;
  if (basis == Basis::read_again) staged = co_await read_again(ended);
  if (!staged || ended->empty()) {
    unlock();
    co_return staged;
  }
  queue::Entry entry = entry_;
  store::Transaction transaction;
  std::vector<Telling> tellings;
  for (const Ended& one : std::span(*ended).first(std::min(most, ended->size()))) {
    const mail::Path reader = sender_of(one.recipient);
    const mail::Domain domain = one.recipient.original.value_or(one.recipient.address).domain();
    const bool to_sender = entry.report_to == queue::ReportTo::sender;
    const auto has_reader = [&](const Telling& telling) {
      return telling.reader == reader && (to_sender || telling.domain == domain);
    };
    if (tellings.size() >= kReportsACommitMax && std::ranges::none_of(tellings, has_reader)) break;
    const Result<queue::Fate> fate =
        workshop_->rooms.queue->stage_settle(transaction, entry, one.recipient, one.outcome);
    ++*count;
    if (!fate) {
      staged = fail(fate);
      break;
    }
    if (const std::optional<ReportKind> kind = kind_of(*fate, one.outcome.attempt)) {
      const auto same = [&](const Telling& telling) {
        return telling.kind == *kind && telling.reader == reader &&
               (*kind != ReportKind::notice || telling.domain == domain);
      };
      auto at = std::ranges::find_if(tellings, same);
      if (at == tellings.end())
        at = tellings.insert(at, {.kind = *kind, .reader = reader, .domain = domain, .about = {}});
      at->about.push_back({one.recipient, one.outcome});
    }
    if (*count % kEndsBetweenLooks == 0 && is_full(transaction)) break;
  }
  std::vector<queue::NewEntry> reports;
  if (staged) {
    Result<std::vector<queue::NewEntry>> made = co_await stage_reports(&transaction, std::move(tellings));
    if (made) {
      reports = std::move(*made);
    } else {
      staged = fail(made);
    }
  }
  if (staged) {
    workshop_->rooms.queue->stage_entry(transaction, entry);
    const Result<store::Version> committed =
        co_await workshop_->doors.store->commit(std::move(transaction), store::Durability::durable);
    if (committed) {
      entry.version = *committed;
      entry_ = std::move(entry);
    } else {
      staged = fail(committed);
    }
  }
  unlock();
  if (staged) {
    for (const Ended& one : std::span(*ended).first(*count))
      workshop_->rooms.queue->settled(entry_.id, one.recipient.number);
    for (const queue::NewEntry& report : reports) workshop_->rooms.queue->accepted(report);
  }
  co_return staged;
}

Task<Result<std::vector<queue::NewEntry>>> Job::stage_reports(store::Transaction* transaction,
                                                              std::vector<Telling> tellings) {
  std::vector<queue::NewEntry> reports;
  for (Telling& telling : tellings) {
    Result<std::optional<queue::NewEntry>> report =
        co_await workshop_->reporter.stage(transaction, entry_, std::move(telling.about), telling.kind);
    if (!report) co_return fail(report);
    if (*report) reports.push_back(std::move(**report));
  }
  co_return reports;
}

Task<Result<void>> Job::read_again(std::vector<Ended>* ended) {
  const Result<queue::Listed> now = co_await workshop_->rooms.queue->show(entry_.id);
  if (!now && now.error().code != Error::not_found) co_return fail(now);
  std::erase_if(*ended, [&](Ended& one) {
    if (now) {
      const auto at = std::ranges::find(now->recipients, one.recipient.number, &queue::Recipient::number);
      if (at != now->recipients.end()) {
        one.recipient = *at;
        return false;
      }
    }
    workshop_->rooms.queue->settled(entry_.id, one.recipient.number);  // by somebody else
    return true;
  });
  if (now) entry_ = now->entry;
  co_return Result<void>{};
}

void Job::tell(const Ended& ended) {
  Workshop& workshop = *workshop_;
  switch (ended.outcome.attempt) {
    case queue::Attempt::delivered: workshop.delivered->add(); break;
    case queue::Attempt::relayed: workshop.relayed->add(); break;
    case queue::Attempt::deferred: workshop.deferred->add(); break;
    case queue::Attempt::failed: workshop.failed->add(); break;
    case queue::Attempt::held:
    case queue::Attempt::expanded: break;
  }
  workshop.doors.events->emit(AttemptEnded{.id = entry_.id.text(),
                                           .outcome = name_of(ended.outcome.attempt),
                                           .recipient = ended.recipient.address.text(),
                                           .remote = ended.outcome.remote,
                                           .tls = ended.outcome.tls,
                                           .reply = ended.outcome.reply});
}

void Job::let_go(std::size_t count) {
  count = std::min(count, in_hand_);
  in_hand_ -= count;
  workshop_->recipients.fetch_sub(count);
  workshop_->less.set();
}

Task<void> Job::lock() {
  while (locked_) {
    Completion<bool> turn;
    waiting_.push_back([turn] { turn.set(true); });
    (void)co_await turn.wait();
  }
  locked_ = true;
}

void Job::unlock() {
  locked_ = false;
  if (waiting_.empty()) return;
  waiting_.front()();
  waiting_.pop_front();
}

}  // namespace postrider::delivery
