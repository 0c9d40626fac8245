// Appends to one mailbox take turns and share commits (DESIGN §5 "Mailbox turns").
#pragma once

#include "core/shard.hpp"
#include "mailbox/mailbox.hpp"
#include "store/store.hpp"

#include <memory>

namespace postrider::delivery {

inline constexpr std::size_t kAppendsATurnMax = 256;

class MailboxTurns {
 public:
  MailboxTurns(store::Store* store, mailbox::Mailboxes* mailboxes);
  ~MailboxTurns();

  /// Appends `message` to the account's INBOX in one commit with `together` (the recipient's way out of the queue, and
  /// the reference to the body). Gives the version of the commit. Thread-safe. Errors  conflict: a precondition of
  /// `together` failed, nothing happened; and those of Store::commit and stage_append.
  [[nodiscard]] Task<Result<store::Version>> append(mail::AccountId account, mailbox::NewMessage message,
                                                    store::Transaction together);

 private:
  struct Inside;
  static Task<void> take_turns(std::shared_ptr<Inside> inside, mail::AccountId account);
  std::shared_ptr<Inside> inside_;  // shared: turns under way may outlive this object
};

}  // namespace postrider::delivery
