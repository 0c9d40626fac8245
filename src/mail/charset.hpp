// Charsets, by ICU (in charset.cpp only).
#pragma once

#include <string>
#include <string_view>

namespace postrider::mail {

struct ConvertedText {
  std::string text;  ///< always well-formed UTF-8
  bool known =
      true;  ///< false: nobody knows that charset; the octets were read as UTF-8 where they are, else as windows-1252
  bool replaced = false;  ///< some octets meant nothing and became U+FFFD
};
/// Takes octets in `charset` (any name or alias of the IANA registry or of mail in the wild, any case; empty means
/// us-ascii). us-ascii with octets over 127 is read as UTF-8 where well-formed, else windows-1252, with `replaced`
/// false.
[[nodiscard]] ConvertedText to_utf8(std::string_view octets, std::string_view charset);

}  // namespace postrider::mail
