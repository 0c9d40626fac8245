#include "mail/dsn.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/dsn_text.hpp"
#include "mail/header_section.hpp"
#include "mail/printable.hpp"
#include "mail/xtext.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::size_t kOutsideTextOctetsMax =
    900;  // of one quoted line: below 998 with what stands before it (5322 §2.1.1)

/// The original's Message-ID when it is one that may be quoted: `<…@…>`, printable ASCII without blanks. Else empty.
std::string message_id_of(std::string_view headers) {
  HeaderCollector collector;
  if (!collector.append(headers)) return {};
  const Result<HeaderSection> section = std::move(collector).finish();
  const std::string_view id = section ? section->first("Message-ID") : std::string_view();
  const bool fits = id.size() <= kOutsideTextOctetsMax && id.starts_with('<') && id.ends_with('>') &&
                    id.contains('@') && id.find_first_of("<>", 1) == id.size() - 1 &&
                    std::ranges::all_of(id, [](char c) { return c > ' ' && c <= '~'; });
  return fits ? std::string(id) : std::string();
}

/// A reply of SMTP: its code stands first.
bool is_reply(std::string_view text) {
  return text.size() >= 3 && std::ranges::all_of(text.substr(0, 3), is_digit_ascii) &&
         (text.size() == 3 || text[3] == ' ' || text[3] == '-');
}

/// Builds one report. `utf8_`: there is UTF-8 in it, and the reader takes it.
class Builder {
 public:
  explicit Builder(const DsnInput& input)
      : input_(input), utf8_(input.to.is_ascii() ? input.utf8 == Utf8::yes && has_utf8(input) : true) {}

  [[nodiscard]] Dsn build() const {
    const bool full = input_.returned == ReturnContent::full;
    Dsn dsn{.before = {},
            .after = fmt::format("\r\n--{}--\r\n", input_.boundary),
            .utf8 = utf8_ ? Utf8::yes : Utf8::no,
            .has_eight_bit = utf8_ || (full && input_.returned_has_eight_bit)};
    dsn.before = header_section(dsn.has_eight_bit) +
                 fmt::format("--{0}\r\n{1}\r\n--{0}\r\n{2}\r\n--{0}\r\n", input_.boundary, text_part(), status_part());
    if (full) {
      dsn.before += content_type(utf8_ ? "message/global" : "message/rfc822", input_.returned_has_eight_bit);
    } else {
      dsn.before += headers_part();
    }
    return dsn;
  }

 private:
  static bool has_utf8(const DsnInput& input) {
    if (!is_ascii(input.original_headers)) return true;
    return std::ranges::any_of(input.recipients, [](const DsnRecipient& recipient) {
      return !recipient.final_recipient.is_ascii() || !is_ascii(recipient.original) ||
             (recipient.original_recipient && !recipient.original_recipient->is_ascii());
    });
  }

