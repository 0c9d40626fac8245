// Content-Transfer-Encoding (2045 §6): base64, quoted-printable, and those that change nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::mail {

enum class TransferEncoding : std::uint8_t { identity, base64, quoted_printable, uuencode, unknown };
/// Of the value of a Content-Transfer-Encoding field (comments and blanks let pass, any case); empty is identity.
[[nodiscard]] TransferEncoding transfer_encoding_of(std::string_view value);

struct DecodedOctets {
  std::string octets;
  bool damaged = false;  ///< what cannot stand there was skipped (base64) or kept as it is (quoted-printable)
};
/// Lenient and linear: skips what is no base64, takes `=3d` in lower case and lines ended by LF alone, drops blanks at
/// line ends of quoted-printable (2045 §6.7 (3)). identity and unknown give the octets as they are.
[[nodiscard]] DecodedOctets decode_transfer(std::string_view octets, TransferEncoding encoding);

/// Lines of 76 octets ended by CRLF.
[[nodiscard]] std::string encode_base64_lines(std::string_view octets);
/// For text: CRLF line ends stay, others are encoded; lines of at most 76 octets.
[[nodiscard]] std::string encode_quoted_printable(std::string_view octets);

}  // namespace postrider::mail
