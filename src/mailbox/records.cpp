#include "mailbox/records.hpp"

#include "core/numbers.hpp"
#include "core/record.hpp"

#include <limits>

namespace postrider::mailbox {

namespace {

constexpr std::uint8_t kMailboxFormat = 1;
constexpr std::uint8_t kMessageFormat = 1;
constexpr std::uint8_t kNumberFormat = 1;
constexpr std::uint8_t kUidsFormat = 1;
constexpr std::uint8_t kMarkFormat = 1;

constexpr std::uint32_t kUidMax = std::numeric_limits<std::uint32_t>::max();

}  // namespace

std::string encode_mailbox(const Mailbox& mailbox) {
  RecordWriter out(kMailboxFormat);
  out.number(static_cast<std::uint64_t>(mailbox.account)).text(mailbox.name);
  out.number(mailbox.uid_validity).number(mailbox.uid_next).number(mailbox.highest_modseq);
  out.number(mailbox.messages).number(mailbox.size_octets);
  return std::move(out).finish();
}

Result<Mailbox> decode_mailbox(MailboxId id, const store::Entry& entry) {
  RecordReader in(entry.value, kMailboxFormat);
  Mailbox mailbox;
  mailbox.id = id;
  mailbox.account = static_cast<mail::AccountId>(in.number());
  mailbox.name = in.text();
  mailbox.uid_validity = static_cast<std::uint32_t>(in.number_up_to(kUidMax));
  mailbox.uid_next = static_cast<std::uint32_t>(in.number_up_to(kUidMax));
  mailbox.highest_modseq = in.number();
  mailbox.messages = in.number();
  mailbox.size_octets = in.number();
  mailbox.version = entry.version;
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return mailbox;
}

std::string encode_message(const Message& message) {
  RecordWriter out(kMessageFormat);
  out.number(message.modseq).number(message.flags).number(message.keywords.size());
  for (const std::string& keyword : message.keywords) out.text(keyword);
  out.signed_number(to_micros(message.internal_date));
  store::write_content(out, message.content);
  return std::move(out).finish();
}

Result<Message> decode_message(std::uint32_t uid, std::string_view value) {
  RecordReader in(value, kMessageFormat);
  Message message;
  message.uid = uid;
  message.modseq = in.number();
  message.flags = static_cast<std::uint8_t>(in.number_up_to(std::numeric_limits<std::uint8_t>::max()));
  const std::size_t keywords = in.count();
  for (std::size_t i = 0; i < keywords; ++i) message.keywords.push_back(in.text());
  message.internal_date = from_micros(in.signed_number());
  Result<store::Content> content = store::read_content(in);
  if (!content) return fail(content);
  message.content = std::move(*content);
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return message;
}

std::string encode_number(std::uint64_t number) {
  RecordWriter out(kNumberFormat);
  out.number(number);
  return std::move(out).finish();
}

Result<std::uint64_t> decode_number(std::string_view value) {
  RecordReader in(value, kNumberFormat);
  const std::uint64_t number = in.number();
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return number;
}

std::string encode_uids(const std::vector<std::uint32_t>& uids) {
  RecordWriter out(kUidsFormat);
  out.number(uids.size());
  std::uint32_t last = 0;
  for (const std::uint32_t uid : uids) out.number(uid - std::exchange(last, uid));
  return std::move(out).finish();
}

Result<std::vector<std::uint32_t>> decode_uids(std::string_view value) {
  RecordReader in(value, kUidsFormat);
  std::vector<std::uint32_t> uids;
  const std::size_t count = in.count();
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    last += static_cast<std::uint32_t>(in.number_up_to(kUidMax - last));
    uids.push_back(last);
  }
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return uids;
}

std::string encode_mark() { return RecordWriter(kMarkFormat).finish(); }

}  // namespace postrider::mailbox
