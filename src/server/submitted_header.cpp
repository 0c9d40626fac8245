#include "server/submitted_header.hpp"

#include "core/text.hpp"
#include "mail/header_address.hpp"
#include "mail/message_builder.hpp"

#include <algorithm>
#include <string_view>

namespace postrider::server {

namespace {

using mail::HeaderField;
using mail::HeaderSection;
using smtp::Reply;

Reply refused(std::string enhanced, std::string text) {
  return {.code = 550, .enhanced = std::move(enhanced), .text = std::move(text)};
}

bool is_named(const HeaderField& field, std::string_view name) { return iequals_ascii(field.name, name); }

const HeaderField* find(const HeaderSection& section, std::string_view name) {
  const auto found = std::ranges::find_if(section.fields, [&](const HeaderField& f) { return is_named(f, name); });
  return found == section.fields.end() ? nullptr : &*found;
}

std::optional<mail::Address> to_address(const mail::HeaderMailbox& mailbox) {
  if (!mailbox.route.empty()) return std::nullopt;  // 5322 §4.4: must not be generated
  const Result<mail::Domain> domain = mail::Domain::parse(mailbox.domain, mail::Utf8::yes);
  if (!domain) return std::nullopt;
  Result<mail::Address> address = mail::Address::make(mailbox.local, *domain);
  return address ? std::optional(std::move(*address)) : std::nullopt;
}

/// The address that a name is, also with blanks and brackets in and around it: `<bob@here.test>`, `bob @ here.test`.
std::optional<mail::Address> address_in_name(std::string_view name) {
  Result<mail::Address> plain = mail::Address::parse(name, mail::Utf8::yes);
  if (plain) return std::move(*plain);
  constexpr std::string_view kAround = " \t<>()[]\"'";
  const std::size_t begin = std::min(name.find_first_not_of(kAround), name.size());
  name = name.substr(begin, name.find_last_not_of(kAround) + 1 - begin);
  const std::size_t at = name.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string closed = std::string(trimmed(name.substr(0, at))) + '@' + std::string(trimmed(name.substr(at + 1)));
  Result<mail::Address> address = mail::Address::parse(closed, mail::Utf8::yes);
  return address ? std::optional(std::move(*address)) : std::nullopt;
}

/// The addresses of a field in which nothing is wrong; nullopt: something is, so that another reader could see another
/// author than we do.
std::optional<std::vector<mail::Address>> addresses_in(std::string_view value) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; };
  if (std::ranges::any_of(value, is_control)) return std::nullopt;
  const mail::AddressList list = mail::parse_address_list(value);
  if (!list.errors.empty()) return std::nullopt;
  std::vector<mail::Address> out;
  for (const mail::HeaderMailbox& mailbox : list.mailboxes()) {
    std::optional<mail::Address> address = to_address(mailbox);
    if (!address) return std::nullopt;
    // `bob@here.test <ann@here.test>` names two people: old readers take the first, and all show it.
    const std::optional<mail::Address> shown = address_in_name(mailbox.name);
    if (shown && shown->domain() == address->domain() && *shown != *address) out.push_back(*shown);
    out.push_back(std::move(*address));
  }
  return out;
}

std::optional<mail::Address> single_sender(const HeaderSection& section) {
  if (section.count("Sender") != 1) return std::nullopt;  // 5322 §3.6: one at most
  const auto addresses = addresses_in(section.first("Sender"));
  if (!addresses || addresses->size() != 1) return std::nullopt;  // §3.6.2: one mailbox
  return addresses->front();
}

std::optional<Reply> read_authors(const HeaderSection& section, std::vector<mail::Address>& authors) {
  const std::size_t count = section.count("From");
  if (count == 0) return refused("5.6.0", "the message has no From field");
  if (count > 1) return refused("5.7.1", "the message has several From fields");  // SECURITY R9
  std::optional<std::vector<mail::Address>> found = addresses_in(section.first("From"));
  if (!found) return refused("5.6.0", "the From field is not a list of addresses");
  if (found->empty()) return refused("5.7.1", "the From field names nobody");
  if (found->size() > kAuthorsMax) return refused("5.6.0", "the From field names too many");
  authors = std::move(*found);
  return std::nullopt;
}

