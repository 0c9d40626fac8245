// HTTP/1.1 (9112): health, metrics, and the admin API on the control socket; and the client side of the latter.
#pragma once

#include "core/server_control.hpp"
#include "core/signal.hpp"
#include "net/net.hpp"
#include "net/scratch.hpp"
#include "web/admin.hpp"
#include "web/mail_settings.hpp"

#include <memory>
#include <string>

namespace postrider::web {

inline constexpr std::size_t kHttpHeaderOctetsMax = 16 * 1024;
inline constexpr std::size_t kHttpBodyOctetsMax = 1024 * 1024;
inline constexpr std::size_t kHttpReplyOctetsMax = 64 * 1024 * 1024;  ///< an answer of the admin API

/// What a listener offers (INTERFACE §3 `serve`).
struct HttpService {
  core::ServerControl* control = nullptr;
  Clock* clock = nullptr;
  Admin* admin = nullptr;  ///< set on the control socket only: POST /v1/admin, /v1/admin/lines
  bool health = false;     ///< GET /healthz, /readyz
  bool metrics = false;    ///< GET /metrics
  /// Set: GET /mail/config-v1.1.xml, /.well-known/autoconfig/mail/config-v1.1.xml, /autodiscover/autodiscover.json, and
  /// GET and POST /autodiscover/autodiscover.xml, of the local domains of `directory`.
  const MailSettings* autoconfig = nullptr;
  directory::Directory* directory = nullptr;
  Duration wait_request = std::chrono::seconds(30);
  Duration write = std::chrono::seconds(30);
};

/// Serves one connection with keep-alive until it ends. A request that is not strictly 9112 (two lengths, length with
/// chunked, obs-fold, over a limit) is answered 400/413/431 and the connection closed (SECURITY R12).
[[nodiscard]] Task<void> serve_http(const HttpService* service, std::unique_ptr<net::Stream> stream,
                                    net::ScratchPool* scratch, Signal* drain);

/// Asks a running server. Errors  closed, timeout: not reachable; malformed: no answer of ours.
[[nodiscard]] Task<Result<AdminReply>> call_admin(net::Stream* stream, AdminRequest request, SteadyTime until);

}  // namespace postrider::web
