#include "core/check.hpp"
#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/saslprep.hpp"
#include "sasl/scram_crypto.hpp"
#include "sasl/scram_message.hpp"

namespace postrider::sasl {

namespace {

std::unexpected<Error> malformed(std::string_view detail) {
  return error(Error::malformed, "sasl.client", std::string(detail));
}

}  // namespace

struct ClientExchange::State {
  enum class Phase : std::uint8_t { start, login, password, server_first, server_final, may_succeed, over };

  State(Mechanism chosen, ClientCredentials given, Bindings have, std::string fresh)
      : mechanism(chosen), credentials(std::move(given)), bindings(std::move(have)), nonce(std::move(fresh)) {}

  bool is_sha1() const { return mechanism == Mechanism::scram_sha_1 || mechanism == Mechanism::scram_sha_1_plus; }
  ScramHash hash() const { return is_sha1() ? ScramHash::sha1 : ScramHash::sha256; }
  void choose_binding();
  Secret client_first();
  Result<Secret> take_server_first(std::string_view challenge);
  Result<Secret> take_server_final(std::string_view challenge);

  Mechanism mechanism;
  ClientCredentials credentials;
  Bindings bindings;
  std::string nonce;
  Phase phase = Phase::start;
  std::string gs2_header;
  std::string binding_data;
  std::string first_bare;
  std::string signature;  // that the server must give
};

/// 5802 §6: p where bound, y where we could, n where we cannot.
void ClientExchange::State::choose_binding() {
  const bool plus = mechanism == Mechanism::scram_sha_1_plus || mechanism == Mechanism::scram_sha_256_plus;
  const bool exporter = !bindings.tls_exporter.empty();
  const std::string& data = exporter ? bindings.tls_exporter : bindings.tls_server_end_point;
  if (!plus) {
    gs2_header = data.empty() ? "n,," : "y,,";
    return;
  }
  check(!data.empty(), "a -PLUS mechanism has something to bind to");
  gs2_header = exporter ? "p=tls-exporter,," : "p=tls-server-end-point,,";
  binding_data = data;
}

Secret ClientExchange::State::client_first() {
  choose_binding();
  const Result<Secret> prepared = saslprep(Secret(credentials.login));
  // §5.1: SHOULD be prepared. What has no such form goes as it is: the server knows its names.
  const std::string_view login = prepared ? prepared->reveal() : std::string_view(credentials.login);
  first_bare = "n=" + to_saslname(login) + ",r=" + nonce;
  phase = Phase::server_first;
  return Secret(gs2_header + first_bare);
}

Result<Secret> ClientExchange::State::take_server_first(std::string_view challenge) {
  const Result<ServerFirst> message = parse_server_first(challenge);
  if (!message) return malformed(message.error().detail);
  if (!message->nonce.starts_with(nonce) || message->nonce.size() == nonce.size()) return malformed("nonce");  // §5.1
  if (message->iterations < kScramIterations) return malformed("fewer than 4096 iterations");  // 7677 §4
  const Result<Secret> password = saslprep(credentials.password);
  if (!password) return fail(password);
  const Secret salted = scram_salted(hash(), *password, message->salt, message->iterations);
  const Secret client_key(scram_hmac(hash(), salted.reveal(), "Client Key"));
  const ScramKeys keys = scram_keys_of(hash(), salted, message->salt, message->iterations);
  std::string without_proof = "c=" + to_base64(gs2_header + binding_data) + ",r=" + message->nonce;
  const std::string auth_message = first_bare + "," + std::string(challenge) + "," + without_proof;
  signature = scram_hmac(hash(), keys.server_key, auth_message);
  const std::string proof = xored(client_key.reveal(), scram_hmac(hash(), keys.stored_key, auth_message));
  phase = Phase::server_final;
  return Secret(without_proof + ",p=" + to_base64(proof));
}

Result<Secret> ClientExchange::State::take_server_final(std::string_view challenge) {
  const Result<std::string> given = parse_server_final(challenge);
  if (!given) return fail(given);
  if (!same_octets(*given, signature)) return error(Error::denied, "sasl.client", "the server's signature is wrong");
  phase = Phase::may_succeed;
  return Secret();
}

ClientExchange::ClientExchange(Mechanism mechanism, ClientCredentials credentials, Bindings bindings, std::string nonce)
    : state_(std::make_unique<State>(mechanism, std::move(credentials), std::move(bindings), std::move(nonce))) {}
ClientExchange::ClientExchange(ClientExchange&&) noexcept = default;
ClientExchange& ClientExchange::operator=(ClientExchange&&) noexcept = default;
ClientExchange::~ClientExchange() = default;

std::optional<Secret> ClientExchange::initial() {
  check(state_->phase == State::Phase::start, "an exchange begins once");
  switch (state_->mechanism) {
    case Mechanism::plain: {
      state_->phase = State::Phase::may_succeed;
      std::string message;  // of its final size, so that no copy is left behind
      message.reserve(2 + state_->credentials.login.size() + state_->credentials.password.reveal().size());
      message.append(1, '\0').append(state_->credentials.login).append(1, '\0');
      message.append(state_->credentials.password.reveal());
      return Secret(std::move(message));
    }
    case Mechanism::login: state_->phase = State::Phase::login; return std::nullopt;
    case Mechanism::external: state_->phase = State::Phase::may_succeed; return Secret();
    case Mechanism::scram_sha_1:
    case Mechanism::scram_sha_1_plus:
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_256_plus: return state_->client_first();
  }
  return std::nullopt;
}

Result<Secret> ClientExchange::respond(std::string_view challenge) {
  const State::Phase phase = std::exchange(state_->phase, State::Phase::over);
  if (challenge.size() > kMessageOctetsMax) return malformed("over 12,288 octets");
  switch (phase) {
    case State::Phase::login:  // servers word their questions differently: their order counts
      state_->phase = State::Phase::password;
      return Secret(state_->credentials.login);
    case State::Phase::password: state_->phase = State::Phase::may_succeed; return state_->credentials.password;
    case State::Phase::server_first: return state_->take_server_first(challenge);
    case State::Phase::server_final: return state_->take_server_final(challenge);
    case State::Phase::start:
    case State::Phase::may_succeed:
    case State::Phase::over: break;
  }
  return malformed("no challenge is awaited");
}

bool ClientExchange::may_succeed() const { return state_->phase == State::Phase::may_succeed; }

}  // namespace postrider::sasl
