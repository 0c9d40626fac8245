#include "delivery/job.hpp"

#include "core/await.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace postrider::delivery {

namespace {

constexpr std::size_t kHeaderChunkOctets = 64 * 1024;

/// Of a reply on one line; one that has no enhanced status is about the way there.
std::string status_of(std::string_view line) {
  const std::string_view status = split_once(split_once(line, ' ').second, ' ').first;
  return std::string(status.starts_with("4.") ? status : "4.4.1");
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

/// Of a recipient that is ordered to be sent back: with what it was refused when it came, or by the administrator.
queue::Outcome sent_back(const queue::Recipient& recipient) {
  if (recipient.attempts > 0 || recipient.last_reply.empty())
    return {queue::Attempt::failed, "5.7.1", "550 5.7.1 returned by the administrator", {}};
  const std::string_view behind_code = split_once(recipient.last_reply, ' ').second;
  return {queue::Attempt::failed, std::string(split_once(behind_code, ' ').first), recipient.last_reply, {}};
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

/// SMTPUTF8 was asked for: whether the message needs it (6531 §3.6). Errors  as ContentSource::next.
Task<Result<void>> check_header(ContentSource* content, RelayMessage* message) {
  if (message->request.utf8 == mail::Utf8::no) co_return Result<void>{};
  const Result<bool> found = co_await has_utf8_header(content);
  if (!found) co_return fail(found);
  message->request.utf8 = *found ? mail::Utf8::yes : mail::Utf8::no;
  co_return Result<void>{};
}

/// What a route that is no way over the network means for a recipient.
queue::Outcome end_of_route(const route::RouteDecision& decision) {
  queue::Outcome outcome{queue::Attempt::failed, "5.1.1", "550 5.1.1 no such mailbox here", {}};
  if (std::holds_alternative<route::Hold>(decision.next)) {
    outcome = {queue::Attempt::held, "4.3.2", "451 4.3.2 held by " + decision.rule, {}};
  } else if (std::holds_alternative<route::Discard>(decision.next)) {  // nobody reports a success of it
    outcome = {queue::Attempt::relayed, "2.0.0", "250 2.0.0 discarded by " + decision.rule, {}, true};
  } else if (const auto* const none = std::get_if<route::NoRoute>(&decision.next)) {
    outcome = {none->permanent ? queue::Attempt::failed : queue::Attempt::deferred,
               none->status,
               (none->permanent ? "550 " : "451 ") + none->status + ' ' + none->text,
               {}};
  }
  outcome.retry = decision.retry;
  return outcome;
}

/// What an attempt says about its destination.
Use use_of(const RelayResult& result, const std::vector<Duration>& retry) {
  Use use{.result = result.result, .reply = {}, .remote = result.remote, .retry = retry};
  if (result.result == ConnectionResult::failed) use.reply = smtp::to_line(result.outcomes.front().reply);
  return use;
}

RelayResult not_read(std::size_t recipients, const Error& why) {
  const smtp::RecipientOutcome unread{.reply = {.code = 451, .enhanced = "4.3.0", .text = describe(why)},
                                      .phase = smtp::Phase::connect};
  RelayResult result{.outcomes = {}, .remote = {}, .result = ConnectionResult::unused};
  result.outcomes.assign(recipients, unread);
  return result;
}

}  // namespace

Job::Job(Workshop* workshop, queue::Job job)
    : workshop_(workshop),
      entry_(std::move(job.entry)),
      recipients_(std::move(job.recipients)),
      in_hand_(recipients_.size()) {}

Job::~Job() {
  if (in_hand_ > 0) let_go(in_hand_);
}

mail::Path Job::sender_of(const queue::Recipient& recipient) const {
  return recipient.reverse_path.value_or(entry_.reverse_path);
}

Task<void> Job::run(std::shared_ptr<Job> job) {
  std::vector<queue::Recipient> left = co_await job->take_orders();
  std::vector<queue::Recipient> elsewhere;
  for (queue::Recipient& recipient : left) {
    const route::Query query{.domain = recipient.address.domain(),
                             .is_local = true,
                             .sender = job->sender_of(recipient),
                             .account = job->entry_.login};
    if (recipient.account && !job->workshop_->rooms.router->takes_local(query)) {
      co_await job->deliver_locally(std::move(recipient));
    } else {
      elsewhere.push_back(std::move(recipient));
    }
  }
  if (!elsewhere.empty()) {
    Groups groups = co_await job->find_groups(std::move(elsewhere));
    co_await carry_all(job, std::move(groups));
  }
  co_await job->tell_gathered();
}

Task<void> Job::carry_all(std::shared_ptr<Job> job, Groups groups) {
  job->carrying_ = groups.size();
  if (groups.size() == 1) {
    co_await carry(job, std::move(groups.front()));
    co_return;
  }
  Shard* const shard = co_await this_shard();
  for (Group& group : groups) spawn(shard, "delivery.carry", carry(job, std::move(group)));
  while (job->carrying_ > 0) {
    const SteadyTime until = job->gathered_.empty() ? SteadyTime::never() : job->gathered_since_ + kReportsGatheredFor;
    const Result<void> changed = co_await job->changed_.wait(until);
    if (changed) {
      job->changed_.clear();
    } else {
      co_await job->tell_gathered();
    }
  }
}

Task<std::vector<queue::Recipient>> Job::take_orders() {
  const std::optional<queue::Outcome> overdue = workshop_->rooms.queue->overdue(entry_);
  std::vector<Ended> ended;
  std::vector<queue::Recipient> left;
  for (queue::Recipient& recipient : std::exchange(recipients_, {})) {
    if (recipient.ordered == queue::Ordered::expand) {
      ended.push_back(
          {std::move(recipient), {queue::Attempt::expanded, "2.0.0", "250 2.0.0 expanded to its members", {}}});
    } else if (recipient.ordered == queue::Ordered::bounce) {
      queue::Outcome outcome = sent_back(recipient);
      ended.push_back({std::move(recipient), std::move(outcome)});
    } else if (overdue) {
      ended.push_back({std::move(recipient), *overdue});
    } else {
      left.push_back(std::move(recipient));
    }
  }
  if (!ended.empty()) co_await settle(std::move(ended));
  co_return left;
}

Task<Job::Groups> Job::find_groups(std::vector<queue::Recipient> recipients) {
  std::map<mail::Domain, Result<bool>> local;
  // By destination and sender; where there is no destination by all that a route is chosen by.
  std::map<std::tuple<std::string, std::string, bool, std::string>, std::size_t> places;
  Groups groups;
  std::vector<Ended> unknown;
  for (queue::Recipient& recipient : recipients) {
    mail::Domain domain = recipient.address.domain();
    auto known = local.find(domain);
    if (known == local.end()) {
      mail::Domain asked = domain;
      const Result<bool> is_local = co_await workshop_->rooms.directory->is_local(std::move(asked));
      known = local.emplace(domain, is_local).first;
    }
    if (!known->second && !recipient.account) {
      unknown.push_back({std::move(recipient),
                         {queue::Attempt::deferred, "4.3.0", "451 4.3.0 " + describe(known->second.error()), {}}});
      continue;
    }
    const bool is_local = recipient.account || *known->second;
    mail::Path sender = sender_of(recipient);
    const std::string from = sender.text();
    route::Query query{.domain = std::move(domain), .is_local = is_local, .sender = sender, .account = entry_.login};
    const std::string destination = workshop_->rooms.router->destination(query);
    const auto [at, made] = places.try_emplace(
        {destination, destination.empty() ? query.domain.text() : "", is_local, from}, groups.size());
    if (made) groups.push_back({destination, std::move(query), std::move(sender), {}});
    groups[at->second].recipients.push_back(std::move(recipient));
  }
  if (!unknown.empty()) co_await settle(std::move(unknown));
  Groups ways;
  for (Group& group : groups) {
    if (group.destination.empty()) {
      co_await end_here(std::move(group));
    } else {
      ways.push_back(std::move(group));
    }
  }
  co_return ways;
}

Task<void> Job::end_here(Group group) {
  const route::RouteDecision decision = co_await workshop_->rooms.router->route(group.query);
  if (!std::holds_alternative<route::Local>(decision.next)) {
    co_await settle_all(std::move(group.recipients), end_of_route(decision));
    co_return;
  }
  for (queue::Recipient& recipient : group.recipients) {
    if (recipient.account) {
      co_await deliver_locally(std::move(recipient));
    } else {
      co_await resolve_again(std::move(recipient));
    }
  }
}

Task<void> Job::carry(std::shared_ptr<Job> job, Group group) {
  std::string destination = group.destination;
  Destinations::Admission admission =
      co_await job->workshop_->destinations.admit(std::move(destination), group.recipients.size());
  if (auto* const slot = std::get_if<Destinations::Slot>(&admission)) {
    co_await carry_now(job, std::move(group), std::move(*slot));
  } else if (const auto* const put_off = std::get_if<Destinations::PutOff>(&admission)) {
    co_await job->put_off(std::move(group.recipients), put_off->until);
  } else {
    auto& down = std::get<Destinations::Down>(admission);
    queue::Outcome outcome{queue::Attempt::deferred, status_of(down.reply), std::move(down.reply),
                           std::move(down.remote)};
    outcome.retry = std::move(down.retry);
    co_await job->settle_all(std::move(group.recipients), std::move(outcome));
  }
  --job->carrying_;
  job->changed_.set();
}

Task<void> Job::carry_now(std::shared_ptr<Job> job, Group group, Destinations::Slot slot) {
  Workshop& workshop = *job->workshop_;
  StoredContent content(workshop.doors.store, job->entry_.content);
  RelayMessage message = job->message_of(group);
  std::optional<RelayResult> result;
  std::vector<Duration> retry = slot.retry();
  const Result<void> checked = co_await check_header(&content, &message);
  if (!checked) result = not_read(group.recipients.size(), checked.error());
  if (std::unique_ptr<Parked> connection = slot.take_connection(); checked && connection) {
    RelayMessage same = message;
    result = co_await relay_over(std::move(connection), std::move(same), &content);
  }
  if (!result) {
    route::RouteDecision decision = co_await workshop.rooms.router->route(group.query);
    retry = decision.retry;
    auto* const way = std::get_if<route::Relay>(&decision.next);
    if (way == nullptr) {
      queue::Outcome outcome = end_of_route(decision);
      const bool dead = outcome.attempt == queue::Attempt::deferred;  // its names gave no answer
      slot.end({.result = dead ? ConnectionResult::failed : ConnectionResult::unused,
                .reply = outcome.reply,
                .remote = {},
                .retry = retry});
      co_await job->settle_all(std::move(group.recipients), std::move(outcome));
      co_return;
    }
    result = co_await relay(workshop.doors.connector, workshop.settings.relay, std::move(*way), std::move(message),
                            &content);
  }
  const std::string tls = to_text(result->tls);
  slot.end(use_of(*result, retry), std::move(result->connection));
  std::vector<Ended> ended;
  for (std::size_t i = 0; i < group.recipients.size(); ++i) {
    queue::Outcome outcome = to_outcome(result->outcomes[i], result->remote);
    outcome.retry = retry;
    outcome.tls = tls;
    ended.push_back({std::move(group.recipients[i]), std::move(outcome)});
  }
  co_await job->settle(std::move(ended));
}

RelayMessage Job::message_of(const Group& group) const {
  RelayMessage message{.reverse_path = group.reverse_path,
                       .recipients = {},
                       .size_octets = entry_.content.size_octets(),
                       .has_eight_bit = entry_.has_eight_bit || !is_ascii(entry_.content.prefix),
                       .request = entry_.request,
                       .arrival = entry_.arrival,
                       .recipient_requests = {}};
  if (!message.has_eight_bit) message.request.utf8 = mail::Utf8::no;
  if (group.reverse_path != entry_.reverse_path) {  // 3461 §5.2.7.3: what a list's poster asked for ends at the list
    message.request.envelope_id.clear();
    message.request.returned = mail::ReturnContent::unsaid;
  }
  bool asked = false;
  for (const queue::Recipient& recipient : group.recipients) {
    message.recipients.push_back(recipient.address);
    message.recipient_requests.push_back(request_of(recipient));
    asked = asked || message.recipient_requests.back() != mail::RecipientRequest{};
  }
  if (!asked) message.recipient_requests.clear();
  return message;
}

Task<void> Job::put_off(std::vector<queue::Recipient> recipients, WallTime until) {
  // Whose time is over does not wait any longer; but at the end of our own (put off until now) it does.
  std::vector<Ended> over;
  const WallTime now = workshop_->doors.clock->wall();
  const auto is_over = [&](const queue::Recipient& recipient) {
    return until > now && workshop_->rooms.queue->last_try_at(entry_, recipient) <= now;
  };
  for (const queue::Recipient& recipient : recipients) {
    if (is_over(recipient))
      over.push_back(
          {recipient, {queue::Attempt::deferred, "4.4.5", "451 4.4.5 too many messages wait for its destination", {}}});
  }
  if (!over.empty()) {
    std::erase_if(recipients, is_over);
    co_await settle(std::move(over));
  }
  workshop_->put_off->add(static_cast<std::int64_t>(recipients.size()));
  for (std::size_t first = 0; first < recipients.size(); first += queue::kRecipientsACommitMax) {
    const std::size_t count = std::min(queue::kRecipientsACommitMax, recipients.size() - first);
    const std::span<const queue::Recipient> some = std::span(recipients).subspan(first, count);
    store::Transaction transaction;
    for (const queue::Recipient& recipient : some)
      workshop_->rooms.queue->stage_postpone(transaction, entry_, recipient, until);
    const Result<store::Version> committed =
        co_await workshop_->doors.store->commit(std::move(transaction), store::Durability::lazy);
    for (const queue::Recipient& recipient : some) {
      if (committed) {
        workshop_->rooms.queue->settled(entry_.id, recipient.number);
      } else {  // changed by a command meanwhile, or the disk is full
        workshop_->rooms.queue->give_back(entry_.id, recipient.number);
      }
    }
  }
  let_go(recipients.size());
}

}  // namespace postrider::delivery
