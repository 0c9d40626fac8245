#include "gate/gate.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace postrider::gate {

struct SessionCounts::State {
  explicit State(const Settings& limits) : settings(limits) {}
  const Settings settings;
  mutable std::mutex mutex;
  std::size_t sessions = 0;
  std::map<route::AddressOctets, std::size_t> by_peer;  // only peers with a session: never more than sessions
};

namespace {

/// Whose sessions count together: an IPv4 address, an IPv6 /64.
route::AddressOctets counted_as(const route::AddressOctets& peer) {
  constexpr route::AddressOctets kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // 4291 §2.5.5.2
  if (std::equal(peer.begin(), peer.begin() + 12, kMapped.begin())) return peer;
  route::AddressOctets network = peer;
  std::fill(network.begin() + 8, network.end(), std::uint8_t{0});
  return network;
}

}  // namespace

struct SessionCounts::Place::Held {
  explicit Held(std::shared_ptr<State> counts) : state(std::move(counts)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    const std::scoped_lock lock(state->mutex);
    --state->sessions;
    leave();
  }
  /// Both under the lock.
  Result<void> belong_to(const route::AddressOctets& address) {
    const route::AddressOctets network = counted_as(address);
    if (peer == network) return {};
    std::size_t& count = state->by_peer[network];
    if (count >= state->settings.max_connections_per_ip)
      return error(Error::denied, "gate.sessions", "max_connections_per_ip");
    ++count;
    leave();
    peer = network;
    return {};
  }
  void leave() {
    if (!peer) return;
    const auto at = state->by_peer.find(*peer);
    if (--at->second == 0) state->by_peer.erase(at);
    peer.reset();
  }
  std::shared_ptr<State> state;  // shared: a session may outlive the counts at shutdown
  std::optional<route::AddressOctets> peer;
};

SessionCounts::Place::Place(Place&&) noexcept = default;
SessionCounts::Place& SessionCounts::Place::operator=(Place&&) noexcept = default;
SessionCounts::Place::~Place() = default;

Result<void> SessionCounts::Place::move_to(const route::AddressOctets& peer) {
  if (!held_) return {};  // a local socket's session is not counted
  const std::scoped_lock lock(held_->state->mutex);
  return held_->belong_to(peer);
}

SessionCounts::SessionCounts(Settings settings) : state_(std::make_shared<State>(settings)) {}

Result<SessionCounts::Place> SessionCounts::enter(const std::optional<route::AddressOctets>& peer, std::size_t beyond) {
  Place place;
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->sessions >= state_->settings.max_connections + beyond)
      return error(Error::exhausted, "gate.sessions", "max_connections");
    ++state_->sessions;
    place.held_ = std::make_shared<Place::Held>(state_);
  }
  if (!peer) return place;
  const Result<void> counted = place.move_to(*peer);
  if (!counted) return fail(counted);
  return place;
}

std::size_t SessionCounts::sessions() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->sessions;
}

bool SessionCounts::crowded() const { return sessions() * 5 > state_->settings.max_connections * 4; }

}  // namespace postrider::gate
