// [secret.NAME]: user names and passwords for other servers, each password in a file of its own.
#pragma once

#include "cli/config.hpp"
#include "cli/config_table.hpp"
#include "delivery/relay.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::cli {

void read_secret(std::string_view name, TableReader& keys, Config* config);

/// A password that is in a file: its first line. Errors  not_found, denied: it cannot be read; conflict: others than
/// owner and group may read it; malformed: it is empty, has more lines or control characters; too_long: over 1,024
/// octets. `detail` is for people.
[[nodiscard]] Result<Secret> read_password_file(const std::string& path);

struct LoadedLogins {
  delivery::Logins logins;
  std::vector<ConfigMistake> mistakes;  ///< also of files that routes name and that cannot be read
};
/// Reads the passwords of all secrets, as who runs this process.
[[nodiscard]] LoadedLogins load_logins(const Config& config);

}  // namespace postrider::cli
