// rooms: mail core
// Addresses, paths and domains, with and without UTF-8: print after parse is identity, limits hold, nothing holds a
// control character, whatever is read without UTF-8 is read with it just the same, and the judgement of `address check`
// agrees with what the SMTP engine takes.
#include "mail/address.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/header_address.hpp"
#include "mail/printable.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;
using mail::Utf8;

namespace {

void check_domain(const mail::Domain& domain) {
  check(domain.text().size() <= mail::kDomainOctetsMax && is_ascii(domain.text()), "an ASCII domain in its limit");
  const Result<mail::Domain> again = mail::Domain::parse(domain.text());
  check(again && *again == domain, "a domain is its own text");
}

void check_address(const mail::Address& address, Utf8 utf8) {
  const std::string text = address.text();
  check(text.size() + 2 <= mail::kPathOctetsMax, "an address can be passed on");
  check(mail::is_printable_utf8(text), "no control character, well-formed UTF-8");
  check(address.is_ascii() == is_ascii(text), "only a local part is not ASCII");
  check(utf8 == Utf8::yes || address.is_ascii(), "no UTF-8 where none is allowed");
  check(address.local_part().size() <= mail::kLocalPartOctetsMax, "local part limit");
  check_domain(address.domain());
  const Result<mail::Address> again = mail::Address::parse(text, utf8);
  check(again && *again == address && again->text() == text, "parse(text(a)) == a");
  const Result<mail::ParsedPath> path = mail::parse_reverse_path("<" + text + ">", utf8);
  check(path && path->path == mail::Path(address) && path->octets == text.size() + 2, "both entry points agree");
  const Result<mail::Address> made = mail::Address::make(address.local_part(), address.domain());
  check(made && *made == address, "a record gives it back");
}

template <class T, class Same>
void check_modes(const Result<T>& plain, const Result<T>& utf8, Same same) {
  if (plain) check(utf8 && same(*plain, *utf8), "what is read without UTF-8 is read with it");
  if (!plain && plain.error().code == Error::unsupported) check(utf8.has_value(), "unsupported: right but for UTF-8");
  if (!plain && utf8) check(plain.error().code == Error::unsupported, "right but for UTF-8: unsupported");
}

void check_paths(std::string_view text, Utf8 utf8, const mail::Domain& own) {
  const Result<mail::ParsedForwardPath> forward = mail::parse_forward_path(text, own, utf8);
  if (forward) check_address(forward->address, utf8);
  const Result<mail::ParsedPath> path = mail::parse_reverse_path(text, utf8);
  if (!path) return;
  check(path->octets <= text.size() && text[path->octets - 1] == '>', "a path ends with its bracket");
  check(forward.has_value() == !path->path.is_null(), "a forward-path is any path but the null one");
  if (!path->path.is_null()) check_address(path->path.address(), utf8);
}

/// `address check --smtp` and the parser differ where either is documented to: an empty local part, address literals in
/// odd forms, lengths (of a local part as written or as it means), and ideographic full stops.
void check_judgement(std::string_view text, Utf8 utf8) {
  if (text.contains("\u3002") || text.contains("\uff0e") || text.contains("\uff61")) return;
  const mail::AddressCheck judged = mail::check_address(text, mail::AddressGrammar::smtp, utf8 == Utf8::yes);
  const Result<mail::Address> parsed = mail::Address::parse(text, utf8);
  if (parsed) {
    check(judged.valid || judged.diagnosis.ends_with("toolong"), "what SMTP takes is valid");
    if (judged.valid) check(judged.local == parsed->local_part(), "the same local part");
  } else if (judged.valid) {
    check(judged.local.empty() || judged.domain.starts_with('['), "what is valid SMTP takes");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const mail::Domain own = mail::Domain::parse("own.test").value();
  const auto equal = [](const auto& a, const auto& b) { return a == b; };
  for (const Utf8 utf8 : {Utf8::no, Utf8::yes}) {
    if (const Result<mail::Address> address = mail::Address::parse(text, utf8)) check_address(*address, utf8);
    if (const Result<mail::Domain> domain = mail::Domain::parse(text, utf8)) check_domain(*domain);
    check_paths(text, utf8, own);
    check_judgement(text, utf8);
  }
  check_modes(mail::Address::parse(text), mail::Address::parse(text, Utf8::yes), equal);
  check_modes(mail::Domain::parse(text), mail::Domain::parse(text, Utf8::yes), equal);
  check_modes(mail::parse_reverse_path(text), mail::parse_reverse_path(text, Utf8::yes),
              [](const auto& a, const auto& b) { return a.path == b.path && a.octets == b.octets; });
  if (const Result<mail::Address> made = mail::Address::make(std::string(text), own)) {
    check(made->local_part() == text, "a local part is kept as it means");
    check_address(*made, Utf8::yes);
  }
  return 0;
}
