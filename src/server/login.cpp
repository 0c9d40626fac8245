#include "server/login.hpp"

#include "core/await.hpp"
#include "core/text.hpp"
#include "sasl/password.hpp"
#include "server/events.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace postrider::server {

namespace {

using sasl::Mechanism;
using Why = Login::Refused::Why;

constexpr std::size_t kNonceOctets = 18;  // 144 bits
constexpr std::string_view kPass = "PASS";

std::string make_nonce(Random* random) {
  std::array<std::byte, kNonceOctets> octets{};
  random->fill(octets);
  return to_base64({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

using Grant = std::shared_ptr<const directory::Grant>;

/// One exchange, from AUTH to its end.
struct Attempt {
  std::string_view mechanism;
  std::optional<sasl::ServerExchange> engine;  // none: USER and PASS
  std::string login;                           // once it is known
  Grant grant;                                 // once a password or certificate was right
  std::optional<std::uint64_t> password;       // of SCRAM: which one of the account it is
  bool has_keys = false;                       // of SCRAM: the next response is the client's proof
  bool is_proved = false;                      // of SCRAM: what comes next tells whether that was right
  bool has_waited = false;
};

}  // namespace

LoginMetrics::LoginMetrics(Metrics* metrics, std::string_view service) {
  const auto counter = [&](std::string_view result) {
    return metrics->counter("postrider_logins_total", "Logins by how they ended",
                            fmt::format("service=\"{}\",result=\"{}\"", service, result));
  };
  succeeded = counter("succeeded");
  wrong = counter("wrong");
  malformed = counter("malformed");
  unknown = counter("unknown_mechanism");
  later = counter("later");
  banned = counter("banned");
}

struct Login::State {
  State(const LoginService* the_service, net::Endpoint the_peer)
      : service(the_service), peer(std::move(the_peer)), ip(text_of(peer)) {}

  [[nodiscard]] static std::string text_of(const net::Endpoint& peer) {
    return peer.unix_path.empty() ? peer.address.to_text() : std::string("local");
  }
  [[nodiscard]] std::string_view tls_version() const {
    const std::optional<net::TlsFacts> facts = stream != nullptr ? stream->tls() : std::nullopt;
    return facts ? facts->version : "none";
  }
  [[nodiscard]] bool may_log_in() const {
    return service->plaintext_auth || (stream != nullptr && stream->tls().has_value());
  }
  [[nodiscard]] std::string binding(net::ChannelBinding kind) const {
    if (stream == nullptr) return {};
    Result<std::string> data = stream->channel_binding(kind);
    return data ? std::move(*data) : std::string();
  }
  [[nodiscard]] sasl::Bindings bindings() const {
    return {.tls_exporter = binding(net::ChannelBinding::tls_exporter),
            .tls_server_end_point = binding(net::ChannelBinding::tls_server_end_point)};
  }
  [[nodiscard]] bool is_offered(std::string_view mechanism) const {
    return std::ranges::any_of(offered, [&](const std::string& name) { return iequals_ascii(name, mechanism); });
  }

  void tell_failed(std::string_view why) const {
    service->events->emit(LoginFailed{.ip = ip,
                                      .port = peer.port,
                                      .service = service->service,
                                      .mechanism = attempt->mechanism,
                                      .tls = tls_version(),
                                      .why = why,
                                      .login = attempt->login});
  }

  /// The attempt is over.
  Step refused(Why why, Metric* metric, bool hang_up = false) {
    metric->add();
    attempt.reset();
    return Refused{.why = why, .hang_up = hang_up};
  }
  Step malformed() {
    tell_failed("malformed");
    return refused(Why::malformed, service->metrics.malformed);
  }
  /// The directory cannot be asked.
  Step later(const Error& why) {
    tell_failed(name_of(why.code));
    return refused(Why::later, service->metrics.later);
  }
  Step banned() {
    tell_failed("banned");
    return refused(Why::later, service->metrics.banned, ++failed >= kFailedLoginsMax);
  }

  [[nodiscard]] gate::LoginGuard::Judgement judge() const {
    return service->guard->judge(attempt->login, peer.address.octets());
  }

  /// Waits as long as the guard says; once an attempt. False: the server stops meanwhile.
  Task<bool> wait_for_answer(Duration delay) {
    if (std::exchange(attempt->has_waited, true) || delay <= Duration{}) co_return true;
    Signal nothing;
    Signal* const drain = service->drain != nullptr ? service->drain : &nothing;
    const Result<void> stopped = co_await drain->wait(service->clock->steady() + delay);
    co_return !stopped;
  }
  Step stopping() { return refused(Why::later, service->metrics.later, true); }

  /// 535, whatever was wrong. It is told to the guard before the answer waits, so that those who guess in parallel wait
  /// for each other's failures.
  Task<Step> wrong() {
    const Duration delay = judge().delay;
    tell_failed(name_of(Error::denied));
    if (!attempt->login.empty()) {
      const std::optional<gate::LoginGuard::Ban> ban = service->guard->failed(attempt->login, peer.address.octets());
      if (ban) {
        service->events->emit(
            NetworkBanned{.network = ban->network, .failures = ban->failures, .until = to_rfc3339(ban->until)});
      }
    }
    const bool hang_up = ++failed >= kFailedLoginsMax;
    const bool waited = co_await wait_for_answer(delay);
    co_return waited ? refused(Why::wrong, service->metrics.wrong, hang_up) : stopping();
  }

  Task<Step> granted(Grant grant) {
    const Duration delay = judge().delay;
    const bool waited = co_await wait_for_answer(delay);
    if (!waited) co_return stopping();
    service->guard->succeeded(attempt->login, peer.address.octets());
    service->metrics.succeeded->add();
    service->events->emit(LoginSucceeded{.ip = ip,
                                         .port = peer.port,
                                         .service = service->service,
                                         .mechanism = attempt->mechanism,
                                         .tls = tls_version(),
                                         .account = grant->account().address.text(),
                                         .credential = grant->credential()});
    attempt.reset();
    co_return Granted{.grant = std::move(grant)};
  }

  /// The server's signature of SCRAM tells that the proof was right: it waits as the answer would.
  Task<Step> challenged(std::string octets) {
    if (attempt->is_proved) {
      const bool waited = co_await wait_for_answer(judge().delay);
      if (!waited) co_return stopping();
    }
    co_return Challenged{.octets = std::move(octets)};
  }

  Task<Step> failed_by(Error why) {
    if (why.code == Error::malformed || why.code == Error::too_long) co_return malformed();
    co_return co_await wrong();
  }

  Task<Step> done(std::string login) {
    if (attempt->grant) co_return co_await granted(attempt->grant);
    attempt->login = std::move(login);
    Result<Grant> grant = co_await service->directory->grant(attempt->login, attempt->password);
    if (grant) co_return co_await granted(std::move(*grant));
    if (grant.error().code != Error::denied) co_return later(grant.error());
    co_return co_await wrong();
  }

  /// Does what the mechanism asks for, until it challenges the client or ends.
  Task<Step> go_on(sasl::Step step) {
    for (;;) {
      if (auto* const challenge = std::get_if<sasl::Challenge>(&step))
        co_return co_await challenged(std::move(challenge->octets));
      if (auto* const failure = std::get_if<sasl::Failed>(&step)) co_return co_await failed_by(std::move(failure->why));
      if (auto* const end = std::get_if<sasl::Done>(&step)) co_return co_await done(std::move(end->login));
      std::optional<Step> refusal = co_await answer(&step);
      if (refusal) co_return std::move(*refusal);
    }
  }

  /// Answers the mechanism's question; `step` is what it does next. Gives how the attempt ends where it cannot go on.
  Task<std::optional<Step>> answer(sasl::Step* step) {
    if (auto* const password = std::get_if<sasl::AskPassword>(step)) {
      attempt->login = std::move(password->login);
      if (judge().banned) co_return banned();
      Result<Grant> grant =
          co_await service->directory->log_in(attempt->login, std::move(password->password), service->scope);
      if (!grant && grant.error().code != Error::denied) co_return later(grant.error());
      if (grant) attempt->grant = std::move(*grant);
      *step = attempt->engine->answer(sasl::Verified{.right = attempt->grant != nullptr});
    } else if (auto* const keys = std::get_if<sasl::AskKeys>(step)) {
      attempt->login = std::move(keys->login);
      if (judge().banned) co_return banned();
      Result<directory::Directory::ScramLogin> found =
          co_await service->directory->scram_keys(attempt->login, keys->hash);
      if (!found) co_return later(found.error());
      attempt->password = found->password;
      attempt->has_keys = true;
      *step = attempt->engine->answer(sasl::Keys{.keys = std::move(found->keys), .known = found->known});
    } else if (const auto* const external = std::get_if<sasl::AskExternal>(step)) {
      attempt->login = stream != nullptr ? stream->client_name() : std::string();
      if (judge().banned) co_return banned();
      const bool is_own = external->authzid.empty() || iequals_ascii(external->authzid, attempt->login);
      if (is_own && !attempt->login.empty()) {
        Result<Grant> grant = co_await service->directory->grant(attempt->login);
        if (!grant && grant.error().code != Error::denied) co_return later(grant.error());
        if (grant) attempt->grant = std::move(*grant);
      }
      *step = attempt->engine->answer(sasl::Verified{.right = attempt->grant != nullptr});
    }
    co_return std::nullopt;
  }

  const LoginService* service;
  net::Endpoint peer;
  std::string ip;
  const net::Stream* stream = nullptr;
  std::vector<std::string> offered;
  std::optional<Attempt> attempt;
  unsigned failed = 0;
};

Login::Login(const LoginService* service, net::Endpoint peer)
    : state_(std::make_unique<State>(service, std::move(peer))) {}
Login::~Login() = default;

void Login::secured(const net::Stream* stream) {
  state_->attempt.reset();
  state_->offered.clear();
  state_->stream = stream;
}

Task<std::vector<std::string>> Login::mechanisms() {
  State& state = *state_;
  state.offered.clear();
  if (!state.may_log_in()) co_return state.offered;
  const sasl::Bindings bindings = state.bindings();
  const bool is_bound =
      state.service->scram_plus && (!bindings.tls_exporter.empty() || !bindings.tls_server_end_point.empty());
  const auto offer = [&](Mechanism mechanism) { state.offered.emplace_back(sasl::name_of(mechanism)); };
  const auto offer_scram = [&](const Result<bool>& has_keys, Mechanism mechanism, Mechanism plus) {
    if (!has_keys || !*has_keys) return;  // nor where the directory cannot say: the other mechanisms will hear of it
    if (is_bound) offer(plus);
    offer(mechanism);
  };
  const Result<bool> sha_256 = co_await state.service->directory->offers_scram(sasl::ScramHash::sha256);
  offer_scram(sha_256, Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus);
  if (state.service->scram_sha_1) {
    const Result<bool> sha_1 = co_await state.service->directory->offers_scram(sasl::ScramHash::sha1);
    offer_scram(sha_1, Mechanism::scram_sha_1, Mechanism::scram_sha_1_plus);
  }
  offer(Mechanism::plain);
  offer(Mechanism::login);
  if (state.stream != nullptr && !state.stream->client_name().empty()) offer(Mechanism::external);
  co_return state.offered;
}

Task<Login::Step> Login::begin(std::string mechanism, std::optional<Secret> initial) {
  State& state = *state_;
  const Result<Mechanism> known = sasl::parse_mechanism(mechanism);
  if (!known || !state.is_offered(mechanism)) co_return state.refused(Why::unknown, state.service->metrics.unknown);
  sasl::ServerParameters parameters;
  parameters.bindings = state.bindings();
  parameters.plus_offered = state.is_offered(sasl::name_of(Mechanism::scram_sha_256_plus)) ||
                            state.is_offered(sasl::name_of(Mechanism::scram_sha_1_plus));
  parameters.nonce = make_nonce(state.service->random);
  state.attempt.emplace().mechanism = sasl::name_of(*known);
  state.attempt->engine.emplace(*known, std::move(parameters));
  sasl::Step step = state.attempt->engine->start(initial ? std::optional(initial->reveal()) : std::nullopt);
  co_return co_await state.go_on(std::move(step));
}

Task<Login::Step> Login::respond(Secret response) {
  State& state = *state_;
  if (!state.attempt || !state.attempt->engine)
    co_return state.refused(Why::malformed, state.service->metrics.malformed);
  state.attempt->is_proved = state.attempt->has_keys;
  sasl::Step step = state.attempt->engine->respond(response.reveal());
  co_return co_await state.go_on(std::move(step));
}

void Login::cancel() { state_->attempt.reset(); }

Task<Login::Step> Login::with_password(std::string login, Secret password) {
  State& state = *state_;
  if (!state.may_log_in()) co_return state.refused(Why::unknown, state.service->metrics.unknown);
  const bool is_too_long = login.size() > sasl::kNameOctetsMax || password.reveal().size() > sasl::kPasswordOctetsMax;
  login.resize(std::min(login.size(), sasl::kNameOctetsMax));
  state.attempt.emplace().mechanism = kPass;
  state.attempt->login = std::move(login);
  if (state.judge().banned) co_return state.banned();
  if (is_too_long) co_return co_await state.wrong();
  Result<Grant> grant =
      co_await state.service->directory->log_in(state.attempt->login, std::move(password), state.service->scope);
  if (grant) co_return co_await state.granted(std::move(*grant));
  if (grant.error().code != Error::denied) co_return state.later(grant.error());
  co_return co_await state.wrong();
}

}  // namespace postrider::server
