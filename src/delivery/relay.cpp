#include "delivery/relay.hpp"

#include "core/await.hpp"
#include "core/overloaded.hpp"

#include <algorithm>
#include <utility>

namespace postrider::delivery {

namespace {

constexpr std::chrono::seconds kByTimeLeast{-999'999'999};  // 2852 §4: nine digits

constexpr std::size_t kReadOctets = 4096;  // replies are short
constexpr std::size_t kChunkOctets = 64 * 1024;

Duration wait_of(const ClientTimeouts& timeouts, smtp::ClientWait wait) {
  switch (wait) {
    case smtp::ClientWait::greeting: return timeouts.greeting;
    case smtp::ClientWait::hello: return timeouts.hello;
    case smtp::ClientWait::mail_rcpt: return timeouts.mail_rcpt;
    case smtp::ClientWait::data: return timeouts.data;
    case smtp::ClientWait::block: return timeouts.block;
    case smtp::ClientWait::end_of_data: return timeouts.end_of_data;
    case smtp::ClientWait::quit: return timeouts.quit;
  }
  return timeouts.quit;
}

/// Drives one client session.
class Driver {
 public:
  Driver(net::Stream* stream, RelaySettings settings, smtp::Protocol protocol, Observe observe)
      : stream_(stream),
        settings_(std::move(settings)),
        observe_(std::move(observe)),
        session_(settings_.hostname, protocol) {}

  /// Greeting and hello. False: refused, see `refusal`. Nothing takes longer than `limit`.
  Task<bool> open(Clock* clock, SteadyTime limit) {
    clock_ = clock;
    limit_ = limit;
    session_.start(todo_);
    begin_wait();
    co_await go_on();
    co_return session_.ready();
  }

  /// All transactions of `message`; gives the outcomes in the order of its recipients. To be called when `is_ready`.
  Task<std::vector<smtp::RecipientOutcome>> carry(const RelayMessage* message, ContentSource* content) {
    message_ = message;
    content_ = content;
    outcomes_.clear();
    refusal_ = lost_session();
    while (session_.ready() && outcomes_.size() < message_->recipients.size()) {
      next_transaction();
      begin_wait();
      co_await go_on();
    }
    while (outcomes_.size() < message_->recipients.size()) outcomes_.push_back(refusal_);
    co_return std::exchange(outcomes_, {});
  }

  /// `wait`: for the peer's answer.
  Task<void> quit(bool wait) {
    if (!session_.ready()) co_return;
    session_.quit(todo_);
    begin_wait();
    if (wait) {
      co_await go_on();
      co_return;
    }
    while (!todo_.empty()) {
      if (const auto* const send = std::get_if<smtp::Send>(&todo_.front())) unsent_ += send->octets;
      todo_.pop_front();
    }
    co_await flush();
    stream_->close();
  }

  /// Whether a message may begin; also false where the peer has closed or said something while nobody asked.
  [[nodiscard]] bool is_ready() {
    if (!session_.ready()) return false;
    std::array<char, 1> octet;
    const Result<std::size_t> got = stream_->read_some(octet);
    return got && *got == 0;
  }
  [[nodiscard]] const smtp::RecipientOutcome& refusal() const { return refusal_; }
  [[nodiscard]] unsigned transactions() const { return transactions_; }
  [[nodiscard]] bool may_go_on() const { return session_.ready() && transactions_ < kMessagesAConnectionMax; }

 private:
  /// Until there is nothing to do but to begin something new, or the session is closed. What is to be sent goes out in
  /// as few writes as can be: a whole small message, with its envelope, in one.
  Task<void> go_on() {
    for (;;) {
      if (!todo_.empty()) {
        smtp::ClientAction action = std::move(todo_.front());
        todo_.pop_front();
        co_await perform(std::move(action));
      } else if (!unsent_.empty()) {
        co_await flush();
      } else if (session_.closed() || session_.ready()) {
        co_return;
      } else {
        co_await read();
      }
      begin_wait();
    }
  }

  /// A wait begins when the kind of wait changes; octets that trickle in do not renew it.
  void begin_wait() {
    const smtp::ClientWait wait = session_.waits_for();
    if (wait_ == wait && wait != smtp::ClientWait::block) return;
    wait_ = wait;
    until_ = std::min(clock_->steady() + wait_of(settings_.timeouts, wait), limit_);
  }

