#include "gate/login_guard.hpp"

#include "core/text.hpp"
#include "gate/guard_table.hpp"
#include "gate/peer_network.hpp"
#include "mail/address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <set>
#include <tuple>

namespace postrider::gate {

namespace {

/// 1 s, doubled so often.
Duration doubled(unsigned times) {
  constexpr unsigned kTimesMax = 5;  // 32 s is over the maximum
  return std::min<Duration>(std::chrono::seconds(1U << std::min(times, kTimesMax)), kLoginDelayMax);
}

Duration delay_of_pair(unsigned failures) {
  return failures < kFailuresBeforeDelay ? Duration{} : doubled(failures - kFailuresBeforeDelay);
}

/// Of a network over all logins, or of a login over networks.
Duration delay_of_many(unsigned failures, unsigned factor = 1) {
  constexpr unsigned kStep = kFailuresOfManyBeforeDelay;
  const unsigned counted = failures / factor;
  return counted < kStep ? Duration{} : doubled((counted - kStep) / kStep);
}

/// Logins compare as the directory has them: without regard to ASCII case, and however an address is quoted
/// ("a\nn"@example.test is ann@example.test). What is no address may be a local part, and is taken as it is.
std::string folded(std::string_view login) {
  const Result<mail::Address> address = mail::Address::parse(login);
  std::string out = lowered_ascii(address ? address->text() : std::string(login));
  if (out.size() <= kGuardedLoginOctetsMax) return out;
  const std::string hash = fmt::format("~{:016x}", std::hash<std::string>{}(out));
  out.resize(kGuardedLoginOctetsMax - hash.size());
  return out + hash;
}

struct OfNetwork {
  LastHour failures;
  SteadyTime banned_until{};
};

struct OfLogin {
  struct Known {
    PeerNetwork network;
    SteadyTime at;  // of the last login from there
  };
  LastHour failures_of_strangers;  // from networks that are not known
  std::vector<Known> known;        // the oldest first
};

/// A network, and how many times more failures it may have.
struct Counted {
  PeerNetwork network;
  unsigned factor = 1;
};

std::vector<Counted> counted_as(const route::AddressOctets& peer) {
  std::vector<Counted> out = {{.network = network_of(peer)}};
  if (const std::optional<PeerNetwork> site = site_of(peer)) out.push_back({.network = *site, .factor = kSiteFactor});
  return out;
}

unsigned factor_of(const PeerNetwork& network) { return network.length == 48 ? kSiteFactor : 1; }

}  // namespace

struct LoginGuard::State {
  State(Clock* the_clock, LoginGuardSettings the_settings)
      : clock(the_clock),
        settings(the_settings),
        pairs(settings.entries_max),
        networks(settings.entries_max),
        logins(settings.entries_max) {}

  using Pair = std::pair<std::string, PeerNetwork>;

  [[nodiscard]] WallTime wall_of(SteadyTime at, SteadyTime now) const {
    return clock->wall() + std::chrono::duration_cast<std::chrono::microseconds>(at - now);
  }

  [[nodiscard]] bool is_known(const std::string& login, const PeerNetwork& network, SteadyTime now) {
    const OfLogin* const of_login = logins.find(login);
    return of_login != nullptr && std::ranges::any_of(of_login->known, [&](const OfLogin::Known& known) {
             return known.network == network && now - known.at < kKnownFor;
           });
  }

  /// Counts a failure of some login from there. Gives the ban that it brings.
  std::optional<Ban> count_in_network(const Counted& counted, SteadyTime now) {
    OfNetwork& of_network = networks.touch(counted.network);
    of_network.failures.add(now);
    const unsigned failures = of_network.failures.count(now);
    if (delay_of_many(failures, counted.factor) > Duration{}) networks.keep(counted.network);
    if (failures < kFailuresBeforeBan * counted.factor || of_network.banned_until > now) return std::nullopt;
    of_network.banned_until = now + kBanLasts;
    return Ban{.network = to_text(counted.network),
               .login = {},
               .failures = failures,
               .banned = true,
               .until = wall_of(of_network.banned_until, now)};
  }

  void count_for_login(const std::string& login, SteadyTime now) {
    OfLogin& of_login = logins.touch(login);
    of_login.failures_of_strangers.add(now);
    if (delay_of_many(of_login.failures_of_strangers.count(now)) > Duration{}) logins.keep(login);
  }

