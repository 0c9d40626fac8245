// Stored mail: mailboxes with UIDs, flags and mod-sequences, shaped for IMAP4rev2 with CONDSTORE and QRESYNC
// (9051 §2.3, 7162).
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "mail/account_id.hpp"
#include "store/content.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mailbox {

enum class MailboxId : std::uint64_t {};

/// One mailbox as it is at a version. Whoever changes it stages a new state with a precondition on `version`.
struct Mailbox {
  mail::AccountId account{};
  MailboxId id{};
  std::string name;                ///< "INBOX"
  std::uint32_t uid_validity = 0;  ///< 9051 §2.3.1.1
  std::uint32_t uid_next = 1;
  std::uint64_t highest_modseq = 1;  ///< 7162 §3.1.2.1
  std::uint64_t messages = 0;
  std::uint64_t size_octets = 0;
  store::Version version = 0;  ///< of the record
};

/// System flags (9051 §2.3.2) as bits.
enum Flag : std::uint8_t { kSeen = 1, kAnswered = 2, kFlagged = 4, kDeleted = 8, kDraft = 16 };

struct Message {
  std::uint32_t uid = 0;
  std::uint64_t modseq = 0;
  std::uint8_t flags = 0;  ///< Flag bits
  std::vector<std::string> keywords;
  WallTime internal_date;  ///< 9051 §2.3.3
  store::Content content;
  store::Version version = 0;  ///< of the record
};

struct NewMessage {
  store::Content content;  ///< its body is named by the same transaction (add_blob or add_ref by the caller)
  WallTime internal_date;
  std::uint8_t flags = 0;
  std::vector<std::string> keywords;
};

/// At most one POP3 session holds a mailbox (1939 §8). Ends when it dies.
class ExclusiveLock {
 public:
  virtual ~ExclusiveLock() = default;
};

class Mailboxes {
 public:
  Mailboxes(store::Store* store, Clock* clock, Random* random);
  ~Mailboxes();

  /// The account's INBOX; made when it is not there yet. Errors  transient, corrupt, exhausted.
  [[nodiscard]] Task<Result<Mailbox>> open_inbox(mail::AccountId account);

  /// All messages by UID, at most `messages_max` from `first_uid`. Errors  transient, corrupt.
  [[nodiscard]] Task<Result<std::vector<Message>>> list(Mailbox mailbox, std::uint32_t first_uid,
                                                        std::size_t messages_max);

  /// nullopt: the mailbox is held already. Thread-safe.
  [[nodiscard]] std::unique_ptr<ExclusiveLock> try_lock(MailboxId id);

  /// Deletes all that an account holds. Several commits; may be repeated after a failure.
  [[nodiscard]] Task<Result<void>> remove_account(mail::AccountId account);

 private:
  [[nodiscard]] Task<Result<void>> remove_mailbox(MailboxId id);
  store::Store* store_;
  Clock* clock_;
  Random* random_;
  struct Locks;
  std::shared_ptr<Locks> locks_;  // shared: a lock may outlive this object
};

/// Puts the appends into `transaction`, with UIDs from `mailbox.uid_next` on and one new mod-sequence for all, and
/// moves `mailbox` on (so that it may be staged again in the same transaction only through the same object). The caller
/// adds the bodies' references and what belongs to the same instant, and commits; on conflict read the mailbox again.
/// Errors  too_long: a content whose record is over the value limit; exhausted: no UIDs left.
[[nodiscard]] Result<void> stage_append(store::Transaction& transaction, Mailbox& mailbox,
                                        const std::vector<NewMessage>& messages);

/// Puts the removal of `messages` (as listed from that mailbox) into `transaction`: records, references to bodies, the
/// vanished UIDs under their mod-sequence (7162 §3.2.10). The commit conflicts when one of them was changed or removed
/// meanwhile, so that no reference is ever dropped twice. Moves `mailbox` on.
[[nodiscard]] Result<void> stage_expunge(store::Transaction& transaction, Mailbox& mailbox,
                                         const std::vector<Message>& messages);

/// Stages the mailbox record itself with its precondition, once, behind appends and expunges.
void stage_state(store::Transaction& transaction, const Mailbox& mailbox);

}  // namespace postrider::mailbox