  void next_transaction() {
    const std::size_t done = outcomes_.size();
    const std::size_t count = std::min(kRecipientsATransactionMax, message_->recipients.size() - done);
    smtp::ClientTransaction transaction{.reverse_path = message_->reverse_path,
                                        .recipients = part_of(message_->recipients, done, count),
                                        .size_octets = message_->size_octets,
                                        .request = message_->request,
                                        .recipient_requests = {},
                                        .only_ask = content_ == nullptr};
    // What the content is decides, not what was said of it; but for a binary one, which no scan tells from others.
    if (transaction.request.body != mail::BodyType::binary_mime)
      transaction.request.body = message_->has_eight_bit ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
    if (!message_->recipient_requests.empty())
      transaction.recipient_requests = part_of(message_->recipient_requests, done, count);
    if (transaction.request.deliver_by) {  // 2852 §4.1.4: what is left of the time
      const auto gone = std::chrono::ceil<std::chrono::seconds>(clock_->wall() - message_->arrival);
      transaction.request.deliver_by->within = std::max(transaction.request.deliver_by->within - gone, kByTimeLeast);
    }
    if (content_ != nullptr) content_->rewind();
    ++transactions_;
    wait_.reset();  // each transaction has waits of its own
    session_.begin(std::move(transaction), todo_);
  }

  template <class T>
  static std::vector<T> part_of(const std::vector<T>& all, std::size_t first, std::size_t count) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }

  Task<void> perform(smtp::ClientAction action) {
    if (auto* const send = std::get_if<smtp::Send>(&action)) {
      if (observe_) observe_('>', send->octets);
      if (unsent_.empty()) {
        unsent_ = std::move(send->octets);
      } else {
        unsent_ += send->octets;
      }
      if (unsent_.size() >= kChunkOctets) co_await flush();
    } else if (std::holds_alternative<smtp::WantContent>(action)) {
      co_await give_content();
    } else if (auto* const done = std::get_if<smtp::TransactionDone>(&action)) {
      std::ranges::move(done->outcomes, std::back_inserter(outcomes_));
    } else if (auto* const refused = std::get_if<smtp::SessionRefused>(&action)) {
      refusal_ = std::move(refused->outcome);
    } else {
      co_await flush();
      stream_->close();
      session_.step(smtp::PeerClosed{}, todo_);
    }
  }

  /// As much as there is, up to kChunkOctets, so that what is small is one chunk and known to be the last.
  Task<void> give_content() {
    std::string octets;
    bool last = false;
    while (!last && octets.size() < kChunkOctets) {
      const Result<std::string> chunk = co_await content_->next(kChunkOctets - octets.size());
      if (!chunk) {
        session_.step(smtp::ContentFailed{}, todo_);
        co_return;
      }
      last = chunk->empty();
      octets += *chunk;
    }
    session_.step(smtp::Content{.octets = octets, .last = last}, todo_);
  }

  Task<void> flush() {
    if (unsent_.empty()) co_return;
    const std::string octets = std::exchange(unsent_, {});
    const SteadyTime until = std::min(clock_->steady() + settings_.timeouts.block, limit_);
    const Result<void> written = co_await stream_->write(octets, until);
    if (written) co_return;
    if (written.error().code == Error::closed) co_await hear_last_words();
    lost(written.error());
  }

  /// A peer that closed while we wrote may have said why (421, 552): it is here, or on its way, or never comes.
  Task<void> hear_last_words() {
    const Result<net::Ready> ready =
        co_await stream_->wait_readable(clock_->steady() + settings_.timeouts.quit, nullptr);
    if (!ready) co_return;
    std::array<char, kReadOctets> buffer;
    const Result<std::size_t> got = stream_->read_some(buffer);
    if (!got || *got == 0) co_return;
    const std::string_view octets(buffer.data(), *got);
    if (observe_) observe_('<', octets);
    session_.step(smtp::Received{octets}, todo_);
  }

  Task<void> read() {
    const Result<net::Ready> ready = co_await stream_->wait_readable(until_, nullptr);
    if (!ready) {
      lost(ready.error());
      co_return;
    }
    std::array<char, kReadOctets> buffer;
    const Result<std::size_t> got = stream_->read_some(buffer);
    if (!got) {
      lost(got.error());
      co_return;
    }
    const std::string_view octets(buffer.data(), *got);
    if (observe_ && !octets.empty()) observe_('<', octets);
    session_.step(smtp::Received{octets}, todo_);
  }

