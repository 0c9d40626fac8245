// Builds messages: header section, text, attachments. What it makes keeps every rule of 5322 and 2045: lines of at most
// 998 octets (76 where it encodes), CRLF, ASCII unless told otherwise.
#pragma once

#include "core/clock.hpp"
#include "mail/address.hpp"
#include "mail/header_address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

class MessageBuilder {
 public:
  /// `boundary` from Random, [0-9a-z], used where the message has several parts.
  explicit MessageBuilder(std::string boundary) : boundary_(std::move(boundary)) {}

  /// An unstructured field. A CR, LF or other control in `text` becomes a blank: no field can be injected (SECURITY
  /// R2).
  MessageBuilder& field(std::string_view name, std::string_view text);
  /// A domain with U-labels becomes A-labels; a local part that is not ASCII stays (6532). A mailbox without a local
  /// part or a domain, or too long for a line, is left out; no field without mailboxes.
  MessageBuilder& addresses(std::string_view name, const std::vector<HeaderMailbox>& mailboxes);
  MessageBuilder& date(WallTime at);
  MessageBuilder& message_id(std::string_view left, const Domain& right);
  /// UTF-8 text with any line ends; 7bit where it can be, else quoted-printable or base64, whichever is shorter.
  MessageBuilder& text(std::string_view utf8, std::string_view subtype = "plain");
  /// In base64. A type that must not be encoded (multipart, message: 2045 §6.4) becomes application/octet-stream.
  MessageBuilder& attachment(std::string_view octets, std::string_view type, std::string_view filename);
  /// A part as it is: header fields with CRLF each, and a body that is 7-bit with CRLF lines.
  MessageBuilder& part(std::string_view header, std::string_view body);
  /// Of several parts: `multipart/SUBTYPE` with parameters as they are written (`; report-type=delivery-status`).
  MessageBuilder& multipart(std::string_view subtype, std::string_view parameters = {});

  /// The content. One part alone is the body itself, unless `multipart` named another subtype than mixed.
  [[nodiscard]] std::string build() const;

 private:
  std::string boundary_;
  std::string header_;
  std::string subtype_ = "mixed";
  std::string multipart_parameters_;
  std::vector<std::string> parts_;  // each with its header
};

}  // namespace postrider::mail
