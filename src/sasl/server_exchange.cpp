#include "core/check.hpp"
#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/password.hpp"
#include "sasl/plain.hpp"
#include "sasl/scram_crypto.hpp"
#include "sasl/scram_message.hpp"

namespace postrider::sasl {

namespace {

Failed failed(Error::Code code, std::string_view detail) {
  return Failed{Error{code, "sasl.server", std::string(detail)}};
}
template <class T>
Failed failed(const Result<T>& result) {
  return Failed{result.error()};
}

bool is_plus(Mechanism mechanism) {
  return mechanism == Mechanism::scram_sha_1_plus || mechanism == Mechanism::scram_sha_256_plus;
}

ScramHash hash_of(Mechanism mechanism) {
  const bool sha1 = mechanism == Mechanism::scram_sha_1 || mechanism == Mechanism::scram_sha_1_plus;
  return sha1 ? ScramHash::sha1 : ScramHash::sha256;
}

constexpr std::string_view kAskLogin = "Username:";
constexpr std::string_view kAskPassword = "Password:";

}  // namespace

struct ServerExchange::State {
  enum class Phase : std::uint8_t {
    start,
    first,      // the client's first message is awaited
    password,   // of LOGIN
    asking,     // the caller's answer
    proof,      // client-final-message
    signature,  // the empty response to our signature
    over,
  };

  State(Mechanism chosen, ServerParameters given) : mechanism(chosen), parameters(std::move(given)) {}

  Step first_message(std::string_view message);
  Step take_login(std::string_view message);
  Step take_password(std::string_view message);
  Step take_plain(std::string_view message);
  Step take_client_first(std::string_view message);
  Step take_client_final(std::string_view message);
  Step take_external(std::string_view message);
  Result<std::string> binding_data() const;
  Step challenge(Phase next, std::string octets);
  Step ask(Step question);
  Step end(Step step);

