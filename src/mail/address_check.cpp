// The judgement of one address. Its diagnoses have the names and the order of the well-known isemail suite (without its
// questions to the DNS): the gravest that was found is the answer.
#include "core/text.hpp"
#include "mail/address.hpp"
#include "mail/header_address.hpp"
#include "mail/idna.hpp"
#include "mail/printable.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace postrider::mail {

namespace {

/// In the order of their weight; each row of kDiagnoses has the same place.
enum class Diagnosis : std::uint8_t {
  valid,
  rfc5321_tld,
  rfc5321_tldnumeric,
  rfc5321_quotedstring,
  rfc5321_addressliteral,
  rfc5321_ipv6deprecated,
  cfws_comment,
  cfws_fws,
  deprec_localpart,
  deprec_fws,
  deprec_qtext,
  deprec_qp,
  deprec_comment,
  deprec_ctext,
  deprec_cfws_near_at,
  rfc5322_domain,
  rfc5322_toolong,
  rfc5322_local_toolong,
  rfc5322_domain_toolong,
  rfc5322_label_toolong,
  rfc5322_domainliteral,
  rfc5322_domlit_obsdtext,
  rfc5322_ipv6_grpcount,
  rfc5322_ipv6_2x2xcolon,
  rfc5322_ipv6_badchar,
  rfc5322_ipv6_maxgrps,
  rfc5322_ipv6_colonstrt,
  rfc5322_ipv6_colonend,
  err_expecting_dtext,
  err_nolocalpart,
  err_nodomain,
  err_consecutivedots,
  err_atext_after_cfws,
  err_atext_after_qs,
  err_atext_after_domlit,
  err_expecting_qpair,
  err_expecting_atext,
  err_expecting_qtext,
  err_expecting_ctext,
  err_backslashend,
  err_dot_start,
  err_dot_end,
  err_domainhyphenstart,
  err_domainhyphenend,
  err_unclosedquotedstr,
  err_unclosedcomment,
  err_uncloseddomlit,
  err_fws_crlf_x2,
  err_fws_crlf_end,
  err_cr_no_lf,
};
using enum Diagnosis;

constexpr auto kDiagnoses = std::to_array<std::string_view>({
    "valid",
    "rfc5321_tld",              // one label (5321 §2.3.5 asks for a fully qualified name)
    "rfc5321_tldnumeric",       // the last label begins with a digit (3696 §2)
    "rfc5321_quotedstring",     // 5321 §4.1.2
    "rfc5321_addressliteral",   // 5321 §4.1.3
    "rfc5321_ipv6deprecated",   // `::` for one group (5952 §4.2.2)
    "cfws_comment",             // 5322 §3.2.2
    "cfws_fws",                 // 5322 §3.2.2
    "deprec_localpart",         // obs-local-part (5322 §4.4)
    "deprec_fws",               // obs-FWS (5322 §4.2), or blanks inside obsolete forms
    "deprec_qtext",             // obs-qtext (5322 §4.1)
    "deprec_qp",                // obs-qp (5322 §4.1)
    "deprec_comment",           // a comment inside obsolete forms (5322 §4.4)
    "deprec_ctext",             // obs-ctext (5322 §4.1)
    "deprec_cfws_near_at",      // 5322 §3.4.1 SHOULD NOT
    "rfc5322_domain",           // not letters, digits and hyphens (5321 §4.1.2), or no U-label (6531 §3.3)
    "rfc5322_toolong",          // 5321 §4.5.3.1.3
    "rfc5322_local_toolong",    // 5321 §4.5.3.1.1
    "rfc5322_domain_toolong",   // 5321 §4.5.3.1.2
    "rfc5322_label_toolong",    // 1035 §2.3.4
    "rfc5322_domainliteral",    // 5322 §3.4.1, but no address of 5321 §4.1.3
    "rfc5322_domlit_obsdtext",  // obs-dtext (5322 §4.4)
    "rfc5322_ipv6_grpcount",
    "rfc5322_ipv6_2x2xcolon",
    "rfc5322_ipv6_badchar",
    "rfc5322_ipv6_maxgrps",
    "rfc5322_ipv6_colonstrt",
    "rfc5322_ipv6_colonend",
    "err_expecting_dtext",
    "err_nolocalpart",
    "err_nodomain",
    "err_consecutivedots",
    "err_atext_after_cfws",
    "err_atext_after_qs",
    "err_atext_after_domlit",
    "err_expecting_qpair",
    "err_expecting_atext",
    "err_expecting_qtext",
    "err_expecting_ctext",
    "err_backslashend",
    "err_dot_start",
    "err_dot_end",
    "err_domainhyphenstart",
    "err_domainhyphenend",
    "err_unclosedquotedstr",
    "err_unclosedcomment",
    "err_uncloseddomlit",
    "err_fws_crlf_x2",
    "err_fws_crlf_end",
    "err_cr_no_lf",
});
static_assert(kDiagnoses.size() == static_cast<std::size_t>(err_cr_no_lf) + 1);

constexpr AddressClass class_of(Diagnosis diagnosis) {
  if (diagnosis == valid) return AddressClass::valid;
  if (diagnosis < cfws_comment) return AddressClass::rfc5321;
  if (diagnosis < deprec_localpart) return AddressClass::rfc5322;
  if (diagnosis < rfc5322_domain) return AddressClass::deprecated;
  return diagnosis < err_expecting_dtext ? AddressClass::rfc5322 : AddressClass::invalid;
}

/// 5321 §4.1.3 Snum, four of them; leading zeros are borne.
bool is_ipv4(std::string_view text) {
  const std::vector<std::string_view> numbers = split(text, '.');
  return numbers.size() == 4 && std::ranges::all_of(numbers, [](std::string_view number) {
           if (number.empty() || number.size() > 3 || !std::ranges::all_of(number, is_digit_ascii)) return false;
           return number.size() < 3 || number <= "255";
         });
}

bool is_hex_group(std::string_view group) {
  return group.size() <= 4 && std::ranges::all_of(group, [](char c) {
           return is_digit_ascii(c) || (to_lower_ascii(c) >= 'a' && to_lower_ascii(c) <= 'f');
         });
}

/// What is behind `IPv6:`, an IPv4 address at its end already written as two groups.
Diagnosis judge_ipv6(std::string_view text) {
  constexpr std::string_view kElision = "::";
  Diagnosis worst = rfc5321_addressliteral;
  const auto note = [&worst](Diagnosis found) { worst = std::max(worst, found); };
  const std::vector<std::string_view> groups = split(text, ':');
  const std::size_t elided = text.find(kElision);
  std::size_t groups_max = 8;
  if (elided == std::string_view::npos) {
    if (groups.size() != groups_max) note(rfc5322_ipv6_grpcount);
  } else if (elided != text.rfind(kElision)) {
    note(rfc5322_ipv6_2x2xcolon);
  } else {
    if (elided == 0 || elided + kElision.size() == text.size()) ++groups_max;  // an empty group is counted twice there
    if (groups.size() > groups_max) note(rfc5322_ipv6_maxgrps);
    if (groups.size() == groups_max) note(rfc5321_ipv6deprecated);
  }
  if (!std::ranges::all_of(groups, is_hex_group)) note(rfc5322_ipv6_badchar);
  if (text.starts_with(':') && !text.starts_with(kElision)) note(rfc5322_ipv6_colonstrt);
  if (text.ends_with(':') && !text.ends_with(kElision)) note(rfc5322_ipv6_colonend);
  return worst;
}

/// What stands between the square brackets, without folds.
Diagnosis judge_literal(std::string_view text) {
  constexpr std::string_view kTag = "IPv6:";
  if (is_ipv4(text)) return rfc5321_addressliteral;
  if (!istarts_with_ascii(text, kTag)) return rfc5322_domainliteral;
  text.remove_prefix(kTag.size());
  const std::size_t last = text.rfind(':');
  const std::size_t tail = last == std::string_view::npos ? 0 : last + 1;
  if (!is_ipv4(text.substr(tail))) return judge_ipv6(text);
  return judge_ipv6(std::string(text.substr(0, tail)) + "0:0");
}

/// Where a token stands decides which octets it may have and what is wrong when it has others.
struct Place {
  Diagnosis error;     ///< for NUL, LF and what is not ASCII
  Diagnosis obsolete;  ///< for other controls
};
constexpr Place kQuoted = {.error = err_expecting_qtext, .obsolete = deprec_qtext};
constexpr Place kComment = {.error = err_expecting_ctext, .obsolete = deprec_ctext};
constexpr Place kLiteral = {.error = err_expecting_dtext, .obsolete = rfc5322_domlit_obsdtext};

class Checker {
 public:
  Checker(std::string_view text, bool utf8) : text_(text), utf8_(utf8) {}

