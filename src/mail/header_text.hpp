// What header field values mean to people: encoded-words (2047) and raw UTF-8 (6532).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kDecodedTextOctetsMax = 64 * 1024;  // LIMITS.md "encoded-word output"

struct DecodedText {
  std::string text;                   ///< UTF-8 without CR, LF and NUL
  std::vector<std::string> charsets;  ///< of the encoded-words, lower case, each once, in order
  std::vector<std::string>
      defects;  ///< stable lower-case words, each once: `bad_base64`, `unknown_charset`, `truncated` …
};

/// Takes a field's value, folded or not. Lenient: encoded-words inside words, a character split over two adjacent
/// encoded-words of one charset and encoding, and unpadded base64 are read; blanks between adjacent encoded-words
/// vanish (2047 §6.2). Output over kDecodedTextOctetsMax is cut (`truncated`). Linear.
[[nodiscard]] DecodedText decode_header_text(std::string_view value);

/// The value of an unstructured field, folded at 76 columns behind a name of `name_octets` octets with its colon; ASCII
/// as it is, the rest as encoded-words of UTF-8. No CR or LF of `text` gets through but those of folds.
[[nodiscard]] std::string encode_header_text(std::string_view text, std::size_t name_octets);

}  // namespace postrider::mail
