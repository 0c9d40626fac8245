// `sendmail`, `mailq` and `newaliases`: how programs on this host hand over mail (INTERFACE §2). Through submit.sock
// where the server runs, else by the drop directory, where it finds the message when it starts.
#pragma once

#include "cli/sendmail_call.hpp"

#include <functional>
#include <string>

namespace postrider::cli {

/// What sendmail leaves to the other commands.
struct SendmailOthers {
  std::function<int(const std::string& config)> list_queue;                            ///< mailq, -bp
  std::function<int(const std::string& config, const std::string& what)> flush_queue;  ///< -q; what: SendmailCall
  std::function<int(const std::string& config)> check_aliases;                         ///< newaliases, -bi
  std::function<std::string(const std::string& asked)> find_config;
};

/// `sendmail -bs`: what comes on stdin goes to the server's socket, and its replies to stdout.
[[nodiscard]] int bridge_to_socket(const std::string& path);

/// Gives the exit code: sysexits.h, 0 when every recipient was taken. Mail that the drop directory took is 0 too.
[[nodiscard]] int run_sendmail(const SendmailCall& call, const SendmailOthers& others);

}  // namespace postrider::cli
