// Text helpers on octets: ASCII only, no locale.
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider {

[[nodiscard]] constexpr char to_lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
[[nodiscard]] constexpr char to_upper_ascii(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
[[nodiscard]] constexpr bool is_digit_ascii(char c) { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_alpha_ascii(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
[[nodiscard]] constexpr bool is_alnum_ascii(char c) { return is_digit_ascii(c) || is_alpha_ascii(c); }

[[nodiscard]] std::string lowered_ascii(std::string_view text);
[[nodiscard]] bool iequals_ascii(std::string_view a, std::string_view b);
[[nodiscard]] bool istarts_with_ascii(std::string_view text, std::string_view prefix);

/// Without blanks and tabs at both ends. Points into `text`.
[[nodiscard]] std::string_view trimmed(std::string_view text);

/// What stands before and after the first `separator`; the second is empty when there is none. Points into `text`.
[[nodiscard]] std::pair<std::string_view, std::string_view> split_once(std::string_view text, char separator);

/// The pieces between separators; an empty text gives one empty piece. Points into `text`.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// At most `octets_max` octets of printable ASCII; everything else becomes '?'. For quoting outside text in mail.
[[nodiscard]] std::string printable_ascii(std::string_view text, std::size_t octets_max);

/// Well-formed UTF-8 (3629 §4): no overlong forms, no surrogates, nothing over U+10FFFF. ASCII is.
[[nodiscard]] bool is_utf8(std::string_view text);
[[nodiscard]] bool is_ascii(std::string_view text);

/// A JSON string literal with its quotes; octets that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_quoted(std::string_view text);

[[nodiscard]] std::string to_hex(std::string_view octets);
[[nodiscard]] std::string to_base64(std::string_view octets);
/// Strict base64 (4648 §4): padding needed, no line breaks. Errors  malformed.
[[nodiscard]] Result<std::string> from_base64(std::string_view text);

}  // namespace postrider
