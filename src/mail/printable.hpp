// What may stand in a typed value: text that no reader takes for a line end or a terminal command (SECURITY R2).
#pragma once

#include "core/text.hpp"

#include <string_view>

namespace postrider::mail {

/// True for printable ASCII, blanks counted in.
[[nodiscard]] constexpr bool is_printable_ascii(char c) { return c >= ' ' && c <= '~'; }

/// True when all of `text` is printable ASCII or well-formed UTF-8 over U+009F: no C0, DEL or C1 control.
[[nodiscard]] inline bool is_printable_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) < 0x80) {
      if (!is_printable_ascii(c)) return false;
    } else if (c == '\xc2' && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0) {
      return false;  // U+0080 to U+009F
    }
  }
  return is_utf8(text);
}

}  // namespace postrider::mail
