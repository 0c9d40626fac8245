#include "mail/address.hpp"

#include "core/text.hpp"
#include "mail/idna.hpp"
#include "mail/printable.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::string_view kPlace = "mail.address";
constexpr std::size_t kLabelOctetsMax = 63;  // 1035 §2.3.4

std::unexpected<Error> malformed_at(std::size_t offset) {
  return error(Error::malformed, kPlace, fmt::format("offset {}", offset));
}
std::unexpected<Error> too_long(std::string_view what) { return error(Error::too_long, kPlace, std::string(what)); }

constexpr bool is_over_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

/// What is read with `yes` alone is unsupported rather than malformed.
template <class T, class Parse>
Result<T> parse_as(std::string_view text, Utf8 utf8, Parse parse) {
  Result<T> parsed = parse(utf8);
  if (parsed || utf8 == Utf8::yes || parsed.error().code != Error::malformed || is_ascii(text)) return parsed;
  if (parse(Utf8::yes)) return error(Error::unsupported, kPlace, "UTF-8");
  return parsed;
}

/// atext (5322 §3.2.3, 6532 §3.2): what an atom of a dot-string is made of.
constexpr bool is_atext(char c) {
  constexpr std::string_view kSpecials = "!#$%&'*+-/=?^_`{|}~";
  return is_alnum_ascii(c) || kSpecials.contains(c) || is_over_ascii(c);
}

bool is_dot_string(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.' || text.contains("..")) return false;
  return std::ranges::all_of(text, [](char c) { return c == '.' || is_atext(c); });
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelOctetsMax || label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) { return c == '-' || is_alnum_ascii(c); });
}

/// What stands between the square brackets, in lower case: an IPv4 address, or `ipv6:` and an IPv6 address (5321
/// §4.1.3).
bool is_literal_address(const std::string& text) {
  constexpr std::string_view kSix = "ipv6:";
  in6_addr address{};
  if (text.starts_with(kSix)) return inet_pton(AF_INET6, text.c_str() + kSix.size(), &address) == 1;
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

/// The rules of 5321 §4.1.2, one after the other, over one text. Offsets in errors are from its start.
class Reader {
 public:
  Reader(std::string_view text, Utf8 utf8) : text_(text), utf8_(utf8) {}

  [[nodiscard]] std::size_t offset() const { return at_; }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// Local-part, as it means.
  Result<std::string> local_part() {
    const std::size_t start = at_;
    Result<std::string> part = take('"') ? quoted_string() : dot_string();
    if (!part) return part;
    if (part->size() > kLocalPartOctetsMax) return too_long("local part");  // 5321 §4.5.3.1.1
    if (!is_printable_utf8(*part)) return malformed_at(start);
    return part;
  }

  /// A domain or an address literal, up to the first of `ends` or the end of the text.
  Result<Domain> domain(std::string_view ends) {
    const std::size_t start = at_;
    // An IPv6 literal has colons of its own: the end is sought behind its bracket.
    std::size_t from = at_;
    if (!at_end() && text_[at_] == '[') from = std::min(text_.find(']', at_), text_.size());
    at_ = std::min(text_.find_first_of(ends, from), text_.size());
    Result<Domain> domain = Domain::parse(text_.substr(start, at_ - start), utf8_);
    if (!domain && domain.error().code != Error::too_long) return malformed_at(start);
    return domain;
  }

  /// A-d-l ":" of a source route; it is checked and left out (5321 §4.1.2, App. C).
  Result<void> source_route() {
    do {
      if (!take('@')) return malformed_at(at_);
      const Result<Domain> host = domain(",:>");
      if (!host) return fail(host);
    } while (take(','));
    if (!take(':')) return malformed_at(at_);
    return {};
  }

  Result<Address> mailbox(std::string_view ends) {
    Result<std::string> local = local_part();
    if (!local) return fail(local);
    if (!take('@')) return malformed_at(at_);
    Result<Domain> host = domain(ends);
    if (!host) return fail(host);
    return Address::make(std::move(*local), std::move(*host));
  }

 private:
  Result<std::string> dot_string() {
    const std::size_t start = at_;
    while (!at_end() && may_stand(text_[at_]) && (text_[at_] == '.' || is_atext(text_[at_]))) ++at_;
    const std::string_view part = text_.substr(start, at_ - start);
    if (!is_dot_string(part)) return malformed_at(start);
    return std::string(part);
  }

  /// After the opening quote (5321 §4.1.2 Quoted-string).
  Result<std::string> quoted_string() {
    const std::size_t start = at_;
    std::string part;
    while (!at_end() && text_[at_] != '"') {
      const bool escaped = text_[at_] == '\\';
      if (escaped) ++at_;
      if (at_end() || !may_stand(text_[at_])) return malformed_at(at_);
      if (escaped && (text_[at_] & 0xc0) == 0x80) return malformed_at(at_);  // inside a character (6531 §3.3)
      part += text_[at_++];
    }
    if (!take('"')) return malformed_at(at_);
    if (part.empty()) return malformed_at(start);  // the grammar has it; nobody is named by nothing, so we do not
    return part;
  }

  [[nodiscard]] bool may_stand(char c) const {
    return is_printable_ascii(c) || (utf8_ == Utf8::yes && is_over_ascii(c));  // 6531 §3.3
  }

  std::string_view text_;
  Utf8 utf8_;
  std::size_t at_ = 0;
};

Result<ParsedPath> read_reverse_path(std::string_view text, Utf8 utf8) {
  if (text.starts_with("<>")) return ParsedPath{.path = Path::null(), .octets = 2};  // 5321 §4.1.1.2
  Reader reader(text, utf8);
  if (!reader.take('<')) return malformed_at(0);
  if (text.substr(1).starts_with('@')) {
    const Result<void> route = reader.source_route();
    if (!route) return fail(route);
  }
  Result<Address> address = reader.mailbox(">");
  if (!address) return fail(address);
  if (!reader.take('>')) return malformed_at(reader.offset());
  if (reader.offset() > kPathOctetsMax) return too_long("path");  // 5321 §4.5.3.1.3
  return ParsedPath{.path = Path(std::move(*address)), .octets = reader.offset()};
}

}  // namespace

