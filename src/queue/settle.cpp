// What the end of an attempt amounts to: when it is tried again, who hears of it, what is left.
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/queue.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace postrider::queue {

namespace {

std::string detail_of(const Outcome& outcome) {
  std::string detail = outcome.status + ' ' + outcome.reply;
  if (!outcome.remote.empty()) detail += " from " + outcome.remote;
  if (!outcome.tls.empty()) detail += " over " + outcome.tls;
  return detail;
}

/// 3461 §4.1, for senders to whom we report. For all others we do not report a success though NOTIFY asks for it: a
/// stranger's reverse-path may be anybody's (SECURITY R8).
bool wants_success(const Entry& entry, const Recipient& recipient, const Outcome& outcome) {
  if (report_to(entry, recipient) != ReportTo::sender || sender_of(entry, recipient).is_null())
    return false;  // 5321 §4.5.5
  const std::optional<mail::NotifyOn>& notify = recipient.request.notify;
  const bool passed_on = outcome.attempt == Attempt::relayed && outcome.reports_passed_on;  // 3461 §5.2.1
  return notify && notify->success && !passed_on;
}

/// 3461 §4.1: NEVER, or a list without FAILURE.
bool wants_no_failure(const Recipient& recipient) {
  return recipient.request.notify && !recipient.request.notify->failure;
}

std::string report_detail(const Entry& entry, const Recipient& recipient) {
  return "to <" + sender_of(entry, recipient).text() + '>';
}

}  // namespace

ReportTo report_to(const Entry& entry, const Recipient& recipient) {
  return recipient.reverse_path && !recipient.reverse_path->is_null() ? ReportTo::sender : entry.report_to;
}

WallTime Queue::Inside::given_up_at(const Entry& entry, const mail::Path& sender) const {
  const Duration lifetime = sender.is_null() ? settings.expire_after_bounce : settings.expire_after;
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

Outcome Queue::judged(const Entry& entry, const Recipient& recipient, const Outcome& outcome) const {
  if (outcome.attempt != Attempt::deferred || recipient.ordered != Ordered::delivery) return outcome;
  std::string status;
  if (overdue(entry)) {
    status = "5.4.7";  // 2852 §4.1.4
  } else if (inside_->clock->wall() >= inside_->given_up_at(entry, sender_of(entry, recipient))) {
    status = "4.4.7";  // 5321 §4.5.4.1; 3463 §3.5: delivery time expired
  } else {
    return outcome;
  }
  return {.attempt = Attempt::failed, .status = std::move(status), .reply = outcome.reply, .remote = outcome.remote};
}

WallTime Queue::Inside::last_try_at(const Entry& entry, const Recipient& recipient) const {
  const WallTime given_up = given_up_at(entry, sender_of(entry, recipient));
  return std::min(given_up, returned_at(entry).value_or(given_up));
}

WallTime Queue::last_try_at(const Entry& entry, const Recipient& recipient) const {
  return inside_->last_try_at(entry, recipient);
}

std::optional<WallTime> Queue::Inside::warned_at(const Entry& entry, const Recipient& recipient) const {
  if (recipient.delay_reported || report_to(entry, recipient) != ReportTo::sender) return std::nullopt;
  if (sender_of(entry, recipient).is_null()) return std::nullopt;
  // 3461 §4.1: a list without DELAY forbids it, in mode N too; who says nothing may be told.
  const std::optional<mail::NotifyOn>& notify = recipient.request.notify;
  if (notify && !notify->delay) return std::nullopt;
  const std::optional<mail::DeliverBy>& by = entry.request.deliver_by;
  // A time that had passed before the message came here was reported by the host where it passed.
  if (by && by->mode == mail::DeliverBy::Mode::notify && by->within > std::chrono::seconds(0))
    return entry.arrival + by->within;  // 2852 §4.1.4.2; in place of our own time
  Duration after = settings.warn_after;
  if (after == Duration::zero()) {
    if (!notify) return std::nullopt;
    after = default_settings().warn_after;  // it asked
  }
  return released_at(entry.request, entry.arrival) + std::chrono::ceil<std::chrono::microseconds>(after);
}

bool Queue::is_late(const Entry& entry, const Recipient& recipient) const {
  const std::optional<WallTime> warned = inside_->warned_at(entry, recipient);
  return warned && inside_->clock->wall() >= *warned;
}

Fate Queue::Inside::stage_success(store::Transaction& transaction, Entry& entry, const Recipient& recipient,
                                  const Outcome& outcome, std::string_view what) {
  const std::string address = recipient.address.text();
  trace(transaction, entry.id, what, address, detail_of(outcome));
  stage_end(transaction, entry, recipient);
  if (!wants_success(entry, recipient, outcome)) return Fate::done;
  trace(transaction, entry.id, "reported", address, report_detail(entry, recipient));
  return Fate::report_success;
}

Fate Queue::Inside::stage_deferred(store::Transaction& transaction, const Entry& entry, const Recipient& before,
                                   Recipient next, const Outcome& outcome) {
  const WallTime now = clock->wall();
  const std::string address = before.address.text();
  const std::vector<Duration>& table = outcome.retry.empty() ? settings.retry : outcome.retry;
  next.state = RecipientState::due;
  // An entry's recipients come back together (kTogether), so that they share a transaction again.
  SeededRandom jitter(salt ^ std::hash<std::string_view>{}(entry.id.text()) ^ next.attempts);
  next.due = now + std::chrono::ceil<std::chrono::microseconds>(retry_delay(table, next.attempts, jitter));
  const WallTime last = last_try_at(entry, before);
  if (now < last) next.due = std::min(next.due, last);  // one more try at the very end
  const std::optional<WallTime> warned = warned_at(entry, before);
  const bool report = warned && now >= *warned;
  if (warned && !report) next.due = std::min(next.due, *warned);  // and one before its sender is told
  trace(transaction, entry.id, "deferred", address, detail_of(outcome));
  if (report) {
    next.delay_reported = true;
    trace(transaction, entry.id, "delayed", address, report_detail(entry, before));
  }
  stage_change(transaction, entry.id, before, next);
  return report ? Fate::report_delay : Fate::retried;
}

Fate Queue::Inside::stage_failed(store::Transaction& transaction, Entry& entry, const Recipient& before, Recipient next,
                                 const Outcome& outcome) {
  const std::string address = before.address.text();
  const ReportTo whom = report_to(entry, before);
  trace(transaction, entry.id, "failed", address, detail_of(outcome));
  if (sender_of(entry, before).is_null() || whom == ReportTo::nobody) {  // 5321 §4.5.5, §6.1: never answered by a DSN
    stage_end(transaction, entry, before);
    trace(transaction, entry.id, "removed", address, "null reverse-path: nobody to report to");
    return Fate::dropped_null_sender;
  }
  if (whom == ReportTo::sender && wants_no_failure(before)) {
    stage_end(transaction, entry, before);
    trace(transaction, entry.id, "removed", address, "the sender asked for no report");
    return Fate::dropped_unwanted;
  }
  if (whom == ReportTo::sender) {
    stage_end(transaction, entry, before);
    trace(transaction, entry.id, "reported", address, report_detail(entry, before));
    return Fate::report_sender;
  }
  next.state = RecipientState::held;
  next.held_why = HeldWhy::undeliverable;
  next.ordered = Ordered::delivery;  // when it is released, it is tried again
  next.due = clock->wall() + std::chrono::floor<std::chrono::microseconds>(settings.expire_after);
  trace(transaction, entry.id, "held", address, "until released, removed or expired");
  stage_change(transaction, entry.id, before, next);
  return Fate::held_for_postmaster;
}

Result<Fate> Queue::stage_settle(store::Transaction& transaction, Entry& entry, const Recipient& recipient,
                                 const Outcome& outcome) {
  Inside& inside = *inside_;
  Recipient next = recipient;
  switch (outcome.attempt) {
    case Attempt::delivered: return inside.stage_success(transaction, entry, recipient, outcome, "delivered");
    case Attempt::relayed: return inside.stage_success(transaction, entry, recipient, outcome, "relayed");
    case Attempt::expanded: return inside.stage_success(transaction, entry, recipient, outcome, "expanded");
    case Attempt::held:
      next.state = RecipientState::held;
      next.held_why = HeldWhy::route;
      next.due = kNever;
      inside.trace(transaction, entry.id, "held", recipient.address.text(), detail_of(outcome));
      inside.stage_change(transaction, entry.id, recipient, next);
      return Fate::held;
    case Attempt::deferred:
    case Attempt::failed: break;
  }
  ++next.attempts;
  next.last_reply = printable_ascii(outcome.reply, kReplyTextOctetsMax);
  next.last_remote = printable_ascii(outcome.remote, kRemoteTextOctetsMax);
  if (outcome.attempt == Attempt::deferred)
    return inside.stage_deferred(transaction, entry, recipient, std::move(next), outcome);
  return inside.stage_failed(transaction, entry, recipient, std::move(next), outcome);
}

void Queue::stage_postpone(store::Transaction& transaction, const Entry& entry, const Recipient& recipient,
                           WallTime until) {
  Recipient next = recipient;
  next.state = RecipientState::due;
  next.due = until;
  const WallTime last = inside_->last_try_at(entry, recipient);
  if (inside_->clock->wall() < last) next.due = std::min(until, last);
  inside_->stage_change(transaction, entry.id, recipient, next);
}

}  // namespace postrider::queue
