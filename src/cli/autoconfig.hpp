// What mail programs are told of this server: `serve = ["autoconfig"]`.
#pragma once

#include "cli/config.hpp"
#include "server/server.hpp"
#include "web/mail_settings.hpp"

#include <vector>

namespace postrider::cli {

enum class StartTls : std::uint8_t { no, offered };

/// The services where people log in, as they are really listened to: TLS from the start first. Those that protect
/// nothing are left out, as is what listens on a Unix socket.
[[nodiscard]] web::MailSettings to_mail_settings(const Config& config, const std::vector<server::Listening>& listening,
                                                 StartTls starttls);

}  // namespace postrider::cli