  AddressCheck run(AddressGrammar grammar) {
    local_part();
    if (!failed()) domain();
    if (!failed()) whole();
    const AddressClass found = class_of(worst_);
    AddressCheck out{.valid = found != AddressClass::invalid &&
                              (grammar == AddressGrammar::header || found <= AddressClass::rfc5321),
                     .address_class = found,
                     .diagnosis = std::string(kDiagnoses[static_cast<std::size_t>(worst_)]),
                     .local = {},
                     .domain = {}};
    if (found == AddressClass::invalid) return out;
    out.local = std::move(local_);
    out.domain = lowered_ascii(domain_);
    return out;
  }

 private:
  /// What came last, for what must not follow it.
  enum class Prior : std::uint8_t { text, quoted, literal, blank };

  void note(Diagnosis found) { worst_ = std::max(worst_, found); }
  [[nodiscard]] bool failed() const { return class_of(worst_) == AddressClass::invalid; }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char peek() const { return text_[at_]; }
  [[nodiscard]] bool at_blank() const { return peek() == ' ' || peek() == '\t' || peek() == '\r'; }

  /// One octet of ASCII, or one character of UTF-8 where that is allowed; nothing where it is not one (6532 §3.1).
  [[nodiscard]] std::optional<std::string_view> character() const {
    const auto lead = static_cast<unsigned char>(peek());
    if (lead < 0x80) return text_.substr(at_, 1);
    const std::string_view one = text_.substr(at_, lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
    if (!utf8_ || !is_printable_utf8(one)) return std::nullopt;
    return one;
  }
  [[nodiscard]] bool at_atext() const {
    constexpr std::string_view kSpecials = "()<>[]:;@\\,.\"";
    const std::optional<std::string_view> c = character();
    return c && (c->size() > 1 || (c->front() > ' ' && c->front() <= '~' && !kSpecials.contains(c->front())));
  }

  /// FWS (5322 §3.2.2, §4.2); at a blank or a CR.
  void fold() {
    std::size_t folds = 0;
    bool after_crlf = false;
    for (; !at_end() && at_blank(); ++at_) {
      if (peek() != '\r') {
        after_crlf = false;
        continue;
      }
      if (!text_.substr(at_).starts_with("\r\n")) return note(err_cr_no_lf);
      if (after_crlf) return note(err_fws_crlf_x2);
      after_crlf = true;
      if (++folds > 1) note(deprec_fws);
      ++at_;
    }
    if (after_crlf) note(err_fws_crlf_end);
    prior_ = Prior::blank;
  }

  /// Behind a backslash. Gives what it quotes.
  std::string_view quoted_pair() {
    ++at_;
    if (at_end()) {
      note(err_backslashend);
      return {};
    }
    const std::optional<std::string_view> c = character();
    if (!c) {
      note(err_expecting_qpair);
      return {};
    }
    const char first = c->front();
    if (c->size() == 1 && !is_printable_ascii(first) && first != '\t') note(deprec_qp);  // 5322 §4.1
    at_ += c->size();
    return *c;
  }

  /// A character of a quoted string, a comment or a literal.
  std::string_view content(Place place) {
    const std::optional<std::string_view> c = character();
    if (!c || c->front() == '\0' || c->front() == '\n') {
      note(place.error);
      return {};
    }
    if (c->size() == 1 && !is_printable_ascii(c->front())) note(place.obsolete);
    at_ += c->size();
    return *c;
  }

  /// 5322 §3.2.2; the nesting is counted.
  void comment() {
    std::size_t depth = 0;
    while (!failed()) {
      if (at_end()) return note(err_unclosedcomment);
      const char c = peek();
      if (c == '\\') {
        quoted_pair();
      } else if (at_blank()) {
        note(cfws_fws);
        fold();
      } else if (c == '(') {
        ++depth;
        ++at_;
      } else if (c == ')') {
        ++at_;
        if (--depth == 0) break;
      } else {
        content(kComment);
      }
    }
    prior_ = Prior::blank;
  }

  /// 5322 §3.2.4. Its length counts as it is written, quotes and backslashes too (5321 §4.5.3.1).
  void quoted_string() {
    const std::size_t start = at_++;
    std::size_t folded = 0;
    for (;;) {
      if (failed()) return;
      if (at_end()) return note(err_unclosedquotedstr);
      if (peek() == '"') break;
      if (peek() == '\\') {
        local_ += quoted_pair();
      } else if (peek() != ' ' && at_blank()) {
        note(cfws_fws);
        const std::size_t before = at_;
        fold();
        folded += at_ - before - 1;
        for (const char c : text_.substr(before, at_ - before)) local_ += c == '\r' || c == '\n' ? "" : " ";
      } else {
        local_ += content(kQuoted);
      }
    }
    ++at_;
    local_octets_ += at_ - start - folded;
    prior_ = Prior::quoted;
  }

  // An element is what stands between two dots; `closed_` when only a dot or CFWS may follow in it.
  void next_element() {
    closed_ = false;
    element_octets_ = 0;
    ++elements_;
  }
  [[nodiscard]] Diagnosis misplaced_dot() const { return elements_ == 0 ? err_dot_start : err_consecutivedots; }

  void blank_in_local() {
    const bool is_comment = peek() == '(';
    if (element_octets_ > 0) {
      if (is_comment) note(cfws_comment);
      closed_ = true;
    } else if (is_comment) {
      note(elements_ == 0 ? cfws_comment : deprec_comment);
    } else {
      note(elements_ == 0 ? cfws_fws : deprec_fws);
    }
    is_comment ? comment() : fold();
  }

  /// local-part and `@` (5322 §3.4.1, §4.4).
  void local_part() {
    for (; !failed() && !at_end();) {
      const char c = peek();
      if (c == '@') return end_local_part();
      if (c == '(' || at_blank()) {
        blank_in_local();
      } else if (c == '.') {
        if (element_octets_ == 0) return note(misplaced_dot());
        if (closed_) note(deprec_localpart);
        next_element();
        local_ += c;
        ++local_octets_;
        ++at_;
      } else if (c == '"') {
        if (element_octets_ > 0) return note(err_expecting_atext);
        note(elements_ == 0 ? rfc5321_quotedstring : deprec_localpart);
        closed_ = true;
        element_octets_ = 1;
        quoted_string();
      } else {
        if (closed_) return note(prior_ == Prior::quoted ? err_atext_after_qs : err_atext_after_cfws);
        if (!at_atext()) return note(err_expecting_atext);
        const std::string_view one = *character();
        local_ += one;
        local_octets_ += one.size();
        element_octets_ += one.size();
        at_ += one.size();
        prior_ = Prior::text;
      }
    }
    if (!failed()) note(err_nodomain);
  }

  void end_local_part() {
    ++at_;
    if (local_octets_ == 0) return note(err_nolocalpart);
    if (element_octets_ == 0) return note(err_dot_end);
    if (local_octets_ > kLocalPartOctetsMax) note(rfc5322_local_toolong);
    if (prior_ == Prior::blank) note(deprec_cfws_near_at);
    closed_ = false;
    elements_ = element_octets_ = 0;
  }

  void blank_in_domain() {
    const bool is_comment = peek() == '(';
    if (element_octets_ > 0) {
      note(is_comment ? cfws_comment : cfws_fws);
      closed_ = true;
    } else if (elements_ == 0) {
      note(deprec_cfws_near_at);
    } else {
      note(is_comment ? deprec_comment : deprec_fws);
    }
    is_comment ? comment() : fold();
  }

  /// 5322 §3.4.1 domain-literal.
  void literal() {
    domain_ += peek();
    ++at_;
    const std::size_t start = domain_.size();
    for (;;) {
      if (failed()) return;
      if (at_end()) return note(err_uncloseddomlit);
      if (peek() == ']') break;
      if (peek() == '[') return note(err_expecting_dtext);
      if (peek() == '\\') {
        note(rfc5322_domlit_obsdtext);
        domain_ += '\\';
        domain_ += quoted_pair();
      } else if (at_blank()) {
        note(cfws_fws);
        fold();
      } else {
        domain_ += content(kLiteral);
      }
    }
    if (worst_ < rfc5322_domain) note(judge_literal(std::string_view(domain_).substr(start)));
    domain_ += peek();
    ++at_;
    element_octets_ = 1;
    closed_ = true;
    is_literal_ = true;
    prior_ = Prior::literal;
  }

  /// One octet or character of a label (5321 §4.1.2 sub-domain).
  void label_character() {
    if (closed_) note(prior_ == Prior::literal ? err_atext_after_domlit : err_atext_after_cfws);
    if (!at_atext()) return note(err_expecting_atext);
    const std::string_view one = *character();
    if (one == "-" && element_octets_ == 0) note(err_domainhyphenstart);
    if (one.size() == 1 && one != "-" && !is_alnum_ascii(one.front())) note(rfc5322_domain);
    domain_ += one;
    element_octets_ += one.size();
    at_ += one.size();
    prior_ = Prior::text;
  }

  /// At the end of a label that has octets.
  void end_label() {
    const std::string_view label = std::string_view(domain_).substr(domain_.size() - element_octets_);
    if (label.ends_with('-')) return note(err_domainhyphenend);
    std::size_t octets = label.size();
    if (!is_ascii(label)) {
      const Result<std::string> a_label = to_a_label(label);
      if (!a_label) note(rfc5322_domain);
      if (a_label) octets = a_label->size();
    }
    constexpr std::size_t kLabelOctetsMax = 63;  // 1035 §2.3.4
    if (octets > kLabelOctetsMax) note(rfc5322_label_toolong);
    domain_octets_ += octets;
  }

  void domain() {
    for (; !failed() && !at_end();) {
      const char c = peek();
      if (c == '(' || at_blank()) {
        blank_in_domain();
      } else if (c == '.') {
        if (element_octets_ == 0) return note(misplaced_dot());
        if (is_literal_) return note(err_expecting_atext);
        end_label();
        next_element();
        domain_ += c;
        ++domain_octets_;
        ++at_;
      } else if (c == '[' && domain_.empty()) {
        literal();
      } else {
        label_character();
      }
    }
    if (failed()) return;
    if (domain_.empty()) return note(err_nodomain);
    if (element_octets_ == 0) return note(err_dot_end);
    if (is_literal_) {
      domain_octets_ = domain_.size();
      return;
    }
    end_label();
    if (elements_ == 0) note(rfc5321_tld);
    if (is_digit_ascii(domain_[domain_.size() - element_octets_])) note(rfc5321_tldnumeric);
  }

  void whole() {
    if (domain_octets_ > kDomainOctetsMax) note(rfc5322_domain_toolong);
    if (local_octets_ + 1 + domain_octets_ + 2 > kPathOctetsMax) note(rfc5322_toolong);
  }

  std::string_view text_;
  bool utf8_;
  std::size_t at_ = 0;
  Diagnosis worst_ = valid;
  Prior prior_ = Prior::text;
  std::size_t elements_ = 0;
  std::size_t element_octets_ = 0;
  bool closed_ = false;
  bool is_literal_ = false;
  std::string local_;
  std::string domain_;
  std::size_t local_octets_ = 0;   ///< as written, without CFWS
  std::size_t domain_octets_ = 0;  ///< as the DNS has it
};

}  // namespace

std::string_view name_of(AddressClass c) {
  switch (c) {
    case AddressClass::valid: return "valid";
    case AddressClass::rfc5321: return "rfc5321";
    case AddressClass::deprecated: return "deprecated";
    case AddressClass::rfc5322: return "rfc5322";
    case AddressClass::invalid: return "invalid";
  }
  return "invalid";
}

AddressCheck check_address(std::string_view text, AddressGrammar grammar, bool utf8) {
  return Checker(text, utf8).run(grammar);
}

}  // namespace postrider::mail
