// Drives one SMTP server session: octets from the stream to the engine, the engine's questions to the gate, the content to
// the intake, and the decision to one durable commit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "core/signal.hpp"
#include "gate/gate.hpp"
#include "net/net.hpp"
#include "net/scratch.hpp"
#include "queue/queue.hpp"
#include "server/smtp_deadline.hpp"
#include "smtp/server_session.hpp"

namespace postrider::server {

struct SmtpMetrics {
  Metric* sessions;
  Metric* accepted;
  Metric* refused_recipients;
  Metric* refused_messages;
};

/// What all SMTP sessions of a listener share. Outlives them.
struct SmtpService {
  store::Store* store;
  Clock* clock;
  Events* events;
  queue::Queue* queue;
  queue::QueueIds* ids;
  gate::Gate* gate;
  gate::SessionCounts* counts;
  smtp::ServerSettings engine;
  SmtpTimeouts timeouts;
  gate::ListenerRole role = gate::ListenerRole::relay_in;
  std::vector<net::Network4Or6> relay_from;
  SmtpMetrics metrics;
};

/// Serves until the session ends. `place` is given back then.
[[nodiscard]] Task<void> serve_smtp(const SmtpService* service, std::unique_ptr<net::Stream> stream, gate::SessionCounts::Place place,
                                    net::ScratchPool* scratch, Signal* drain);

}  // namespace postrider::server
