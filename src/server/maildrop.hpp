// Answers what the POP3 engine asks: logins, messages from the mailbox, deletions in commits.
#pragma once

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "mailbox/mailbox.hpp"
#include "net/net.hpp"
#include "pop3/session.hpp"
#include "server/login.hpp"
#include "server/pop3_driver.hpp"

#include <memory>

namespace postrider::server {

inline constexpr std::size_t kMaildropMessagesMax =
    10'000;  // a session's view; the oldest come first, the rest next time

/// What all POP3 sessions of a listener share. Outlives them.
struct Pop3Service {
  store::Store* store;
  Events* events;
  const LoginService* login;
  mailbox::Mailboxes* mailboxes;
  pop3::Settings engine;
  Metric* sessions;
};

/// For one session with `peer`. Holds the mailbox from login to its end (1939 §8), and gives `held` back then. Gives
/// and deletes nothing once the login holds no longer.
[[nodiscard]] std::unique_ptr<Pop3Answers> make_maildrop(const Pop3Service* service, const net::Endpoint& peer,
                                                         std::shared_ptr<void> held);

}  // namespace postrider::server
