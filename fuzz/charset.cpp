// rooms: mail core
// Charsets: what comes out is well-formed UTF-8, bounded by its input, and UTF-8 stays itself. The first line of the
// input is the charset.
#include "mail/charset.hpp"

#include "core/check.hpp"
#include "core/text.hpp"

#include <cstdint>
#include <string_view>

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [charset, octets] = split_once({reinterpret_cast<const char*>(data), size}, '\n');
  const mail::ConvertedText out = mail::to_utf8(octets, charset);
  check(is_utf8(out.text), "well-formed UTF-8");
  check(out.text.size() <= octets.size() * 12 + 64, "bounded");
  check(mail::to_utf8(out.text, "utf-8").text == out.text, "UTF-8 stays itself");
  check(mail::to_utf8(out.text, "us-ascii").text == out.text, "UTF-8 that nobody declared stays itself");
  if (!out.known) check(!out.replaced, "what nobody knows is read, not replaced");
  return 0;
}