  void lost(const Error& why) {
    if (why.code == Error::timeout) {
      session_.step(smtp::TimedOut{}, todo_);
    } else {
      session_.step(smtp::PeerClosed{}, todo_);
    }
  }

  /// For recipients whose transaction could not begin because the session ended after an earlier one.
  static smtp::RecipientOutcome lost_session() {
    return {.reply = {.code = 451, .enhanced = "4.4.2", .text = "session ended before this recipient's turn"},
            .phase = smtp::Phase::mail};
  }

  net::Stream* stream_;
  RelaySettings settings_;
  Observe observe_;
  smtp::ClientSession session_;
  smtp::ClientActions todo_;
  std::string unsent_;
  Clock* clock_ = nullptr;
  const RelayMessage* message_ = nullptr;
  ContentSource* content_ = nullptr;  // null: only ask
  std::vector<smtp::RecipientOutcome> outcomes_;
  smtp::RecipientOutcome refusal_ = lost_session();
  unsigned transactions_ = 0;
  std::optional<smtp::ClientWait> wait_;
  SteadyTime until_{};
  SteadyTime limit_ = SteadyTime::never();
};

class Connection final : public Parked {
 public:
  Connection(Shard* shard, std::unique_ptr<net::Stream> stream, RelaySettings settings, smtp::Protocol protocol,
             std::string remote)
      : shard_(shard),
        stream_(std::move(stream)),
        driver_(stream_.get(), std::move(settings), protocol, {}),
        remote_(std::move(remote)) {}

  [[nodiscard]] Shard* shard() const override { return shard_; }
  [[nodiscard]] Task<void> quit() override { co_await driver_.quit(false); }
  [[nodiscard]] Driver& driver() { return driver_; }
  [[nodiscard]] const std::string& remote() const { return remote_; }

 private:
  Shard* shard_;
  std::unique_ptr<net::Stream> stream_;
  Driver driver_;
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

  /// What is transient stays so: another time another hop may take it.
  void failed(smtp::RecipientOutcome outcome) {
    if (smtp::is_permanent(outcome.reply) && !smtp::is_permanent(failure.reply)) return;
    failure = std::move(outcome);
  }
};

/// `opened` has a connection afterwards when the endpoint took a session.
Task<void> open_one(net::Connector* connector, RelaySettings settings, const route::Relay* route, const route::Hop* hop,
                    net::Endpoint to, SteadyTime limit, Opened* opened) {
  Shard* const shard = co_await this_shard();
  const net::FoundBy found_by = hop->from_dns ? net::FoundBy::dns : net::FoundBy::configuration;
  const SteadyTime until = std::min(shard->clock().steady() + settings.timeouts.connect, limit);
  std::optional<net::Address> source;
  if (route->source && to.unix_path.empty()) source = net::Address::v6(*route->source);
  opened->remote = to.unix_path.empty() ? hop->host + " [" + to.address.to_text() + "]" : to.unix_path;
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
  auto connection =
      std::make_unique<Connection>(shard, std::move(*stream), std::move(settings), protocol, opened->remote);
  const bool ready = co_await connection->driver().open(&shard->clock(), limit);
  if (ready) {
    opened->result = ConnectionResult::worked;
    opened->connection = std::move(connection);
    co_return;
  }
  const smtp::RecipientOutcome& refusal = connection->driver().refusal();
  if (refusal.phase != smtp::Phase::greeting || smtp::is_permanent(refusal.reply)) {
    opened->result = ConnectionResult::throttled;  // it is there; 5yz is its word for the message (7504 §3)
  } else if (opened->result == ConnectionResult::unused) {
    opened->result = ConnectionResult::failed;
  }
  opened->failed(refusal);
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
      if (opened.connection) co_return opened;
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
                     .result = throttled ? ConnectionResult::throttled : ConnectionResult::worked};
  if (connection->driver().may_go_on()) result.connection = std::move(connection);
  return result;
}

}  // namespace

Task<SessionResult> send_over(net::Stream* stream, RelaySettings settings, RelayMessage message, ContentSource* content,
                              Observe observe) {
  Shard* const shard = co_await this_shard();
  Driver driver(stream, std::move(settings), smtp::Protocol::smtp, std::move(observe));
  const bool ready = co_await driver.open(&shard->clock(), SteadyTime::never());
  SessionResult result;
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
