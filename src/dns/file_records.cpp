#include "dns/file_records.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace postrider::dns {

namespace {

std::unexpected<Error> malformed(std::string detail) { return error(Error::malformed, "dns.file", std::move(detail)); }

/// `line` up to the ';' that stands outside quotes.
std::string_view without_comment(std::string_view line) {
  bool quoted = false;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\') {
      ++at;
    } else if (line[at] == '"') {
      quoted = !quoted;
    } else if (line[at] == ';' && !quoted) {
      return line.substr(0, at);
    }
  }
  return line;
}

/// The first word of `rest`, which becomes what stands behind it.
std::string_view take_word(std::string_view& rest) {
  rest = trimmed(rest);
  const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest = trimmed(rest.substr(end));
  return word;
}

Result<RecordType> parse_type(std::string_view word) {
  struct Row {
    std::string_view word;
    RecordType type;
  };
  static constexpr auto kTypes = std::to_array<Row>({
      {"A", RecordType::a},
      {"AAAA", RecordType::aaaa},
      {"MX", RecordType::mx},
      {"TXT", RecordType::txt},
      {"CNAME", RecordType::cname},
      {"PTR", RecordType::other},
      {"NS", RecordType::other},
      {"SOA", RecordType::other},
      {"SRV", RecordType::srv},
      {"TLSA", RecordType::tlsa},
      {"SPF", RecordType::other},
      {"CAA", RecordType::other},
      {"DS", RecordType::other},
      {"HTTPS", RecordType::other},
      {"HINFO", RecordType::other},
      {"DNAME", RecordType::other},
  });
  const auto row = std::ranges::find_if(kTypes, [word](const Row& each) { return iequals_ascii(each.word, word); });
  if (row == kTypes.end()) return malformed("unknown type " + std::string(word));
  return row->type;
}

/// One octet of a quoted string, escaped or not (1035 §5.1); `rest` begins at it and is cut behind it.
Result<char> take_octet(std::string_view& rest) {
  const char first = rest.front();
  rest.remove_prefix(1);
  if (first != '\\') return first;
  if (rest.empty()) return malformed("a lone backslash");
  if (!is_digit_ascii(rest.front())) {
    const char literal = rest.front();
    rest.remove_prefix(1);
    return literal;
  }
  const Result<unsigned> value =
      rest.size() < 3 ? malformed("") : parse_number<unsigned>(rest.substr(0, 3), {.min = 0, .max = 255});
  if (!value) return malformed("an escape is \\DDD, up to \\255");
  rest.remove_prefix(3);
  return static_cast<char>(static_cast<std::uint8_t>(*value));
}

/// Quoted strings, joined without blanks.
Result<std::string> parse_strings(std::string_view data) {
  std::string joined;
  if (data.empty()) return malformed("TXT wants quoted strings");
  while (!data.empty()) {
    if (data.front() != '"') return malformed("TXT wants quoted strings");
    data.remove_prefix(1);
    while (!data.empty() && data.front() != '"') {
      const Result<char> octet = take_octet(data);
      if (!octet) return fail(octet);
      joined += *octet;
    }
    if (data.empty()) return malformed("a string without its closing quote");
    data = trimmed(data.substr(1));
  }
  return joined;
}

Result<std::array<std::uint8_t, 16>> parse_address(std::string_view data, RecordType type) {
  std::array<std::uint8_t, 16> octets{};
  const std::string terminated(data);
  const bool is_four = type == RecordType::a;
  if (is_four) octets[10] = octets[11] = 0xFF;  // 4291 §2.5.5.2
  const int parsed = ::inet_pton(is_four ? AF_INET : AF_INET6, terminated.c_str(), octets.data() + (is_four ? 12 : 0));
  if (parsed != 1 || data.find('\0') != std::string_view::npos) return malformed("not an address: " + terminated);
  return octets;
}

