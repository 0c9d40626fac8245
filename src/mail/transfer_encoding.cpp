#include "mail/transfer_encoding.hpp"

#include "core/text.hpp"
#include "mail/parameters.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace postrider::mail {
namespace {

constexpr std::size_t kLineOctetsMax = 76;                        // 2045 §6.7 (5), §6.8
constexpr std::size_t kBase64LineInput = kLineOctetsMax / 4 * 3;  // octets that fill a line

constexpr std::array<std::int8_t, 256> kBase64Values = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  std::int8_t next = 0;
  for (const auto& [first, last] : {std::pair{'A', 'Z'}, {'a', 'z'}, {'0', '9'}, {'+', '+'}, {'/', '/'}})
    for (char c = first; c <= last; ++c) values[static_cast<std::uint8_t>(c)] = next++;
  return values;
}();

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/// Six bits a character, until padding or the end; what was padded in the middle goes on behind it.
DecodedOctets decode_base64(std::string_view text) {
  DecodedOctets out;
  out.octets.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  unsigned sextets = 0;
  bool padded = false;
  const auto end_group = [&] {
    if (sextets == 1) out.damaged = true;  // six bits are no octet
    if (sextets >= 2) out.octets += static_cast<char>((bits >> (sextets * 6 - 8)) & 0xFFU);
    if (sextets == 3) out.octets += static_cast<char>((bits >> 2U) & 0xFFU);
    bits = 0;
    sextets = 0;
  };
  for (const char c : text) {
    const int value = kBase64Values[static_cast<std::uint8_t>(c)];
    if (value >= 0) {
      if (padded) out.damaged = true;  // `=` is the end (2045 §6.8); we do go on: files are joined in the wild
      padded = false;
      bits = (bits << 6U) | static_cast<std::uint32_t>(value);
      if (++sextets == 4) {
        for (const unsigned shift : {16U, 8U, 0U}) out.octets += static_cast<char>((bits >> shift) & 0xFFU);
        bits = 0;
        sextets = 0;
      }
    } else if (c == '=') {
      padded = true;
      end_group();
    } else if (!is_blank(c)) {
      out.damaged = true;
    }
  }
  end_group();
  return out;
}

int hex_value(char c) {
  if (is_digit_ascii(c)) return c - '0';
  const char upper = to_upper_ascii(c);
  return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

/// The next line with its line end; taken off `rest`.
std::string_view take_line(std::string_view& rest) {
  const std::size_t at = rest.find('\n');
  const std::string_view line = rest.substr(0, at == std::string_view::npos ? rest.size() : at + 1);
  rest.remove_prefix(line.size());
  return line;
}

std::string_view line_end_of(std::string_view line) {
  if (line.ends_with("\r\n")) return line.substr(line.size() - 2);
  if (line.ends_with("\n")) return line.substr(line.size() - 1);
  return {};
}

DecodedOctets decode_quoted_printable(std::string_view text) {
  DecodedOctets out;
  out.octets.reserve(text.size());
  while (!text.empty()) {
    const std::string_view whole = take_line(text);
    const std::string_view line_end = line_end_of(whole);
    std::string_view line = whole.substr(0, whole.size() - line_end.size());
    line = line.substr(0, line.find_last_not_of(" \t") + 1);  // 2045 §6.7 (3)
    const bool soft = line.ends_with('=');                    // 2045 §6.7 (5)
    if (soft) line.remove_suffix(1);
    for (std::size_t at = 0; at < line.size(); ++at) {
      if (line[at] != '=') {
        out.octets += line[at];
        continue;
      }
      const int high = at + 2 < line.size() ? hex_value(line[at + 1]) : -1;
      const int low = high >= 0 ? hex_value(line[at + 2]) : -1;
      if (low < 0) {
        out.octets += '=';
        out.damaged = true;
        continue;
      }
      out.octets += static_cast<char>(high * 16 + low);
      at += 2;
    }
    if (!soft) out.octets += line_end;
  }
  return out;
}

std::string_view without_line_end(std::string_view line) { return line.substr(0, line.find_last_not_of("\r\n") + 1); }

bool begins_uuencode(std::string_view line) {
  return line.starts_with("begin ") && line.size() > 6 && is_digit_ascii(line[6]);
}

/// One line: how many octets it has, then four characters for three. Gives false where the line is cut or none.
bool append_uuencoded(std::string& out, std::string_view line) {
  const auto sextet = [&](std::size_t at) {
    return at < line.size() ? (static_cast<std::uint8_t>(line[at]) - 32U) & 0x3FU : 0U;
  };
  const std::size_t octets = sextet(0);
  const std::size_t there = (line.size() - 1) * 3 / 4;
  std::string decoded;
  for (std::size_t at = 1; at < line.size() && decoded.size() < octets; at += 4) {
    const std::uint32_t group = sextet(at) << 18U | sextet(at + 1) << 12U | sextet(at + 2) << 6U | sextet(at + 3);
    for (const unsigned shift : {16U, 8U, 0U}) decoded += static_cast<char>((group >> shift) & 0xFFU);
  }
  out.append(decoded, 0, octets);
  return there >= octets && std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '`'; });
}

