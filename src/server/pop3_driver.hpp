// Drives one POP3 session: octets to the engine, its replies to the stream, its questions to whoever answers them.
#pragma once

#include "core/clock.hpp"
#include "core/signal.hpp"
#include "net/net.hpp"
#include "net/scratch.hpp"
#include "net/tls.hpp"
#include "pop3/session.hpp"

#include <memory>
#include <optional>

namespace postrider::server {

struct Pop3Timeouts {
  Duration before_login = std::chrono::seconds(60);  ///< LIMITS.md "pre-login wait"
  Duration command = std::chrono::minutes(10);       ///< 1939 §3
  Duration write = std::chrono::seconds(300);
  Duration handshake = std::chrono::seconds(60);  ///< LIMITS.md "TLS handshake"
};

/// Answers the engine's questions. One object a session.
class Pop3Answers {
 public:
  virtual ~Pop3Answers() = default;
  /// As SmtpAnswers::secured.
  virtual void secured(const net::Stream* /*stream*/) {}
  /// Does any action but Send, Flush, StartTls and HangUp; gives the answer where it is a question. What the answer
  /// points to lives until the next call.
  [[nodiscard]] virtual Task<std::optional<pop3::Event>> take(pop3::Action action) = 0;
};

/// What the sessions of a listener on one shard are driven with. It and all it points to outlive them.
struct Pop3Drive {
  pop3::Settings engine;
  Pop3Timeouts timeouts;
  Clock* clock = nullptr;
  net::ScratchPool* scratch = nullptr;
  Signal* drain = nullptr;
  net::TlsServer* tls = nullptr;  ///< null: `engine.stls` is false
};

/// Serves until the session ends, then closes the stream. A stream that TLS protects already is one from the start.
[[nodiscard]] Task<void> serve_pop3(const Pop3Drive* drive, std::unique_ptr<net::Stream> stream,
                                    std::unique_ptr<Pop3Answers> answers);

}  // namespace postrider::server
