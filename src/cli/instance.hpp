// The pieces of a Postrider put together from a configuration: for `serve` and `sandbox`, and for commands that open
// the store themselves.
#pragma once

#include "cli/config.hpp"
#include "core/shard.hpp"
#include "server/server.hpp"
#include "store/store.hpp"
#include "web/admin.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::cli {

/// The configuration as the server takes it; `control.sock` in `data_dir` is added as an http listener.
[[nodiscard]] server::Settings to_server_settings(const Config& config);
[[nodiscard]] std::string control_socket_of(const Config& config);
[[nodiscard]] std::string store_directory_of(const Config& config);

struct ServeOptions {
  std::string dns_file;                                                 ///< answers every question from this file
  bool end_with_stdin = false;                                          ///< sandbox: end of stdin is SIGTERM
  std::function<void(const std::vector<server::Listening>&)> on_ready;  ///< after "ready" may be said
};

/// Runs the server until SIGTERM or SIGINT. Gives the exit code.
[[nodiscard]] int run_server(const Config& config, const ServeOptions& options);

/// Does an admin command: through the control socket where a server runs, else on the store itself. Prints what it
/// says, page by page; asks at a terminal where the command has a question. (run_admin.cpp)
[[nodiscard]] int run_admin(const Config& config, web::AdminRequest request);

/// Opens the store, with the rooms on it, for as long as `use` takes. Errors  those of open_rocks_store.
[[nodiscard]] Result<void> with_store(const Config& config, const std::function<void(Shard*, web::Admin*)>& use);

/// A command without a server and without switching users: for `init` and `sandbox`, on a directory of their own.
[[nodiscard]] Result<std::vector<web::AdminReply>> run_admin_on_store(const Config& config,
                                                                      std::vector<web::AdminRequest> requests);

}  // namespace postrider::cli
