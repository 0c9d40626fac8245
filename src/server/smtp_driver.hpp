// Drives one SMTP server session: octets from the stream to the engine, the engine's replies to the stream, its
// questions to whoever answers them; with deadlines.
#pragma once

#include "core/clock.hpp"
#include "core/signal.hpp"
#include "gate/gate.hpp"
#include "net/net.hpp"
#include "net/scratch.hpp"
#include "net/tls.hpp"
#include "server/smtp_deadline.hpp"
#include "smtp/server_session.hpp"

#include <memory>
#include <optional>

namespace postrider::server {

/// Answers the engine's questions and takes its content. One object a session.
class SmtpAnswers {
 public:
  virtual ~SmtpAnswers() = default;
  /// TLS protects the session from now on; all that came before is forgotten (SECURITY R5). `stream` outlives this.
  virtual void secured(const net::Stream* /*stream*/) {}
  /// Does any action but Send, Pause, AskFlushed, StartTls and HangUp; gives the answer where it is a question:
  /// Answered, or Challenged.
  [[nodiscard]] virtual Task<std::optional<smtp::Event>> take(smtp::Action action, smtp::HelloKind hello_kind) = 0;
};

/// What the sessions of a listener on one shard are driven with. It and all it points to outlive them.
struct SmtpDrive {
  smtp::ServerSettings engine;
  SmtpTimeouts timeouts;
  Clock* clock = nullptr;
  const gate::SessionCounts* counts = nullptr;  ///< says whether it is crowded
  net::ScratchPool* scratch = nullptr;
  Signal* drain = nullptr;
  net::TlsServer* tls = nullptr;  ///< null: `engine.starttls` is false
  Duration greeting_delay{};      ///< how long the greeting waits for a peer that talks before it (5321 §4.3.1)
  Duration last_call = std::chrono::seconds(7);  ///< after the drain begins, whoever is still there gets 421
};

/// Serves until the session ends, then closes the stream. A stream that TLS protects already is one from the start.
[[nodiscard]] Task<void> serve_smtp(const SmtpDrive* drive, std::unique_ptr<net::Stream> stream,
                                    std::unique_ptr<SmtpAnswers> answers);

}  // namespace postrider::server
