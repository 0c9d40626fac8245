#include "delivery/relay.hpp"

#include "core/await.hpp"
#include "core/overloaded.hpp"

#include <algorithm>
#include <optional>

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

/// Drives one client session until it is closed.
class Driver {
 public:
  Driver(net::Stream* stream, const RelaySettings* settings, const RelayMessage* message, ContentSource* content,
         Observe observe)
      : stream_(stream),
        settings_(settings),
        message_(message),
        content_(content),
        observe_(std::move(observe)),
        session_(settings->hostname) {}

  Task<SessionResult> run(Clock* clock) {
    session_.start(todo_);
    begin_wait(clock);
    while (!session_.closed() || !todo_.empty()) {
      if (!todo_.empty()) {
        smtp::ClientAction action = std::move(todo_.front());
        todo_.pop_front();
        co_await perform(clock, std::move(action));
        begin_wait(clock);
      } else if (session_.ready()) {
        next_transaction(clock->wall());
        begin_wait(clock);
      } else {
        co_await read();
        begin_wait(clock);
      }
    }
    while (result_.outcomes.size() < message_->recipients.size()) result_.outcomes.push_back(rest_);
    co_return std::move(result_);
  }

 private:
  /// A wait begins when the kind of wait changes; octets that trickle in do not renew it.
  void begin_wait(Clock* clock) {
    const smtp::ClientWait wait = session_.waits_for();
    if (wait_ == wait && wait != smtp::ClientWait::block) return;
    wait_ = wait;
    until_ = clock->steady() + wait_of(settings_->timeouts, wait);
  }

  void next_transaction(WallTime now) {
    const std::size_t done = result_.outcomes.size();
    if (done == message_->recipients.size()) return session_.quit(todo_);
    const std::size_t count = std::min(kRecipientsATransactionMax, message_->recipients.size() - done);
    smtp::ClientTransaction transaction{.reverse_path = message_->reverse_path,
                                        .recipients = part_of(message_->recipients, done, count),
                                        .size_octets = message_->size_octets,
                                        .request = message_->request,
                                        .recipient_requests = {}};
    // What the content is decides, not what was said of it; but for a binary one, which no scan tells from others.
    if (transaction.request.body != mail::BodyType::binary_mime)
      transaction.request.body = message_->has_eight_bit ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
    if (!message_->recipient_requests.empty())
      transaction.recipient_requests = part_of(message_->recipient_requests, done, count);
    if (transaction.request.deliver_by)  // 2852 §4.1.4: what is left of the time
      transaction.request.deliver_by->within = std::max(
          transaction.request.deliver_by->within - std::chrono::ceil<std::chrono::seconds>(now - message_->arrival),
          kByTimeLeast);
    content_->rewind();
    result_.began = true;
    wait_.reset();  // each transaction has waits of its own
    session_.begin(std::move(transaction), todo_);
  }

  template <class T>
  static std::vector<T> part_of(const std::vector<T>& all, std::size_t first, std::size_t count) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }

  Task<void> perform(Clock* clock, smtp::ClientAction action) {
    if (auto* const send = std::get_if<smtp::Send>(&action)) {
      if (observe_) observe_('>', send->octets);
      const Result<void> written = co_await stream_->write(send->octets, clock->steady() + settings_->timeouts.block);
      if (!written) lost(written.error());
    } else if (std::holds_alternative<smtp::WantContent>(action)) {
      const Result<std::string> chunk = co_await content_->next(kChunkOctets);
      if (!chunk) {
        session_.step(smtp::ContentFailed{}, todo_);
      } else {
        session_.step(smtp::Content{.octets = *chunk, .last = chunk->empty()}, todo_);
      }
    } else if (auto* const done = std::get_if<smtp::TransactionDone>(&action)) {
      for (smtp::RecipientOutcome& outcome : done->outcomes) result_.outcomes.push_back(std::move(outcome));
      if (!result_.outcomes.empty()) rest_ = lost_session();
    } else if (auto* const refused = std::get_if<smtp::SessionRefused>(&action)) {
      rest_ = std::move(refused->outcome);
    } else {
      stream_->close();
      session_.step(smtp::PeerClosed{}, todo_);
    }
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
  const RelaySettings* settings_;
  const RelayMessage* message_;
  ContentSource* content_;
  Observe observe_;
  smtp::ClientSession session_;
  smtp::ClientActions todo_;
  SessionResult result_;
  smtp::RecipientOutcome rest_ = lost_session();
  std::optional<smtp::ClientWait> wait_;
  SteadyTime until_{};
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

net::Address address_of(const route::AddressOctets& octets) { return net::Address::v6(octets); }

}  // namespace

Task<SessionResult> send_over(net::Stream* stream, RelaySettings settings, RelayMessage message, ContentSource* content,
                              Observe observe) {
  Shard* const shard = co_await this_shard();
  Driver driver(stream, &settings, &message, content, std::move(observe));
  co_return co_await driver.run(&shard->clock());
}

Task<RelayResult> relay(net::Connector* connector, RelaySettings settings, route::Relay route, RelayMessage message,
                        ContentSource* content) {
  Shard* const shard = co_await this_shard();
  RelayResult result;
  smtp::RecipientOutcome last = {.reply = {.code = 550, .enhanced = "5.4.4", .text = "no host has an address"},
                                 .phase = smtp::Phase::connect};
  unsigned sessions = 0;
  for (const route::Hop& hop : route.hops) {
    for (const route::AddressOctets& octets : hop.addresses) {
      if (sessions == kSessionsAnAttemptMax) break;
      const net::Endpoint to{.address = address_of(octets), .port = hop.port, .unix_path = {}};
      const net::FoundBy found_by = hop.from_dns ? net::FoundBy::dns : net::FoundBy::configuration;
      const SteadyTime until = shard->clock().steady() + settings.timeouts.connect;
      Result<std::unique_ptr<net::Stream>> stream = co_await connector->connect(to, found_by, std::nullopt, until);
      const std::string remote = hop.host + " [" + to.address.to_text() + "]";
      if (!stream) {
        smtp::RecipientOutcome failure = not_connected(stream.error());
        if (!smtp::is_permanent(failure.reply) || smtp::is_permanent(last.reply))
          last = std::move(failure);  // transient stays transient
        result.remote = remote;
        continue;
      }
      ++sessions;
      SessionResult session = co_await send_over(stream->get(), settings, message, content, {});
      result.remote = remote;
      if (session.began) {
        result.outcomes = std::move(session.outcomes);
        co_return result;
      }
      last = std::move(session.outcomes.front());  // refused at greeting or hello: the next host may take it
    }
  }
  result.outcomes.assign(message.recipients.size(), last);
  co_return result;
}

}  // namespace postrider::delivery
