// rooms: mail core
// The MIME tree: parts lie in their parents, in order, with nothing but boundary lines between them; limits hold; the
// root's fields are those of the HeaderCollector; what IMAP gets of it is well formed.
#include "mail/mime.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/header_section.hpp"
#include "mail/imap_structure.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

std::uint64_t end_of(const OctetRange& range) { return range.offset + range.size_octets; }

/// Without one line end at its start.
std::string_view without_line_end(std::string_view text) {
  if (text.starts_with("\r\n")) return text.substr(2);
  return text.starts_with('\r') || text.starts_with('\n') ? text.substr(1) : text;
}

/// The text between two parts is a boundary line and its line ends, nothing else.
bool is_boundary_line(std::string_view gap) {
  if (!gap.starts_with("--")) gap = without_line_end(gap);
  if (!gap.starts_with("--")) return false;
  gap.remove_prefix(std::min(gap.find_first_of("\r\n"), gap.size()));
  return without_line_end(gap).empty();
}

std::uint64_t lines_in(std::string_view text) {
  std::uint64_t lines = 0;
  for (std::size_t at = 0; at < text.size(); ++lines) {
    at = std::min(text.find_first_of("\r\n", at), text.size());
    at = text.size() - without_line_end(text.substr(at)).size();
  }
  return lines;
}

struct Sums {
  std::size_t parts = 0;
  std::size_t fields = 0;
};

void check_fields(const mail::MimePart& part, std::uint64_t header_end) {
  std::uint64_t at = part.header.offset;
  for (const mail::MimeField& field : part.fields) {
    check(field.range.offset >= at && field.value.offset > field.range.offset, "fields are in order");
    check(end_of(field.value) <= end_of(field.range), "a value lies in its field");
    at = end_of(field.range);
  }
  check(at <= header_end, "fields lie in their section");
}

/// `end`: where the entity ends at the latest.
void check_part(std::string_view message, const mail::MimePart& part, std::uint64_t end, std::size_t depth,
                Sums& sums) {
  check(depth <= mail::kMimeDepthMax && ++sums.parts <= mail::kMimePartsMax, "depth and parts are limited");
  sums.fields += part.fields.size();
  check(sums.fields <= mail::kMimeFieldsMax && part.fields.size() <= mail::kHeaderFieldsMax, "fields are limited");
  check(end_of(part.header) == part.body.offset && end_of(part.body) <= end, "header, body, end");
  check_fields(part, end_of(part.header));
  check(part.lines == lines_in(mail::octets_of(message, part.body)), "lines");
  const bool multipart = part.type.starts_with("multipart/");
  check(part.children.empty() || multipart || part.children.size() == 1, "one message in a message");
  check(!part.type.empty() && part.type.find('/') != std::string::npos, "a type");
  std::uint64_t at = part.body.offset;
  for (const mail::MimePart& child : part.children) {
    check(child.header.offset >= at, "children are in order");
    if (!multipart) {
      check(child.header.offset == at && end_of(child.body) == end_of(part.body), "a message is all of its part");
    } else if (&child == &part.children.front()) {
      const std::string_view before = message.substr(at, child.header.offset - at);
      check(before.find("--") != std::string_view::npos, "a boundary before the first part");
    } else {
      check(is_boundary_line(message.substr(at, child.header.offset - at)), "one boundary line between parts");
    }
    // The line end of the header section may be the one that belongs to the parent's boundary.
    check_part(message, child, std::max(end_of(part.body), end_of(child.header)), depth + 1, sums);
    at = end_of(child.body);
  }
  if (part.children.empty() && !multipart) (void)mail::decoded_body(message, part);
}

void check_root_fields(std::string_view message, const mail::MimePart& root) {
  for (std::size_t at = 0; at < message.size(); ++at) {  // bare line ends: the collector has none
    if (message[at] == '\r' && (at + 1 == message.size() || message[at + 1] != '\n')) return;
    if (message[at] == '\n' && (at == 0 || message[at - 1] != '\r')) return;
  }
  mail::HeaderCollector collector;
  if (!collector.append(message)) return;
  const Result<mail::HeaderSection> section = std::move(collector).finish();
  if (!section) return;
  const auto same = [](const mail::HeaderField& a, const mail::MimeField& b) {
    return a.name == b.name && a.range == b.range;
  };
  check(std::ranges::equal(section->fields, root.fields, same), "the fields of the HeaderCollector");
}

/// Balanced parentheses and whole strings (9051 §9).
void check_imap(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    check(c != '\r' && c != '\n' && c != '\0' && is_ascii({&c, 1}), "octets of a literal stand in a literal");
    if (c == '(') ++depth;
    if (c == ')') check(depth-- > 0, "balanced");
    check(depth > 0 || at + 1 == text.size(), "one list");
    if (c == '"') {
      for (++at; check(at < text.size(), "strings end"), text[at] != '"'; ++at) {
        check(text[at] != '\r' && text[at] != '\n' && is_ascii(text.substr(at, 1)),
              "quoted strings are lines of ASCII");
        if (text[at] == '\\') ++at;
      }
    } else if (c == '{') {
      std::size_t size = 0;
      for (++at; is_digit_ascii(text[at]); ++at) size = size * 10 + static_cast<std::size_t>(text[at] - '0');
      check(text.substr(at).starts_with("}\r\n") && text.size() - at - 3 > size, "literals are whole");
      at += 2 + size;
    }
  }
  check(depth == 0, "balanced");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const mail::MimeTree tree = mail::parse_mime(message);
  check(tree.root.header.offset == 0 && end_of(tree.root.body) == size, "the root is all of the message");
  Sums sums;
  check_part(message, tree.root, size, 1, sums);
  check_root_fields(message, tree.root);
  check_imap(mail::imap_envelope(message, tree.root));
  check_imap(mail::imap_body_structure(message, tree.root, mail::Extension::with));
  check_imap(mail::imap_body_structure(message, tree.root, mail::Extension::without));
  return 0;
}
