#include "mail/imap_structure.hpp"

#include "core/text.hpp"
#include "mail/header_address.hpp"
#include "mail/mime_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace postrider::mail {

namespace {

constexpr std::string_view kNoPart = R"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0))";
constexpr std::string_view kNoEnvelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";

/// 9051 §9 string: quoted, or a literal where an octet is not 7-bit. NUL fits into neither.
std::string to_string(std::string_view text) {
  std::string octets(text);
  std::erase_if(octets, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  if (!is_ascii(octets)) return fmt::format("{{{}}}\r\n{}", octets.size(), octets);
  std::string out = "\"";
  for (const char c : octets) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string to_nstring(std::string_view text) { return text.empty() ? "NIL" : to_string(text); }

/// The value of the first field with that name, without blanks around it.
std::optional<std::string_view> value_of(std::string_view message, const MimePart& part, std::string_view name) {
  const MimeField* const field = first_field(part, name);
  if (field == nullptr) return std::nullopt;
  std::string_view value = octets_of(message, field->value);
  const std::size_t begin = std::min(value.find_first_not_of(" \t\r\n"), value.size());
  value.remove_prefix(begin);
  return value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
}

/// NIL without the field; empty when it is (9051 §7.5.2).
std::string to_field(std::string_view message, const MimePart& part, std::string_view name) {
  const std::optional<std::string_view> value = value_of(message, part, name);
  return value ? to_string(*value) : "NIL";
}

void add_mailbox(std::string& out, const HeaderMailbox& mailbox) {
  // A NIL host would begin or end a group: what is missing is empty.
  out += fmt::format("({} {} {} {})", to_nstring(mailbox.name), to_nstring(mailbox.route), to_string(mailbox.local),
                     to_string(mailbox.domain));
}

/// All addresses of `value`; a group has a mark before and behind its own. Empty when there are none.
std::string to_addresses(std::string_view value) {
  std::string out;
  for (const auto& entry : parse_address_list(value, NameForm::raw).entries) {
    if (const auto* const mailbox = std::get_if<HeaderMailbox>(&entry)) {
      add_mailbox(out, *mailbox);
      continue;
    }
    const auto& group = std::get<HeaderGroup>(entry);
    out += fmt::format("(NIL NIL {} NIL)", to_string(group.name));
    for (const HeaderMailbox& mailbox : group.mailboxes) add_mailbox(out, mailbox);
    out += "(NIL NIL NIL NIL)";
  }
  return out;
}

/// The addresses of all fields with that name, as some programs write more than one To.
std::string addresses_of(std::string_view message, const MimePart& part, std::string_view name) {
  std::string out;
  for (const MimeField& field : part.fields)
    if (iequals_ascii(field.name, name)) out += to_addresses(octets_of(message, field.value));
  return out;
}

std::string in_parentheses(const std::string& addresses) { return addresses.empty() ? "NIL" : '(' + addresses + ')'; }

/// `("name" "value" …)`, or NIL. A value that is not ASCII goes in the form of 2231 §4, which clients know.
std::string to_parameters(const std::vector<Parameter>& parameters) {
  std::string out;
  for (const Parameter& parameter : parameters) {
    std::string name = parameter.name;
    std::string value = parameter.value;
    if (!is_ascii(value)) {
      name += '*';
      value = "utf-8''";
      for (const char c : parameter.value) {
        const bool plain = is_alnum_ascii(c) || c == '-' || c == '.' || c == '_';
        value += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    }
    out += fmt::format("{}{} {}", out.empty() ? "" : " ", to_string(name), to_string(value));
  }
  return in_parentheses(out);
}

std::string to_disposition(const MimePart& part) {
  if (part.disposition.empty()) return "NIL";
  return fmt::format("({} {})", to_string(part.disposition), to_parameters(part.disposition_parameters));
}

/// Content-Language (3282): one tag, or several in parentheses.
std::string to_languages(std::string_view message, const MimePart& part) {
  const std::optional<std::string_view> value = value_of(message, part, "content-language");
  if (!value) return "NIL";
  std::string out;
  std::size_t count = 0;
  for (const std::string_view tag : split(*value, ',')) {
    if (trimmed(tag).empty()) continue;
    out += (count++ == 0 ? "" : " ") + to_string(trimmed(tag));
  }
  return count > 1 ? '(' + out + ')' : count == 1 ? out : "NIL";
}

/// What is behind the MD5 of a part, or behind the parameters of a multipart.
std::string extension_of(std::string_view message, const MimePart& part) {
  return fmt::format(" {} {} {}", to_disposition(part), to_languages(message, part),
                     to_field(message, part, "content-location"));
}

std::string structure_of(std::string_view message, const MimePart& part, Extension extension);

std::string multipart_structure(std::string_view message, const MimePart& part, Extension extension) {
  std::string out = "(";
  for (const MimePart& child : part.children) out += structure_of(message, child, extension);
  if (part.children.empty()) out += kNoPart;  // the grammar wants one
  out += ' ' + to_string(split_once(part.type, '/').second);
  if (extension == Extension::with) out += ' ' + to_parameters(part.parameters) + extension_of(message, part);
  return out + ')';
}

/// Calls itself for the parts within: at most kMimeDepthMax deep, as the tree is.
std::string structure_of(std::string_view message, const MimePart& part, Extension extension) {
  if (is_multipart(part)) return multipart_structure(message, part, extension);
  const auto [type, subtype] = split_once(part.type, '/');
  const bool charset_missing = type == "text" && parameter_of(part.parameters, "charset").empty();
  std::vector<Parameter> parameters = part.parameters;
  if (charset_missing) parameters.push_back({.name = "charset", .value = part.charset});  // 2045 §5.2
  std::string out = fmt::format("({} {} {} {} {} {} {}", to_string(type), to_string(subtype), to_parameters(parameters),
                                to_field(message, part, "content-id"), to_field(message, part, "content-description"),
                                to_string(part.encoding_name), part.body.size_octets);
  if (is_message(part)) {
    const bool known = !part.children.empty();
    out += fmt::format(" {} {} {}", known ? imap_envelope(message, part.children.front()) : kNoEnvelope,
                       known ? structure_of(message, part.children.front(), extension) : kNoPart, part.lines);
  } else if (type == "text") {
    out += fmt::format(" {}", part.lines);
  }
  if (extension == Extension::with) out += ' ' + to_field(message, part, "content-md5") + extension_of(message, part);
  return out + ')';
}

}  // namespace

std::string imap_envelope(std::string_view message, const MimePart& part) {
  const std::string from = in_parentheses(addresses_of(message, part, "from"));
  const auto or_from = [&](std::string_view name) {
    const std::string own = addresses_of(message, part, name);
    return own.empty() ? from : in_parentheses(own);
  };
  return fmt::format(
      "({} {} {} {} {} {} {} {} {} {})", to_field(message, part, "date"), to_field(message, part, "subject"), from,
      or_from("sender"), or_from("reply-to"), in_parentheses(addresses_of(message, part, "to")),
      in_parentheses(addresses_of(message, part, "cc")), in_parentheses(addresses_of(message, part, "bcc")),
      to_field(message, part, "in-reply-to"), to_field(message, part, "message-id"));
}

std::string imap_body_structure(std::string_view message, const MimePart& part, Extension extension) {
  return structure_of(message, part, extension);
}

}  // namespace postrider::mail
