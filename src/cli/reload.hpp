// `reload` and SIGHUP: what a changed configuration may change while the server runs. All of it, or nothing.
#pragma once

#include "cli/config.hpp"
#include "core/events.hpp"
#include "core/server_control.hpp"
#include "net/tls.hpp"

#include <string>
#include <vector>

namespace postrider::cli {

/// The keys whose values differ, but for those of [tls] and [[certificate]]: "[smtp] max_recipients",
/// "[[listen]] 2 address". Sections that came or went are named as a whole.
[[nodiscard]] std::vector<std::string> keys_that_need_a_restart(const Config& from, const Config& to);

class Reloader {
 public:
  /// `config`: in force since the start. `tls` is null where there is no certificate. Both outlive this.
  Reloader(const Config* config, net::TlsServer* tls, Events* events) : config_(config), tls_(tls), events_(events) {}
  /// One call at a time. Emits what it reports.
  [[nodiscard]] core::ReloadReport run();

 private:
  core::ReloadReport refuse(std::vector<std::string> why);

  const Config* config_;
  net::TlsServer* tls_;
  Events* events_;
};

}  // namespace postrider::cli
