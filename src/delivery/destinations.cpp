#include "delivery/destinations.hpp"

#include "core/await.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

namespace postrider::delivery {

namespace {

struct Destination {
  unsigned allowed = kConnectionsStart;
  unsigned used = 0;
  std::deque<Completion<bool>> waiting;
};

}  // namespace

/// Destinations that are in use; one that nobody uses or waits for is forgotten, so the table is bounded by the jobs.
struct Destinations::Slot::State {
  std::mutex mutex;
  std::map<std::string, Destination, std::less<>> all;

  void give_back(const std::string& name, ConnectionResult result) {
    const std::scoped_lock lock(mutex);
    const auto at = all.find(name);
    Destination& destination = at->second;
    --destination.used;
    destination.allowed = result == ConnectionResult::worked ? std::min(destination.allowed + 1, kConnectionsMax)
                                                             : std::max(destination.allowed / 2, 1U);
    while (!destination.waiting.empty() && destination.used < destination.allowed) {
      ++destination.used;
      destination.waiting.front().set(true);
      destination.waiting.pop_front();
    }
    if (destination.used == 0) all.erase(at);
  }
};

Destinations::Destinations() : state_(std::make_shared<Slot::State>()) {}
Destinations::~Destinations() = default;

Destinations::Slot::~Slot() { end(ConnectionResult::failed); }

void Destinations::Slot::end(ConnectionResult result) {
  if (const std::shared_ptr<State> state = std::move(state_)) state->give_back(destination_, result);
}

Task<Destinations::Slot> Destinations::take(std::string name) {
  Completion<bool> turn;
  bool now = false;
  {
    const std::scoped_lock lock(state_->mutex);
    Destination& destination = state_->all[name];
    now = destination.used < destination.allowed && destination.waiting.empty();
    if (now) {
      ++destination.used;
    } else {
      destination.waiting.push_back(turn);
    }
  }
  if (!now) (void)co_await turn.wait();
  co_return Slot(state_, std::move(name));
}

}  // namespace postrider::delivery
