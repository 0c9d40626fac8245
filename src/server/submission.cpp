#include "server/submission.hpp"

#include "core/await.hpp"
#include "server/events.hpp"
#include "server/submission_notice.hpp"
#include "server/submitted_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace postrider::server {

namespace {

using Cap = gate::SendingBudget::Cap;
using smtp::Reply;
using Refusal = std::optional<Reply>;

Reply not_now() { return {.code = 451, .enhanced = "4.3.0", .text = "it cannot be judged now, try again later"}; }

std::string_view name_of(Cap cap) { return cap == Cap::messages ? "messages" : "new recipients"; }

std::uint32_t limit_of(const gate::SendingLimits& limits, Cap cap) {
  return cap == Cap::messages ? limits.messages_a_day : limits.new_recipients_a_day;
}

/// "1000 messages", "200 recipients that it never wrote to before".
std::string described(const gate::SendingLimits& limits, Cap cap) {
  return fmt::format("{} {}", limit_of(limits, cap),
                     cap == Cap::messages ? "messages" : "recipients that it never wrote to before");
}

Refusal refused_by_cap(const gate::SendingLimits& limits, const gate::SendingBudget::Allowed& allowed) {
  const bool messages = *allowed.over == Cap::messages;
  return Reply{.code = messages ? 452 : 450,
               .enhanced = "4.7.1",
               .text = fmt::format("this account has sent to as many as it may in a day ({}), again from {}",
                                   described(limits, *allowed.over), to_rfc3339(allowed.until))};
}

Notice burst_notice(const SubmissionService& service, const std::string& login) {
  const gate::SendingLimits& limits = service.budget->limits();
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(limits.burst_within).count();
  return {.to = {},
          .subject = fmt::format("Mail of {} is held: much was sent in a short time", login),
          .text = fmt::format(
              "More than {} messages or {} recipients within {} minutes, or over parallel sessions more than\n"
              "it may in a day, were submitted by {}.\n"
              "What came over that is held in the queue, and so is what follows while it goes on at that rate:\n"
              "nothing of it has left. It stays there until it is released, sent back or removed.\n\n"
              "The administrator of {} looks at it and decides:\n\n"
              "  it is meant to go:\n"
              "    postrider queue list --login {} --status held:burst\n"
              "    postrider queue release --login {} --status held:burst --yes\n\n"
              "  it is not, somebody else has the password:\n"
              "    give the account another password, or disable it\n"
              "    postrider queue remove --login {} --status held:burst --yes\n"
              "    (queue bounce with the same words sends each of them back)\n\n"
              "There is one such notice a day.\n",
              limits.burst_messages, limits.burst_recipients, minutes, login, service.hostname.text(), login, login,
              login)};
}

Notice cap_notice(const SubmissionService& service, const std::string& login,
                  const gate::SendingBudget::Allowed& allowed) {
  return {.to = {},
          .subject = fmt::format("{} has reached its limit of the day", login),
          .text = fmt::format(
              "The account {} has sent to as many as it may in a day: {}.\n"
              "What it submits over that is refused for now, and may be sent from {} on.\n\n"
              "If that was not you, give the account another password. An account of a program that has to send more\n"
              "can be one of class app, which has no such limits: the administrator of {} sets it.\n\n"
              "There is one such notice a day.\n",
              login, described(service.budget->limits(), *allowed.over), to_rfc3339(allowed.until),
              service.hostname.text())};
}

}  // namespace

std::optional<gate::BudgetSubject> Submission::budgeted() const {
  if (submitter_.identity.local_user) return gate::BudgetSubject::local_user(*submitter_.identity.local_user);
  const bool is_person = submitter_.grant && submitter_.grant->account().kind == directory::AccountClass::person;
  if (is_person) return gate::BudgetSubject::account(submitter_.grant->account().id);
  return std::nullopt;
}

Task<Result<std::optional<mail::Address>>> Submission::first_forbidden(std::vector<mail::Address> addresses) {
  for (const mail::Address& address : addresses) {
    mail::Address asked = address;
    std::shared_ptr<const directory::Grant> grant = submitter_.grant;
    const Result<bool> may = co_await service_->directory->may_send_as(std::move(grant), std::move(asked));
    if (!may) co_return fail(may);
    if (!*may) co_return std::optional(address);
  }
  co_return std::optional<mail::Address>();
}

