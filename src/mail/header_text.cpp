#include "mail/header_text.hpp"

#include "core/text.hpp"
#include "mail/charset.hpp"
#include "mail/defects.hpp"
#include "mail/transfer_encoding.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace postrider::mail {
namespace {

constexpr std::size_t kCharsetsMax = 20;           // names that a field's result holds; ours
constexpr std::size_t kLineOctetsMax = 76;         // 2047 §2, of a line with encoded-words
constexpr std::size_t kPlainWordOctetsMax = 900;   // with its blank within the 998 octets of a line (5322 §2.1.1)
constexpr std::size_t kEncodedWordOctetsMax = 75;  // 2047 §2
constexpr std::string_view kQBegin = "=?utf-8?q?";
constexpr std::string_view kBBegin = "=?utf-8?b?";
constexpr std::string_view kEnd = "?=";
constexpr std::size_t kEncodedTextMax = kEncodedWordOctetsMax - kQBegin.size() - kEnd.size();
constexpr std::size_t kEncodedTextWorthwhile = 16;  // less room than this on a line is left empty

bool is_fold_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

struct EncodedWord {
  std::string charset;  // lower case, without language
  char encoding = 'q';  // or 'b'
  std::string_view text;
  std::size_t size_octets = 0;  // of the whole word
};

/// Finds encoded-words, from the front to the back; linear over all calls.
class Words {
 public:
  explicit Words(std::string_view value) : value_(value), end_(value.find(kEnd)) {}

  /// The word that begins at `at`, where `=?` stands. Limits of 2047 §2 are not asked for: longer words and words with
  /// blanks in them are met.
  std::optional<EncodedWord> at(std::size_t at) {
    const std::size_t charset_end = value_.find('?', at + 2);
    if (charset_end == std::string_view::npos || charset_end + 2 >= value_.size()) return std::nullopt;
    const std::string_view charset = value_.substr(at + 2, charset_end - at - 2);
    const char encoding = to_lower_ascii(value_[charset_end + 1]);
    if (value_[charset_end + 2] != '?' || (encoding != 'q' && encoding != 'b')) return std::nullopt;
    if (!std::ranges::all_of(charset, [](char c) { return c > ' ' && c <= '~'; })) return std::nullopt;
    const std::size_t begin = charset_end + 3;
    if (end_ != std::string_view::npos && end_ < begin) end_ = value_.find(kEnd, begin);
    if (end_ == std::string_view::npos) return std::nullopt;
    const std::string_view text = value_.substr(begin, end_ - begin);
    // A word that begins within this one means that this one has no end.
    const std::size_t inner = text.find("=?");
    if (inner != std::string_view::npos) return std::nullopt;
    return EncodedWord{.charset = lowered_ascii(charset.substr(0, charset.find('*'))),  // 2231 §5
                       .encoding = encoding,
                       .text = text,
                       .size_octets = end_ + kEnd.size() - at};
  }

 private:
  std::string_view value_;
  std::size_t end_;  // of the first `?=` at or behind where we looked last
};

/// `_` is a blank, the rest as quoted-printable (2047 §4.2).
DecodedOctets decode_q(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c == '_' || c == ' ')  // a blank must not be there (2047 §4.2 (3)); in the wild it is
      plain += "=20";
    else if (c != '\r' && c != '\n')
      plain += c;
  }
  if (plain.ends_with('=')) plain += "3D";  // no soft line break here
  return decode_transfer(plain, TransferEncoding::quoted_printable);
}

class Decoder {
 public:
  [[nodiscard]] bool full() const { return full_; }

  void plain(std::string_view octets) {
    end_run();
    if (!is_utf8(octets)) note_defect(out_.defects, "raw_8bit");
    append(to_utf8(octets, {}).text);  // 6532, else windows-1252
  }

  /// Octets of adjacent words are joined before they are converted: a character may lie across them.
  void word(const EncodedWord& word) {
    if (word.charset != run_charset_ || word.encoding != run_encoding_) end_run();
    run_charset_ = word.charset;
    run_encoding_ = word.encoding;
    const DecodedOctets decoded =
        word.encoding == 'b' ? decode_transfer(word.text, TransferEncoding::base64) : decode_q(word.text);
    if (decoded.damaged) note_defect(out_.defects, word.encoding == 'b' ? "bad_base64" : "bad_quoted_printable");
    run_ += decoded.octets;
    if (out_.charsets.size() < kCharsetsMax) note_defect(out_.charsets, word.charset);
  }

  DecodedText finish() && {
    end_run();
    return std::move(out_);
  }

 private:
  void end_run() {
    if (!run_.empty()) {
      const ConvertedText text = to_utf8(run_, run_charset_);
      if (!text.known) note_defect(out_.defects, "unknown_charset");
      if (text.replaced) note_defect(out_.defects, "bad_characters");
      append(text.text);
    }
    run_.clear();
    run_encoding_ = 0;
  }

  void append(std::string_view text) {
    if (full_) return;
    for (const char c : text)
      if (c != '\r' && c != '\n' && c != '\0') out_.text += c;
    if (out_.text.size() <= kDecodedTextOctetsMax) return;
    std::size_t size = kDecodedTextOctetsMax;
    while (size > 0 && (static_cast<std::uint8_t>(out_.text[size]) & 0xC0U) == 0x80U) --size;
    out_.text.resize(size);
    note_defect(out_.defects, "truncated");
    full_ = true;
  }

