// How the users of this host hand in mail: submit.sock and the drop directory, both in data_dir.
#pragma once

#include "cli/config.hpp"
#include "directory/directory.hpp"

#include <string>
#include <string_view>

namespace postrider::cli {

/// In data_dir, readable by all: the domain that bare user names are in.
inline constexpr std::string_view kOriginFile = "origin";

[[nodiscard]] std::string submit_socket_in(const std::string& data_dir);
[[nodiscard]] std::string drop_directory_in(const std::string& data_dir);

/// Makes the drop directory, lets everybody through data_dir (mode 0711: they see nothing there) and the store to
/// nobody else. Errors  denied: not our directory.
[[nodiscard]] Result<void> prepare_submit_door(const Config& config);

/// Leaves word which domain bare names are in: [submit] origin, else the local domain that our host name is in, else
/// the first one, else the host name.
[[nodiscard]] Result<void> write_origin(const Config& config, const std::vector<directory::DomainRecord>& domains);

}  // namespace postrider::cli
