// rooms: mail core
// Paths and addresses: print after parse is identity, limits hold, nothing holds a control character.
#include "core/check.hpp"
#include "mail/address.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

void check_address(const mail::Address& address) {
  const std::string text = address.text();
  check(text.size() + 2 <= mail::kPathOctetsMax, "an address can be passed on");
  check(std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }), "printable ASCII only");
  check(address.local_part().size() <= mail::kLocalPartOctetsMax, "local part limit");
  check(address.domain().text().size() <= mail::kDomainOctetsMax, "domain limit");
  const Result<mail::Address> again = mail::Address::parse(text);
  check(again && *again == address, "parse(text(a)) == a");
  check(again->text() == text, "text(parse(text(a))) == text(a)");
  const Result<mail::ParsedPath> path = mail::parse_reverse_path("<" + text + ">");
  check(path && path->path == mail::Path(address) && path->octets == text.size() + 2, "both entry points agree");
  const Result<mail::Domain> domain = mail::Domain::parse(address.domain().text());
  check(domain && *domain == address.domain(), "a domain is its own text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const mail::Domain own = mail::Domain::parse("own.test").value();
  if (const Result<mail::Address> address = mail::Address::parse(text)) check_address(*address);
  if (const Result<mail::ParsedPath> path = mail::parse_reverse_path(text)) {
    check(path->octets <= text.size() && text[path->octets - 1] == '>', "a path ends with its bracket");
    if (!path->path.is_null()) check_address(path->path.address());
    const Result<mail::ParsedForwardPath> forward = mail::parse_forward_path(text, own);
    check(forward.has_value() == !path->path.is_null(), "a forward-path is any path but the null one");
  }
  if (const Result<mail::ParsedForwardPath> path = mail::parse_forward_path(text, own)) check_address(path->address);
  if (const Result<mail::Address> made = mail::Address::make(std::string(text), own)) {
    check(made->local_part() == text, "a local part is kept as it means");
    check_address(*made);
  }
  return 0;
}