  Mechanism mechanism;
  ServerParameters parameters;
  Phase phase = Phase::start;
  bool asks_keys = false;
  std::string login;
  ClientFirst client_first;
  std::string server_first;
  ScramKeys keys;
  bool known = false;
};

Step ServerExchange::State::challenge(Phase next, std::string octets) {
  phase = next;
  return Challenge{std::move(octets)};
}

Step ServerExchange::State::ask(Step question) {
  phase = Phase::asking;
  return question;
}

Step ServerExchange::State::end(Step step) {
  phase = Phase::over;
  return step;
}

Step ServerExchange::State::first_message(std::string_view message) {
  switch (mechanism) {
    case Mechanism::plain: return take_plain(message);
    case Mechanism::login: return take_login(message);
    case Mechanism::external: return take_external(message);
    case Mechanism::scram_sha_1:
    case Mechanism::scram_sha_1_plus:
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_256_plus: return take_client_first(message);
  }
  return end(failed(Error::unsupported, "mechanism"));
}

Step ServerExchange::State::take_plain(std::string_view message) {
  Result<PlainCredentials> credentials = parse_plain(message);
  if (!credentials) return end(failed(credentials));
  login = credentials->authcid;
  if (const Result<void> good = check_name(login); !good) return end(failed(good));
  return ask(AskPassword{.login = login, .password = std::move(credentials->password)});
}

Step ServerExchange::State::take_login(std::string_view message) {
  if (const Result<void> good = check_name(message); !good) return end(failed(good));
  login = message;
  return challenge(Phase::password, std::string(kAskPassword));
}

Step ServerExchange::State::take_password(std::string_view message) {
  if (message.empty() || message.find('\0') != std::string_view::npos) {  // as in PLAIN
    return end(failed(Error::malformed, "an empty password, or a NUL in it"));
  }
  if (message.size() > kPasswordOctetsMax) return end(failed(Error::too_long, "password"));
  return ask(AskPassword{.login = login, .password = Secret(std::string(message))});
}

Step ServerExchange::State::take_external(std::string_view message) {
  if (!message.empty()) {
    if (const Result<void> good = check_name(message); !good) return end(failed(good));
  }
  login = message;
  return ask(AskExternal{.authzid = login});
}

/// What the client's channel-binding must have behind its gs2-header; 5802 §6.
Result<std::string> ServerExchange::State::binding_data() const {
  constexpr std::string_view kPlace = "sasl.binding";
  const bool bound = client_first.binding == Binding::bound;
  if (bound != is_plus(mechanism)) return error(Error::unsupported, kPlace, "-PLUS and the flag p go together");
  if (!bound) {
    if (client_first.binding == Binding::not_offered && parameters.plus_offered) {
      return error(Error::unsupported, kPlace, "the client did not see that channel binding is offered");
    }
    return std::string();
  }
  const Bindings& have = parameters.bindings;
  std::string data;
  if (client_first.binding_type == "tls-exporter") data = have.tls_exporter;                  // 9266
  if (client_first.binding_type == "tls-server-end-point") data = have.tls_server_end_point;  // 5929 §4
  if (data.empty()) return error(Error::unsupported, kPlace, printable_ascii(client_first.binding_type, 40));
  return data;
}

Step ServerExchange::State::take_client_first(std::string_view message) {
  Result<ClientFirst> parsed = parse_client_first(message);
  if (!parsed) return end(failed(parsed));
  client_first = std::move(*parsed);
  if (const Result<std::string> data = binding_data(); !data) return end(failed(data));
  if (!client_first.authzid.empty() && client_first.authzid != client_first.login) {
    return end(failed(Error::denied, "authzid is not the authcid"));
  }
  login = client_first.login;
  asks_keys = true;
  return ask(AskKeys{.login = login, .hash = hash_of(mechanism)});
}

Step ServerExchange::State::take_client_final(std::string_view message) {
  const Result<ClientFinal> parsed = parse_client_final(message);
  if (!parsed) return end(failed(parsed));
  const Result<std::string> data = binding_data();
  if (!data) return end(failed(data));
  if (!same_octets(parsed->channel_binding, client_first.gs2_header + *data)) {
    return end(failed(Error::unsupported, "the channel binding does not hold"));
  }
  if (parsed->nonce != client_first.nonce + parameters.nonce) return end(failed(Error::denied, "nonce"));
  const ScramHash hash = hash_of(mechanism);
  if (parsed->proof.size() != octets_of(hash)) return end(failed(Error::malformed, "proof"));
  const std::string auth_message = client_first.bare + "," + server_first + "," + parsed->without_proof;
  const Secret client_key(xored(parsed->proof, scram_hmac(hash, keys.stored_key, auth_message)));
  const bool right = same_octets(scram_digest(hash, client_key.reveal()), keys.stored_key);
  if (!right || !known) return end(failed(Error::denied, "wrong password"));
  return challenge(Phase::signature, "v=" + to_base64(scram_hmac(hash, keys.server_key, auth_message)));
}

ServerExchange::ServerExchange(Mechanism mechanism, ServerParameters parameters)
    : state_(std::make_unique<State>(mechanism, std::move(parameters))) {}
ServerExchange::ServerExchange(ServerExchange&&) noexcept = default;
ServerExchange& ServerExchange::operator=(ServerExchange&&) noexcept = default;
ServerExchange::~ServerExchange() = default;

Step ServerExchange::start(std::optional<std::string_view> initial) {
  if (state_->phase != State::Phase::start) return state_->end(failed(Error::malformed, "started already"));
  state_->phase = State::Phase::first;
  if (initial) return respond(*initial);
  const bool asks = state_->mechanism == Mechanism::login;
  return state_->challenge(State::Phase::first, std::string(asks ? kAskLogin : std::string_view()));
}

Step ServerExchange::respond(std::string_view response) {
  if (response.size() > kMessageOctetsMax) return state_->end(failed(Error::too_long, "message"));
  switch (state_->phase) {
    case State::Phase::first: return state_->first_message(response);
    case State::Phase::password: return state_->take_password(response);
    case State::Phase::proof: return state_->take_client_final(response);
    case State::Phase::signature:
      if (!response.empty()) return state_->end(failed(Error::malformed, "want an empty response"));
      return state_->end(Done{.login = state_->login});
    case State::Phase::start:
    case State::Phase::asking:
    case State::Phase::over: break;
  }
  return state_->end(failed(Error::malformed, "no response is awaited"));
}

Step ServerExchange::answer(Verified verified) {
  check(state_->phase == State::Phase::asking && !state_->asks_keys, "an answer to AskPassword or AskExternal");
  if (!verified.right) return state_->end(failed(Error::denied, "wrong password"));
  return state_->end(Done{.login = state_->login});
}

Step ServerExchange::answer(Keys keys) {
  check(state_->phase == State::Phase::asking && state_->asks_keys, "an answer to AskKeys");
  const std::size_t octets = octets_of(hash_of(state_->mechanism));
  const bool sane = keys.keys.stored_key.size() == octets && keys.keys.server_key.size() == octets &&
                    !keys.keys.salt.empty() && keys.keys.iterations > 0;
  if (!sane) return state_->end(failed(Error::corrupt, "keys"));
  state_->keys = std::move(keys.keys);
  state_->known = keys.known;
  state_->server_first = to_wire(ServerFirst{.nonce = state_->client_first.nonce + state_->parameters.nonce,
                                             .salt = state_->keys.salt,
                                             .iterations = state_->keys.iterations});
  return state_->challenge(State::Phase::proof, state_->server_first);
}

}  // namespace postrider::sasl