std::string field_of(std::string_view name, const std::vector<mail::HeaderMailbox>& mailboxes) {
  mail::MessageBuilder builder{std::string()};
  builder.addresses(name, mailboxes);
  const std::string built = builder.build();
  const std::size_t end = built.find("\r\nMIME-Version:");
  return end == std::string::npos ? std::string() : built.substr(0, end + 2);
}

mail::HeaderMailbox mailbox_of(const mail::Address& address) {
  return {.name = {}, .local = address.local_part(), .domain = address.domain().text(), .route = {}};
}

}  // namespace

Claims read_claims(const HeaderSection& section) {
  Claims claims;
  if (!section.is_ended) claims.refusal = refused("5.6.0", "a line of the header section is no field");
  if (!claims.refusal) claims.refusal = read_authors(section, claims.authors);
  claims.is_several = mail::parse_address_list(section.first("From")).mailboxes().size() > 1;
  claims.has_sender = section.count("Sender") > 0;
  claims.sender = single_sender(section);
  // The topmost ones are who sends it again now; those below are trace (5322 §3.6.6).
  for (const std::string_view name : {"Resent-From", "Resent-Sender"}) {
    const HeaderField* const field = find(section, name);
    if (field == nullptr || claims.refusal) continue;
    const auto found = addresses_in(field->value);
    if (!found || found->empty() || found->size() > kAuthorsMax) {
      claims.refusal = refused("5.6.0", "the " + std::string(name) + " field is not a list of addresses");
    } else {
      claims.resenters.insert(claims.resenters.end(), found->begin(), found->end());
    }
  }
  return claims;
}

LocalAuthor read_local_author(const HeaderSection& section, const mail::Address& sender) {
  std::vector<mail::Address> authors;
  if (!read_authors(section, authors)) return {.from = {}, .domain = authors.front().domain()};
  std::vector<mail::HeaderMailbox> made;
  const HeaderField* const field = find(section, "From");
  if (field != nullptr) {
    for (mail::HeaderMailbox& mailbox : mail::parse_address_list(field->value).mailboxes()) {
      if (mailbox.domain.empty()) mailbox.domain = sender.domain().text();
      mailbox.route.clear();
      if (to_address(mailbox) && made.size() < kAuthorsMax) made.push_back(std::move(mailbox));
    }
  }
  std::string from = field_of("From", made);
  if (from.empty()) {
    made = {mailbox_of(sender)};
    from = field_of("From", made);
  }
  return {.from = std::move(from), .domain = to_address(made.front()).value_or(sender).domain()};
}

Completed complete_header(const HeaderSection& section, const Completion& completion) {
  Completed out;
  for (const HeaderField& field : section.fields) {
    const bool is_ours = (is_named(field, "From") && !completion.from.empty()) ||
                         (is_named(field, "Sender") && (completion.sender || completion.drops_sender));
    const bool is_blind = is_named(field, "Bcc") || is_named(field, "Resent-Bcc");  // 5322 §3.6.3
    if (is_ours || is_blind) out.dropped.push_back(field.range);
  }
  out.added += completion.from;
  if (completion.sender) out.added += field_of("Sender", {mailbox_of(*completion.sender)});
  if (section.count("Date") == 0) out.added += "Date: " + to_rfc5322_date(completion.now) + "\r\n";
  if (section.count("Message-ID") == 0)
    out.added += "Message-ID: <" + completion.message_id + '@' + completion.host.text() + ">\r\n";
  return out;
}

std::string Completed::section(const HeaderSection& submitted) const {
  std::string out = added;
  std::size_t at = 0;
  for (const OctetRange& range : dropped) {
    out += std::string_view(submitted.octets).substr(at, range.offset - at);
    at = range.offset + range.size_octets;
  }
  out += std::string_view(submitted.octets).substr(at);
  return out;
}

}  // namespace postrider::server