/// The first file in it; where there is none, the text as it is.
DecodedOctets decode_uuencode(std::string_view text) {
  DecodedOctets out;
  std::string_view rest = text;
  while (!rest.empty() && !begins_uuencode(rest)) static_cast<void>(take_line(rest));
  if (rest.empty()) return {.octets = std::string(text), .damaged = true};
  static_cast<void>(take_line(rest));
  while (!rest.empty()) {
    const std::string_view line = without_line_end(take_line(rest));
    if (line == "end") return out;
    if (line.empty()) continue;
    if (!append_uuencoded(out.octets, line)) out.damaged = true;
  }
  out.damaged = true;  // no end
  return out;
}

}  // namespace

TransferEncoding transfer_encoding_of(std::string_view value) {
  static constexpr auto kNames = std::to_array<std::pair<std::string_view, TransferEncoding>>({
      {"", TransferEncoding::identity},
      {"7bit", TransferEncoding::identity},
      {"7-bit", TransferEncoding::identity},
      {"8bit", TransferEncoding::identity},
      {"8-bit", TransferEncoding::identity},
      {"binary", TransferEncoding::identity},
      {"base64", TransferEncoding::base64},
      {"quoted-printable", TransferEncoding::quoted_printable},
      {"x-uuencode", TransferEncoding::uuencode},
      {"x-uue", TransferEncoding::uuencode},
      {"uuencode", TransferEncoding::uuencode},
      {"uue", TransferEncoding::uuencode},
  });
  const std::string name = parse_parameterized(value).value;
  const auto* const found = std::ranges::find(kNames, name, [](const auto& row) { return row.first; });
  return found == kNames.end() ? TransferEncoding::unknown : found->second;
}

DecodedOctets decode_transfer(std::string_view octets, TransferEncoding encoding) {
  switch (encoding) {
    case TransferEncoding::base64: return decode_base64(octets);
    case TransferEncoding::quoted_printable: return decode_quoted_printable(octets);
    case TransferEncoding::uuencode: return decode_uuencode(octets);
    case TransferEncoding::identity:
    case TransferEncoding::unknown: break;
  }
  return {.octets = std::string(octets), .damaged = false};
}

std::string encode_base64_lines(std::string_view octets) {
  std::string out;
  out.reserve((octets.size() / kBase64LineInput + 1) * (kLineOctetsMax + 2));
  while (!octets.empty()) {
    out += to_base64(octets.substr(0, kBase64LineInput));
    out += "\r\n";
    octets.remove_prefix(std::min(kBase64LineInput, octets.size()));
  }
  return out;
}

std::string encode_quoted_printable(std::string_view octets) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t at = 0; at < octets.size(); ++at) {
    if (octets.substr(at).starts_with("\r\n")) {
      out += "\r\n";
      column = 0;
      ++at;
      continue;
    }
    const char c = octets[at];
    const bool last = at + 1 == octets.size() || octets.substr(at + 1).starts_with("\r\n");
    const bool blank = (c == ' ' || c == '\t') && !last;  // 2045 §6.7 (3)
    const bool plain = blank || (c > ' ' && c <= '~' && c != '=');
    const std::size_t width = plain ? 1 : 3;
    if (column + width > kLineOctetsMax - (last ? 0 : 1)) {  // room for the `=` of a soft line break
      out += "=\r\n";
      column = 0;
    }
    if (plain) {
      out += c;
    } else {
      out += '=';
      for (const char digit : to_hex({&c, 1})) out += to_upper_ascii(digit);
    }
    column += width;
  }
  return out;
}

}  // namespace postrider::mail
