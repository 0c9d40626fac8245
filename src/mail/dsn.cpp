#include "mail/dsn.hpp"

#include "core/check.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::size_t kOutsideTextOctetsMax =
    900;  // of one quoted line: below 998 with what stands before it (5322 §2.1.1)

std::string quoted(std::string_view outside) {
  std::string flat(outside.substr(0, kOutsideTextOctetsMax));
  std::ranges::replace_if(flat, [](char c) { return c == '\r' || c == '\n' || c == '\t'; }, ' ');
  return printable_ascii(flat, kOutsideTextOctetsMax);
}

std::string_view subject_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed: return "Your message could not be delivered";
    case DsnAction::delayed: return "Your message is delayed";
  }
  return {};
}

std::string_view name_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed: return "failed";  // 3464 §2.3.3
    case DsnAction::delayed: return "delayed";
  }
  return {};
}

std::string header_section(const DsnInput& input) {
  return fmt::format(
      "From: Mail Delivery System <MAILER-DAEMON@{0}>\r\n"
      "To: <{1}>\r\n"
      "Subject: {2}\r\n"
      "Date: {3}\r\n"
      "Message-ID: <{4}.{5}@{0}>\r\n"
      "Auto-Submitted: auto-replied\r\n"  // 3834 §5
      "MIME-Version: 1.0\r\n"
      "Content-Type: multipart/report; report-type=delivery-status;\r\n"  // 6522 §3
      "\tboundary=\"{5}\"\r\n"
      "\r\n",
      input.reporting_mta, input.to.text(), subject_of(input.action), to_rfc5322_date(input.at), input.queue_id,
      input.boundary);
}

std::string text_part(const DsnInput& input) {
  std::string out = "Content-Type: text/plain; charset=us-ascii\r\n\r\n";
  out += fmt::format("This is the mail system of {}.\r\n\r\n", input.reporting_mta);
  if (input.action == DsnAction::failed) {
    out += "Your message could not be delivered to these recipients:\r\n";
  } else {
    out += "Your message could not be delivered yet to these recipients. You need to do nothing;\r\n";
    if (input.will_retry_until) {
      out += fmt::format("it is tried again until {}.\r\n", to_rfc5322_date(*input.will_retry_until));
    } else {
      out += "it is tried again.\r\n";
    }
  }
  for (const DsnRecipient& recipient : input.recipients) {
    out += fmt::format("\r\n<{}>\r\n", recipient.final_recipient.text());
    if (recipient.original_recipient) out += fmt::format("  (given as <{}>)\r\n", recipient.original_recipient->text());
    if (!recipient.remote_mta.empty()) out += fmt::format("  {} said:\r\n", quoted(recipient.remote_mta));
    out += fmt::format("  {}\r\n", recipient.diagnostic.empty() ? recipient.status : quoted(recipient.diagnostic));
  }
  out += fmt::format("\r\nReference: {}\r\n", input.queue_id);
  return out;
}

/// 3464 §2.3: one group of fields for each recipient.
std::string recipient_fields(const DsnInput& input, const DsnRecipient& recipient) {
  std::string out = "\r\n";
  if (recipient.original_recipient)
    out += fmt::format("Original-Recipient: rfc822;{}\r\n", recipient.original_recipient->text());
  out += fmt::format("Final-Recipient: rfc822;{}\r\nAction: {}\r\nStatus: {}\r\n", recipient.final_recipient.text(),
                     name_of(input.action), quoted(recipient.status));
  if (!recipient.remote_mta.empty()) out += fmt::format("Remote-MTA: dns;{}\r\n", quoted(recipient.remote_mta));
  if (!recipient.diagnostic.empty()) out += fmt::format("Diagnostic-Code: smtp;{}\r\n", quoted(recipient.diagnostic));
  out += fmt::format("Last-Attempt-Date: {}\r\n", to_rfc5322_date(input.at));
  if (input.will_retry_until) out += fmt::format("Will-Retry-Until: {}\r\n", to_rfc5322_date(*input.will_retry_until));
  return out;
}

std::string status_part(const DsnInput& input) {
  std::string out = "Content-Type: message/delivery-status\r\n\r\n";
  out += fmt::format("Reporting-MTA: dns;{}\r\nX-Postrider-Queue-ID: {}\r\nArrival-Date: {}\r\n", input.reporting_mta,
                     input.queue_id, to_rfc5322_date(input.arrival));
  for (const DsnRecipient& recipient : input.recipients) out += recipient_fields(input, recipient);
  return out;
}

/// The original's header section with nothing in it but printable ASCII, blanks and CRLF.
std::string headers_part(const DsnInput& input) {
  std::string out = "Content-Type: text/rfc822-headers\r\n\r\n";
  std::string_view rest = input.original_headers;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find("\r\n"), rest.size());
    std::string line(rest.substr(0, std::min(end, kOutsideTextOctetsMax)));
    std::ranges::replace(line, '\t', ' ');
    out += printable_ascii(line, kOutsideTextOctetsMax);
    out += "\r\n";
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  return out;
}

}  // namespace

std::string build_dsn(const DsnInput& input) {
  check(!input.recipients.empty(), "dsn: at least one recipient");
  return fmt::format("{0}--{1}\r\n{2}\r\n--{1}\r\n{3}\r\n--{1}\r\n{4}\r\n--{1}--\r\n", header_section(input),
                     input.boundary, text_part(input), status_part(input), headers_part(input));
}

}  // namespace postrider::mail
