// The header section of a content, collected while its octets pass by.
#pragma once

#include "core/octet_range.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kHeaderSectionOctetsMax = 256 * 1024;  // LIMITS.md
inline constexpr std::size_t kHeaderFieldsMax = 1000;               // LIMITS.md
inline constexpr std::size_t kReceivedFieldsMax = 100;              // 5321 §6.3

struct HeaderField {
  std::string name;   ///< as written, without the colon
  std::string value;  ///< after the colon, folds unfolded (5322 §2.2.3), trimmed
  OctetRange range;   ///< the whole field with its final CRLF
};

struct HeaderSection {
  std::vector<HeaderField> fields;
  std::uint64_t size_octets = 0;  ///< up to and without the empty line
  std::string octets = {};        ///< of the section: what the ranges are in
  /// By the empty line, or by the content's end; false: by a line that is no field, which other readers may step over.
  bool is_ended = true;
  /// The value of the first field with that name, or empty. ASCII case-insensitive. Points into this object.
  [[nodiscard]] std::string_view first(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
};

/// The name of the field that `line` begins (5322 §2.2), without the blanks before the colon that old syntax allows
/// (§4.5); nothing when it begins none. Points into `line`.
[[nodiscard]] std::optional<std::string_view> field_name_of(std::string_view line);

/// Takes content chunk by chunk; stops storing at the end of the header section. A line that is no field and no fold
/// ends the section (mail without headers exists).
class HeaderCollector {
 public:
  /// Errors (sticky)  too_long: over kHeaderSectionOctetsMax or kHeaderFieldsMax.
  [[nodiscard]] Result<void> append(std::string_view octets);
  [[nodiscard]] bool complete() const { return complete_; }
  /// When it is complete: where in the content the body begins.
  [[nodiscard]] std::size_t body_offset() const { return scanned_ + (by_junk_ ? 0 : 2); }
  /// The fields found, at the end of the content or earlier. Errors  as append.
  [[nodiscard]] Result<HeaderSection> finish() &&;

 private:
  std::string octets_;
  std::size_t scanned_ = 0;
  std::size_t fields_ = 0;
  bool complete_ = false;
  bool by_junk_ = false;
  bool too_long_ = false;
};

}  // namespace postrider::mail