  DecodedText out_;
  std::string run_;
  std::string run_charset_;
  char run_encoding_ = 0;
  bool full_ = false;
};

// --- writing ---

bool must_encode(std::string_view word) {
  return word.empty() || word.size() > kPlainWordOctetsMax || word.find("=?") != std::string_view::npos ||
         !is_ascii(word);
}

/// What may stand for itself in a Q word at any place (2047 §5 (3)).
bool stands_in_q(char c) { return is_alnum_ascii(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'; }

std::size_t q_size(std::string_view text) {
  std::size_t size = 0;
  for (const char c : text) size += stands_in_q(c) || c == ' ' ? 1 : 3;
  return size;
}

std::string to_q(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += '_';
    } else if (stands_in_q(c)) {
      out += c;
    } else {
      out += '=';
      for (const char digit : to_hex({&c, 1})) out += to_upper_ascii(digit);
    }
  }
  return out;
}

/// The first character, whole, of well-formed UTF-8.
std::size_t character_size(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && (static_cast<std::uint8_t>(text[size]) & 0xC0U) == 0x80U) ++size;
  return size;
}

/// Lays words on lines; a fold keeps the blank that it stands before.
class Lines {
 public:
  explicit Lines(std::size_t column) : column_(column) {}

  void plain(std::string_view word) { put(word, column_ + 1 + word.size() > kLineOctetsMax); }

  /// Several encoded-words where one is too long; none splits a character (2047 §5).
  void encoded(std::string_view text) {
    const bool q =
        q_size(text) * 2 <= (text.size() + 2) / 3 * 4 * 3;  // people can read it: it may be half as long again
    while (!text.empty()) {
      const std::size_t used = column_ + (out_.empty() ? 0 : 1) + kQBegin.size() + kEnd.size();
      std::size_t room = used < kLineOctetsMax ? std::min(kLineOctetsMax - used, kEncodedTextMax) : 0;
      const bool fold = room < kEncodedTextWorthwhile && !out_.empty();
      if (fold) room = kEncodedTextMax;
      room = std::max(room, kEncodedTextWorthwhile);
      std::size_t size = 0;
      std::size_t width = 0;
      while (size < text.size()) {
        const std::size_t next = character_size(text.substr(size));
        width = q ? width + q_size(text.substr(size, next)) : (size + next + 2) / 3 * 4;
        if (width > room) break;
        size += next;
      }
      const std::string_view piece = text.substr(0, size);
      std::string word(q ? kQBegin : kBBegin);
      word += q ? to_q(piece) : to_base64(piece);
      word += kEnd;
      put(word, fold);
      text.remove_prefix(size);
    }
  }

  std::string finish() && { return std::move(out_); }

 private:
  void put(std::string_view word, bool fold) {
    if (!out_.empty()) {
      if (fold) {
        out_ += "\r\n";
        column_ = 0;
      }
      out_ += ' ';
      ++column_;
    }
    out_ += word;
    column_ += word.size();
  }

  std::string out_;
  std::size_t column_;
};

}  // namespace

DecodedText decode_header_text(std::string_view value) {
  while (!value.empty() && is_fold_blank(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_fold_blank(value.back())) value.remove_suffix(1);
  Decoder decoder;
  Words words(value);
  std::size_t plain_begin = 0;
  bool behind_word = false;
  std::size_t at = value.find("=?");
  while (at != std::string_view::npos && !decoder.full()) {
    const std::optional<EncodedWord> word = words.at(at);
    if (!word) {
      at = value.find("=?", at + 2);
      continue;
    }
    const std::string_view plain = value.substr(plain_begin, at - plain_begin);
    if (!(behind_word && std::ranges::all_of(plain, &is_fold_blank))) decoder.plain(plain);  // 2047 §6.2
    decoder.word(*word);
    behind_word = true;
    plain_begin = at + word->size_octets;
    at = value.find("=?", plain_begin);
  }
  if (plain_begin < value.size()) decoder.plain(value.substr(plain_begin));
  return std::move(decoder).finish();
}

std::string encode_header_text(std::string_view text, std::size_t name_octets) {
  std::string clean = to_utf8(text, "utf-8").text;
  std::ranges::replace_if(clean, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
  if (clean.empty()) return {};
  const std::vector<std::string_view> words = split(clean, ' ');
  // A blank that is not one between two words stands in an encoded-word, with a word beside it.
  std::vector<bool> encode(words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    encode[i] = encode[i] || must_encode(words[i]);
    if (!words[i].empty()) continue;
    if (i + 1 < words.size()) encode[i + 1] = true;
    if (i + 1 == words.size() && i > 0) encode[i - 1] = true;
  }
  Lines lines(name_octets + 1);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!encode[i]) {
      lines.plain(words[i]);
      continue;
    }
    const char* const begin = words[i].data();
    while (i + 1 < words.size() && encode[i + 1]) ++i;
    lines.encoded({begin, words[i].data() + words[i].size()});
  }
  return std::move(lines).finish();
}

}  // namespace postrider::mail
