#include "queue/records.hpp"

#include "core/numbers.hpp"
#include "core/record.hpp"

namespace postrider::queue {

namespace {

constexpr std::uint8_t kEntryFormat = 1;
constexpr std::uint8_t kRecipientFormat = 1;
constexpr std::uint8_t kTraceFormat = 1;
constexpr std::uint64_t kU32Max = 0xFFFF'FFFF;

void write_address(RecordWriter& out, const mail::Address& address) {
  out.text(address.local_part()).text(address.domain().text());
}

Result<mail::Address> read_address(RecordReader& in) {
  std::string local_part = in.text();
  const Result<mail::Domain> domain = mail::Domain::parse(in.text());
  if (!domain) return error(Error::corrupt, "queue.record", "domain");
  Result<mail::Address> address = mail::Address::make(std::move(local_part), *domain);
  if (!address) return error(Error::corrupt, "queue.record", "address");
  return address;
}

}  // namespace

std::string to_record(const Entry& entry) {
  RecordWriter out(kEntryFormat);
  out.flag(entry.reverse_path.is_null());
  if (!entry.reverse_path.is_null()) write_address(out, entry.reverse_path.address());
  store::write_content(out, entry.content);
  out.number(entry.return_paths.size());
  for (const OctetRange& range : entry.return_paths) out.number(range.offset).number(range.size_octets);
  out.flag(entry.has_eight_bit)
      .number(static_cast<std::uint64_t>(entry.report_to))
      .signed_number(to_micros(entry.arrival));
  out.text(entry.client).number(entry.recipients_left);
  return std::move(out).finish();
}

Result<Entry> read_entry(const QueueId& id, const store::Entry& stored) {
  RecordReader in(stored.value, kEntryFormat);
  mail::Path reverse_path;
  if (!in.flag()) {
    Result<mail::Address> address = read_address(in);
    if (!address) return fail(address);
    reverse_path = mail::Path(std::move(*address));
  }
  Result<store::Content> content = store::read_content(in);
  if (!content) return fail(content);
  Entry entry{.id = id,
              .reverse_path = std::move(reverse_path),
              .content = std::move(*content),
              .return_paths = {},
              .arrival = {},
              .client = {},
              .version = stored.version};
  const std::size_t count = in.count();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t offset = in.number();
    entry.return_paths.push_back({offset, in.number()});
  }
  entry.has_eight_bit = in.flag();
  entry.report_to = static_cast<ReportTo>(in.number_up_to(static_cast<std::uint64_t>(ReportTo::nobody)));
  entry.arrival = from_micros(in.signed_number());
  entry.client = in.text();
  entry.recipients_left = narrow<std::uint32_t>(in.number_up_to(kU32Max));
  const Result<void> ended = in.end();
  if (!ended) return fail(ended);
  return entry;
}

std::string to_record(const Recipient& recipient) {
  RecordWriter out(kRecipientFormat);
  write_address(out, recipient.address);
  out.flag(recipient.original.has_value());
  if (recipient.original) write_address(out, *recipient.original);
  out.flag(recipient.account.has_value());
  if (recipient.account) out.number(static_cast<std::uint64_t>(*recipient.account));
  out.number(static_cast<std::uint64_t>(recipient.state))
      .number(recipient.attempts)
      .signed_number(to_micros(recipient.due));
  out.text(recipient.last_reply);
  return std::move(out).finish();
}

Result<Recipient> read_recipient(std::uint32_t number, const store::Entry& stored) {
  RecordReader in(stored.value, kRecipientFormat);
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  Recipient recipient{.number = number,
                      .address = std::move(*address),
                      .original = std::nullopt,
                      .account = std::nullopt,
                      .due = {},
                      .last_reply = {},
                      .version = stored.version};
  if (in.flag()) {
    Result<mail::Address> original = read_address(in);
    if (!original) return fail(original);
    recipient.original = std::move(*original);
  }
  if (in.flag()) recipient.account = mail::AccountId{in.number()};
  recipient.state = static_cast<RecipientState>(in.number_up_to(static_cast<std::uint64_t>(RecipientState::held)));
  recipient.attempts = narrow<std::uint32_t>(in.number_up_to(kU32Max));
  recipient.due = from_micros(in.signed_number());
  recipient.last_reply = in.text();
  const Result<void> ended = in.end();
  if (!ended) return fail(ended);
  return recipient;
}

std::string to_record(const TraceEvent& event) {
  RecordWriter out(kTraceFormat);
  out.text(event.what).text(event.recipient).text(event.detail);
  return std::move(out).finish();
}

Result<TraceEvent> read_trace_event(WallTime at, std::string_view value) {
  RecordReader in(value, kTraceFormat);
  TraceEvent event{.at = at, .what = in.text(), .recipient = in.text(), .detail = in.text()};
  const Result<void> ended = in.end();
  if (!ended) return fail(ended);
  return event;
}

}  // namespace postrider::queue
