#include "mail/header_address.hpp"

#include "core/text.hpp"
#include "mail/header_text.hpp"
#include "mail/printable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace postrider::mail {

namespace {

constexpr std::size_t kAddressErrorsMax = 100;  // docs/limits.md "errors of an address field"

/// What the text of one entry is made of. Offsets are into the whole value.
struct Piece {
  enum class Kind : std::uint8_t { atom, quoted, comment, literal, dot, at, comma, colon };
  Kind kind;
  bool apart;  ///< a blank or a comment stands before it
  std::size_t begin;
  std::size_t end;
  [[nodiscard]] bool is_word() const { return kind == Kind::atom || kind == Kind::quoted; }
};
using Pieces = std::span<const Piece>;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_control(char c) { return !is_printable_ascii(c) && static_cast<unsigned char>(c) < 0x80; }
bool ends_atom(char c) { return is_blank(c) || std::string_view("()<>,;:@.\"").contains(c); }

/// Without control characters and with U+FFFD for octets that are no UTF-8; a tab becomes a blank.
std::string cleaned(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const auto lead = static_cast<unsigned char>(c);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const std::string_view one = text.substr(at, length);
    const bool whole = is_utf8(one);
    if (is_printable_utf8(one)) {
      out += one;
    } else if (c == '\t') {
      out += ' ';
    } else if (!whole) {
      out += "\xef\xbf\xbd";
    }
    at += whole ? length : 1;
  }
  return out;
}

/// What a quoted string or a comment means, without its delimiters (5322 §3.2.1, §3.2.2).
std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    out += text[at];
  }
  return out;
}

std::string without_line_ends(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == '\r' || c == '\n'; });
  return out;
}

class ListParser {
 public:
  ListParser(std::string_view value, NameForm names) : value_(value), names_(names) {}

  AddressList run() {
    while (at_ < value_.size() && !full_) step();
    if (full_) return std::move(list_);
    end_entry();
    if (group_) {
      problem(at_, "no ';' after a group");
      close_group();
    }
    return std::move(list_);
  }

 private:
  // ---- what is read

  void problem(std::size_t offset, std::string_view what) {
    if (list_.errors.size() < kAddressErrorsMax) list_.errors.push_back(fmt::format("offset {}: {}", offset, what));
  }

  void push(Piece::Kind kind, std::size_t end) {
    pieces_.push_back({.kind = kind, .apart = std::exchange(apart_, false), .begin = at_, .end = end});
    at_ = end;
  }

  void step() {
    const char c = value_[at_];
    if (is_blank(c) || is_control(c)) {
      apart_ = apart_ || is_blank(c);
      ++at_;
    } else if (c == '(') {
      comment();
    } else if (c == '"') {
      quoted();
    } else if (c == '<') {
      angle();
    } else if (c == ',' || c == ';') {
      separator(c);
    } else if (c == ':') {
      colon();
    } else if (c == '@' || c == '.') {
      push(c == '@' ? Piece::Kind::at : Piece::Kind::dot, at_ + 1);
    } else if (c == ')' || c == '>') {
      problem(at_++, "a bracket without its partner");
    } else {
      atom();
    }
  }

  /// 5322 §3.2.2. One that does not end is read as text; so are all behind it, there is no end for them either.
  void comment() {
    std::size_t depth = 0;
    for (std::size_t end = at_; comments_end_ && end < value_.size(); ++end) {
      const char c = value_[end];
      if (c == '\\') ++end;
      if (c == '(') ++depth;
      if (c != ')' || --depth > 0) continue;
      push(Piece::Kind::comment, end + 1);
      apart_ = true;
      return;
    }
    if (std::exchange(comments_end_, false)) problem(at_, "a comment without its end");
    ++at_;
  }

  /// 5322 §3.2.4; without an end as with comments.
  void quoted() {
    for (std::size_t end = at_ + 1; quotes_end_ && end < value_.size(); ++end) {
      if (value_[end] == '"') return push(Piece::Kind::quoted, end + 1);
      if (value_[end] == '\\') ++end;
    }
    if (std::exchange(quotes_end_, false)) problem(at_, "a quoted string without its end");
    ++at_;
  }

