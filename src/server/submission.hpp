// What happens to a message that one of our own people submits (6409, 8314): as whom it may be sent, what is added to
// it and dropped, its signature, and how much may go out.
#pragma once

#include "core/events.hpp"
#include "directory/directory.hpp"
#include "gate/gate.hpp"
#include "gate/sending_budget.hpp"
#include "mail/header_section.hpp"
#include "queue/queue.hpp"
#include "server/signing.hpp"
#include "smtp/reply.hpp"
#include "store/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::server {

/// What all submissions share. Outlives them.
struct SubmissionService {
  store::Store* store;
  Clock* clock;
  Events* events;
  queue::Queue* queue;
  queue::QueueIds* ids;
  directory::Directory* directory;
  gate::SendingBudget* budget;
  Signing* signing = nullptr;  ///< nullptr: nothing is signed
  mail::Domain hostname;
  std::optional<mail::Address> postmaster = std::nullopt;  ///< [delivery] postmaster: hears of caps and bursts
};

/// Whose message it is.
struct Submitter {
  gate::SessionIdentity identity;
  std::shared_ptr<const directory::Grant> grant;  ///< of an account
};

/// What goes out beside what was submitted.
struct Outgoing {
  std::string added;                        ///< fields with their CRLF, below Received: signatures and what they sign
  std::vector<OctetRange> dropped;          ///< of the content, ascending
  std::optional<smtp::Reply> refusal = {};  ///< the message is not taken
};

/// One transaction of an account, of a local user, or of a relay network. The last is signed, and nothing else of this
/// is for it.
class Submission {
 public:
  Submission(const SubmissionService* service, Submitter submitter)
      : service_(service), submitter_(std::move(submitter)) {}
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;
  ~Submission() { ended(false); }

  /// MAIL. 553 5.7.1: the login may not send as that address. `<>` is for reports and receipts; who writes them is
  /// checked by From. 452 4.7.1: the cap of messages is reached. 451 4.3.0: the directory or the store cannot be read.
  [[nodiscard]] Task<std::optional<smtp::Reply>> begin(mail::Path reverse_path);
  /// RCPT, when nothing else is against it. 450 4.7.1: the cap of new recipients is reached.
  [[nodiscard]] Task<std::optional<smtp::Reply>> add_recipient(mail::Address recipient);
  /// The end of the content; the section outlives the task. `body_hash`: of trust::DkimBodyHash; `id`: of the queue.
  /// Refusals  550 5.6.0 and 5.7.1: From or Resent-From (submitted_header.hpp); 451 4.3.0: it cannot be judged or
  /// signed now.
  [[nodiscard]] Task<Outgoing> complete(const mail::HeaderSection* section, std::string body_hash, queue::QueueId id);
  /// Counts the message in the commit that accepts it; also stages a notice of what is to be told. Gives whether it is
  /// held, as its login sends much in a short time. Errors  from the store.
  [[nodiscard]] Task<Result<bool>> count(store::Transaction* transaction, std::size_t recipients);
  /// That commit is done, or has failed.
  void ended(bool committed);
  /// Whom the queue names; empty: nobody.
  [[nodiscard]] const std::string& login() const { return submitter_.identity.login; }

 private:
  [[nodiscard]] Task<Result<std::optional<mail::Address>>> first_forbidden(std::vector<mail::Address> addresses);
  [[nodiscard]] Task<Outgoing> complete_account(const mail::HeaderSection* section, std::string body_hash,
                                                queue::QueueId id);
  [[nodiscard]] Task<Outgoing> complete_local(const mail::HeaderSection* section, std::string body_hash,
                                              queue::QueueId id);
  [[nodiscard]] Task<Outgoing> sign(mail::Domain author, std::string section, std::string body_hash, Outgoing out);
  [[nodiscard]] std::optional<gate::BudgetSubject> budgeted() const;
  [[nodiscard]] mail::Address local_sender() const;
  [[nodiscard]] std::vector<mail::Address> readers() const;  // of notices
  void tell_cap(const gate::SendingBudget::Allowed& allowed) const;
  [[nodiscard]] Task<void> notify_of_cap(gate::SendingBudget::Allowed allowed);

  const SubmissionService* service_;
  Submitter submitter_;
  mail::Path reverse_path_;
  std::vector<gate::RecipientMark> fresh_;      // new recipients
  std::size_t counted_ = 0;                     // recipients, when `count` has counted them
  std::optional<queue::NewEntry> notice_ = {};  // staged
};

}  // namespace postrider::server
