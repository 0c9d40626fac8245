// The MIME tree of a message (2045, 2046, 2183, 2231), with exact offsets into its octets; lenient as mail in the wild
// needs. Every octet of the message lies in exactly one of these: a leaf's body, a header section, a boundary line with
// the line ends around it, a multipart's preamble or epilogue. Nothing is decoded here but header values.
#pragma once

#include "core/octet_range.hpp"
#include "mail/parameters.hpp"
#include "mail/transfer_encoding.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kMimeDepthMax = 50;    // LIMITS.md "MIME depth"
inline constexpr std::size_t kMimePartsMax = 1000;  // LIMITS.md "parts"; the rest is one opaque part
// Of all header sections of a message together; ours. What is over them, or over kHeaderFieldsMax in one section, is in
// `header` but not in `fields`, and says nothing (`header_exceeded`).
inline constexpr std::size_t kMimeFieldsMax = 20'000;
inline constexpr std::size_t kMimeHeaderOctetsMax = 4 * 1024 * 1024;  // names, and values that are read

struct MimeField {
  std::string name;  ///< as written
  OctetRange range;  ///< the whole field with its line end
  OctetRange value;  ///< behind the colon, with folds, without its last line end
};

struct MimePart {
  std::string type;                   ///< `text/plain`, lower case; the default where it is missing or unreadable
  std::vector<Parameter> parameters;  ///< of Content-Type
  std::string disposition;            ///< `attachment`, `inline`, lower case; empty: none said
  std::vector<Parameter> disposition_parameters;
  std::string filename;  ///< from Content-Disposition or Content-Type; UTF-8; no path before it is cut off
  std::string charset;   ///< of a text part, lower case, `us-ascii` where not said; else empty
  TransferEncoding encoding = TransferEncoding::identity;
  std::string encoding_name;      ///< as said, lower case; `7bit` where not said
  std::string content_id;         ///< without angle brackets
  std::string description;        ///< decoded
  std::vector<MimeField> fields;  ///< of its header section (of a message/rfc822 part: the part's own)
  OctetRange header;              ///< with the empty line
  OctetRange body;                ///< without the line end that belongs to the boundary behind it (2046 §5.1.1)
  std::uint64_t lines = 0;        ///< of `body`: line ends, and one more where the last line has none
  std::vector<MimePart>
      children;  ///< parts of a multipart; one, the inner message, of message/rfc822 and message/global
};

struct MimeTree {
  MimePart root;  ///< the message itself
  /// Stable lower-case words, each once: `bad_content_type`, `depth_exceeded`, `duplicate_field`, `header_exceeded`,
  /// `message_encoded`, `missing_boundary`, `missing_close_boundary`, `missing_header_end`, `multipart_encoded`,
  /// `no_parts`, `parts_exceeded`, and those of parameters and decoded text.
  std::vector<std::string> defects;
};

/// Parses a whole message; CRLF, LF or CR end lines. A header section is what HeaderCollector takes for one. Never
/// fails; at a limit the rest is one opaque part. Memory besides the message: proportional to parts and fields, at most
/// a few MiB. Linear in `message`.
[[nodiscard]] MimeTree parse_mime(std::string_view message);

/// The octets of `message` in `range`, as they are.
[[nodiscard]] inline std::string_view octets_of(std::string_view message, const OctetRange& range) {
  return message.substr(static_cast<std::size_t>(range.offset), static_cast<std::size_t>(range.size_octets));
}
/// The leaf's body without its transfer encoding.
[[nodiscard]] DecodedOctets decoded_body(std::string_view message, const MimePart& part);
/// A text part's body as UTF-8, line ends as they are.
[[nodiscard]] std::string text_of(std::string_view message, const MimePart& part);

}  // namespace postrider::mail