  /// A run of what is not special, also what 5322 §3.2.3 does not allow in an atom; behind `@` a literal; an
  /// encoded-word as a whole, whatever it holds.
  void atom() {
    if (value_[at_] == '[' && !pieces_.empty() && pieces_.back().kind == Piece::Kind::at) {
      const std::size_t end = value_.find_first_of("[]<>,;\"(", at_ + 1);
      if (end != std::string_view::npos && value_[end] == ']') return push(Piece::Kind::literal, end + 1);
    }
    if (const std::size_t end = encoded_word_end(); end > at_) return push(Piece::Kind::atom, end);
    std::size_t end = at_;
    while (end < value_.size() && !ends_atom(value_[end])) {
      if (value_[end] == '\\') {
        problem(end, "a backslash outside of quotes");
        if (end + 1 < value_.size() && !is_blank(value_[end + 1])) ++end;
      }
      ++end;
    }
    push(Piece::Kind::atom, end);
  }

  /// Where the encoded-word (2047 §2) that begins here ends; at_ when none does.
  std::size_t encoded_word_end() {
    if (at_ < no_word_before_ || !value_.substr(at_).starts_with("=?")) return at_;
    const std::size_t charset_end = value_.find_first_of("?= \t\r\n", at_ + 2);
    if (charset_end == std::string_view::npos || value_[charset_end] != '?') return at_;
    const std::string_view rest = value_.substr(charset_end + 1);
    if (rest.size() < 2 || rest[1] != '?') return at_;
    std::size_t end = charset_end + 3;
    for (;; ++end) {
      end = std::min(value_.find_first_of("? \t\r\n", end), value_.size());
      if (value_.substr(end).starts_with("?=")) return end + 2;
      if (end == value_.size() || value_[end] != '?') break;
    }
    no_word_before_ = end;
    return at_;
  }

  /// `<…>` (5322 §3.4 angle-addr, §4.4 obs-route); what should stand before its `>` may also end it.
  void angle() {
    const std::size_t start = at_++;
    const std::size_t first = pieces_.size();
    apart_ = false;
    bool closed = false;
    bool in_route = false;
    for (bool done = false; !done && at_ < value_.size();) {
      const char c = value_[at_];
      const bool empty = pieces_.size() == first;
      if (c == '@' && empty) in_route = true;
      if (c == '>') {
        done = closed = true;
        ++at_;
      } else if (c == '<' && empty) {
        ++at_;
      } else if (c == '<' || c == ';' || (c == ',' && !in_route)) {
        done = true;
      } else if (c == ',') {
        push(Piece::Kind::comma, at_ + 1);
      } else if (c == ':') {
        in_route = false;
        push(Piece::Kind::colon, at_ + 1);
      } else {
        step();
      }
    }
    if (!closed) problem(start, "no '>'");
    if (pending_) {
      problem(start, "no ',' between addresses");
      flush();
    }
    const Pieces all(pieces_);
    HeaderMailbox mailbox = in_angle(all.subspan(first), start);
    mailbox.name = phrase(all.first(first));
    comment_ = last_comment(all, comment_);
    pending_ = std::move(mailbox);
    pieces_.clear();
  }

  void separator(char c) {
    end_entry();
    ++at_;
    apart_ = false;
    if (c == ';' && group_) close_group();
  }

  void colon() {
    const auto is_at = [](const Piece& piece) { return piece.kind == Piece::Kind::at; };
    if (pending_ || std::ranges::any_of(pieces_, is_at)) {
      problem(at_, "a ':' behind an address");
      end_entry();
    } else if (group_) {
      problem(at_, "a group in a group");
      pieces_.clear();
    } else if (has_room()) {
      group_.emplace();
      group_->name = phrase(pieces_);
      if (group_->name.empty()) problem(at_, "a group without a name");
      pieces_.clear();
    }
    ++at_;
    apart_ = false;
  }

  // ---- what it means

