// ENVELOPE and BODYSTRUCTURE of a message as IMAP writes them (9051 §7.5.2).
#pragma once

#include "mail/mime.hpp"

#include <string>
#include <string_view>

namespace postrider::mail {

/// `(date subject from sender reply-to to cc bcc in-reply-to message-id)`; strings quoted, or literals `{n}CRLF…` where
/// they must be. Sender and Reply-To default to From.
[[nodiscard]] std::string imap_envelope(std::string_view message, const MimePart& part);
/// With extension data. For `BODY`, leave it out.
enum class Extension : std::uint8_t { without, with };
[[nodiscard]] std::string imap_body_structure(std::string_view message, const MimePart& part, Extension extension);

}  // namespace postrider::mail