Result<Domain> Domain::parse(std::string_view text, Utf8 utf8) {
  if (text.size() > kDomainOctetsMax) return too_long("domain");  // 5321 §4.5.3.1.2
  if (text.empty()) return malformed_at(0);
  if (!is_ascii(text)) {
    if (text.front() == '[') return malformed_at(0);
    const Result<std::string> ascii = to_a_labels(text);
    if (!ascii) return malformed_at(0);
    Result<Domain> domain = parse(*ascii);
    if (domain && utf8 == Utf8::no) return error(Error::unsupported, kPlace, "UTF-8");
    return domain;
  }
  std::string lower = lowered_ascii(text);
  if (lower.front() == '[') {
    if (lower.back() != ']' || !std::ranges::all_of(lower, is_printable_ascii)) return malformed_at(0);
    if (!is_literal_address(lower.substr(1, lower.size() - 2))) return malformed_at(1);
  } else {
    std::size_t start = 0;
    for (const std::string_view label : split(text, '.')) {
      if (!is_label(label)) return malformed_at(start);
      start += label.size() + 1;
    }
  }
  return Domain(std::move(lower));
}

Result<Address> Address::make(std::string local_part, Domain domain) {
  if (local_part.size() > kLocalPartOctetsMax) return too_long("local part");
  if (local_part.empty() || !is_printable_utf8(local_part)) return malformed_at(0);
  Address address(std::move(local_part), std::move(domain));
  if (address.text().size() + 2 > kPathOctetsMax)
    return too_long("path");  // 5321 §4.5.3.1.3: it could not be passed on
  return address;
}

Result<Address> Address::parse(std::string_view text, Utf8 utf8) {
  if (text.size() + 2 > kPathOctetsMax) return too_long("path");
  return parse_as<Address>(text, utf8, [text](Utf8 mode) { return Reader(text, mode).mailbox(""); });
}

bool Address::is_ascii() const { return postrider::is_ascii(local_part_); }

std::string Address::text() const {
  std::string out;
  if (is_dot_string(local_part_)) {
    out = local_part_;
  } else {
    out = "\"";
    for (const char c : local_part_) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  out += '@';
  out += domain_.text();
  return out;
}

Result<ParsedPath> parse_reverse_path(std::string_view text, Utf8 utf8) {
  return parse_as<ParsedPath>(text, utf8, [text](Utf8 mode) { return read_reverse_path(text, mode); });
}

Result<ParsedForwardPath> parse_forward_path(std::string_view text, const Domain& own_domain, Utf8 utf8) {
  constexpr std::string_view kPostmaster = "<Postmaster>";  // 5321 §4.1.1.3, §4.5.1
  if (istarts_with_ascii(text, kPostmaster)) {
    Result<Address> address = Address::make(std::string(text.substr(1, kPostmaster.size() - 2)), own_domain);
    if (!address) return fail(address);
    return ParsedForwardPath{.address = std::move(*address), .octets = kPostmaster.size()};
  }
  const Result<ParsedPath> parsed = parse_reverse_path(text, utf8);
  if (!parsed) return fail(parsed);
  if (parsed->path.is_null()) return malformed_at(1);
  return ParsedForwardPath{.address = parsed->path.address(), .octets = parsed->octets};
}

}  // namespace postrider::mail