Task<Refusal> Submission::begin(mail::Path reverse_path) {
  reverse_path_ = std::move(reverse_path);
  if (submitter_.grant && !reverse_path_.is_null()) {
    std::vector<mail::Address> one = {reverse_path_.address()};
    const Result<std::optional<mail::Address>> forbidden = co_await first_forbidden(std::move(one));
    if (!forbidden) co_return not_now();
    if (*forbidden) {
      co_return Reply{.code = 553,
                      .enhanced = "5.7.1",
                      .text = fmt::format("{} may not send as {}", login(), reverse_path_.text())};
    }
  }
  const std::optional<gate::BudgetSubject> who = budgeted();
  if (!who) co_return Refusal();
  const Result<gate::SendingBudget::Allowed> allowed = co_await service_->budget->allow_message(*who);
  if (!allowed) co_return not_now();
  if (!allowed->over) co_return Refusal();
  tell_cap(*allowed);
  if (!allowed->refused) co_return Refusal();
  co_await notify_of_cap(*allowed);
  co_return refused_by_cap(service_->budget->limits(), *allowed);
}

Task<Refusal> Submission::add_recipient(mail::Address recipient) {
  const std::optional<gate::BudgetSubject> who = budgeted();
  if (!who || !who->has_caps()) co_return Refusal();
  const Result<gate::SendingBudget::Allowed> allowed =
      co_await service_->budget->allow_recipient(*who, std::move(recipient), fresh_.size());
  if (!allowed) co_return not_now();
  const bool is_first = allowed->is_new && std::ranges::find(fresh_, allowed->mark) == fresh_.end();
  if (!is_first) co_return Refusal();
  if (allowed->over) tell_cap(*allowed);
  if (!allowed->over || !allowed->refused) {
    fresh_.push_back(allowed->mark);
    co_return Refusal();
  }
  co_await notify_of_cap(*allowed);
  co_return refused_by_cap(service_->budget->limits(), *allowed);
}

void Submission::tell_cap(const gate::SendingBudget::Allowed& allowed) const {
  if (!allowed.first_today) return;
  service_->events->emit(SendingCapReached{.login = login(),
                                           .cap = name_of(*allowed.over),
                                           .limit = limit_of(service_->budget->limits(), *allowed.over),
                                           .refused = allowed.refused});
}

/// Lost when it cannot be written: the event is there, and the reply says it too.
Task<void> Submission::notify_of_cap(gate::SendingBudget::Allowed allowed) {
  if (!allowed.first_today) co_return;
  Notice notice = cap_notice(*service_, login(), allowed);
  notice.to = readers();
  store::Transaction transaction;
  const Result<std::optional<queue::NewEntry>> staged =
      co_await stage_notice(service_, &transaction, std::move(notice));
  if (!staged || !*staged) co_return;
  const Result<store::Version> committed =
      co_await service_->store->commit(std::move(transaction), store::Durability::durable);
  if (committed) service_->queue->accepted(**staged);
}

std::vector<mail::Address> Submission::readers() const {
  std::vector<mail::Address> out;
  if (submitter_.grant) out.push_back(submitter_.grant->account().address);
  if (service_->postmaster) {
    out.push_back(*service_->postmaster);
    return out;
  }
  const mail::Domain& domain = submitter_.grant ? submitter_.grant->account().address.domain() : service_->hostname;
  Result<mail::Address> postmaster = mail::Address::make("postmaster", domain);
  if (postmaster) out.push_back(std::move(*postmaster));
  return out;
}

mail::Address Submission::local_sender() const {
  if (!reverse_path_.is_null()) return reverse_path_.address();
  return mail::Address::make("MAILER-DAEMON", service_->hostname).value();
}

Task<Outgoing> Submission::complete(const mail::HeaderSection* section, std::string body_hash, queue::QueueId id) {
  if (submitter_.grant) co_return co_await complete_account(section, std::move(body_hash), std::move(id));
  if (submitter_.identity.local_user) co_return co_await complete_local(section, std::move(body_hash), std::move(id));
  const Claims claims = read_claims(*section);
  if (claims.refusal) co_return Outgoing{};  // a relay network may send what we would not sign
  mail::Domain author = claims.authors.front().domain();
  std::string octets = section->octets;
  Outgoing out{.added = {}, .dropped = {}};
  co_return co_await sign(std::move(author), std::move(octets), std::move(body_hash), std::move(out));
}

