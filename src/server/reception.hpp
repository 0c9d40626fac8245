// Answers what the SMTP engine asks: the gate's verdicts, the content's intake, and the decision in one durable commit.
#pragma once

#include "core/events.hpp"
#include "core/metrics.hpp"
#include "gate/gate.hpp"
#include "net/net.hpp"
#include "queue/queue.hpp"
#include "server/login.hpp"
#include "server/signing.hpp"
#include "server/smtp_driver.hpp"
#include "server/submission.hpp"
#include "smtp/server_session.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace postrider::server {

/// Of one transaction, in all: more than an RCPT each where they are lists. They are written in one commit, in entries
/// of at most queue::kRecipientsMax (the store's limits leave no room for more).
inline constexpr std::size_t kAcceptedRecipientsMax = 2 * queue::kRecipientsMax;

/// `postrider_limits_reached_total`: one for each limit that a session can run into.
class LimitMetrics {
 public:
  explicit LimitMetrics(Metrics* metrics);
  /// Of smtp::name_of, or one of our own (reception.cpp); another is a bug of ours.
  void reached(std::string_view limit) const;

 private:
  std::map<std::string_view, Metric*> by_name_;
};

struct SmtpMetrics {
  Metric* sessions;
  Metric* accepted;
  Metric* refused_recipients;
  Metric* refused_messages;
  const LimitMetrics* limits;
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
  std::vector<net::Network4Or6> xclient_from;
  smtp::BareNewline bare_newline = smtp::BareNewline::reject;  ///< of who may relay
  SmtpMetrics metrics;
  const SubmissionService* submission = nullptr;  ///< of what our own people send; nullptr: nobody does
  std::string_view name = "smtp";                 ///< of the service, in events
  const LoginService* login = nullptr;            ///< null: nobody logs in (SECURITY R10: no AUTH on port 25)
};

/// Who a session is with.
struct Peer {
  net::Endpoint real;                   ///< the connection's other end
  std::optional<net::Endpoint> client;  ///< whom a believed PROXY header named
  /// Of a submission by a user of this host: who the kernel says it is (submit.sock), or whose file it was.
  std::optional<std::uint32_t> local_user = std::nullopt;
  /// The message was taken from this user already (the drop directory): a recipient that is refused for good comes
  /// back to the sender as a report; and this names the message, which is accepted once.
  std::string dropped_as = {};
  gate::SessionCounts::Place* place;  ///< in what is held; null: it is counted nowhere
  std::shared_ptr<void> held;         ///< given back when the session ends
  /// Who it is for the log and the counts.
  [[nodiscard]] const net::Endpoint& shown() const { return client ? *client : real; }
};

/// For one session. What PROXY and XCLIENT say is taken for the log, the trace fields and the counts; it can take the
/// right to relay away but never give it: both the connection's own address and the one that is claimed must be in
/// `relay_from` (SECURITY R4). A 250 to EndContent is given only after message, recipients and trace are on disk.
[[nodiscard]] std::unique_ptr<SmtpAnswers> make_reception(const SmtpService* service, Peer peer);

}  // namespace postrider::server