  static std::string content_type(std::string_view type, bool eight_bit) {
    return fmt::format("Content-Type: {}\r\n{}\r\n", type, eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
  }

  [[nodiscard]] std::string header_section(bool eight_bit) const {
    return fmt::format(
        "From: Mail Delivery System <MAILER-DAEMON@{0}>\r\n"
        "To: <{1}>\r\n"
        "Subject: {2}\r\n"
        "Date: {3}\r\n"
        "Message-ID: <{4}.{5}@{0}>\r\n"
        "{8}"
        "Auto-Submitted: auto-replied\r\n"  // 3834 §5
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type={6}delivery-status;\r\n"  // 6522 §3, 6533 §4
        "\tboundary=\"{5}\"\r\n"
        "{7}\r\n",
        input_.reporting_mta, input_.to.text(), subject_of(gravest_action(input_)), to_rfc5322_date(input_.at),
        input_.queue_id, input_.boundary, utf8_ ? "global-" : "",
        eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "", thread_fields());
  }

  /// 5322 §3.6.4: so that people's programs show the report beside the message.
  [[nodiscard]] std::string thread_fields() const {
    const std::string id = message_id_of(input_.original_headers);
    return id.empty() ? std::string() : fmt::format("In-Reply-To: {0}\r\nReferences: {0}\r\n", id);
  }

  /// 3464 §2.3.1 with 6533 §3: `rfc822;a@b`, or `utf-8;…`, escaped where the report is ASCII.
  [[nodiscard]] std::string typed(const Address& address) const {
    return address.is_ascii() ? "rfc822;" + address.text()
                              : "utf-8;" + (utf8_ ? address.text() : encode_utf8_address(address.text()));
  }

  [[nodiscard]] std::string text_part() const {
    return content_type(utf8_ ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", utf8_) +
           dsn_text(input_, utf8_);
  }

  /// Without its CRLF; empty when there is none. 3464 §2.3.1: the value as it was before xtext.
  [[nodiscard]] std::string original_recipient(const DsnRecipient& recipient) const {
    if (!recipient.original_type.empty()) {
      const bool as_it_is = utf8_ || is_ascii(recipient.original);
      return fmt::format("Original-Recipient: {};{}", quoted_outside(recipient.original_type),
                         as_it_is ? printable(recipient.original) : encode_utf8_address(recipient.original));
    }
    return recipient.original_recipient ? "Original-Recipient: " + typed(*recipient.original_recipient) : std::string();
  }

  /// 3464 §2.3: one group of fields for each recipient.
  [[nodiscard]] std::string recipient_fields(const DsnRecipient& recipient) const {
    const DsnAction action = recipient.action.value_or(input_.action);
    std::string out = "\r\n";
    const std::string original = original_recipient(recipient);
    if (!original.empty()) out += original + "\r\n";
    out += fmt::format("Final-Recipient: {}\r\nAction: {}\r\nStatus: {}\r\n", typed(recipient.final_recipient),
                       name_of(action), quoted_outside(recipient.status));
    if (!recipient.remote_mta.empty())
      out += fmt::format("Remote-MTA: dns;{}\r\n", quoted_outside(recipient.remote_mta));
    if (!recipient.diagnostic.empty())  // 3464 §2.3.6: what is no reply of SMTP has a type of its own
      out += fmt::format("Diagnostic-Code: {};{}\r\n", is_reply(recipient.diagnostic) ? "smtp" : "x-postrider",
                         quoted_outside(recipient.diagnostic));
    out += fmt::format("Last-Attempt-Date: {}\r\n", to_rfc5322_date(recipient.last_attempt.value_or(input_.at)));
    out += fmt::format("Final-Log-ID: {}\r\n", input_.queue_id);
    if (input_.will_retry_until && action == DsnAction::delayed)  // 3464 §2.3.9: of these only
      out += fmt::format("Will-Retry-Until: {}\r\n", to_rfc5322_date(*input_.will_retry_until));
    return out;
  }

  [[nodiscard]] std::string status_part() const {
    std::string out = content_type(utf8_ ? "message/global-delivery-status" : "message/delivery-status", utf8_);
    if (!input_.envelope_id.empty())  // 3464 §2.2.1: as it was before xtext
      out += fmt::format("Original-Envelope-Id: {}\r\n", quoted_outside(input_.envelope_id));
    out += fmt::format("Reporting-MTA: dns;{}\r\nX-Postrider-Queue-ID: {}\r\nArrival-Date: {}\r\n",
                       input_.reporting_mta, input_.queue_id, to_rfc5322_date(input_.arrival));
    for (const DsnRecipient& recipient : input_.recipients) out += recipient_fields(recipient);
    return out;
  }

  /// The original's header section with nothing in it but printable text, blanks and CRLF.
  [[nodiscard]] std::string headers_part() const {
    std::string out = content_type(utf8_ ? "message/global-headers" : "text/rfc822-headers", utf8_);  // 6533 §6.3
    std::string_view rest = input_.original_headers;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find("\r\n"), rest.size());
      out += printable(rest.substr(0, end));
      out += "\r\n";
      rest.remove_prefix(std::min(end + 2, rest.size()));
    }
    return out;
  }

  /// One line of outside text: as it is where the report may have UTF-8 and it is well-formed, else with its ASCII
  /// only.
  [[nodiscard]] std::string printable(std::string_view line) const {
    std::size_t octets = std::min(line.size(), kOutsideTextOctetsMax);
    const auto in_sequence = [&] {
      return octets < line.size() && (static_cast<unsigned char>(line[octets]) & 0xC0U) == 0x80;
    };
    while (octets > 0 && in_sequence()) --octets;
    std::string flat(line.substr(0, octets));
    std::ranges::replace(flat, '\t', ' ');
    return utf8_ && is_printable_utf8(flat) ? flat : printable_ascii(flat, flat.size());
  }

  const DsnInput& input_;
  const bool utf8_;
};

}  // namespace

Dsn build_dsn(const DsnInput& input) {
  check(!input.recipients.empty(), "dsn: at least one recipient");
  return Builder(input).build();
}

}  // namespace postrider::mail
