// `postrider sandbox`: the same server in a throw-away directory, for developers and test suites (INTERFACE §5).
#pragma once

#include <string>
#include <vector>

namespace postrider::cli {

struct SandboxOptions {
  std::string directory;             ///< empty: a new one under $TMPDIR, removed at the end
  std::vector<std::string> users;    ///< NAME:PASS or NAME@DOMAIN:PASS; empty: dev:dev
  std::vector<std::string> domains;  ///< empty: example.test
  bool auto_ports = false;
  std::string dns_file;
  std::string deliver_to;  ///< host:port for all mail that is not for a user here; "personas": cli/persona_host.hpp
};

[[nodiscard]] int run_sandbox(const SandboxOptions& options);

}  // namespace postrider::cli
