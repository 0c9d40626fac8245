#include "mail/parameters.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"
#include "mail/charset.hpp"
#include "mail/defects.hpp"
#include "mail/header_text.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace postrider::mail {
namespace {

constexpr std::size_t kLineOctetsMax = 76;
constexpr std::size_t kShortParameterOctets = 36;  // stands behind what is before it, without a fold
constexpr std::size_t kSegmentOctetsMin = 50;      // of a segment that we write
constexpr std::size_t kValueOctetsMax = 30'000;    // that we write: with `%XX` kParameterSegmentsMax lines of under 998

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed_folds(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// UTF-8 without control characters; a tab becomes a blank.
std::string without_controls(std::string_view utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size(); ++at) {
    const char c = utf8[at];
    if (c == '\t') {
      out += ' ';
    } else if (c == '\xc2' && at + 1 < utf8.size() && static_cast<std::uint8_t>(utf8[at + 1]) < 0xA0) {
      ++at;  // U+0080 to U+009F
    } else if (static_cast<std::uint8_t>(c) >= ' ' && c != '\x7f') {
      out += c;
    }
  }
  return out;
}

/// One parameter as it stands in the field.
struct Segment {
  std::string name;                   // lower case, without the stars
  std::optional<std::size_t> number;  // of `name*3=`
  bool extended = false;              // `name*=`, `name*3*=`: percent signs mean something
  std::string value;                  // unquoted
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  std::vector<std::string>& defects() { return defects_; }

  /// Up to and with the first semicolon, or to where a parameter begins without one.
  std::string read_value() {
    std::string out;
    std::string_view word = {};
    while (!at_end() && peek() != ';') {
      if (is_blank(peek()) || (peek() == '(' && skip_comment())) {
        skip_blanks();
        word = {};
        continue;
      }
      if (peek() == '=') {  // `text/plain charset=utf-8`: that word was a name
        note_defect(defects_, "missing_semicolon");
        at_ -= word.size();
        out.resize(out.size() - word.size());
        return out;
      }
      word = text_.substr(at_ - word.size(), word.size() + 1);
      if (peek() != '"') {
        out += peek();
      } else {
        word = {};
      }
      ++at_;
    }
    if (!at_end()) ++at_;
    return out;
  }

  /// The next parameter, up to and with its semicolon; nullopt for what is none.
  std::optional<Segment> read_segment() {
    const std::string name = read_name();
    if (at_end() || peek() == ';') {
      if (!at_end()) ++at_;
      if (!name.empty()) note_defect(defects_, "missing_equals_sign");
      return std::nullopt;
    }
    ++at_;  // '='
    skip_blanks();
    std::string value = read_parameter_value();
    if (name.empty()) {
      note_defect(defects_, "missing_name");
      return std::nullopt;
    }
    return segment_of(name, std::move(value));
  }

 private:
  [[nodiscard]] char peek() const { return text_[at_]; }

