#include "delivery/client_driver.hpp"

#include "core/await.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace postrider::delivery {

namespace {

constexpr std::chrono::seconds kByTimeLeast{-999'999'999};  // 2852 §4: nine digits

constexpr std::size_t kReadOctets = 4096;  // replies are short
constexpr std::size_t kChunkOctets = 64 * 1024;
constexpr std::size_t kNonceOctets = 18;  // 5802 §5.1

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

template <class T>
std::vector<T> part_of(const std::vector<T>& all, std::size_t first, std::size_t count) {
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

/// For recipients whose transaction could not begin because the session ended after an earlier one.
smtp::RecipientOutcome lost_session() {
  return {.reply = {.code = 451, .enhanced = "4.4.2", .text = "session ended before this recipient's turn"},
          .phase = smtp::Phase::mail};
}

std::string fresh_nonce(Random* random) {
  std::array<std::byte, kNonceOctets> octets;
  random->fill(octets);
  return to_base64({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

}  // namespace

std::string to_text(const std::optional<net::TlsFacts>& tls) {
  if (!tls) return {};
  return fmt::format("{} {}{}", tls->version, tls->cipher, tls->verified ? ", verified" : "");
}

ClientDriver::ClientDriver(std::unique_ptr<net::Stream> stream, RelaySettings settings, smtp::Protocol protocol,
                           SessionPlan plan, Observe observe)
    : stream_(std::move(stream)),
      settings_(std::move(settings)),
      plan_(std::move(plan)),
      observe_(std::move(observe)),
      protocol_(protocol),
      session_(engine_settings(plan_.tls_from_start ? smtp::Secured::from_start : smtp::Secured::no)),
      refusal_(lost_session()) {}

smtp::ClientSettings ClientDriver::engine_settings(smtp::Secured secured) const {
  return {.hello_name = settings_.hostname,
          .protocol = protocol_,
          .secured = secured,
          .begin_tls = plan_.begin_tls,
          .authenticate = plan_.login.has_value(),
          .passwords_in_clear = plan_.passwords_in_clear};
}

Task<bool> ClientDriver::open(Clock* clock, SteadyTime limit) {
  clock_ = clock;
  limit_ = limit;
  if (plan_.tls_from_start) {
    const bool shaken = co_await shake_hands();
    if (!shaken) co_return false;
  }
  session_.start(todo_);
  begin_wait();
  co_await go_on();
  plan_ = {};  // nor is the password needed any more: the connection may wait for more to do
  exchange_.reset();
  co_return session_.ready();
}

bool ClientDriver::may_go_on() const { return session_.ready() && transactions_ < kMessagesAConnectionMax; }

Task<std::vector<smtp::RecipientOutcome>> ClientDriver::carry(const RelayMessage* message, ContentSource* content) {
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

Task<void> ClientDriver::quit(bool wait) {
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

bool ClientDriver::is_ready() {
  if (!session_.ready()) return false;
  std::array<char, 1> octet;
  const Result<std::size_t> got = stream_->read_some(octet);
  return got && *got == 0;
}

/// Until there is nothing to do but to begin something new, or the session is closed. What is to be sent goes out in
/// as few writes as can be: a whole small message, with its envelope, in one.
Task<void> ClientDriver::go_on() {
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
void ClientDriver::begin_wait() {
  const smtp::ClientWait wait = session_.waits_for();
  if (wait_ == wait && wait != smtp::ClientWait::block) return;
  wait_ = wait;
  until_ = std::min(clock_->steady() + wait_of(settings_.timeouts, wait), limit_);
}

void ClientDriver::next_transaction() {
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

Task<void> ClientDriver::perform(smtp::ClientAction action) {
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
  } else if (std::holds_alternative<smtp::Handshake>(action)) {
    co_await begin_again();
  } else if (auto* const secret = std::get_if<smtp::SendSecret>(&action)) {
    co_await send_secret(std::move(*secret));
  } else if (auto* const auth = std::get_if<smtp::WantAuth>(&action)) {
    begin_login(auth->mechanisms);
  } else if (auto* const challenged = std::get_if<smtp::WantAuthResponse>(&action)) {
    answer(challenged->challenge);
  } else {
    co_await flush();
    if (stream_) stream_->close();
    session_.step(smtp::PeerClosed{}, todo_);
  }
}

/// False: `refusal_` says why, and the connection is gone.
Task<bool> ClientDriver::shake_hands() {
  net::TlsAsk ask = plan_.ask;
  const SteadyTime until = std::min(clock_->steady() + settings_.timeouts.tls, limit_);
  std::unique_ptr<net::Stream> plain = std::move(stream_);
  Result<std::unique_ptr<net::Stream>> secured =
      co_await settings_.tls->connect(std::move(plain), std::move(ask), until);
  if (!secured) {
    refusal_ = {.reply = {.code = 451,
                          .enhanced = "4.7.5",
                          .text = "TLS could not be begun: " + printable_ascii(describe(secured.error()), 300)},
                .phase = smtp::Phase::starttls};
    co_return false;
  }
  stream_ = std::move(*secured);
  tls_ = stream_->tls();
  if (observe_) observe_('*', to_text(tls_) + "\r\n");
  co_return true;
}

/// A new session over the protected connection: nothing of the one before is kept (SECURITY R5).
Task<void> ClientDriver::begin_again() {
  const bool shaken = co_await shake_hands();
  if (!shaken) co_return;
  session_ = smtp::ClientSession(engine_settings(smtp::Secured::by_starttls));
  wait_.reset();
  session_.start(todo_);
}

Task<void> ClientDriver::send_secret(smtp::SendSecret secret) {
  if (observe_) observe_('>', secret.shown);
  co_await flush();
  const SteadyTime until = std::min(clock_->steady() + settings_.timeouts.block, limit_);
  const Result<void> written = co_await stream_->write(secret.octets.reveal(), until);
  if (!written) lost(written.error());
}

void ClientDriver::begin_login(const std::vector<std::string>& mechanisms) {
  sasl::Bindings bindings;
  if (tls_) {
    bindings.tls_exporter = stream_->channel_binding(net::ChannelBinding::tls_exporter).value_or("");
    bindings.tls_server_end_point = stream_->channel_binding(net::ChannelBinding::tls_server_end_point).value_or("");
  }
  const std::optional<sasl::Mechanism> mechanism =
      sasl::choose_mechanism(mechanisms, tls_ || plan_.passwords_in_clear, bindings);
  if (!mechanism) {
    std::string offered;
    for (const std::string& one : mechanisms) offered += ' ' + one;
    return session_.step(smtp::AuthGivenUp{.why = "no mechanism in common, it offers" + offered}, todo_);
  }
  exchange_ = std::make_unique<sasl::ClientExchange>(
      *mechanism, sasl::ClientCredentials{.login = plan_.login->name, .password = plan_.login->password},
      std::move(bindings), fresh_nonce(settings_.random));
  std::optional<Secret> initial = exchange_->initial();
  session_.step(smtp::StartAuth{.mechanism = std::string(sasl::name_of(*mechanism)),
                                .initial = std::move(initial),
                                .may_succeed = exchange_->may_succeed()},
                todo_);
}

void ClientDriver::answer(const std::string& challenge) {
  Result<Secret> response = exchange_->respond(challenge);
  if (!response) return session_.step(smtp::AuthGivenUp{.why = describe(response.error())}, todo_);
  session_.step(smtp::AuthResponse{.response = std::move(*response), .may_succeed = exchange_->may_succeed()}, todo_);
}

/// As much as there is, up to kChunkOctets, so that what is small is one chunk and known to be the last.
Task<void> ClientDriver::give_content() {
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

Task<void> ClientDriver::flush() {
  if (unsent_.empty()) co_return;
  const std::string octets = std::exchange(unsent_, {});
  const SteadyTime until = std::min(clock_->steady() + settings_.timeouts.block, limit_);
  const Result<void> written = co_await stream_->write(octets, until);
  if (written) co_return;
  if (written.error().code == Error::closed) co_await hear_last_words();
  lost(written.error());
}

/// A peer that closed while we wrote may have said why (421, 552): it is here, or on its way, or never comes.
Task<void> ClientDriver::hear_last_words() {
  const Result<net::Ready> ready = co_await stream_->wait_readable(clock_->steady() + settings_.timeouts.quit, nullptr);
  if (!ready) co_return;
  std::array<char, kReadOctets> buffer;
  const Result<std::size_t> got = stream_->read_some(buffer);
  if (!got || *got == 0) co_return;
  const std::string_view octets(buffer.data(), *got);
  if (observe_) observe_('<', octets);
  session_.step(smtp::Received{octets}, todo_);
}

Task<void> ClientDriver::read() {
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

void ClientDriver::lost(const Error& why) {
  if (why.code == Error::timeout) {
    session_.step(smtp::TimedOut{}, todo_);
  } else {
    session_.step(smtp::PeerClosed{}, todo_);
  }
}

}  // namespace postrider::delivery