  Clock* clock;
  LoginGuardSettings settings;
  std::mutex mutex;
  GuardTable<Pair, LastHour> pairs;
  GuardTable<PeerNetwork, OfNetwork> networks;
  GuardTable<std::string, OfLogin> logins;
};

LoginGuard::LoginGuard(Clock* clock, LoginGuardSettings settings) : state_(std::make_unique<State>(clock, settings)) {}
LoginGuard::~LoginGuard() = default;

LoginGuard::Judgement LoginGuard::judge(const std::string& login, const route::AddressOctets& peer) {
  State& state = *state_;
  Judgement out;
  if (!state.settings.delays) return out;
  const std::scoped_lock lock(state.mutex);
  const SteadyTime now = state.clock->steady();
  const std::string name = folded(login);
  const PeerNetwork network = network_of(peer);
  if (const LastHour* const failures = state.pairs.find({name, network}))
    out.delay = delay_of_pair(failures->count(now));
  if (state.is_known(name, network, now)) return out;
  if (const OfLogin* const of_login = state.logins.find(name))
    out.delay = std::max(out.delay, delay_of_many(of_login->failures_of_strangers.count(now)));
  for (const Counted& counted : counted_as(peer)) {
    const OfNetwork* const of_network = state.networks.find(counted.network);
    if (of_network == nullptr) continue;
    out.delay = std::max(out.delay, delay_of_many(of_network->failures.count(now), counted.factor));
    if (of_network->banned_until <= now) continue;
    out.banned = true;
    out.until = std::max(out.until, state.wall_of(of_network->banned_until, now));
  }
  return out;
}

std::optional<LoginGuard::Ban> LoginGuard::failed(const std::string& login, const route::AddressOctets& peer) {
  State& state = *state_;
  if (!state.settings.delays) return std::nullopt;
  const std::scoped_lock lock(state.mutex);
  const SteadyTime now = state.clock->steady();
  const std::string name = folded(login);
  const State::Pair pair{name, network_of(peer)};
  LastHour& failures = state.pairs.touch(pair);
  failures.add(now);
  const unsigned of_pair = failures.count(now);
  if (delay_of_pair(of_pair) > Duration{}) state.pairs.keep(pair);
  // A program of the owner's with an old password is no reason to ban those who share its network.
  if (state.is_known(name, pair.second, now)) return std::nullopt;
  if (of_pair <= kFailuresBeforeDelay) state.count_for_login(name, now);
  std::optional<Ban> ban;
  for (const Counted& counted : counted_as(peer)) {
    std::optional<Ban> brought = state.count_in_network(counted, now);
    if (brought) ban = std::move(brought);
  }
  return ban;
}

void LoginGuard::succeeded(const std::string& login, const route::AddressOctets& peer) {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  const std::string name = folded(login);
  const PeerNetwork network = network_of(peer);
  // The network's failures stay: who guesses at others may have an account of his own.
  state.pairs.erase({name, network});
  std::vector<OfLogin::Known>& known = state.logins.touch(name).known;
  state.logins.keep(name);
  std::erase_if(known, [&](const OfLogin::Known& before) { return before.network == network; });
  if (known.size() >= kKnownNetworksMax) known.erase(known.begin());
  known.push_back({.network = network, .at = state.clock->steady()});
}

std::vector<LoginGuard::Ban> LoginGuard::bans() const {
  State& state = *state_;
  std::vector<Ban> out;
  {
    const std::scoped_lock lock(state.mutex);
    const SteadyTime now = state.clock->steady();
    state.networks.each([&](const PeerNetwork& network, const OfNetwork& of_network) {
      const unsigned failures = of_network.failures.count(now);
      const bool banned = of_network.banned_until > now;
      if (!banned && delay_of_many(failures, factor_of(network)) == Duration{}) return;
      const SteadyTime until = banned ? of_network.banned_until : of_network.failures.forgotten();
      out.push_back({.network = to_text(network),
                     .login = {},
                     .failures = failures,
                     .banned = banned,
                     .until = state.wall_of(until, now)});
    });
    state.pairs.each([&](const State::Pair& pair, const LastHour& failures) {
      const unsigned count = failures.count(now);
      if (delay_of_pair(count) == Duration{}) return;
      out.push_back({.network = to_text(pair.second),
                     .login = pair.first,
                     .failures = count,
                     .until = state.wall_of(failures.forgotten(), now)});
    });
    state.logins.each([&](const std::string& login, const OfLogin& of_login) {
      const unsigned count = of_login.failures_of_strangers.count(now);
      if (delay_of_many(count) == Duration{}) return;
      out.push_back({.network = {},
                     .login = login,
                     .failures = count,
                     .until = state.wall_of(of_login.failures_of_strangers.forgotten(), now)});
    });
  }
  std::ranges::sort(out, [](const Ban& a, const Ban& b) {
    return std::tie(b.banned, b.failures, a.network, a.login) < std::tie(a.banned, a.failures, b.network, b.login);
  });
  return out;
}

std::size_t LoginGuard::lift(const std::string& what) {
  State& state = *state_;
  const Result<PeerNetwork> named = parse_network(what);
  const std::string login = folded(what);
  std::size_t lifted = 0;
  const std::scoped_lock lock(state.mutex);
  const SteadyTime now = state.clock->steady();
  std::vector<PeerNetwork> networks;
  std::vector<State::Pair> pairs;
  if (named) {
    state.networks.each([&](const PeerNetwork& network, const OfNetwork& of_network) {
      if (!overlap(network, *named)) return;
      networks.push_back(network);
      const unsigned failures = of_network.failures.count(now);
      if (of_network.banned_until > now || delay_of_many(failures, factor_of(network)) > Duration{}) ++lifted;
    });
  } else if (OfLogin* const of_login = state.logins.find(login)) {
    if (delay_of_many(of_login->failures_of_strangers.count(now)) > Duration{}) ++lifted;
    of_login->failures_of_strangers = {};  // where it logged in from stays known
  }
  state.pairs.each([&](const State::Pair& pair, const LastHour& failures) {
    if (named ? !overlap(pair.second, *named) : pair.first != login) return;
    pairs.push_back(pair);
    if (delay_of_pair(failures.count(now)) > Duration{}) ++lifted;
  });
  for (const PeerNetwork& network : networks) state.networks.erase(network);
  for (const State::Pair& pair : pairs) state.pairs.erase(pair);
  return lifted;
}

}  // namespace postrider::gate