  [[nodiscard]] std::string_view text_of(const Piece& piece) const {
    return value_.substr(piece.begin, piece.end - piece.begin);
  }
  [[nodiscard]] std::string meaning_of(const Piece& piece) const {
    if (piece.kind == Piece::Kind::quoted) return unquoted(text_of(piece).substr(1, piece.end - piece.begin - 2));
    if (piece.kind == Piece::Kind::atom) return unquoted(text_of(piece));
    return std::string(text_of(piece));
  }

  /// A local part or a domain: blanks and comments around dots vanish, between words one blank stays.
  [[nodiscard]] std::string joined(Pieces pieces) const {
    std::string out;
    bool after_word = false;
    for (const Piece& piece : pieces) {
      if (piece.kind == Piece::Kind::comment) continue;
      if (after_word && piece.is_word() && piece.apart) out += ' ';
      out += meaning_of(piece);
      after_word = piece.is_word();
    }
    return cleaned(out);
  }

  [[nodiscard]] std::string name_from(std::string_view raw) const {
    const bool decode = names_ == NameForm::decoded;
    return std::string(trimmed(decode ? cleaned(decode_header_text(raw).text) : without_line_ends(raw)));
  }

  [[nodiscard]] std::string phrase(Pieces pieces) const {
    std::string raw;
    for (const Piece& piece : pieces) {
      if (piece.kind == Piece::Kind::comment) continue;
      if (piece.apart && !raw.empty()) raw += ' ';
      raw += meaning_of(piece);
    }
    return raw.empty() ? raw : name_from(raw);
  }

  /// The inside of the last comment among `pieces`; `before` when there is none.
  [[nodiscard]] std::string last_comment(Pieces pieces, const std::string& before) const {
    for (std::size_t i = pieces.size(); i > 0; --i) {
      const std::string_view text = text_of(pieces[i - 1]);
      if (pieces[i - 1].kind == Piece::Kind::comment) return unquoted(text.substr(1, text.size() - 2));
    }
    return before;
  }

  /// How many of `pieces`, behind an `@`, are its domain (5322 §3.4.1, obs-domain §4.4). A dot at its end is left out.
  struct FoundDomain {
    std::string text;
    std::size_t pieces = 0;
  };
  [[nodiscard]] FoundDomain domain_at(Pieces pieces) const {
    FoundDomain out;
    bool want_atom = true;
    std::size_t taken = 0;
    for (; taken < pieces.size(); ++taken) {
      const Piece& piece = pieces[taken];
      if (piece.kind == Piece::Kind::comment) continue;
      if (piece.kind == Piece::Kind::literal && out.text.empty()) {
        out.text = text_of(piece);
        out.pieces = taken + 1;
        break;
      }
      if (want_atom ? piece.kind != Piece::Kind::atom : piece.kind != Piece::Kind::dot) break;
      want_atom = !want_atom;
      out.text += meaning_of(piece);
      out.pieces = taken + 1;
    }
    if (out.text.ends_with('.')) out.text.pop_back();
    out.text = lowered_ascii(cleaned(out.text));
    return out;
  }

  /// What is missing; empty when nothing is.
  static std::string_view missing_in(const HeaderMailbox& mailbox) {
    if (mailbox.local.empty()) return mailbox.domain.empty() ? "no address" : "no local part";
    return mailbox.domain.empty() ? "no domain" : "";
  }

  HeaderMailbox in_angle(Pieces pieces, std::size_t offset) {
    HeaderMailbox out;
    const auto is = [](Piece::Kind kind) { return [kind](const Piece& piece) { return piece.kind == kind; }; };
    const auto colon = std::ranges::find_if(pieces, is(Piece::Kind::colon));
    if (colon != pieces.end()) {
      if (pieces.front().kind == Piece::Kind::at) {
        out.route = cleaned(value_.substr(pieces.front().begin, std::prev(colon)->end - pieces.front().begin));
      } else {
        problem(colon->begin, "a ':' in an address");
      }
      pieces = pieces.subspan(static_cast<std::size_t>(colon - pieces.begin()) + 1);
    }
    std::size_t at = pieces.size();
    while (at > 0 && pieces[at - 1].kind != Piece::Kind::at) --at;
    if (at == 0) {
      out.local = joined(pieces);
      return from_quotes(std::move(out), offset);
    }
    out.local = joined(pieces.first(at - 1));
    FoundDomain domain = domain_at(pieces.subspan(at));
    out.domain = std::move(domain.text);
    drop_quotes(out);
    judge(out, pieces.front().begin, pieces.back().end, "");
    return out;
  }

