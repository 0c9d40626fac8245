// The keys of this room, all under the prefix "M"; numbers are big-endian, so key order is number order.
#pragma once

#include "core/record.hpp"
#include "mailbox/mailbox.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::mailbox::keys {

namespace inside {
inline store::Key of_mailbox(std::string_view prefix, MailboxId id) {
  store::Key key(prefix);
  append_u64(key, static_cast<std::uint64_t>(id));
  return key;
}
}  // namespace inside

/// The record of a mailbox.
inline store::Key mailbox(MailboxId id) { return inside::of_mailbox("Mb", id); }
/// The name of a mailbox in its account → its id.
inline store::Key names(mail::AccountId account) {
  store::Key key("Mn");
  append_u64(key, static_cast<std::uint64_t>(account));
  return key;
}
inline store::Key name(mail::AccountId account, std::string_view name) { return names(account).append(name); }
/// The last UIDVALIDITY given in an account. Stays when the account is removed.
inline store::Key uid_validity(mail::AccountId account) {
  store::Key key("Mv");
  append_u64(key, static_cast<std::uint64_t>(account));
  return key;
}
/// The messages of a mailbox, by UID.
inline store::Key messages(MailboxId id) { return inside::of_mailbox("Mm", id); }
inline store::Key message(MailboxId id, std::uint32_t uid) {
  store::Key key = messages(id);
  append_u32(key, uid);
  return key;
}
/// UIDs by the mod-sequence of their last change (7162 CHANGEDSINCE).
inline store::Key changes(MailboxId id) { return inside::of_mailbox("Mq", id); }
inline store::Key change(MailboxId id, std::uint64_t modseq, std::uint32_t uid) {
  store::Key key = changes(id);
  append_u64(key, modseq);
  append_u32(key, uid);
  return key;
}
/// UIDs expunged, by the mod-sequence of that (7162 §3.2.10 VANISHED).
inline store::Key expunges(MailboxId id) { return inside::of_mailbox("Mx", id); }
inline store::Key expunge(MailboxId id, std::uint64_t modseq) {
  store::Key key = expunges(id);
  append_u64(key, modseq);
  return key;
}

}  // namespace postrider::mailbox::keys
