#include "mail/message_builder.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/charset.hpp"
#include "mail/header_section.hpp"
#include "mail/header_text.hpp"
#include "mail/parameters.hpp"
#include "mail/printable.hpp"
#include "mail/transfer_encoding.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::size_t kLineOctetsMax = 998;      // 5322 §2.1.1
constexpr std::size_t kFoldColumn = 76;          // 5322 §2.1.1 wants 78 at most, 2047 §2 76
constexpr std::size_t kAddressOctetsMax = 900;   // of one address on a line; ours
constexpr std::size_t kPlainNameOctetsMax = 60;  // a longer display name is folded as encoded-words; ours
constexpr std::size_t kWordOctetsMax = 42;       // of text in one encoded-word in base64 (2047 §2: 75 with its frame)

bool is_atom_octet(char c) {  // 5322 §3.2.3
  return is_alnum_ascii(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
}

/// As it can stand in a field: well-formed UTF-8, a blank for each control character.
std::string clean_text(std::string_view text) {
  std::string out = to_utf8(text, "utf-8").text;
  for (std::size_t at = 0; at < out.size(); ++at) {
    const auto octet = static_cast<unsigned char>(out[at]);
    if (octet < 0x20 || octet == 0x7f) out[at] = ' ';
    if (octet == 0xc2 && static_cast<unsigned char>(out[at + 1]) < 0xa0) out.replace(at, 2, " ");  // C1
  }
  return out;
}

std::string quoted_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// A display name as encoded-words, each on a line of its own but the first; none splits a character (2047 §5 (3)).
std::string encoded_phrase(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    std::size_t size = std::min(kWordOctetsMax, name.size());
    while (size < name.size() && (static_cast<unsigned char>(name[size]) & 0xc0U) == 0x80U) --size;
    out += fmt::format("{}=?utf-8?B?{}?=", out.empty() ? "" : "\r\n\t", to_base64(name.substr(0, size)));
    name.remove_prefix(size);
  }
  return out;
}

std::string phrase(std::string_view name) {
  if (!is_ascii(name) || name.size() > kPlainNameOctetsMax || name.find("=?") != std::string_view::npos)
    return encoded_phrase(name);
  const bool atoms = std::ranges::all_of(name, [](char c) { return is_atom_octet(c) || c == ' '; });
  return atoms ? std::string(name) : quoted_string(name);
}

/// `local@domain`; empty when there is nothing to write, or too much.
std::string addr_spec(const HeaderMailbox& mailbox) {
  const std::string local = clean_text(mailbox.local);
  std::string domain = clean_text(mailbox.domain);
  if (const Result<Domain> known = Domain::parse(domain, Utf8::yes)) domain = known->text();
  const std::string_view never = domain.starts_with('[') ? " <>\"(),;\\" : " <>\"(),;\\:@[]";
  if (local.empty() || domain.empty() || local.size() + domain.size() > kAddressOctetsMax) return {};
  if (domain.find_first_of(never) != std::string::npos) return {};
  bool dot_atom = local.front() != '.' && local.back() != '.' && local.find("..") == std::string::npos;
  for (const char c : local)
    dot_atom = dot_atom && (is_atom_octet(c) || c == '.' || static_cast<unsigned char>(c) > 127);
  return (dot_atom ? local : quoted_string(local)) + '@' + domain;
}

std::string one_mailbox(const HeaderMailbox& mailbox) {
  const std::string address = addr_spec(mailbox);
  const std::string name(trimmed(clean_text(mailbox.name)));
  if (address.empty() || name.empty()) return address;
  const std::string before = phrase(name);
  const std::size_t line = before.size() - (before.rfind('\t') + 1);  // none: npos + 1 is 0
  return before + (line + address.size() + 4 > kFoldColumn ? "\r\n\t<" : " <") + address + '>';
}

/// CRLF for each line end of any kind, and one at the end of what has none.
std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') ++at;
    if (text[at] == '\r' || text[at] == '\n') {
      out += "\r\n";
    } else {
      out += text[at];
    }
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  return out;
}

/// 2045 §2.7: text that can go as it is.
bool is_7bit(std::string_view crlf_lines) {
  std::size_t line = 0;
  for (const char c : crlf_lines) {
    if (c == '\0' || static_cast<unsigned char>(c) > 127) return false;
    line = c == '\n' ? 0 : line + 1;
    if (line > kLineOctetsMax + 1) return false;  // with its CR
  }
  return true;
}

bool is_media_type(std::string_view type) {
  const auto [top, sub] = split_once(type, '/');
  const auto is_token = [](std::string_view text) {
    return !text.empty() && text.size() <= 127 && std::ranges::all_of(text, [](char c) {
      return is_atom_octet(c) ? std::string_view("/=?").find(c) == std::string_view::npos : c == '.';
    });
  };
  return is_token(top) && is_token(sub);
}

}  // namespace