Task<Outgoing> Submission::complete_account(const mail::HeaderSection* section, std::string body_hash,
                                            queue::QueueId id) {
  Outgoing out{.added = {}, .dropped = {}};
  const Claims claims = read_claims(*section);
  out.refusal = claims.refusal;
  if (out.refusal) co_return out;
  std::vector<mail::Address> all = claims.authors;
  all.insert(all.end(), claims.resenters.begin(), claims.resenters.end());
  const Result<std::optional<mail::Address>> forbidden = co_await first_forbidden(std::move(all));
  if (!forbidden) {
    out.refusal = not_now();
    co_return out;
  }
  if (*forbidden) {
    out.refusal = {.code = 550,
                   .enhanced = "5.7.1",
                   .text = fmt::format("{} may not send a message from {}", login(), (*forbidden)->text())};
    co_return out;
  }
  Completion completion{.now = service_->clock->wall(), .message_id = id.text(), .host = service_->hostname};
  bool has_sender = false;
  if (claims.sender) {
    std::vector<mail::Address> one = {*claims.sender};
    const Result<std::optional<mail::Address>> foreign = co_await first_forbidden(std::move(one));
    if (!foreign) {
      out.refusal = not_now();
      co_return out;
    }
    has_sender = !foreign->has_value();
  }
  const mail::Address& own = submitter_.grant->account().address;
  completion.drops_sender = claims.has_sender && !has_sender;
  // 5322 §3.6.2: of several authors there must be one; 6409 §8.1.
  if (!has_sender && (claims.is_several || (claims.has_sender && claims.authors.back() != own)))
    completion.sender = own;
  const Completed completed = complete_header(*section, completion);
  out = {.added = completed.added, .dropped = completed.dropped};
  mail::Domain author = claims.authors.front().domain();
  std::string octets = completed.section(*section);
  co_return co_await sign(std::move(author), std::move(octets), std::move(body_hash), std::move(out));
}

Task<Outgoing> Submission::complete_local(const mail::HeaderSection* section, std::string body_hash,
                                          queue::QueueId id) {
  LocalAuthor author = read_local_author(*section, local_sender());
  const Completion completion{.from = std::move(author.from),
                              .now = service_->clock->wall(),
                              .message_id = id.text(),
                              .host = service_->hostname};
  const Completed completed = complete_header(*section, completion);
  Outgoing out{.added = completed.added, .dropped = completed.dropped};
  if (!section->is_ended) co_return out;  // where its body begins is not what others would say
  std::string octets = completed.section(*section);
  co_return co_await sign(std::move(author.domain), std::move(octets), std::move(body_hash), std::move(out));
}

Task<Outgoing> Submission::sign(mail::Domain author, std::string section, std::string body_hash, Outgoing out) {
  if (service_->signing == nullptr) co_return out;
  Result<std::string> signatures =
      co_await service_->signing->sign(std::move(author), std::move(section), std::move(body_hash));
  if (signatures) {
    out.added.insert(0, *signatures);
  } else if (signatures.error().code == Error::transient || signatures.error().code == Error::exhausted ||
             signatures.error().code == Error::corrupt) {
    out.refusal = not_now();
  }  // else it is none that can be signed, and goes as it is
  co_return out;
}

Task<Result<bool>> Submission::count(store::Transaction* transaction, std::size_t recipients) {
  const std::optional<gate::BudgetSubject> who = budgeted();
  if (!who) co_return false;
  std::vector<gate::RecipientMark> fresh = fresh_;
  const Result<gate::SendingBudget::Counted> counted =
      co_await service_->budget->count(*who, recipients, std::move(fresh), transaction);
  if (!counted) co_return fail(counted);
  counted_ = recipients;
  if (!counted->first_today) co_return counted->is_burst;
  service_->events->emit(SendingBurst{.login = login()});
  Notice notice = burst_notice(*service_, login());
  notice.to = readers();
  Result<std::optional<queue::NewEntry>> staged = co_await stage_notice(service_, transaction, std::move(notice));
  if (!staged) co_return fail(staged);
  notice_ = std::move(*staged);
  co_return counted->is_burst;
}

void Submission::ended(bool committed) {
  if (counted_ == 0) return;
  if (committed) {
    if (notice_) service_->queue->accepted(*notice_);
  } else if (const std::optional<gate::BudgetSubject> who = budgeted()) {
    service_->budget->uncount(*who, counted_, fresh_.size());
  }
  counted_ = 0;
}

}  // namespace postrider::server