  /// Comments nest (5322 §3.2.2). False, and nothing read, where it has no end.
  bool skip_comment() {
    if (no_comments_) return false;
    std::size_t depth = 0;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '(') {
        ++depth;
      } else if (text_[i] == ')' && --depth == 0) {
        at_ = i + 1;
        return true;
      }
    }
    no_comments_ = true;  // looked for once only: linear
    note_defect(defects_, "unterminated_comment");
    return false;
  }

  void skip_blanks() {
    while (!at_end() && (is_blank(peek()) || (peek() == '(' && skip_comment()))) {
      if (!at_end() && is_blank(peek())) ++at_;
    }
  }

  std::string read_name() {
    std::string name;
    bool blank = false;
    while (!at_end() && peek() != ';' && peek() != '=') {
      if (peek() == '(' && skip_comment()) continue;
      const char c = peek();
      ++at_;
      if (is_blank(c)) {
        blank = true;
        continue;
      }
      if (blank && !name.empty()) {  // only the last word is a name
        note_defect(defects_, "bad_name");
        name.clear();
      }
      blank = false;
      if (c > ' ' && c <= '~') name += to_lower_ascii(c);
    }
    return name;
  }

  std::string read_parameter_value() {
    if (!at_end() && peek() == '"') {
      std::optional<std::string> quoted = read_quoted();
      if (quoted) return std::move(*quoted);
    }
    return read_unquoted();
  }

  /// nullopt, and nothing read but the quote, where it has no end.
  std::optional<std::string> read_quoted() {
    ++at_;
    std::string out;
    for (std::size_t i = at_; i < text_.size() && !no_quotes_; ++i) {
      const char c = text_[i];
      if (c == '"') {
        at_ = i + 1;
        end_quoted();
        return out;
      }
      // 5322 §3.2.4 takes the backslash of any pair away; we do that before letters and digits not: paths of Windows
      // are written as they are.
      if (c == '\\' && i + 1 < text_.size() && !is_alnum_ascii(text_[i + 1])) ++i;
      if (text_[i] != '\r' && text_[i] != '\n') out += text_[i];
    }
    no_quotes_ = true;
    note_defect(defects_, "unterminated_quote");
    return std::nullopt;
  }

  /// Up to and with the semicolon; what is no blank before it may be a parameter whose semicolon is missing.
  void end_quoted() {
    skip_blanks();
    if (at_end()) return;
    if (peek() == ';')
      ++at_;
    else
      note_defect(defects_, "missing_semicolon");
  }

  /// Whether `name="` stands behind the blanks here. Asked at the first blank behind a word only: linear.
  [[nodiscard]] bool quoted_parameter_follows() const {
    std::size_t i = at_;
    while (i < text_.size() && is_blank(text_[i])) ++i;
    const std::size_t begin = i;
    while (i < text_.size() && (is_alnum_ascii(text_[i]) || text_[i] == '-' || text_[i] == '*')) ++i;
    return i > begin && text_.substr(i).starts_with("=\"");
  }

  /// Up to and with the semicolon. A comment counts as one only where nothing but blanks follows: `a (1).txt` is a
  /// name.
  std::string read_unquoted() {
    const std::size_t begin = at_;
    std::size_t end = at_;
    while (!at_end() && peek() != ';') {
      if (peek() == '(' && skip_comment()) continue;
      if (is_blank(peek()) && end == at_ && quoted_parameter_follows()) {
        note_defect(defects_, "missing_semicolon");
        break;
      }
      if (!is_blank(peek())) end = at_ + 1;
      ++at_;
    }
    std::string_view value = trimmed_folds(text_.substr(begin, end - begin));
    if (!at_end() && peek() == ';') ++at_;
    if (value.ends_with('"') && std::ranges::count(value, '"') == 1) {
      note_defect(defects_, "unterminated_quote");
      value = trimmed_folds(value.substr(0, value.size() - 1));
    }
    std::string out;
    for (const char c : value) {
      if (c == ' ' || c == '\t') note_defect(defects_, "unquoted_blank");
      if (c != '\r' && c != '\n') out += c;
    }
    return out;
  }

  /// Takes the stars off a name (2231 §3, §4.1).
  std::optional<Segment> segment_of(std::string_view name, std::string value) {
    Segment out{.name = std::string(name), .number = std::nullopt, .extended = false, .value = std::move(value)};
    std::string_view base = name;
    if (base.ends_with('*')) {
      out.extended = true;
      base.remove_suffix(1);
    }
    const std::size_t star = base.rfind('*');
    if (star != std::string_view::npos) {
      const Result<std::size_t> number = parse_number<std::size_t>(base.substr(star + 1));
      if (number && *number >= kParameterSegmentsMax) {
        note_defect(defects_, "too_many_segments");
        return std::nullopt;
      }
      if (number) {
        out.number = *number;
        base = base.substr(0, star);
      }
    }
    if (base.empty()) {
      note_defect(defects_, "missing_name");
      return std::nullopt;
    }
    out.name = base;
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool no_comments_ = false;
  bool no_quotes_ = false;
  std::vector<std::string> defects_;
};

