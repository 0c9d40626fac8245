#include "delivery/relay.hpp"

#include "core/await.hpp"
#include "delivery/client_driver.hpp"
#include "route/via.hpp"

#include <algorithm>
#include <utility>

namespace postrider::delivery {

namespace {

class Connection final : public Parked {
 public:
  Connection(Shard* shard, std::unique_ptr<net::Stream> stream, RelaySettings settings, smtp::Protocol protocol,
             SessionPlan plan, std::string remote)
      : shard_(shard),
        driver_(std::move(stream), std::move(settings), protocol, std::move(plan), {}),
        remote_(std::move(remote)) {}

  [[nodiscard]] Shard* shard() const override { return shard_; }
  [[nodiscard]] Task<void> quit() override { co_await driver_.quit(false); }
  [[nodiscard]] ClientDriver& driver() { return driver_; }
  [[nodiscard]] const std::string& remote() const { return remote_; }

 private:
  Shard* shard_;
  ClientDriver driver_;
  std::string remote_;
};

smtp::RecipientOutcome not_connected(const Error& why) {
  if (why.code == Error::denied) {  // SECURITY R11: the name points to where mail must not go
    return {
        .reply = {.code = 550, .enhanced = "5.4.4", .text = "address of the next hop is not allowed: " + why.detail},
        .phase = smtp::Phase::connect};
  }
  const bool late = why.code == Error::timeout;
  return {.reply = {.code = 451,
                    .enhanced = "4.4.1",
                    .text = late ? "connect timed out" : "connect failed: " + describe(why)},
          .phase = smtp::Phase::connect};
}

/// A session that is ready for a message, or why there is none.
struct Opened {
  std::unique_ptr<Connection> connection;
  std::string remote;
  smtp::RecipientOutcome failure = {.reply = {.code = 550, .enhanced = "5.4.4", .text = "no host has an address"},
                                    .phase = smtp::Phase::connect};
  ConnectionResult result = ConnectionResult::unused;
  unsigned sessions = 0;
  std::optional<smtp::RecipientOutcome> last = std::nullopt;  // of the session that was refused last

