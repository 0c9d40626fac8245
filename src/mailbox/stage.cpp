#include "core/numbers.hpp"
#include "mailbox/keys.hpp"
#include "mailbox/mailbox.hpp"
#include "mailbox/records.hpp"

#include <algorithm>
#include <limits>

namespace postrider::mailbox {

// Each builds aside and takes over at the end, so that an error leaves `transaction` and `mailbox` as they were.

Result<void> stage_append(store::Transaction& transaction, Mailbox& mailbox, const std::vector<NewMessage>& messages) {
  if (messages.empty()) return {};
  if (messages.size() > std::numeric_limits<std::uint32_t>::max() - mailbox.uid_next) {
    return error(Error::exhausted, "mailbox.append", "no UIDs left");
  }
  Mailbox next = mailbox;
  store::Transaction changes;
  ++next.highest_modseq;  // 7162 §3.1: grows with every change
  for (const NewMessage& appended : messages) {
    const Message message{.uid = next.uid_next++,  // 9051 §2.3.1.1: strictly ascending
                          .modseq = next.highest_modseq,
                          .flags = appended.flags,
                          .keywords = appended.keywords,
                          .internal_date = appended.internal_date,
                          .content = appended.content,
                          .version = 0};
    std::string record = encode_message(message);
    if (record.size() > store::kValueOctetsMax) {
      return error(Error::too_long, "mailbox.append", "the message's record is over the value limit");
    }
    changes.put(keys::message(next.id, message.uid), std::move(record));
    changes.put(keys::change(next.id, message.modseq, message.uid), encode_mark());
    ++next.messages;
    const Result<std::uint64_t> size = checked_add(next.size_octets, message.content.size_octets());
    if (!size) return fail(size);
    next.size_octets = *size;
  }
  transaction.append(std::move(changes));
  mailbox = std::move(next);
  return {};
}

Result<void> stage_expunge(store::Transaction& transaction, Mailbox& mailbox, const std::vector<Message>& messages) {
  if (messages.empty()) return {};
  Mailbox next = mailbox;
  store::Transaction changes;
  std::vector<std::uint32_t> uids;
  ++next.highest_modseq;
  for (const Message& message : messages) {
    const std::uint64_t size = message.content.size_octets();
    if (next.messages == 0 || next.size_octets < size) {
      return error(Error::corrupt, "mailbox.expunge", "the mailbox counts less than it holds");
    }
    --next.messages;
    next.size_octets -= size;
    changes.require_version(keys::message(next.id, message.uid), message.version);
    changes.erase(keys::message(next.id, message.uid));
    changes.erase(keys::change(next.id, message.modseq, message.uid));
    changes.drop_ref(message.content.body.id);
    uids.push_back(message.uid);
  }
  std::ranges::sort(uids);
  check(std::ranges::adjacent_find(uids) == uids.end(), "mailbox: a message is expunged once");
  changes.put(keys::expunge(next.id, next.highest_modseq), encode_uids(uids));  // 7162 §3.2.10
  transaction.append(std::move(changes));
  mailbox = std::move(next);
  return {};
}

void stage_state(store::Transaction& transaction, const Mailbox& mailbox) {
  transaction.require_version(keys::mailbox(mailbox.id), mailbox.version);
  transaction.put(keys::mailbox(mailbox.id), encode_mailbox(mailbox));
}

}  // namespace postrider::mailbox
