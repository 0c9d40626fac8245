// xtext (3461 §4) and utf-8-addr-xtext, utf-8-addr-unitext (6533 §3): how outside text is written into SMTP parameters.
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>

namespace postrider::mail {

/// Takes xtext. Gives what it means: printable ASCII (what decodes to a control character or an octet over 126 is
/// malformed, SECURITY R2).  Errors  malformed: `detail` has the offset.
[[nodiscard]] Result<std::string> decode_xtext(std::string_view text);
/// Takes printable ASCII. decode_xtext gives it back.
[[nodiscard]] std::string encode_xtext(std::string_view text);

/// Takes an address of the type `utf-8` in any form of 6533 §3: `\x{HEX}` escapes, or UTF-8 as it is.
/// Gives   well-formed UTF-8 without control characters.  Errors  malformed: `detail` has the offset.
[[nodiscard]] Result<std::string> decode_utf8_address(std::string_view text);
/// ASCII only: utf-8-addr-xtext. decode_utf8_address gives it back.
[[nodiscard]] std::string encode_utf8_address(std::string_view text);

}  // namespace postrider::mail
