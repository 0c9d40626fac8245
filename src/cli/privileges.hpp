// Whose files these are: the server's user, and the owner of the data directory (DESIGN §6).
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>

namespace postrider::cli {

/// Root becomes `user` for what follows and may come back; nothing happens for others or when `user` is empty.
/// Errors  not_found: no such user; denied.
[[nodiscard]] Result<void> become_user(const std::string& user);
/// Root again, to bind ports.
[[nodiscard]] Result<void> become_root_again(const std::string& user);
/// Gives root up for good. `made_as_root` (the control socket) is the user's then.
[[nodiscard]] Result<void> drop_to_user(const std::string& user, const std::string& made_as_root);

/// For commands that open the store themselves: root switches to the owner of `data_dir` for good, the owner stays.
/// Errors  denied: somebody else; not_found: no such directory.
[[nodiscard]] Result<void> become_owner_of(const std::string& data_dir);

/// As many descriptors as the system lets us have; gives their number.
[[nodiscard]] std::uint64_t raise_descriptor_limit();

}  // namespace postrider::cli
