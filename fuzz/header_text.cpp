// rooms: mail core
// Header text: what is decoded is bounded UTF-8 without line ends; what we write is short ASCII lines that mean what
// was written.
#include "mail/header_text.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/charset.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

void check_value(std::string_view value) {
  for (std::string_view line : split(value, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    check(line.size() <= (line.contains("=?") ? 76 : 998), "short lines");
    check(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }), "printable ASCII");
    check(value.empty() || !trimmed(line).empty(), "no empty line");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  const mail::DecodedText out = mail::decode_header_text(value);
  check(is_utf8(out.text) && out.text.size() <= mail::kDecodedTextOctetsMax, "bounded UTF-8");
  check(out.text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "one line");
  std::string text = mail::to_utf8(value, "utf-8").text;
  std::ranges::replace_if(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
  const std::string encoded = mail::encode_header_text(mail::to_utf8(value, "utf-8").text, size % 40);
  check_value(encoded);
  if (text.size() <= mail::kDecodedTextOctetsMax)
    check(mail::decode_header_text(encoded).text == text, "decode(encode(x)) == x");
  return 0;
}
