#include "mail/report_fields.hpp"

#include "core/text.hpp"
#include "mail/address.hpp"
#include "mail/charset.hpp"
#include "mail/header_section.hpp"
#include "mail/printable.hpp"
#include "mail/xtext.hpp"

#include <algorithm>
#include <array>

namespace postrider::mail {

namespace {

constexpr std::size_t kAddressOctetsMax = 512;  // of what is printed for one; ours

// 3464 §2.2, §2.3, and what tells whom a group is about.
constexpr auto kKnown = std::to_array<std::string_view>({
    "action",
    "arrival-date",
    "diagnostic-code",
    "dsn-gateway",
    "final-log-id",
    "final-recipient",
    "last-attempt-date",
    "original-envelope-id",
    "original-recipient",
    "received-from-mta",
    "remote-mta",
    "reporting-mta",
    "status",
    "will-retry-until",
    "x-actual-recipient",
});

// A group says each of these once.
constexpr auto kOnce = std::to_array<std::string_view>({"action", "final-recipient", "original-recipient", "status"});

bool is_one_of(const auto& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

/// The next line of `rest`, without its end.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : end < rest.size() ? 1 : 0));
  return line;
}

class Groups {
 public:
  explicit Groups(ReportNames names) : names_(names) {}

  void line(std::string_view line) {
    if (trimmed(line).empty()) return close();
    if (line.front() == ' ' || line.front() == '\t') return fold(line);
    in_field_ = false;
    const std::optional<std::string_view> written = field_name_of(line);
    if (!written) return;
    std::string name = lowered_ascii(*written);
    if (names_ == ReportNames::known_only && !is_one_of(kKnown, name)) return;
    if (is_one_of(kOnce, name) && !group_.first(name).empty()) close();
    if (group_.fields.size() == kReportFieldsMax) return;
    line.remove_prefix(line.find(':') + 1);
    group_.fields.push_back({.name = std::move(name), .value = std::string(line.substr(0, kReportValueOctetsMax))});
    in_field_ = true;
  }

  std::vector<ReportGroup> finish() && {
    close();
    return std::move(groups_);
  }

 private:
  void fold(std::string_view line) {
    if (!in_field_) return;
    std::string& value = group_.fields.back().value;
    value += line.substr(0, kReportValueOctetsMax - std::min(value.size(), kReportValueOctetsMax));
  }
  void close() {
    in_field_ = false;
    if (group_.fields.empty() || groups_.size() == kReportGroupsMax) return group_.fields.clear();
    for (ReportField& field : group_.fields) field.value = one_line(field.value, kReportValueOctetsMax);
    groups_.push_back(std::move(group_));
    group_ = {};
  }