MessageBuilder& MessageBuilder::field(std::string_view name, std::string_view text) {
  check(field_name_of(std::string(name) + ':') == name, "message builder: a field name");
  const std::string value = encode_header_text(clean_text(text), name.size() + 1);
  header_ += fmt::format("{}:{}{}\r\n", name, value.empty() ? "" : " ", value);
  return *this;
}

MessageBuilder& MessageBuilder::addresses(std::string_view name, const std::vector<HeaderMailbox>& mailboxes) {
  check(field_name_of(std::string(name) + ':') == name, "message builder: a field name");
  std::string out;
  for (const HeaderMailbox& mailbox : mailboxes) {
    const std::string text = one_mailbox(mailbox);
    if (text.empty()) continue;
    const std::size_t first = std::min(text.find('\r'), text.size());
    if (out.empty()) {
      out = fmt::format("{}: ", name);
    } else {
      out += out.size() - (out.rfind('\n') + 1) + first + 3 > kFoldColumn ? ",\r\n\t" : ", ";
    }
    out += text;
  }
  if (!out.empty()) header_ += out + "\r\n";
  return *this;
}

MessageBuilder& MessageBuilder::date(WallTime at) {
  header_ += fmt::format("Date: {}\r\n", to_rfc5322_date(at));
  return *this;
}

MessageBuilder& MessageBuilder::message_id(std::string_view left, const Domain& right) {
  const auto fits = [](char c) { return is_atom_octet(c) || c == '.'; };
  check(!left.empty() && std::ranges::all_of(left, fits), "message builder: the left side of a Message-ID");  // §3.6.4
  header_ += fmt::format("Message-ID: <{}@{}>\r\n", left, right.text());
  return *this;
}

MessageBuilder& MessageBuilder::text(std::string_view utf8, std::string_view subtype) {
  check(is_media_type(std::string("text/").append(subtype)), "message builder: a subtype of text");
  const std::string lines = with_crlf(to_utf8(utf8, "utf-8").text);
  const std::string head =
      fmt::format("Content-Type: text/{}; charset={}\r\n", subtype, is_ascii(lines) ? "us-ascii" : "utf-8");
  if (is_7bit(lines)) {
    parts_.push_back(head + "Content-Transfer-Encoding: 7bit\r\n\r\n" + lines);
    return *this;
  }
  const std::string quoted = encode_quoted_printable(lines);
  const std::string base64 = encode_base64_lines(lines);
  const bool quoted_is_shorter = quoted.size() <= base64.size();
  parts_.push_back(fmt::format("{}Content-Transfer-Encoding: {}\r\n\r\n{}", head,
                               quoted_is_shorter ? "quoted-printable" : "base64", quoted_is_shorter ? quoted : base64));
  return *this;
}

MessageBuilder& MessageBuilder::attachment(std::string_view octets, std::string_view type, std::string_view filename) {
  const bool usable =
      is_media_type(type) && !istarts_with_ascii(type, "multipart/") && !istarts_with_ascii(type, "message/");
  std::string head = fmt::format("Content-Type: {}\r\nContent-Transfer-Encoding: base64\r\n",
                                 usable ? type : "application/octet-stream");
  head += "Content-Disposition: attachment" +
          (filename.empty() ? std::string() : encode_parameter("filename", clean_text(filename))) + "\r\n";
  parts_.push_back(head + "\r\n" + encode_base64_lines(octets));
  return *this;
}

MessageBuilder& MessageBuilder::part(std::string_view header, std::string_view body) {
  parts_.push_back(std::string(header) + "\r\n" + std::string(body));
  return *this;
}

MessageBuilder& MessageBuilder::multipart(std::string_view subtype, std::string_view parameters) {
  check(is_media_type(std::string("multipart/").append(subtype)), "message builder: a subtype of multipart");
  subtype_ = subtype;
  multipart_parameters_ = parameters;
  return *this;
}

std::string MessageBuilder::build() const {
  std::string out = header_ + "MIME-Version: 1.0\r\n";
  if (parts_.empty()) return out + "\r\n";
  if (parts_.size() == 1 && subtype_ == "mixed") return out + parts_.front();
  out +=
      fmt::format("Content-Type: multipart/{}{};\r\n\tboundary=\"{}\"\r\n", subtype_, multipart_parameters_, boundary_);
  for (const std::string& part : parts_) {
    // 2046 §5.1.1: the line end before a boundary is the boundary's
    out += fmt::format("\r\n--{}\r\n{}", boundary_, part);
  }
  return out + fmt::format("\r\n--{}--\r\n", boundary_);
}

}  // namespace postrider::mail