int hex_value(char c) {
  if (is_digit_ascii(c)) return c - '0';
  const char lower = to_lower_ascii(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// `%41` is A; what is no such pair stays.
std::string percent_decoded(std::string_view text, std::vector<std::string>& defects) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) {
      note_defect(defects, "bad_percent");
      out += '%';
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// The charset before `'lang'`, which is taken off `value` (2231 §4).
std::string take_charset(std::string_view& value, std::vector<std::string>& defects) {
  const std::size_t first = value.find('\'');
  const std::size_t second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  if (second == std::string_view::npos) {
    note_defect(defects, "missing_charset");
    return {};
  }
  const std::string charset(value.substr(0, first));
  value.remove_prefix(second + 1);
  return charset;
}

std::string converted(std::string_view octets, std::string_view charset, std::vector<std::string>& defects) {
  const ConvertedText text = to_utf8(octets, charset);
  if (!text.known) note_defect(defects, "unknown_charset");
  if (text.replaced) note_defect(defects, "bad_characters");
  return text.text;
}

/// Encoded-words must not stand in parameters (2047 §5 (3)); many programs write them there.
std::string plain_value(std::string_view value, std::vector<std::string>& defects) {
  if (value.find("=?") != std::string_view::npos) {
    DecodedText text = decode_header_text(value);
    if (!text.charsets.empty()) {
      note_defect(defects, "encoded_word");
      for (const std::string& defect : text.defects) note_defect(defects, defect);
      return std::move(text.text);
    }
  }
  if (!is_utf8(value)) note_defect(defects, "raw_8bit");
  return to_utf8(value, {}).text;
}

/// Segments 0, 1, 2 … as far as they are there.
std::optional<std::string> joined_value(const std::vector<const Segment*>& segments,
                                        std::vector<std::string>& defects) {
  if (segments.empty()) return std::nullopt;
  const bool extended = std::ranges::any_of(segments, &Segment::extended);
  std::string octets;
  std::string charset;
  for (const Segment* segment : segments) {
    std::string_view value = segment->value;
    if (segment == segments.front() && segment->extended) charset = take_charset(value, defects);
    octets += segment->extended ? percent_decoded(value, defects) : std::string(value);
  }
  return extended ? converted(octets, charset, defects) : plain_value(octets, defects);
}

/// All that is said of the parameter `name`. Of several forms `name*=` counts before `name*0=`, and that before
/// `name=`, which is there for readers that know no 2231 (as 6266 §4.3 has it).
std::optional<std::string> value_of(const std::vector<Segment>& all, std::string_view name,
                                    std::vector<std::string>& defects) {
  const Segment* plain = nullptr;
  const Segment* extended = nullptr;
  std::vector<const Segment*> numbered(kParameterSegmentsMax);
  std::size_t numbered_count = 0;
  for (const Segment& segment : all) {
    if (segment.name != name) continue;
    const Segment*& place = segment.number ? numbered[*segment.number] : (segment.extended ? extended : plain);
    if (place != nullptr) {
      note_defect(defects, segment.number ? "duplicate_segment" : "duplicate_parameter");
      continue;
    }
    place = &segment;
    if (segment.number) ++numbered_count;
  }
  numbered.erase(std::ranges::find(numbered, nullptr), numbered.end());
  if (numbered.size() < numbered_count) note_defect(defects, "missing_segment");
  if (extended != nullptr) numbered = {extended};
  if (std::optional<std::string> value = joined_value(numbered, defects)) return value;
  if (plain != nullptr) return plain_value(plain->value, defects);
  return std::nullopt;
}

// --- writing ---

bool is_attribute_character(char c) {  // 2231 §7
  return c > ' ' && c <= '~' && std::string_view("*'%()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

std::string quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string percent_encoded(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (is_attribute_character(c)) {
      out += c;
    } else {
      out += '%';
      for (const char digit : to_hex({&c, 1})) out += to_upper_ascii(digit);
    }
  }
  return out;
}

/// `%XX` is not cut in two.
std::string_view take_segment(std::string_view& rest, std::size_t octets_max) {
  std::size_t size = std::min(octets_max, rest.size());
  for (std::size_t back = 1; back <= 2 && size < rest.size() && size > back; ++back)
    if (rest[size - back] == '%') size -= back;
  const std::string_view segment = rest.substr(0, size);
  rest.remove_prefix(size);
  return segment;
}

std::string encode_extended(std::string_view name, std::string_view value) {
  const std::string encoded = percent_encoded(value);
  std::string_view rest = encoded;
  constexpr std::string_view kCharset = "utf-8''";
  if (1 + name.size() + 2 + kCharset.size() + rest.size() < kLineOctetsMax)
    return ";\r\n\t" + std::string(name) + "*=" + std::string(kCharset) + std::string(rest);
  const std::size_t octets_max = std::max(kSegmentOctetsMin, rest.size() / (kParameterSegmentsMax - 1) + 4);
  std::string out;
  for (std::size_t number = 0; !rest.empty() && number < kParameterSegmentsMax; ++number) {
    out += ";\r\n\t" + std::string(name) + '*' + std::to_string(number) + "*=";
    std::size_t room = octets_max;
    if (number == 0) {
      out += kCharset;
      room -= kCharset.size();
    }
    out += take_segment(rest, room);
  }
  return out;
}

}  // namespace

std::string_view ParameterizedValue::parameter(std::string_view name) const {
  const auto found = std::ranges::find_if(parameters, [&](const Parameter& p) { return iequals_ascii(p.name, name); });
  return found == parameters.end() ? std::string_view() : std::string_view(found->value);
}

ParameterizedValue parse_parameterized(std::string_view value) {
  ParameterizedValue out;
  Reader reader(value);
  const std::string first = reader.read_value();
  out.value = lowered_ascii(without_controls(to_utf8(first, {}).text));
  std::vector<Segment> segments;
  while (!reader.at_end()) {
    std::optional<Segment> segment = reader.read_segment();
    if (!segment) continue;
    if (segments.size() == kParameterSegmentsMax) {
      note_defect(reader.defects(), "too_many_segments");
      break;
    }
    segments.push_back(std::move(*segment));
  }
  out.defects = std::move(reader.defects());
  for (const Segment& segment : segments) {
    if (std::ranges::find(out.parameters, segment.name, &Parameter::name) != out.parameters.end()) continue;
    if (std::optional<std::string> text = value_of(segments, segment.name, out.defects))
      out.parameters.push_back({.name = segment.name, .value = without_controls(*text)});
  }
  return out;
}

std::string encode_parameter(std::string_view name, std::string_view value) {
  std::string clean = without_controls(to_utf8(value, "utf-8").text);
  std::size_t size = std::min(clean.size(), kValueOctetsMax);
  while (size < clean.size() && (static_cast<std::uint8_t>(clean[size]) & 0xC0U) == 0x80U) --size;
  clean.resize(size);
  const std::string plain = std::string(name) + '=' + quoted(clean);
  if (!is_ascii(clean) || clean.find("=?") != std::string::npos || plain.size() >= kLineOctetsMax)
    return encode_extended(name, clean);
  return (plain.size() <= kShortParameterOctets ? "; " : ";\r\n\t") + plain;
}

}  // namespace postrider::mail
