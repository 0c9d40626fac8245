// rooms: mail core
// xtext and the escapes of utf-8 addresses: decode after encode is identity, what is decoded holds no control
// character, what is encoded is printable ASCII without blanks.
#include "mail/xtext.hpp"

#include "core/check.hpp"
#include "mail/printable.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

bool is_parameter(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '='; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string xtext = mail::encode_xtext(text);
  const std::string escaped = mail::encode_utf8_address(text);
  check(is_parameter(xtext) && is_parameter(escaped), "fits into a parameter of SMTP");
  const Result<std::string> plain = mail::decode_xtext(xtext);
  check(plain.has_value() == std::ranges::all_of(text, mail::is_printable_ascii), "printable ASCII comes back");
  if (plain) check(*plain == text, "decode(encode(x)) == x");
  const Result<std::string> utf8 = mail::decode_utf8_address(escaped);
  if (mail::is_printable_utf8(text)) check(utf8 && *utf8 == text, "decode(encode(x)) == x");
  if (const Result<std::string> meant = mail::decode_xtext(text)) {
    check(std::ranges::all_of(*meant, mail::is_printable_ascii), "no control character");
    const Result<std::string> again = mail::decode_xtext(mail::encode_xtext(*meant));
    check(again && *again == *meant, "what was decoded can be passed on");
  }
  if (const Result<std::string> meant = mail::decode_utf8_address(text)) {
    check(mail::is_printable_utf8(*meant), "well-formed UTF-8, no control character");
    const Result<std::string> again = mail::decode_utf8_address(mail::encode_utf8_address(*meant));
    check(again && *again == *meant, "what was decoded can be passed on");
  }
  return 0;
}