  /// The credentials are wrong: they are so at every hop.
  [[nodiscard]] bool is_locked_out() const {
    return last && last->phase == smtp::Phase::auth && last->reply.enhanced == "4.7.8";
  }
  /// What is transient stays so: another time another hop may take it.
  void failed(smtp::RecipientOutcome outcome) {
    if (smtp::is_permanent(outcome.reply) && !smtp::is_permanent(failure.reply)) return;
    failure = std::move(outcome);
  }
};

/// Hops without a TLS client (tests) are as with `none`.
bool wants_tls(const RelaySettings& settings, const route::Hop& hop) {
  return settings.tls != nullptr && hop.unix_path.empty() && hop.tls != route::TlsPolicy::none;
}

bool may_go_in_the_clear(const route::Hop& hop) {
  return hop.tls == route::TlsPolicy::automatic || hop.tls == route::TlsPolicy::opportunistic;
}

/// How a session at `hop` is begun. Errors  not_found: there is no such secret; denied: the login wants TLS, and there
/// is none.
Result<SessionPlan> plan_for(const RelaySettings& settings, const route::Relay& route, const route::Hop& hop,
                             const net::Endpoint& to) {
  SessionPlan plan;
  const route::Credentials& with = route.credentials;
  const bool must = !may_go_in_the_clear(hop) && hop.tls != route::TlsPolicy::none;
  if (must && settings.tls == nullptr) return error(Error::denied, "delivery.tls", "TLS is required and not built in");
  if (wants_tls(settings, hop)) {
    plan.tls_from_start = hop.tls_from_start;
    plan.begin_tls = must ? smtp::BeginTls::required : smtp::BeginTls::if_offered;
    const bool has_name = with.tls_name.empty() && !route::parse_address(hop.host) && !hop.host.starts_with('[');
    plan.ask = {.name = has_name ? hop.host : with.tls_name,
                .verify = hop.tls == route::TlsPolicy::verified ? net::TlsVerify::name : net::TlsVerify::nothing,
                .authorities = with.tls_authorities,
                .certificate = with.client_certificate,
                .private_key = with.client_key.empty() ? with.client_certificate : with.client_key};
  }
  if (with.secret.empty()) return plan;
  const bool stays_here = !to.unix_path.empty() || route::is_loopback(to.address.octets());
  if (!must && !stays_here) return error(Error::denied, "delivery.auth", "nobody logs in without TLS");
  plan.passwords_in_clear = !must;
  const Logins* const logins = settings.logins.get();
  const auto found = logins == nullptr ? Logins::const_iterator() : logins->find(with.secret);
  if (logins == nullptr || found == logins->end())
    return error(Error::not_found, "delivery.auth", "there is no [secret." + with.secret + "]");
  plan.login = found->second;
  return plan;
}

/// Nobody's fault but our configuration's: the message waits.
smtp::RecipientOutcome not_planned(const Error& why) {
  return {.reply = {.code = 454, .enhanced = "4.7.0", .text = describe(why)}, .phase = smtp::Phase::connect};
}

/// What a session that did not come about says of the destination. Trouble with TLS and logins lasts: too many tries
/// lock accounts.
ConnectionResult result_of(const smtp::RecipientOutcome& refusal) {
  const bool is_lasting = refusal.phase == smtp::Phase::starttls || refusal.phase == smtp::Phase::auth;
  if (is_lasting) return ConnectionResult::failed;
  // It is there; a 5yz greeting is its word for the message (7504 §3).
  if (refusal.phase != smtp::Phase::greeting || smtp::is_permanent(refusal.reply)) return ConnectionResult::throttled;
  return ConnectionResult::failed;
}

/// One session at an endpoint. `opened` has a connection afterwards when the endpoint took it.
Task<void> open_session(net::Connector* connector, RelaySettings settings, const route::Relay* route,
                        const route::Hop* hop, net::Endpoint to, SessionPlan plan, SteadyTime limit, Opened* opened) {
  Shard* const shard = co_await this_shard();
  const net::FoundBy found_by = hop->from_dns ? net::FoundBy::dns : net::FoundBy::configuration;
  const SteadyTime until = std::min(shard->clock().steady() + settings.timeouts.connect, limit);
  std::optional<net::Address> source;
  if (route->source && to.unix_path.empty()) source = net::Address::v6(*route->source);
  Result<std::unique_ptr<net::Stream>> stream = co_await connector->connect(std::move(to), found_by, source, until);
  if (!stream) {
    if (stream.error().code != Error::denied && opened->result == ConnectionResult::unused)
      opened->result = ConnectionResult::failed;
    opened->failed(not_connected(stream.error()));
    co_return;
  }
  ++opened->sessions;
  const smtp::Protocol protocol =
      hop->protocol == route::HopProtocol::lmtp ? smtp::Protocol::lmtp : smtp::Protocol::smtp;
  auto connection = std::make_unique<Connection>(shard, std::move(*stream), std::move(settings), protocol,
                                                 std::move(plan), opened->remote);
  const bool ready = co_await connection->driver().open(&shard->clock(), limit);
  if (ready) {
    opened->result = ConnectionResult::worked;
    opened->connection = std::move(connection);
    co_return;
  }
  const smtp::RecipientOutcome& refusal = connection->driver().refusal();
  const ConnectionResult result = result_of(refusal);
  if (result != ConnectionResult::failed || opened->result == ConnectionResult::unused) opened->result = result;
  opened->last = refusal;
  opened->failed(refusal);
}

/// TLS did not come about, and was none that must be (7435 §4): once more, in the clear.
bool wants_clear(const route::Hop& hop, const Opened& opened) {
  return may_go_in_the_clear(hop) && opened.last && opened.last->phase == smtp::Phase::starttls &&
         opened.last->reply.code != 421;
}

/// `opened` has a connection afterwards when the endpoint took a session.
Task<void> open_one(net::Connector* connector, RelaySettings settings, const route::Relay* route, const route::Hop* hop,
                    net::Endpoint to, SteadyTime limit, Opened* opened) {
  opened->remote = to.unix_path.empty() ? hop->host + " [" + to.address.to_text() + "]" : to.unix_path;
  opened->last.reset();
  Result<SessionPlan> plan = plan_for(settings, *route, *hop, to);
  if (!plan) {
    opened->failed(not_planned(plan.error()));
    co_return;
  }
  SessionPlan clear = *plan;
  clear.begin_tls = smtp::BeginTls::never;
  const smtp::RecipientOutcome failure = opened->failure;
  const ConnectionResult result = opened->result;
  const unsigned sessions = opened->sessions;
  net::Endpoint same = to;
  co_await open_session(connector, settings, route, hop, std::move(same), std::move(*plan), limit, opened);
  if (opened->connection || !wants_clear(*hop, *opened)) co_return;
  opened->failure = failure;  // only what the second session says counts
  opened->result = result;
  opened->sessions = sessions;
  co_await open_session(connector, std::move(settings), route, hop, std::move(to), std::move(clear), limit, opened);
}

Task<Opened> open_any(net::Connector* connector, RelaySettings settings, route::Relay route, SteadyTime limit) {
  Opened opened;
  if (!route.hello.empty()) settings.hostname = route.hello;
  for (const route::Hop& hop : route.hops) {
    std::vector<net::Endpoint> endpoints;
    if (!hop.unix_path.empty()) endpoints.push_back({.address = {}, .port = 0, .unix_path = hop.unix_path});
    for (const route::AddressOctets& octets : hop.addresses)
      endpoints.push_back({.address = net::Address::v6(octets), .port = hop.port, .unix_path = {}});
    for (net::Endpoint& to : endpoints) {
      if (opened.sessions == kSessionsAnAttemptMax) co_return opened;
      co_await open_one(connector, settings, &route, &hop, std::move(to), limit, &opened);
      if (opened.connection || opened.is_locked_out()) co_return opened;
    }
  }
  co_return opened;
}

/// Nothing was answered before the session ended.
bool is_lost_at_mail(const smtp::RecipientOutcome& outcome) {
  const bool ended = outcome.reply.code == 421 || outcome.reply.enhanced == "4.4.2";
  return outcome.phase == smtp::Phase::mail && ended;
}

RelayResult to_result(std::vector<smtp::RecipientOutcome> outcomes, std::unique_ptr<Connection> connection) {
  const bool throttled = std::ranges::any_of(outcomes, [](const smtp::RecipientOutcome& outcome) {
    return outcome.reply.code == 421 || outcome.reply.enhanced == "4.4.2";
  });
  RelayResult result{.outcomes = std::move(outcomes),
                     .remote = connection->remote(),
                     .result = throttled ? ConnectionResult::throttled : ConnectionResult::worked,
                     .tls = connection->driver().tls()};
  if (connection->driver().may_go_on()) result.connection = std::move(connection);
  return result;
}

}  // namespace

Task<SessionResult> send_over(std::unique_ptr<net::Stream> stream, RelaySettings settings, SessionPlan plan,
                              RelayMessage message, ContentSource* content, Observe observe) {
  Shard* const shard = co_await this_shard();
  ClientDriver driver(std::move(stream), std::move(settings), smtp::Protocol::smtp, std::move(plan),
                      std::move(observe));
  const bool ready = co_await driver.open(&shard->clock(), SteadyTime::never());
  SessionResult result;
  result.tls = driver.tls();
  if (!ready) {
    result.outcomes.assign(message.recipients.size(), driver.refusal());
    co_return result;
  }
  result.began = true;
  result.outcomes = co_await driver.carry(&message, content);
  co_await driver.quit(true);
  co_return result;
}

Task<RelayResult> relay(net::Connector* connector, RelaySettings settings, route::Relay route, RelayMessage message,
                        ContentSource* content) {
  Opened opened = co_await open_any(connector, std::move(settings), std::move(route), SteadyTime::never());
  if (!opened.connection) {
    RelayResult result{.outcomes = {}, .remote = std::move(opened.remote), .result = opened.result};
    result.outcomes.assign(message.recipients.size(), opened.failure);
    co_return result;
  }
  std::vector<smtp::RecipientOutcome> outcomes = co_await opened.connection->driver().carry(&message, content);
  co_return to_result(std::move(outcomes), std::move(opened.connection));
}

Task<std::optional<RelayResult>> relay_over(std::unique_ptr<Parked> parked, RelayMessage message,
                                            ContentSource* content) {
  // What is parked came from `relay`: there are no others.
  std::unique_ptr<Connection> connection(static_cast<Connection*>(parked.release()));
  if (!connection->driver().is_ready()) co_return std::nullopt;
  std::vector<smtp::RecipientOutcome> outcomes = co_await connection->driver().carry(&message, content);
  const auto first_end =
      outcomes.begin() + static_cast<std::ptrdiff_t>(std::min(kRecipientsATransactionMax, outcomes.size()));
  if (std::any_of(outcomes.begin(), first_end, is_lost_at_mail)) co_return std::nullopt;
  co_return to_result(std::move(outcomes), std::move(connection));
}

Task<smtp::RecipientOutcome> probe(net::Connector* connector, RelaySettings settings, route::Relay route,
                                   mail::Address recipient, SteadyTime until) {
  Opened opened = co_await open_any(connector, std::move(settings), std::move(route), until);
  if (!opened.connection) co_return opened.failure;
  RelayMessage question{.reverse_path = mail::Path::null(), .recipients = {}};
  question.recipients.push_back(std::move(recipient));
  std::vector<smtp::RecipientOutcome> outcomes = co_await opened.connection->driver().carry(&question, nullptr);
  co_await opened.connection->quit();
  co_return outcomes.front();
}

}  // namespace postrider::delivery
