#include "queue/keys.hpp"

#include "core/numbers.hpp"
#include "core/record.hpp"

namespace postrider::queue {

namespace {

constexpr std::size_t kPrefixOctets = 2;
constexpr std::size_t kNumberOctets = 4;
constexpr std::size_t kTimeOctets = 8;
constexpr std::size_t kLengthOctets = 2;

void append_time(std::string& out, WallTime at) { append_u64(out, static_cast<std::uint64_t>(to_micros(at))); }

Result<WallTime> read_time(std::string_view key, std::size_t offset) {
  const Result<std::uint64_t> micros = read_u64(key, offset);
  if (!micros) return fail(micros);
  return from_micros(static_cast<std::int64_t>(*micros));
}

Result<QueueId> read_id(std::string_view key, std::size_t offset) {
  if (key.size() < offset + kIdOctets) return error(Error::corrupt, "queue.key");
  const Result<QueueId> id = QueueId::parse(key.substr(offset, kIdOctets));
  if (!id) return error(Error::corrupt, "queue.key");
  return *id;
}

}  // namespace

store::Key entry_key(const QueueId& id) { return store::Key(kEntryPrefix) + id.text(); }

store::Key recipient_key(const RecipientId& who) {
  store::Key key = entry_key(who.id);
  append_u32(key, who.number);
  return key;
}

store::Key due_key(const Due& due) {
  store::Key key(kDuePrefix);
  append_time(key, due.at);
  key += due.who.id.text();
  append_u32(key, due.who.number);
  return key;
}

store::Key trace_key(const QueueId& id, WallTime at, std::uint32_t sequence) {
  store::Key key = store::Key(kTracePrefix) + id.text();
  append_time(key, at);
  append_u32(key, sequence);
  return key;
}

store::Key once_key(std::string_view token) { return "Qo" + std::string(token); }

store::Key aside_key(std::string_view key) { return store::Key(kAsidePrefix).append(key); }

store::Key freeze_key(const Freeze& freeze) {
  store::Key key(kFreezePrefix);
  for (const std::string* const text : {&freeze.from, &freeze.to, &freeze.domain}) {
    append_u16(key, narrow<std::uint16_t>(text->size()));
    key += *text;
  }
  return key;
}

Result<Freeze> parse_freeze_key(std::string_view key) {
  Freeze freeze;
  std::size_t at = kPrefixOctets;
  for (std::string* const text : {&freeze.from, &freeze.to, &freeze.domain}) {
    const Result<std::uint16_t> size = read_u16(key, at);
    if (!size || key.size() - at < *size + kLengthOctets) return error(Error::corrupt, "queue.key");
    *text = key.substr(at + kLengthOctets, *size);
    at += kLengthOctets + *size;
  }
  if (at != key.size()) return error(Error::corrupt, "queue.key");
  return freeze;
}

Result<EntryKey> parse_entry_key(std::string_view key) {
  const Result<QueueId> id = read_id(key, kPrefixOctets);
  if (!id) return fail(id);
  const std::size_t rest = key.size() - kPrefixOctets - kIdOctets;
  if (rest == 0) return EntryKey{.id = *id};
  const Result<std::uint32_t> number = read_u32(key, kPrefixOctets + kIdOctets);
  if (!number || rest != kNumberOctets) return error(Error::corrupt, "queue.key");
  return EntryKey{.id = *id, .is_recipient = true, .number = *number};
}

Result<Due> parse_due_key(std::string_view key) {
  if (key.size() != kPrefixOctets + kTimeOctets + kIdOctets + kNumberOctets) return error(Error::corrupt, "queue.key");
  const Result<WallTime> at = read_time(key, kPrefixOctets);
  if (!at) return fail(at);
  const Result<QueueId> id = read_id(key, kPrefixOctets + kTimeOctets);
  if (!id) return fail(id);
  const Result<std::uint32_t> number = read_u32(key, kPrefixOctets + kTimeOctets + kIdOctets);
  if (!number) return fail(number);
  return Due{.at = *at, .who = {.id = *id, .number = *number}};
}

Result<WallTime> parse_trace_time(std::string_view key) { return read_time(key, kPrefixOctets + kIdOctets); }

}  // namespace postrider::queue