  /// Notes what is wrong with an address that was read from that part of the value: `wrong`, or what is found.
  void judge(const HeaderMailbox& mailbox, std::size_t begin, std::size_t end, std::string_view wrong) {
    if (wrong.empty()) wrong = missing_in(mailbox);
    if (wrong.empty() && !check_address(value_.substr(begin, end - begin), AddressGrammar::header, true).valid)
      wrong = "not an address";
    if (!wrong.empty()) problem(begin, wrong);
  }

  /// A mailbox whose address has no `@` outside of quotes: some programs quote it whole.
  HeaderMailbox from_quotes(HeaderMailbox mailbox, std::size_t offset) {
    const AddressCheck inside = check_address(mailbox.local, AddressGrammar::smtp, true);
    problem(offset, inside.valid ? "an address in quotes" : missing_in(mailbox));
    if (inside.valid) {
      mailbox.local = inside.local;
      mailbox.domain = inside.domain;
    }
    return mailbox;
  }

  /// Where the local part begins that ends before the `@` at `at`, not before `floor`.
  [[nodiscard]] std::size_t local_start(std::size_t at, std::size_t floor) const {
    std::size_t start = at;
    const Piece* behind = nullptr;
    for (std::size_t i = at; i > floor; --i) {
      const Piece& piece = pieces_[i - 1];
      if (piece.kind == Piece::Kind::comment) continue;
      const bool joins =
          behind == nullptr || !behind->apart || behind->kind == Piece::Kind::dot || piece.kind == Piece::Kind::dot;
      if (!joins || (!piece.is_word() && piece.kind != Piece::Kind::dot && piece.kind != Piece::Kind::at)) break;
      behind = &piece;
      start = i - 1;
    }
    return start;
  }

  /// An entry without `<…>`: one address, or several where commas are missing, or only words.
  void bare_entry() {
    const std::size_t count = pieces_.size();
    std::size_t floor = 0;
    for (std::size_t at = 0; at < count; ++at) {
      if (pieces_[at].kind != Piece::Kind::at) continue;
      const Pieces all(pieces_);
      FoundDomain domain = domain_at(all.subspan(at + 1));
      std::size_t end = at + 1 + domain.pieces;
      if (end < count && pieces_[end].kind == Piece::Kind::at && !pieces_[end].apart) {
        at = end - 1;  // `a@b@c`: the last one counts
        continue;
      }
      while (end < count && pieces_[end].kind == Piece::Kind::comment) ++end;
      const std::size_t start = local_start(at, floor);
      HeaderMailbox mailbox;
      mailbox.local = joined(all.subspan(start, at - start));
      mailbox.domain = std::move(domain.text);
      mailbox.name = phrase(all.subspan(floor, start - floor));
      if (mailbox.name.empty()) mailbox.name = name_from(last_comment(all.subspan(floor, end - floor), ""));
      drop_quotes(mailbox);
      const bool words = std::ranges::any_of(all.subspan(floor, start - floor),
                                             [](const Piece& piece) { return piece.kind != Piece::Kind::comment; });
      std::string_view wrong = words ? "no '<' before an address" : "";
      if (floor > 0) wrong = "no ',' between addresses";
      judge(mailbox, pieces_[start].begin, pieces_[end - 1].end, wrong);
      if (missing_in(mailbox) != "no address") add(std::move(mailbox));
      floor = end;
      at = end - 1;
    }
    if (floor == 0) return only_words();
    if (floor < count) problem(pieces_[floor].begin, "text behind an address");
  }

