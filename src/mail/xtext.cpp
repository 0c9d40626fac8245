#include "mail/xtext.hpp"

#include "mail/printable.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>

namespace postrider::mail {

namespace {

constexpr std::size_t kHexPointDigitsMax = 6;  // 6533 §3 HEXPOINT: up to 10FFFF
constexpr std::string_view kEscape = "\\x{";

std::unexpected<Error> malformed_at(std::size_t offset) {
  return error(Error::malformed, "mail.xtext", fmt::format("offset {}", offset));
}

/// All of `text` as a hexadecimal number, in either case.
std::optional<std::uint32_t> hex_number(std::string_view text) {
  std::uint32_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, value, 16);
  if (text.empty() || code != std::errc{} || end != last) return std::nullopt;
  return value;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto put = [&out](std::uint32_t octet) { out += static_cast<char>(octet); };
  const auto tail = [point](int shift) { return 0x80 | ((point >> shift) & 0x3f); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | (point >> 6));
    put(tail(0));
  } else if (point < 0x10000) {
    put(0xe0 | (point >> 12));
    put(tail(6));
    put(tail(0));
  } else {
    put(0xf0 | (point >> 18));
    put(tail(12));
    put(tail(6));
    put(tail(0));
  }
}

/// Takes the first character off well-formed UTF-8; an octet that is none counts as U+FFFD.
std::uint32_t take_point(std::string_view& text) {
  const auto lead = static_cast<std::uint8_t>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const std::string_view sequence = text.substr(0, length);
  if (!is_utf8(sequence)) {
    text.remove_prefix(1);
    return 0xfffd;
  }
  std::uint32_t point = length == 1 ? lead : lead & (0x7fU >> length);
  for (const char c : sequence.substr(1)) point = (point << 6) | (static_cast<std::uint8_t>(c) & 0x3f);
  text.remove_prefix(length);
  return point;
}

/// HEXPOINT (6533 §3): shortest form but at least two digits; of ASCII only what may not stand as it is.
std::optional<std::uint32_t> hex_point(std::string_view digits) {
  if (digits.size() < 2 || digits.size() > kHexPointDigitsMax) return std::nullopt;
  const std::optional<std::uint32_t> point = hex_number(digits);
  if (!point || digits.front() == '0') return std::nullopt;  // a leading zero: a control, or not the shortest form
  if (*point < 0x80 && *point != ' ' && *point != '+' && *point != '=' && *point != '\\') return std::nullopt;
  return point;
}

}  // namespace

Result<std::string> decode_xtext(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c <= ' ' || c > '~' || c == '=') return malformed_at(at);  // 3461 §4 xchar
    if (c == '+') {
      // 3461 §4 asks for upper-case digits; we do take lower case: it can mean nothing else.
      const std::optional<std::uint32_t> octet =
          at + 2 < text.size() ? hex_number(text.substr(at + 1, 2)) : std::nullopt;
      if (!octet || *octet < ' ' || *octet > '~') return malformed_at(at);
      c = static_cast<char>(*octet);
      at += 2;
    }
    out += c;
  }
  return out;
}

std::string encode_xtext(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '+' || c == '=') {
      out += fmt::format("+{:02X}", static_cast<std::uint8_t>(c));
    } else {
      out += c;
    }
  }
  return out;
}

Result<std::string> decode_utf8_address(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out += text[at];
      continue;
    }
    if (!text.substr(at).starts_with(kEscape)) return malformed_at(at);
    const std::string_view rest = text.substr(at + kEscape.size(), kHexPointDigitsMax + 1);
    const std::size_t digits = rest.find('}');
    const std::optional<std::uint32_t> point =
        digits == std::string_view::npos ? std::nullopt : hex_point(rest.substr(0, digits));
    if (!point || *point > 0x10ffff) return malformed_at(at);
    append_utf8(out, *point);
    at += kEscape.size() + digits;
  }
  if (!is_printable_utf8(out)) return malformed_at(0);  // also a surrogate or a control from an escape
  return out;
}

std::string encode_utf8_address(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::uint32_t point = take_point(text);
    if (point > ' ' && point <= '~' && point != '+' && point != '=' && point != '\\') {
      out += static_cast<char>(point);
    } else {
      out += fmt::format("\\x{{{:02X}}}", point);
    }
  }
  return out;
}

}  // namespace postrider::mail
