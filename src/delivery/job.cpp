#include "delivery/job.hpp"

#include "core/await.hpp"
#include "core/overloaded.hpp"
#include "core/text.hpp"
#include "delivery/events.hpp"
#include "mail/trace_fields.hpp"

#include <algorithm>
#include <map>

namespace postrider::delivery {

namespace {

constexpr int kCommitTriesMax = 5;
constexpr std::size_t kHeaderChunkOctets = 64 * 1024;

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

/// No room for the report that a failure leads to (SECURITY R8: someone hears of it): tried again by the retry table,
/// when there may be room. False: there are no failures, the report is not what is in the way.
bool put_off_failures(std::vector<Ended>* ended) {
  bool any = false;
  for (Ended& one : *ended) {
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
bool forgo_successes(std::vector<Ended>* ended) {
  bool any = false;
  for (Ended& one : *ended) {
    const bool tells = one.outcome.attempt == queue::Attempt::relayed && one.recipient.request.notify &&
                       one.recipient.request.notify->success && !one.outcome.reports_passed_on;
    any = any || tells;
    if (tells) one.outcome.reports_passed_on = true;
  }
  return any;
}

queue::Outcome to_outcome(const smtp::RecipientOutcome& of, const std::string& remote) {
  queue::Attempt attempt = queue::Attempt::deferred;
  if (smtp::is_positive(of.reply)) attempt = queue::Attempt::relayed;
  if (smtp::is_permanent(of.reply)) attempt = queue::Attempt::failed;
  std::string status = of.reply.enhanced;
  if (status.empty()) {  // 3463 §2: the class is known from the code
    status = attempt == queue::Attempt::relayed ? "2.0.0" : attempt == queue::Attempt::failed ? "5.0.0" : "4.0.0";
  }
  return {.attempt = attempt,
          .status = std::move(status),
          .reply = smtp::to_line(of.reply),
          .remote = remote,
          .reports_passed_on = of.reports_passed_on};
}

/// What goes on with a recipient: what was asked for, and the address as it was given when an alias changed it (3461
/// §5.2.1).
mail::RecipientRequest request_of(const queue::Recipient& recipient) {
  mail::RecipientRequest request = recipient.request;
  if (!request.original_type.empty() || !recipient.original) return request;
  request.original_type = recipient.original->is_ascii() ? "rfc822" : "utf-8";  // 6533 §3
  request.original = recipient.original->text();
  return request;
}

/// The entry's content as the relay reads it.
class StoredContent final : public ContentSource {
 public:
  StoredContent(store::Store* store, store::Content content)
      : store_(store), content_(std::move(content)), reader_(store_, content_) {}
  void rewind() override { reader_ = store::ContentReader(store_, content_); }
  Task<Result<std::string>> next(std::size_t octets_max) override { return reader_.next(octets_max); }

 private:
  store::Store* store_;
  store::Content content_;
  store::ContentReader reader_;
};

/// Whether the header section has octets over 127, so that only SMTPUTF8 can carry it (6531 §3.6). Leaves the content
/// anywhere.
Task<Result<bool>> has_utf8_header(ContentSource* content) {
  std::string last;  // of the chunk before, as the empty line may be cut
  for (;;) {
    Result<std::string> chunk = co_await content->next(kHeaderChunkOctets);
    if (!chunk) co_return fail(chunk);
    if (chunk->empty()) co_return false;
    const std::string octets = last + *chunk;
    const std::string_view part(octets.data(), std::min(octets.find("\r\n\r\n"), octets.size()));
    if (!is_ascii(part)) co_return true;
    if (part.size() < octets.size()) co_return false;
    last = octets.substr(octets.size() - std::min<std::size_t>(octets.size(), 3));
  }
}

}  // namespace

Job::Job(Workshop* workshop, queue::Job job)
    : workshop_(workshop), entry_(std::move(job.entry)), recipients_(std::move(job.recipients)) {}

Task<void> Job::run(std::shared_ptr<Job> job) {
  const std::optional<queue::Outcome> overdue = job->workshop_->rooms.queue->overdue(job->entry_);
  if (overdue) {
    std::vector<Ended> ended;
    for (queue::Recipient& recipient : job->recipients_) ended.push_back({std::move(recipient), *overdue});
    co_await job->settle(std::move(ended));
    co_return;
  }
  std::vector<queue::Recipient> elsewhere;
  for (queue::Recipient& recipient : job->recipients_) {
    if (recipient.account) {
      co_await job->deliver_locally(std::move(recipient));
    } else {
      elsewhere.push_back(std::move(recipient));
    }
  }
  if (elsewhere.empty()) co_return;
  std::vector<Group> groups = co_await job->find_groups(std::move(elsewhere));
  if (groups.empty()) co_return;
  Shard* const shard = co_await this_shard();
  const Completion<bool> all;
  job->carrying_ = groups.size();
  job->carried_ = [all] { all.set(true); };
  for (std::size_t i = 1; i < groups.size(); ++i) spawn(shard, "delivery.carry", carry(job, std::move(groups[i])));
  co_await carry(job, std::move(groups.front()));
  (void)co_await all.wait();
}

Task<std::vector<Job::Group>> Job::find_groups(std::vector<queue::Recipient> recipients) {
  std::map<mail::Domain, std::vector<queue::Recipient>> by_domain;
  for (queue::Recipient& recipient : recipients) by_domain[recipient.address.domain()].push_back(std::move(recipient));
  std::map<std::string, Group> by_destination;
  std::vector<Ended> ended;
  for (auto& [domain, members] : by_domain) {
    route::RouteDecision decision = co_await workshop_->rooms.router->route({.domain = domain, .sender = entry_.reverse_path});
    if (auto* const relay = std::get_if<route::Relay>(&decision.next)) {
      Group& group = by_destination[relay->destination];
      if (group.recipients.empty()) group.relay = std::move(*relay);
      std::ranges::move(members, std::back_inserter(group.recipients));
      continue;
    }
    const queue::Outcome outcome = std::visit(
        Overloaded{[](const route::Relay&) { return queue::Outcome(); },
                   [&](const route::Hold&) {
                     return queue::Outcome{queue::Attempt::deferred, "4.3.2", "451 4.3.2 held by " + decision.rule, {}};
                   },
                   [&](const route::Discard&) {  // nobody reports a success of it
                     return queue::Outcome{
                         queue::Attempt::relayed, "2.0.0", "250 2.0.0 discarded by " + decision.rule, {}, true};
                   },
                   [](const route::Local&) {
                     return queue::Outcome{queue::Attempt::failed, "5.1.1", "550 5.1.1 no such mailbox here", {}};
                   },
                   [](const route::NoRoute& none) {
                     const auto attempt = none.permanent ? queue::Attempt::failed : queue::Attempt::deferred;
                     return queue::Outcome{
                         attempt, none.status, (none.permanent ? "550 " : "451 ") + none.status + ' ' + none.text, {}};
                   }},
        decision.next);
    for (queue::Recipient& recipient : members) ended.push_back({std::move(recipient), outcome});
  }
  if (!ended.empty()) co_await settle(std::move(ended));
  std::vector<Group> groups;
  for (auto& [destination, group] : by_destination) groups.push_back(std::move(group));
  co_return groups;
}

Task<void> Job::carry(std::shared_ptr<Job> job, Group group) {
  Workshop& workshop = *job->workshop_;
  std::string destination = group.relay.destination;
  Destinations::Slot slot = co_await workshop.destinations.take(std::move(destination));
  StoredContent content(workshop.doors.store, job->entry_.content);
  RelayMessage message = job->message_of(group.recipients);
  RelayResult result;
  const Result<void> checked = co_await check_header(&content, &message);
  if (checked) {
    result = co_await relay(workshop.doors.connector, workshop.settings.relay, std::move(group.relay),
                            std::move(message), &content);
  } else {
    const smtp::RecipientOutcome unread{.reply = {.code = 451, .enhanced = "4.3.0", .text = describe(checked.error())},
                                        .phase = smtp::Phase::connect};
    result.outcomes.assign(group.recipients.size(), unread);
  }
  const bool reached = std::ranges::any_of(result.outcomes, [](const smtp::RecipientOutcome& outcome) {
    return outcome.phase != smtp::Phase::connect && outcome.phase != smtp::Phase::greeting;
  });
  slot.end(reached ? ConnectionResult::worked : ConnectionResult::failed);
  std::vector<Ended> ended;
  for (std::size_t i = 0; i < group.recipients.size(); ++i) {
    ended.push_back({std::move(group.recipients[i]), to_outcome(result.outcomes[i], result.remote)});
  }
  co_await job->settle(std::move(ended));
  if (--job->carrying_ == 0) job->carried_();
}

RelayMessage Job::message_of(const std::vector<queue::Recipient>& recipients) const {
  RelayMessage message{.reverse_path = entry_.reverse_path,
                       .recipients = {},
                       .size_octets = entry_.content.size_octets(),
                       .has_eight_bit = entry_.has_eight_bit || !is_ascii(entry_.content.prefix),
                       .request = entry_.request,
                       .arrival = entry_.arrival,
                       .recipient_requests = {}};
  if (!message.has_eight_bit) message.request.utf8 = mail::Utf8::no;
  bool asked = false;
  for (const queue::Recipient& recipient : recipients) {
    message.recipients.push_back(recipient.address);
    message.recipient_requests.push_back(request_of(recipient));
    asked = asked || message.recipient_requests.back() != mail::RecipientRequest{};
  }
  if (!asked) message.recipient_requests.clear();
  return message;
}

Task<Result<void>> Job::check_header(ContentSource* content, RelayMessage* message) {
  if (message->request.utf8 == mail::Utf8::no) co_return Result<void>{};
  const Result<bool> found = co_await has_utf8_header(content);
  if (!found) co_return fail(found);
  message->request.utf8 = *found ? mail::Utf8::yes : mail::Utf8::no;
  co_return Result<void>{};
}

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

Task<Result<void>> Job::append(queue::Recipient recipient) {
  const queue::Outcome outcome{queue::Attempt::delivered, "2.0.0", "250 2.0.0 delivered", {}};
  std::vector<Ended> ended;
  ended.push_back({recipient, outcome});
  std::optional<queue::NewEntry> report;
  Result<void> result = error(Error::conflict, "delivery.append");
  for (int tries = 0; tries < kCommitTriesMax && !result && result.error().code == Error::conflict; ++tries) {
    if (tries > 0) {
      const Result<void> read = co_await read_again(&ended);
      if (!read) co_return fail(read);
      if (ended.empty()) co_return Result<void>{};  // settled by somebody else: nothing is left to do
    }
    co_await lock();
    queue::Entry entry = entry_;
    mailbox::NewMessage message{
        .content = entry.content, .internal_date = workshop_->doors.clock->wall(), .flags = 0, .keywords = {}};
    message.content.prefix = mail::return_path_field(entry.reverse_path) + mail::delivered_to_field(recipient.address) +
                             entry.content.prefix;
    message.content.dropped = entry.return_paths;  // 5321 §4.4: an earlier one goes, at final delivery only
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
  }
  co_return result;
}

Task<Result<std::optional<queue::NewEntry>>> Job::stage_success(store::Transaction* transaction, queue::Fate fate,
                                                                Ended ended) {
  if (fate != queue::Fate::report_success) co_return std::optional<queue::NewEntry>();
  std::vector<Reported> about(1, Reported{std::move(ended.recipient), std::move(ended.outcome)});
  co_return co_await workshop_->reporter.stage(transaction, entry_, std::move(about), ReportKind::success);
}

Task<void> Job::settle(std::vector<Ended> ended) {
  for (std::size_t first = 0; first < ended.size(); first += queue::kRecipientsACommitMax) {
    const auto begin = ended.begin() + static_cast<std::ptrdiff_t>(first);
    const std::size_t count = std::min(queue::kRecipientsACommitMax, ended.size() - first);
    std::vector<Ended> batch(std::move_iterator(begin), std::move_iterator(begin + static_cast<std::ptrdiff_t>(count)));
    co_await settle_batch(std::move(batch));
  }
}

Task<void> Job::settle_batch(std::vector<Ended> ended) {
  for (Ended& one : ended) one.outcome = workshop_->rooms.queue->judged(entry_, one.outcome);
  Result<void> result = error(Error::conflict, "delivery.settle");
  for (int tries = 0; tries < kCommitTriesMax && !result && result.error().code == Error::conflict; ++tries) {
    if (tries > 0) {
      result = co_await read_again(&ended);
      if (!result) break;
    }
    result = co_await commit(&ended);
    if (result || result.error().code == Error::conflict) continue;
    const bool put_off = result.error().code == Error::exhausted && put_off_failures(&ended);
    const bool forgone = forgo_successes(&ended);
    if (put_off || forgone) result = co_await commit(&ended);
  }
  for (const Ended& one : ended) {
    if (result) {
      tell(one);
    } else {
      workshop_->rooms.queue->give_back(entry_.id, one.recipient.number);
    }
  }
  if (!result) {
    workshop_->doors.events->emit(SettleFailed{.id = entry_.id.text(), .error = describe(result.error())});
  }
}

Task<Result<void>> Job::commit(const std::vector<Ended>* ended) {
  co_await lock();
  queue::Entry entry = entry_;
  store::Transaction transaction;
  std::vector<Reported> failures;
  std::vector<Reported> notices;
  std::vector<Reported> successes;
  Result<void> staged;
  for (const Ended& one : *ended) {
    const Result<queue::Fate> fate =
        workshop_->rooms.queue->stage_settle(transaction, entry, one.recipient, one.outcome);
    if (!fate) {
      staged = fail(fate);
      break;
    }
    if (*fate == queue::Fate::report_sender) failures.push_back({one.recipient, one.outcome});
    if (*fate == queue::Fate::held_for_postmaster) notices.push_back({one.recipient, one.outcome});
    if (*fate == queue::Fate::report_success) successes.push_back({one.recipient, one.outcome});
  }
  std::vector<queue::NewEntry> reports;
  for (const auto& [about, kind] : {std::pair(&failures, ReportKind::failure), std::pair(&notices, ReportKind::notice),
                                    std::pair(&successes, ReportKind::success)}) {
    if (!staged || about->empty()) continue;
    Result<std::optional<queue::NewEntry>> report =
        co_await workshop_->reporter.stage(&transaction, entry_, *about, kind);
    if (!report) {
      staged = fail(report);
    } else if (*report) {
      reports.push_back(std::move(**report));
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
    for (const Ended& one : *ended) workshop_->rooms.queue->settled(entry_.id, one.recipient.number);
    for (const queue::NewEntry& report : reports) workshop_->rooms.queue->accepted(report);
  }
  co_return staged;
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
                                           .reply = ended.outcome.reply});
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
