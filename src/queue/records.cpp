#include "queue/records.hpp"

#include "core/numbers.hpp"
#include "core/record.hpp"
#include "mail/printable.hpp"

#include <algorithm>

namespace postrider::queue {

namespace {

constexpr std::uint8_t kEntryFormat = 3;
constexpr std::uint8_t kRecipientFormat = 3;
constexpr std::uint8_t kWithoutRequests = 1;  // of both, before requests were kept (docs/decisions/0011)
constexpr std::uint8_t kWithoutMore = 2;      // of recipients, before the list, the hold and the remote (0012)
constexpr std::uint8_t kWithoutLogin = 2;     // of entries, before who submitted them was kept (0019)
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

/// The format in which a record was written: the current one, or one before it.
std::uint8_t format_of(std::string_view octets, std::uint8_t current) {
  if (octets.empty()) return current;
  const auto first = static_cast<std::uint8_t>(octets.front());
  return first >= kWithoutRequests && first < current ? first : current;
}

// What was asked for begins with a number that says which of it there is: one octet, 0, where nothing was.
constexpr std::uint64_t kUtf8 = 1;
constexpr unsigned kBodyShift = 1;  // two bits each
constexpr unsigned kReturnedShift = 3;
constexpr std::uint64_t kEnvelopeId = 1U << 5U;
constexpr std::uint64_t kDeliverBy = 1U << 6U;
constexpr std::uint64_t kHoldFor = 1U << 7U;
constexpr std::uint64_t kHoldUntil = 1U << 8U;
constexpr std::uint64_t kPriority = 1U << 9U;
constexpr std::uint64_t kSenderAll = (1U << 10U) - 1;

constexpr std::uint64_t kNotify = 1;
constexpr std::uint64_t kOnSuccess = 1U << 1U;
constexpr std::uint64_t kOnFailure = 1U << 2U;
constexpr std::uint64_t kOnDelay = 1U << 3U;
constexpr std::uint64_t kOriginalGiven = 1U << 4U;
constexpr std::uint64_t kRecipientAll = (1U << 5U) - 1;

// What a recipient has beside begins alike: 0 for most.
constexpr std::uint64_t kOwnPath = 1;
constexpr std::uint64_t kOwnPathIsNull = 1U << 1U;
constexpr std::uint64_t kDelayReported = 1U << 2U;
constexpr unsigned kOrderedShift = 3;  // two bits each
constexpr unsigned kHeldWhyShift = 5;
constexpr std::uint64_t kLastRemote = 1U << 7U;
constexpr std::uint64_t kHeldAsBurst = 1U << 8U;  // the two bits of the reason are 0 then
constexpr std::uint64_t kMoreAll = (1U << 9U) - 1;

void write_request(RecordWriter& out, const mail::SenderRequest& request) {
  std::uint64_t what = request.utf8 == mail::Utf8::yes ? kUtf8 : 0;
  what |= static_cast<std::uint64_t>(request.body) << kBodyShift;
  what |= static_cast<std::uint64_t>(request.returned) << kReturnedShift;
  what |= (request.envelope_id.empty() ? 0 : kEnvelopeId) | (request.deliver_by ? kDeliverBy : 0);
  what |= (request.hold_for ? kHoldFor : 0) | (request.hold_until ? kHoldUntil : 0);
  what |= request.priority ? kPriority : 0;
  out.number(what);
  if (!request.envelope_id.empty()) out.text(request.envelope_id);
  if (request.deliver_by) {
    out.signed_number(request.deliver_by->within.count())
        .flag(request.deliver_by->mode == mail::DeliverBy::Mode::notify)
        .flag(request.deliver_by->trace);
  }
  if (request.hold_for) out.signed_number(request.hold_for->count());
  if (request.hold_until) out.signed_number(to_micros(*request.hold_until));
  if (request.priority) out.signed_number(*request.priority);
}

/// What lies outside of its limits fails, as nobody can have asked for it.
Result<mail::SenderRequest> read_sender_request(RecordReader& in) {
  const std::uint64_t what = in.number_up_to(kSenderAll);
  const std::uint64_t body = what >> kBodyShift & 3U;
  const std::uint64_t returned = what >> kReturnedShift & 3U;
  bool good = body <= static_cast<std::uint64_t>(mail::BodyType::binary_mime) &&
              returned <= static_cast<std::uint64_t>(mail::ReturnContent::full);
  mail::SenderRequest request;
  if (!good) return error(Error::corrupt, "queue.record", "request");
  request.utf8 = (what & kUtf8) != 0 ? mail::Utf8::yes : mail::Utf8::no;
  request.body = static_cast<mail::BodyType>(body);
  request.returned = static_cast<mail::ReturnContent>(returned);
  if ((what & kEnvelopeId) != 0) {
    request.envelope_id = in.text();
    good = !request.envelope_id.empty() && request.envelope_id.size() <= mail::kEnvelopeIdOctetsMax &&
           std::ranges::all_of(request.envelope_id, &mail::is_printable_ascii);
  }
  const auto seconds = [&good](std::int64_t count) {
    good = good && count >= -kDelaySecondsMax && count <= kDelaySecondsMax;
    return std::chrono::seconds(count);
  };
  if ((what & kDeliverBy) != 0) {
    mail::DeliverBy by{.within = seconds(in.signed_number())};
    by.mode = in.flag() ? mail::DeliverBy::Mode::notify : mail::DeliverBy::Mode::return_it;
    by.trace = in.flag();
    request.deliver_by = by;
  }
  if ((what & kHoldFor) != 0) request.hold_for = seconds(in.signed_number());
  if ((what & kHoldUntil) != 0) request.hold_until = from_micros(in.signed_number());
  if ((what & kPriority) != 0) {
    const std::int64_t priority = in.signed_number();
    good = good && priority >= -mail::kPriorityMax && priority <= mail::kPriorityMax;
    request.priority = static_cast<int>(priority);
  }
  if (!good) return error(Error::corrupt, "queue.record", "request");
  return request;
}

void write_request(RecordWriter& out, const mail::RecipientRequest& request) {
  std::uint64_t what = request.original_type.empty() ? 0 : kOriginalGiven;
  if (request.notify) {
    what |= kNotify | (request.notify->success ? kOnSuccess : 0);
    what |= (request.notify->failure ? kOnFailure : 0) | (request.notify->delay ? kOnDelay : 0);
  }
  out.number(what);
  if (!request.original_type.empty()) out.text(request.original_type).text(request.original);
}

Result<mail::RecipientRequest> read_recipient_request(RecordReader& in) {
  const std::uint64_t what = in.number_up_to(kRecipientAll);
  mail::RecipientRequest request;
  if ((what & kNotify) != 0) {
    request.notify = mail::NotifyOn{
        .success = (what & kOnSuccess) != 0, .failure = (what & kOnFailure) != 0, .delay = (what & kOnDelay) != 0};
  }
  if ((what & kOriginalGiven) != 0) {
    request.original_type = in.text();
    request.original = in.text();
    const bool utf8 = request.original_type == "utf-8";
    const bool good = (utf8 || (!request.original_type.empty() &&
                                std::ranges::all_of(request.original_type, &mail::is_printable_ascii))) &&
                      request.original_type.size() + request.original.size() <= mail::kOriginalRecipientOctetsMax &&
                      (utf8 ? mail::is_printable_utf8(request.original)
                            : std::ranges::all_of(request.original, &mail::is_printable_ascii));
    if (!good) return error(Error::corrupt, "queue.record", "request");
  }
  return request;
}

void write_more(RecordWriter& out, const Recipient& recipient) {
  std::uint64_t what = recipient.delay_reported ? kDelayReported : 0;
  if (recipient.reverse_path) what |= kOwnPath | (recipient.reverse_path->is_null() ? kOwnPathIsNull : 0);
  what |= static_cast<std::uint64_t>(recipient.ordered) << kOrderedShift;
  what |= recipient.held_why == HeldWhy::burst ? kHeldAsBurst
                                               : static_cast<std::uint64_t>(recipient.held_why) << kHeldWhyShift;
  what |= recipient.last_remote.empty() ? 0 : kLastRemote;
  out.number(what);
  if (recipient.reverse_path && !recipient.reverse_path->is_null())
    write_address(out, recipient.reverse_path->address());
  if (!recipient.last_remote.empty()) out.text(recipient.last_remote);
}

Result<void> read_more(RecordReader& in, Recipient& recipient) {
  const std::uint64_t what = in.number_up_to(kMoreAll);
  const std::uint64_t ordered = what >> kOrderedShift & 3U;
  const bool null_path = (what & kOwnPathIsNull) != 0;
  if (ordered > static_cast<std::uint64_t>(Ordered::expand) || (null_path && (what & kOwnPath) == 0))
    return error(Error::corrupt, "queue.record", "recipient");
  recipient.ordered = static_cast<Ordered>(ordered);
  const std::uint64_t held_why = what >> kHeldWhyShift & 3U;  // all four have a meaning
  const bool held_as_burst = (what & kHeldAsBurst) != 0;
  if (held_as_burst && held_why != 0) return error(Error::corrupt, "queue.record", "recipient");
  recipient.held_why = held_as_burst ? HeldWhy::burst : static_cast<HeldWhy>(held_why);
  recipient.delay_reported = (what & kDelayReported) != 0;
  if (null_path) {
    recipient.reverse_path = mail::Path::null();
  } else if ((what & kOwnPath) != 0) {
    Result<mail::Address> own = read_address(in);
    if (!own) return fail(own);
    recipient.reverse_path = mail::Path(std::move(*own));
  }
  if ((what & kLastRemote) != 0) {
    recipient.last_remote = in.text();
    if (recipient.last_remote.empty() || !std::ranges::all_of(recipient.last_remote, &mail::is_printable_ascii))
      return error(Error::corrupt, "queue.record", "remote");
  }
  return {};
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
  write_request(out, entry.request);
  out.text(entry.login);
  return std::move(out).finish();
}

Result<Entry> read_entry(const QueueId& id, const store::Entry& stored) {
  const std::uint8_t format = format_of(stored.value, kEntryFormat);
  RecordReader in(stored.value, format);
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
              .request = {},
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
  if (format != kWithoutRequests) {
    Result<mail::SenderRequest> request = read_sender_request(in);
    if (!request) return fail(request);
    entry.request = std::move(*request);
  }
  if (format > kWithoutLogin) entry.login = in.text();
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
  write_request(out, recipient.request);
  write_more(out, recipient);
  return std::move(out).finish();
}

Result<Recipient> read_recipient(std::uint32_t number, const store::Entry& stored) {
  const std::uint8_t format = format_of(stored.value, kRecipientFormat);
  RecordReader in(stored.value, format);
  Result<mail::Address> address = read_address(in);
  if (!address) return fail(address);
  Recipient recipient{.number = number,
                      .address = std::move(*address),
                      .original = std::nullopt,
                      .account = std::nullopt,
                      .request = {},
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
  if (format != kWithoutRequests) {
    Result<mail::RecipientRequest> request = read_recipient_request(in);
    if (!request) return fail(request);
    recipient.request = std::move(*request);
  }
  if (format != kWithoutRequests && format != kWithoutMore) {
    const Result<void> more = read_more(in, recipient);
    if (!more) return fail(more);
  }
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
