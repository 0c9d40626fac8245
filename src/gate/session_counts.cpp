#include "gate/gate.hpp"

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

SessionCounts::Place::Place(Place&&) noexcept = default;
SessionCounts::Place& SessionCounts::Place::operator=(Place&&) noexcept = default;
SessionCounts::Place::~Place() = default;

SessionCounts::SessionCounts(Settings settings) : state_(std::make_shared<State>(settings)) {}

Result<SessionCounts::Place> SessionCounts::enter(const route::AddressOctets& peer) {
  struct Held {
    Held(std::shared_ptr<State> counts, route::AddressOctets address) : state(std::move(counts)), peer(address) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() {
      const std::scoped_lock lock(state->mutex);
      --state->sessions;
      const auto at = state->by_peer.find(peer);
      if (--at->second == 0) state->by_peer.erase(at);
    }
    std::shared_ptr<State> state;  // shared: a session may outlive the counts at shutdown
    route::AddressOctets peer;
  };
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->sessions >= state_->settings.max_connections)
      return error(Error::exhausted, "gate.sessions", "max_connections");
    const auto at = state_->by_peer.find(peer);
    const std::size_t of_peer = at == state_->by_peer.end() ? 0 : at->second;
    if (of_peer >= state_->settings.max_connections_per_ip)
      return error(Error::denied, "gate.sessions", "max_connections_per_ip");
    ++state_->sessions;
    ++state_->by_peer[peer];
  }
  Place place;
  place.held_ = std::make_shared<Held>(state_, peer);
  return place;
}

std::size_t SessionCounts::sessions() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->sessions;
}

bool SessionCounts::crowded() const { return sessions() * 5 > state_->settings.max_connections * 4; }

}  // namespace postrider::gate
