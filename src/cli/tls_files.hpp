// The first certificate of a new server: one that it signs itself.
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::cli {

/// Makes DIRECTORY/tls/fullchain.pem and DIRECTORY/tls/key.pem (mode 0600) for `names`; leaves both alone where one of
/// them is. Gives the certificate's path. Errors  denied, exhausted.
[[nodiscard]] Result<std::string> make_first_certificate(const std::string& directory, std::vector<std::string> names);

/// Errors  denied: it exists, or cannot be made; exhausted.
[[nodiscard]] Result<void> write_new_file(const std::string& path, std::string_view text, unsigned mode);

}  // namespace postrider::cli
