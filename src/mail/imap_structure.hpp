// ENVELOPE and BODYSTRUCTURE of a message as IMAP writes them (9051 §7.5.2).
#pragma once

#include "mail/mime.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::mail {

/// `(date subject from sender reply-to to cc bcc in-reply-to message-id)`; strings quoted, or literals `{n}CRLF…` where
/// they must be. Sender and Reply-To default to From. Subject and display names as written: clients decode them.
[[nodiscard]] std::string imap_envelope(std::string_view message, const MimePart& part);
/// Extension data: `with` for BODYSTRUCTURE, `without` for BODY.
enum class Extension : std::uint8_t { without, with };
/// A multipart in which no part was found has an empty text part: the grammar wants one.
[[nodiscard]] std::string imap_body_structure(std::string_view message, const MimePart& part, Extension extension);

}  // namespace postrider::mail