Result<MxRecord> parse_mx(std::string_view data) {
  const std::string_view preference = take_word(data);
  const Result<std::uint16_t> number = parse_number<std::uint16_t>(preference);
  if (!number) return malformed("MX wants PREFERENCE NAME");
  if (data == ".") return MxRecord{.preference = *number, .exchange = {}};  // 7505 §3
  const Result<Name> exchange = Name::parse(data);
  if (!exchange) return malformed("MX wants PREFERENCE NAME");
  return MxRecord{.preference = *number, .exchange = exchange->text()};
}

Result<SrvRecord> parse_srv(std::string_view data) {
  std::array<std::uint16_t, 3> numbers{};
  for (std::uint16_t& number : numbers) {
    const Result<std::uint16_t> parsed = parse_number<std::uint16_t>(take_word(data));
    if (!parsed) return malformed("SRV wants PRIORITY WEIGHT PORT NAME");
    number = *parsed;
  }
  SrvRecord record{.priority = numbers[0], .weight = numbers[1], .port = numbers[2], .target = {}};
  if (data == ".") return record;  // 2782: the service is not there
  const Result<Name> target = Name::parse(data);
  if (!target) return malformed("SRV wants PRIORITY WEIGHT PORT NAME");
  record.target = target->text();
  return record;
}

Result<TlsaRecord> parse_tlsa(std::string_view data) {
  std::array<std::uint8_t, 3> numbers{};
  for (std::uint8_t& number : numbers) {
    const Result<std::uint8_t> parsed = parse_number<std::uint8_t>(take_word(data));
    if (!parsed) return malformed("TLSA wants USAGE SELECTOR MATCHING HEX");
    number = *parsed;
  }
  TlsaRecord record{.usage = numbers[0], .selector = numbers[1], .matching = numbers[2], .data = {}};
  std::string digits;
  while (!data.empty()) digits += take_word(data);  // 6698 §2.2: blanks are allowed among the digits
  const auto value_of = [](char c) { return c <= '9' ? c - '0' : to_lower_ascii(c) - 'a' + 10; };
  const bool is_hex = std::ranges::all_of(
      digits, [](char c) { return is_digit_ascii(c) || (to_lower_ascii(c) >= 'a' && to_lower_ascii(c) <= 'f'); });
  if (digits.empty() || digits.size() % 2 != 0 || !is_hex) return malformed("TLSA wants USAGE SELECTOR MATCHING HEX");
  for (std::size_t at = 0; at < digits.size(); at += 2)
    record.data += static_cast<char>(static_cast<std::uint8_t>(value_of(digits[at]) << 4 | value_of(digits[at + 1])));
  return record;
}

}  // namespace

Result<Records> Records::parse(std::string_view text) {
  Records records;
  std::size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const Result<void> added = records.add_line(line);
    if (!added) return malformed("line " + std::to_string(number) + ": " + added.error().detail);
  }
  return records;
}

Result<void> Records::add_line(std::string_view line) {
  std::string_view rest = without_comment(line);
  const std::string_view owner = take_word(rest);
  if (owner.empty()) return {};
  if (owner == "AD" && (rest == "yes" || rest == "no")) {
    security_ = rest == "yes" ? Security::secure : Security::insecure;
    return {};
  }
  const Result<Name> name = Name::parse(owner);
  if (!name) return malformed("not a name: " + std::string(owner));
  const std::string_view word = take_word(rest);
  const Result<RecordType> type = parse_type(word);
  if (!type) return fail(type);
  if (rest.empty()) return malformed("no data");
  return add_data(entries_[name->text()], *type, rest);
}

