// Values with parameters: Content-Type, Content-Disposition (2045 §5.1, 2183) with continuations, charsets and
// languages (2231), and encoded-words where they must not be but are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kParameterSegmentsMax = 100;  // LIMITS.md "RFC 2231 segments", of a field

struct Parameter {
  std::string name;   ///< lower case, without `*0*`
  std::string value;  ///< decoded, UTF-8 without control characters
  friend bool operator==(const Parameter&, const Parameter&) = default;
};

struct ParameterizedValue {
  std::string value;                  ///< what stands before the first semicolon, lower case, comments taken out
  std::vector<Parameter> parameters;  ///< in the order of their first segment; of two with one name the first counts
  std::vector<std::string> defects;   ///< stable lower-case words, each once
  /// Empty when there is none. ASCII case-insensitive. Points into this object.
  [[nodiscard]] std::string_view parameter(std::string_view name) const;
};

/// Lenient and linear, whatever comes.
[[nodiscard]] ParameterizedValue parse_parameterized(std::string_view value);

/// `; name="value"`, or 2231 segments where the value is no ASCII or long; folded with CRLF and a tab.
[[nodiscard]] std::string encode_parameter(std::string_view name, std::string_view value);

}  // namespace postrider::mail
