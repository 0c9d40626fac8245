// Answers what the SMTP engine asks: the gate's verdicts, the content's intake, and the decision in one durable commit.
#pragma once

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "gate/gate.hpp"
#include "net/net.hpp"
#include "queue/queue.hpp"
#include "server/smtp_driver.hpp"
#include "smtp/server_session.hpp"

#include <memory>
#include <vector>

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
  smtp::ServerSettings engine;
  gate::ListenerRole role = gate::ListenerRole::relay_in;
  std::vector<net::Network4Or6> relay_from;
  SmtpMetrics metrics;
};

/// For one session with `peer`. A 250 to EndContent is given only after message, recipients and trace are on disk.
[[nodiscard]] std::unique_ptr<SmtpAnswers> make_reception(const SmtpService* service, const net::Endpoint& peer);

}  // namespace postrider::server
