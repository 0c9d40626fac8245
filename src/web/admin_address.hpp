// Addresses and failures as the commands on the directory have them.
#pragma once

#include "core/result.hpp"
#include "directory/directory.hpp"
#include "mail/address.hpp"
#include "web/admin_output.hpp"

#include <string_view>

namespace postrider::web {

/// An address among the words or options. Its errors are all of the kind "used wrongly".
[[nodiscard]] Result<mail::Address> parse_address(std::string_view text);

/// A reply that says why `kind` `name` ("account", "ann@example.test") failed.
[[nodiscard]] AdminReply failure(std::string_view kind, std::string_view name, const Error& why, const Advice& advice);

/// "file", "store".
[[nodiscard]] std::string_view name_of(directory::Source source);

}  // namespace postrider::web
