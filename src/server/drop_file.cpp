#include "server/drop_file.hpp"

#include "core/record.hpp"
#include "core/text.hpp"
#include "smtp/server_session.hpp"

#include <utility>

namespace postrider::server {

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kLengthOctets = 4;

std::unexpected<Error> corrupt(std::string what) { return error(Error::corrupt, "server.drop_file", std::move(what)); }

Result<DropEnvelope> decode_envelope(std::string_view record, std::uint64_t* content_octets) {
  RecordReader in(record, kFormat);
  DropEnvelope envelope;
  const std::string sender = in.text();
  envelope.request.utf8 = in.flag() ? mail::Utf8::yes : mail::Utf8::no;
  envelope.request.body = in.flag() ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
  envelope.request.returned =
      static_cast<mail::ReturnContent>(in.number_up_to(std::to_underlying(mail::ReturnContent::full)));
  envelope.request.envelope_id = in.text();
  if (in.flag()) {
    const bool success = in.flag();
    const bool failure = in.flag();
    envelope.notify = mail::NotifyOn{.success = success, .failure = failure, .delay = in.flag()};
  }
  const std::size_t count = in.count();
  if (count == 0 || count > kDropRecipientsMax) return corrupt("number of recipients");
  for (std::size_t i = 0; i < count; ++i) {
    Result<mail::Address> address = mail::Address::parse(in.text(), mail::Utf8::yes);
    if (!address) return corrupt("a recipient is no address");
    envelope.recipients.push_back(std::move(*address));
  }
  *content_octets = in.number();
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  const std::string& id = envelope.request.envelope_id;
  if (id.size() > mail::kEnvelopeIdOctetsMax || printable_ascii(id, id.size()) != id) return corrupt("envelope id");
  if (sender.empty()) return envelope;
  Result<mail::Address> address = mail::Address::parse(sender, mail::Utf8::yes);
  if (!address) return corrupt("the sender is no address");
  envelope.reverse_path = mail::Path(std::move(*address));
  return envelope;
}

/// What the engine sees to on the way in (SECURITY R1): lines end in CRLF, no CR, LF or NUL is anywhere else, none is
/// too long.
Result<void> check_lines(std::string_view content) {
  while (!content.empty()) {
    const std::size_t end = content.find_first_of(std::string_view("\r\n\0", 3));
    if (end == std::string_view::npos || !content.substr(end).starts_with("\r\n"))
      return error(Error::malformed, "server.drop_file", "a line does not end in CRLF, or has a NUL");
    if (end > smtp::kDataLineOctetsMax) return error(Error::too_long, "server.drop_file", "a line");
    content.remove_prefix(end + 2);
  }
  return {};
}

}  // namespace

std::string encode_drop(const DropEnvelope& envelope, std::string_view content) {
  RecordWriter out(kFormat);
  out.text(envelope.reverse_path.text()).flag(envelope.request.utf8 == mail::Utf8::yes);
  out.flag(envelope.request.body != mail::BodyType::seven_bit).number(std::to_underlying(envelope.request.returned));
  out.text(envelope.request.envelope_id).flag(envelope.notify.has_value());
  if (envelope.notify) out.flag(envelope.notify->success).flag(envelope.notify->failure).flag(envelope.notify->delay);
  out.number(envelope.recipients.size());
  for (const mail::Address& recipient : envelope.recipients) out.text(recipient.text());
  const std::string record = std::move(out.number(content.size())).finish();
  std::string octets;
  append_u32(octets, static_cast<std::uint32_t>(record.size()));
  octets += record;
  octets += content;
  return octets;
}

Result<DropFile> decode_drop(std::string_view octets) {
  const Result<std::uint32_t> length = read_u32(octets, 0);
  if (!length) return fail(length);
  if (*length > kDropEnvelopeOctetsMax) return error(Error::too_long, "server.drop_file", "envelope");
  octets.remove_prefix(kLengthOctets);
  if (octets.size() < *length) return corrupt("it ends within the envelope");
  std::uint64_t content_octets = 0;
  Result<DropEnvelope> envelope = decode_envelope(octets.substr(0, *length), &content_octets);
  if (!envelope) return fail(envelope);
  octets.remove_prefix(*length);
  if (octets.size() != content_octets) return corrupt("the content has another length");
  if (const Result<void> good = check_lines(octets); !good) return fail(good);
  return DropFile{.envelope = std::move(*envelope), .content = std::string(octets)};
}

}  // namespace postrider::server