  ReportNames names_;
  ReportGroup group_;
  bool in_field_ = false;
  std::vector<ReportGroup> groups_;
};

constexpr bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }
/// Begins a character over U+07FF: of no Latin, Greek, Cyrillic, Hebrew or Arabic word.
constexpr bool is_wide(char c) { return static_cast<unsigned char>(c) >= 0xe0; }
constexpr bool is_local(char c) {
  return is_alnum_ascii(c) || is_high(c) || std::string_view("!#$%&'*+/=?^_`{|}~-.").contains(c);
}
constexpr bool is_domain(char c) { return is_alnum_ascii(c) || is_high(c) || c == '-' || c == '.'; }

/// Where the local part that ends at `at` begins; `at` when there is none.
std::size_t local_begin(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  const std::size_t lowest = at - std::min(at, 2 * kLocalPartOctetsMax + 2);
  if (at > 0 && text[at - 1] == '"') {
    const std::size_t quote = at >= 2 ? text.substr(0, at - 1).rfind('"') : std::string_view::npos;
    return quote == std::string_view::npos || quote < lowest ? at : quote;
  }
  while (begin > lowest && is_local(text[begin - 1])) --begin;
  // Text of a script that puts no blanks between words is not of an address in ASCII.
  bool wide = false;
  for (std::size_t i = begin; i < at; ++i) {
    if (wide && !is_high(text[i])) begin = i;
    wide = is_high(text[i]) && (wide || is_wide(text[i]));
  }
  while (begin < at && std::string_view("'`*.|/").contains(text[begin])) ++begin;  // quotes and bullets before it
  return begin;
}

std::size_t domain_end(std::string_view text, std::size_t at) {
  const std::size_t highest = std::min(text.size(), at + kDomainOctetsMax + 1);
  std::size_t end = at;
  if (at < text.size() && text[at] == '[') {
    const std::size_t close = text.substr(0, highest).find(']', at);
    return close == std::string_view::npos ? at : close + 1;
  }
  while (end < highest && is_domain(text[end]) && !(end > at && is_wide(text[end]) && is_alnum_ascii(text[end - 1])))
    ++end;
  while (end > at && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
  return end;
}

/// All of `text` is one: with the route of 5321 App. C taken off.
std::string whole_address(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('<') && text.ends_with('>')) text = trimmed(text.substr(1, text.size() - 2));
  if (text.starts_with('@')) {
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos) text.remove_prefix(colon + 1);
  }
  return Address::parse(text, Utf8::yes) ? std::string(text) : std::string();
}

}  // namespace

std::string_view ReportGroup::first(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &ReportField::name);
  return found == fields.end() ? std::string_view() : std::string_view(found->value);
}

std::vector<ReportGroup> parse_report_groups(std::string_view body, ReportNames names) {
  Groups groups(names);
  while (!body.empty()) groups.line(take_line(body));
  return std::move(groups).finish();
}

std::string one_line(std::string_view text, std::size_t octets_max) {
  const std::string utf8 = is_utf8(text) ? std::string(text) : to_utf8(text, "").text;
  std::string out;
  bool blank = false;
  for (std::size_t at = 0; at < utf8.size(); ++at) {
    const char c = utf8[at];
    const bool c1 = c == '\xc2' && at + 1 < utf8.size() && static_cast<unsigned char>(utf8[at + 1]) < 0xa0;
    if (c1) ++at;
    if (c1 || c == ' ' || c == '\x7f' || (!is_high(c) && c < ' ')) {
      blank = true;
      continue;
    }
    if (blank && !out.empty()) out += ' ';
    blank = false;
    out += c;
  }
  if (out.size() <= octets_max) return out;
  std::size_t octets = octets_max;
  while (octets > 0 && (static_cast<unsigned char>(out[octets]) & 0xC0U) == 0x80) --octets;
  out.resize(octets);
  return std::string(trimmed(out));
}

FoundAddress find_address(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find('@', from); at != std::string_view::npos; at = text.find('@', at + 1)) {
    const std::size_t begin = std::max(from, local_begin(text, at));
    const std::size_t end = domain_end(text, at + 1);
    if (begin >= at || end == at + 1) continue;
    const std::string_view address = text.substr(begin, end - begin);
    if (Address::parse(address, Utf8::yes)) return {.address = std::string(address), .begin = begin, .end = end};
  }
  return {};
}

std::string reported_address(std::string_view value) {
  const auto [type, rest] = split_once(value, ';');
  const std::string_view name = trimmed(type);
  const bool typed = type.size() < value.size() && !name.empty() &&
                     std::ranges::all_of(name, [](char c) { return is_alnum_ascii(c) || c == '-'; });
  std::string text(trimmed(typed ? rest : value));
  if (typed && iequals_ascii(name, "utf-8")) {
    const Result<std::string> decoded = decode_utf8_address(text);
    if (decoded) text = *decoded;
  }
  std::string address = whole_address(text);
  if (address.empty() && (!typed || iequals_ascii(name, "rfc822") || iequals_ascii(name, "utf-8")))
    address = find_address(text).address;
  return one_line(address.empty() ? text : address, kAddressOctetsMax);
}

}  // namespace postrider::mail
