// Drives one POP3 session: octets to the engine, logins to the directory, messages from the mailbox.
#pragma once

#include <memory>

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "core/signal.hpp"
#include "directory/directory.hpp"
#include "mailbox/mailbox.hpp"
#include "net/net.hpp"
#include "net/scratch.hpp"
#include "pop3/session.hpp"

namespace postrider::server {

inline constexpr std::size_t kMaildropMessagesMax = 10'000;  // a session's view; the oldest come first, the rest next time

struct Pop3Service {
  store::Store* store;
  Clock* clock;
  Events* events;
  directory::Directory* directory;
  mailbox::Mailboxes* mailboxes;
  pop3::Settings engine;
  Duration wait_before_login = std::chrono::seconds(60);  // LIMITS.md "pre-login wait"
  Duration wait_command = std::chrono::minutes(10);       // 1939 §3
  Duration write = std::chrono::seconds(300);
  Metric* sessions;
};

[[nodiscard]] Task<void> serve_pop3(const Pop3Service* service, std::unique_ptr<net::Stream> stream, net::ScratchPool* scratch,
                                    Signal* drain);

}  // namespace postrider::server