Result<void> Records::add_data(Entry& entry, RecordType type, std::string_view data) {
  if (data.starts_with('!')) {
    struct Row {
      std::string_view word;
      Made made;
    };
    static constexpr auto kMade = std::to_array<Row>({{"!NXDOMAIN", Made::nxdomain},
                                                      {"!SERVFAIL", Made::servfail},
                                                      {"!TIMEOUT", Made::timeout},
                                                      {"!NODATA", Made::nodata}});
    const auto row = std::ranges::find_if(kMade, [data](const Row& each) { return each.word == data; });
    if (row == kMade.end()) return malformed("unknown answer " + std::string(data));
    entry.made[type] = row->made;
    return {};
  }
  const auto keep = [](auto& into, auto parsed) -> Result<void> {
    if (!parsed) return fail(parsed);
    into.push_back(std::move(*parsed));
    return {};
  };
  switch (type) {
    case RecordType::a: return keep(entry.a, parse_address(data, type));
    case RecordType::aaaa: return keep(entry.aaaa, parse_address(data, type));
    case RecordType::mx: return keep(entry.mx, parse_mx(data));
    case RecordType::txt: return keep(entry.txt, parse_strings(data));
    case RecordType::srv: return keep(entry.srv, parse_srv(data));
    case RecordType::tlsa: return keep(entry.tlsa, parse_tlsa(data));
    case RecordType::cname: {
      Result<Name> target = Name::parse(data);
      if (!target) return malformed("CNAME wants NAME");
      if (entry.cname) return malformed("a second CNAME");  // 2181 §10.1
      entry.cname = std::move(*target);
      return {};
    }
    case RecordType::other: return {};
  }
  return {};
}

Result<const Records::Entry*> Records::find(Name name, RecordType type) const {
  for (std::size_t links = 0; links <= kCnameChainMax; ++links) {
    const auto at = entries_.find(name.text());
    if (at == entries_.end()) return error(Error::not_found, "dns", "nxdomain");
    const Entry& entry = at->second;
    auto made = entry.made.find(type);
    if (made == entry.made.end()) made = entry.made.find(RecordType::cname);
    if (made != entry.made.end()) {
      switch (made->second) {
        case Made::nxdomain: return error(Error::not_found, "dns", "nxdomain");
        case Made::nodata: return error(Error::not_found, "dns", "nodata");
        case Made::servfail: return error(Error::transient, "dns", "servfail");
        case Made::timeout: return error(Error::timeout, "dns", name.text());
      }
    }
    if (!entry.cname) return &entry;
    name = *entry.cname;
  }
  return error(Error::transient, "dns", "the chain of CNAMEs is too long");
}

namespace {

template <class Answer, class Found>
Result<Answer> answer_of(const Found& found, Security security) {
  if (found.empty()) return error(Error::not_found, "dns", "nodata");
  return Answer{found, security};
}

}  // namespace

Result<MxAnswer> Records::mx(const Name& name) const {
  const Result<const Entry*> entry = find(name, RecordType::mx);
  if (!entry) return fail(entry);
  return answer_of<MxAnswer>((*entry)->mx, security_);
}

Result<AddressAnswer> Records::a(const Name& name) const {
  const Result<const Entry*> entry = find(name, RecordType::a);
  if (!entry) return fail(entry);
  return answer_of<AddressAnswer>((*entry)->a, security_);
}

Result<AddressAnswer> Records::aaaa(const Name& name) const {
  const Result<const Entry*> entry = find(name, RecordType::aaaa);
  if (!entry) return fail(entry);
  return answer_of<AddressAnswer>((*entry)->aaaa, security_);
}

Result<SrvAnswer> Records::srv(const Name& name) const {
  const Result<const Entry*> entry = find(name, RecordType::srv);
  if (!entry) return fail(entry);
  return answer_of<SrvAnswer>((*entry)->srv, security_);
}

Result<TlsaAnswer> Records::tlsa(const Name& name) const {
  const Result<const Entry*> entry = find(name, RecordType::tlsa);
  if (!entry) return fail(entry);
  return answer_of<TlsaAnswer>((*entry)->tlsa, security_);
}

Result<TxtAnswer> Records::txt(const Name& name) const {
  const Result<const Entry*> entry = find(name, RecordType::txt);
  if (!entry) return fail(entry);
  std::size_t octets = 0;
  for (const std::string& record : (*entry)->txt) octets += record.size();
  if (octets > kTxtOctetsMax) return error(Error::too_long, "dns", "TXT over 16 KiB");
  return answer_of<TxtAnswer>((*entry)->txt, security_);
}

}  // namespace postrider::dns
