// Answers every question from a file's text; opens no socket.
#pragma once

#include "dns/resolver.hpp"

#include <memory>
#include <string_view>

namespace postrider::dns {

/// `text` as in file_records.hpp. Errors  malformed: `detail` says the line's number.
[[nodiscard]] Result<std::unique_ptr<Resolver>> make_file_resolver(std::string_view text);

}  // namespace postrider::dns