  /// `'user@example.com'`
  void drop_quotes(HeaderMailbox& mailbox) {
    if (!mailbox.local.starts_with('\'') || !mailbox.domain.ends_with('\'')) return;
    mailbox.local.erase(0, 1);
    mailbox.domain.pop_back();
    problem(pieces_.front().begin, "an address in quotes");
  }

  void only_words() {
    const Pieces all(pieces_);
    const auto words = std::ranges::count_if(all, [](const Piece& piece) { return piece.is_word(); });
    if (words == 0) {
      const auto text =
          std::ranges::find_if(all, [](const Piece& piece) { return piece.kind != Piece::Kind::comment; });
      if (text != all.end()) problem(text->begin, "no address");
      return;
    }
    HeaderMailbox mailbox;
    const bool one = std::ranges::none_of(
        all.subspan(1), [](const Piece& piece) { return piece.apart && piece.kind != Piece::Kind::comment; });
    (one ? mailbox.local : mailbox.name) = one ? joined(all) : phrase(all);
    if (one) {
      mailbox = from_quotes(std::move(mailbox), all.front().begin);
      mailbox.name = name_from(last_comment(all, ""));
    } else {
      problem(all.front().begin, "no address");
    }
    add(std::move(mailbox));
  }

  // ---- what is kept

  void end_entry() {
    if (pending_) {
      const auto is_at = [](const Piece& piece) { return piece.kind == Piece::Kind::at; };
      const auto is_comment = [](const Piece& piece) { return piece.kind == Piece::Kind::comment; };
      const bool more = std::ranges::any_of(pieces_, is_at);
      if (!more) comment_ = last_comment(pieces_, comment_);
      flush();
      const auto text = std::ranges::find_if_not(pieces_, is_comment);
      if (text != pieces_.end()) problem(text->begin, more ? "no ',' between addresses" : "text behind an address");
      if (!more) pieces_.clear();
    }
    if (!pieces_.empty()) bare_entry();
    pieces_.clear();
    comment_.clear();
    apart_ = false;
  }

  /// The mailbox of an angle-addr is done; the comment beside it is its name when it has no other.
  void flush() {
    if (pending_->name.empty() && !comment_.empty()) pending_->name = name_from(comment_);
    add(std::move(*pending_));
    pending_.reset();
    comment_.clear();
  }

  [[nodiscard]] bool has_room() {
    if (!full_ && ++count_ <= kAddressListMax) return true;
    if (!std::exchange(full_, true)) {
      if (list_.errors.size() == kAddressErrorsMax) list_.errors.pop_back();
      problem(at_, fmt::format("more than {} addresses, the rest is not read", kAddressListMax));
      if (group_) close_group();
    }
    return false;
  }

  void add(HeaderMailbox mailbox) {
    if (!has_room()) return;
    if (group_) {
      group_->mailboxes.push_back(std::move(mailbox));
    } else {
      list_.entries.emplace_back(std::move(mailbox));
    }
  }

  void close_group() {
    list_.entries.emplace_back(std::move(*group_));
    group_.reset();
  }

  std::string_view value_;
  NameForm names_;
  std::size_t at_ = 0;
  bool apart_ = false;
  bool comments_end_ = true;
  bool quotes_end_ = true;
  bool full_ = false;
  std::size_t no_word_before_ = 0;
  std::size_t count_ = 0;  ///< mailboxes and groups
  std::vector<Piece> pieces_;
  std::string comment_;
  std::optional<HeaderMailbox> pending_;
  std::optional<HeaderGroup> group_;
  AddressList list_;
};

}  // namespace

std::vector<HeaderMailbox> AddressList::mailboxes() const {
  std::vector<HeaderMailbox> out;
  for (const auto& entry : entries) {
    if (const auto* mailbox = std::get_if<HeaderMailbox>(&entry)) out.push_back(*mailbox);
    if (const auto* group = std::get_if<HeaderGroup>(&entry))
      out.insert(out.end(), group->mailboxes.begin(), group->mailboxes.end());
  }
  return out;
}

AddressList parse_address_list(std::string_view value, NameForm names) { return ListParser(value, names).run(); }

}  // namespace postrider::mail
