// The services that a listener can have, and what sets them apart.
#pragma once

#include "core/result.hpp"
#include "directory/directory.hpp"
#include "gate/gate.hpp"
#include "net/net.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace postrider::server {

enum class Service : std::uint8_t {
  smtp,
  submission,   // 6409: port 587
  submissions,  // 8314: port 465, TLS from the start
  submit,       // submit.sock: what the users of this host send
  lmtp,
  pop3,
  pop3s,
  http,
  https,
};
[[nodiscard]] std::string_view name_of(Service service);
/// They are served alike but for TLS: submission for submissions, pop3 for pop3s, http for https.
[[nodiscard]] Service without_tls(Service service);

/// Speaks SMTP or LMTP.
[[nodiscard]] bool brings_mail(Service service);
/// Of its Unix socket.
[[nodiscard]] net::UnixAccess access_of(Service service);
[[nodiscard]] gate::ListenerRole role_of(Service service);
/// What a login there is for; nullopt: there are none.
[[nodiscard]] std::optional<directory::Scope> scope_of(Service service);
/// What a peer hears that gets no session (LIMITS.md "sessions"); empty where nothing can be said before a handshake.
[[nodiscard]] std::string_view refusal_of(Service service, Error::Code why);
/// Begins in the clear. LMTP is for neighbours: over a Unix socket, or from a host that we know.
[[nodiscard]] bool offers_starttls(Service service);
/// What ALPN calls it (7301 §6).
[[nodiscard]] std::string_view alpn_of(Service service);

}  // namespace postrider::server
