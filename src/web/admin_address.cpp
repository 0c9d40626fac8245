#include "web/admin_address.hpp"

#include <fmt/format.h>

namespace postrider::web {

AdminReply failure(std::string_view kind, std::string_view name, const Error& why, const Advice& advice) {
  AdminReply reply;
  add_failure(reply, fmt::format("{} {}", kind, name), why, advice);
  return reply;
}

Result<mail::Address> parse_address(std::string_view text) {
  Result<mail::Address> address = mail::Address::parse(text);
  if (address) return address;
  return error(Error::malformed, "web.admin", "not an address of the form user@example.com");
}

std::string_view name_of(directory::Source source) { return source == directory::Source::file ? "file" : "store"; }

}  // namespace postrider::web
