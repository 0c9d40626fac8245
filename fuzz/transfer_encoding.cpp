// rooms: mail core
// Transfer encodings: decoding never gives more than it got; decode after encode is identity; encoded lines are short
// ASCII that ends in CRLF.
#include "mail/transfer_encoding.hpp"

#include "core/check.hpp"
#include "core/text.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;
using mail::TransferEncoding;

namespace {

void check_lines(std::string_view encoded) {
  while (!encoded.empty()) {
    const std::size_t end = encoded.find("\r\n");
    const std::string_view line = encoded.substr(0, end);
    check(line.size() <= 76, "short lines");
    for (const char c : line) check((c >= ' ' && c <= '~') || c == '\t', "printable ASCII");
    check(!line.ends_with(' ') && !line.ends_with('\t'), "no blank at a line's end");
    if (end == std::string_view::npos) return;
    encoded.remove_prefix(end + 2);
  }
}

void check_round_trip(std::string_view octets, const std::string& encoded, TransferEncoding encoding) {
  check_lines(encoded);
  const mail::DecodedOctets out = mail::decode_transfer(encoded, encoding);
  check(out.octets == octets && !out.damaged, "decode(encode(x)) == x");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  static_cast<void>(mail::transfer_encoding_of(octets));
  for (const TransferEncoding encoding : {TransferEncoding::identity, TransferEncoding::base64,
                                          TransferEncoding::quoted_printable, TransferEncoding::uuencode})
    check(mail::decode_transfer(octets, encoding).octets.size() <= octets.size(), "bounded");
  check_round_trip(octets, mail::encode_base64_lines(octets), TransferEncoding::base64);
  check_round_trip(octets, mail::encode_quoted_printable(octets), TransferEncoding::quoted_printable);
  return 0;
}
