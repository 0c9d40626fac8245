#include "delivery/destinations.hpp"

#include "core/await.hpp"
#include "core/signal.hpp"
#include "delivery/events.hpp"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace postrider::delivery {

namespace {

using Admission = Destinations::Admission;
using Seconds = std::chrono::duration<double>;

constexpr double kMeanWeight = 1.0 / 8;
constexpr Seconds kUseUnmeasured{1};

/// A mean that follows what is measured.
struct Mean {
  std::optional<Seconds> value;
  void add(Duration measured) {
    const Seconds now = measured;
    value = value ? *value + (now - *value) * kMeanWeight : now;
  }
};

struct Waiter {
  Completion<Admission> turn;
  Shard* shard;
  std::size_t recipients;
  bool is_cold;
  SteadyTime asked;
};

struct Idle {
  std::unique_ptr<Parked> connection;
  Deadlines::Handle over;
  std::uint64_t number;
};

struct Outage {
  WallTime since;
  SteadyTime probe_at;
  Duration back_off = kProbeAfterMin;
  bool probing = false;
};

struct Destination {
  unsigned allowed = kConnectionsStart;
  unsigned used = 0;  // idle ones count
  std::deque<Waiter> waiting;
  std::vector<Idle> idle;  // none while somebody waits
  std::size_t groups = 0;  // in hand: at work or waiting
  bool had_success = false;
  unsigned failures = 0;  // running
  WallTime failing_since{};
  std::optional<Outage> outage;
  Use last_failure;
  std::vector<Duration> retry;
  Mean use;                 // of a slot
  SteadyTime busy_until{};  // when those that were put off so far will have had their turns
  std::optional<std::list<std::string>::iterator> unused;
  SteadyTime unused_since{};
  SteadyTime known_since{};

  [[nodiscard]] bool is_cold() const {
    return !had_success || outage || use.value.value_or(Seconds(0)) > Seconds(kSlowUse);
  }
  [[nodiscard]] Seconds wait_for(std::size_t ahead) const {
    return use.value.value_or(kUseUnmeasured) * (static_cast<double>(ahead) / allowed);
  }
};

/// What all destinations, or the cold ones, have in hand together.
struct Share {
  std::size_t groups_max;
  std::size_t recipients_max;
  std::size_t groups = 0;
  std::size_t recipients = 0;
  Mean in_hand;             // how long a group is
  SteadyTime busy_until{};  // as a destination's

  [[nodiscard]] bool has_room(std::size_t more, bool is_first) const {
    const std::size_t quarters = is_first ? 4 : 3;
    return groups + 1 <= groups_max / 4 * quarters && recipients + more <= recipients_max / 4 * quarters;
  }
  void take(std::size_t more) {
    ++groups;
    recipients += more;
  }
  void give_back(std::size_t fewer) {
    --groups;
    recipients -= fewer;
  }
};

/// The end of the line of those who were put off, one place further.
SteadyTime queue_up(SteadyTime* line, SteadyTime now, Seconds ahead, Seconds each) {
  const auto to_duration = [](Seconds s) { return std::chrono::duration_cast<Duration>(s); };
  *line = std::max(*line, now + to_duration(ahead)) + to_duration(each);
  *line = std::min(*line, now + kPutOffMax);
  return *line;
}

}  // namespace

/// All that is decided is decided under the lock; what others hear of it is said after it.
struct Destinations::Slot::State : std::enable_shared_from_this<Destinations::Slot::State> {
  using Granted = std::vector<std::pair<Completion<Admission>, Admission>>;

  explicit State(Doors the_doors) : doors(the_doors) {}

  Doors doors;
  mutable std::mutex mutex;
  std::map<std::string, Destination, std::less<>> all;
  std::list<std::string> unused;  // those that may be forgotten; the oldest first
  Share remote{.groups_max = kGroupsInHandMax, .recipients_max = kRemoteRecipientsInHandMax, .in_hand = {}};
  Share cold{.groups_max = kColdGroupsMax, .recipients_max = kColdRecipientsMax, .in_hand = {}};
  std::uint64_t last_idle = 0;
  std::size_t open = 0;  // connections that are idle or take leave
  bool stopping = false;
  Signal all_closed;

  Destination& find(const std::string& name) {
    const auto [at, made] = all.try_emplace(name);
    Destination& destination = at->second;
    if (destination.unused) unused.erase(*std::exchange(destination.unused, std::nullopt));
    if (made) {
      destination.known_since = doors.clock->steady();
      forget_some();
    }
    return destination;
  }

  void forget_some() {
    const SteadyTime now = doors.clock->steady();
    while (!unused.empty()) {
      const auto oldest = all.find(unused.front());
      if (all.size() <= kDestinationsMax && now - oldest->second.unused_since < kDestinationKept) return;
      all.erase(oldest);
      unused.pop_front();
    }
  }

  void leave(const std::string& name, Destination& destination) {
    if (destination.used > 0 || !destination.waiting.empty() || destination.unused) return;
    destination.unused_since = doors.clock->steady();
    destination.unused = unused.insert(unused.end(), name);
    forget_some();
  }

  [[nodiscard]] bool has_room(const Destination& destination, std::size_t recipients) const {
    const bool is_first = destination.groups == 0;
    return remote.has_room(recipients, true) && (!destination.is_cold() || cold.has_room(recipients, is_first));
  }

  /// In hand there is room for more than each destination's least, for those that do not keep it long: the more is
  /// free, the more may wait. Of a cold one, which may be dead, only while others are few.
  [[nodiscard]] bool may_wait(const Destination& destination) const {
    const std::size_t waiting = destination.waiting.size();
    const bool is_cold = destination.is_cold();
    if (waiting < std::size_t{is_cold ? 1 : kWaitingAConnection} * destination.allowed) return true;
    if (destination.use.value && destination.wait_for(waiting) >= Seconds(kWaitInHandMax)) return false;
    const std::size_t free = is_cold ? cold.groups_max / 4 - std::min(cold.groups, cold.groups_max / 4)
                                     : (remote.groups_max - std::min(remote.groups, remote.groups_max)) / 4;
    return waiting < free;
  }

  PutOff put_off(Destination& destination, bool lacks_room) {
    const SteadyTime now = doors.clock->steady();
    const Seconds ahead = destination.wait_for(destination.waiting.size());
    // Of one that nothing is known of yet, soon more will be: the longer it takes, the longer they wait.
    SteadyTime turn = now + std::min<Duration>(now - destination.known_since, kPutOffUnmeasuredMax);
    if (destination.use.value) turn = queue_up(&destination.busy_until, now, ahead, destination.wait_for(1));
    if (lacks_room) {
      Share& share = destination.is_cold() ? cold : remote;
      const Seconds each =
          share.in_hand.value.value_or(kUseUnmeasured) / std::max<double>(1, static_cast<double>(share.groups));
      turn = std::max(turn, queue_up(&share.busy_until, now, Seconds(0), each));
    }
    const Seconds delay = std::clamp<Seconds>(turn - now, kPutOffMin, kPutOffMax);
    constexpr std::uint64_t kGrain = 1000;
    const double spread = 0.8 + 0.4 * static_cast<double>(doors.random->below(kGrain)) / kGrain;
    return {.until = doors.clock->wall() + std::chrono::duration_cast<std::chrono::microseconds>(delay * spread)};
  }

  static Down down(const std::string& name, const Destination& destination) {
    return {.reply = destination.last_failure.reply + " (not tried: " + name + " is not reachable since " +
                     to_rfc3339(destination.outage->since) + ")",
            .remote = destination.last_failure.remote,
            .retry = destination.retry};
  }

  /// Counts the group as in hand.
  void enter(Destination& destination, std::size_t recipients, bool is_cold) {
    ++destination.groups;
    remote.take(recipients);
    if (is_cold) cold.take(recipients);
  }

  void depart(Destination& destination, std::size_t recipients, bool is_cold, SteadyTime asked) {
    --destination.groups;
    const Duration in_hand = doors.clock->steady() - asked;
    remote.give_back(recipients);
    remote.in_hand.add(in_hand);
    if (!is_cold) return;
    cold.give_back(recipients);
    cold.in_hand.add(in_hand);
  }

  Slot slot(Claim claim, const Destination& destination, std::unique_ptr<Parked> connection) {
    claim.began = doors.clock->steady();
    claim.retry = destination.retry;
    return {shared_from_this(), std::move(claim), std::move(connection)};
  }

  void grant(const std::string& name, Destination& destination, std::deque<Waiter>::iterator who,
             std::unique_ptr<Parked> connection, Granted* granted) {
    Waiter waiter = std::move(*who);
    destination.waiting.erase(who);
    Claim claim{.destination = name, .recipients = waiter.recipients, .is_cold = waiter.is_cold, .asked = waiter.asked};
    granted->emplace_back(waiter.turn, slot(std::move(claim), destination, std::move(connection)));
  }

  void grant_free(const std::string& name, Destination& destination, Granted* granted) {
    while (!destination.waiting.empty() && destination.used < destination.allowed) {
      ++destination.used;
      grant(name, destination, destination.waiting.begin(), nullptr, granted);
    }
  }

  /// To the connection's own shard.
  void retire(std::unique_ptr<Parked> connection, Deadlines::Handle over = {}) {
    Shard* const shard = connection->shard();
    auto job = [state = shared_from_this(), held = std::move(connection), handle = std::move(over)]() mutable {
      handle.cancel();
      Shard* const own = held->shard();
      spawn(own, "delivery.quit", take_leave(std::move(state), std::move(held)));
    };
    shard->post(std::move(job));
  }

  static Task<void> take_leave(std::shared_ptr<State> state, std::unique_ptr<Parked> connection) {
    co_await connection->quit();
    connection.reset();
    const std::scoped_lock lock(state->mutex);
    if (--state->open == 0 && state->stopping) state->all_closed.set();
  }

  void park(const std::string& name, Destination& destination, std::unique_ptr<Parked> connection) {
    Shard* const shard = connection->shard();
    const std::uint64_t number = ++last_idle;
    auto late = [weak = weak_from_this(), name, number] {
      if (const std::shared_ptr<State> state = weak.lock()) state->idle_over(name, number);
    };
    Deadlines::Handle over = shard->deadlines().add(doors.clock->steady() + kIdleConnection, std::move(late));
    destination.idle.push_back({std::move(connection), std::move(over), number});
    ++open;
  }

  void idle_over(const std::string& name, std::uint64_t number) {
    Granted granted;
    {
      const std::scoped_lock lock(mutex);
      const auto found = all.find(name);
      if (found == all.end()) return;
      Destination& destination = found->second;
      const auto at = std::ranges::find(destination.idle, number, &Idle::number);
      if (at == destination.idle.end()) return;
      retire(std::move(at->connection));
      destination.idle.erase(at);
      --destination.used;
      grant_free(name, destination, &granted);
      leave(name, destination);
    }
    tell(std::move(granted));
  }

  static void tell(Granted granted) {
    for (auto& [turn, admission] : granted) turn.set(std::move(admission));
  }

  std::optional<Admission> ask(const std::string& name, std::size_t recipients, Shard* shard,
                               const Completion<Admission>& turn);
  [[nodiscard]] std::optional<Slot> start_now(Destination& destination, Claim claim, Shard* shard);
  void end(const Claim& claim, Use use, std::unique_ptr<Parked> connection);
  enum class Changed : std::uint8_t { nothing, went_down, came_up };
  Changed learn(Destination& destination, const Claim& claim, const Use& use);
  void pass_on(const std::string& name, Destination& destination, std::unique_ptr<Parked> connection, Granted* granted);
  void stop();
};

/// A connection that waits here, a free slot, or that of a connection that waits elsewhere; nullopt: none of them.
std::optional<Destinations::Slot> Destinations::Slot::State::start_now(Destination& destination, Claim claim,
                                                                       Shard* shard) {
  const auto here =
      std::ranges::find(destination.idle, shard, [](const Idle& idle) { return idle.connection->shard(); });
  if (here != destination.idle.end()) {
    std::unique_ptr<Parked> connection = std::move(here->connection);
    destination.idle.erase(here);  // its deadline with it: we are on its shard
    --open;
    return slot(std::move(claim), destination, std::move(connection));
  }
  if (destination.waiting.empty() && destination.used < destination.allowed) {
    ++destination.used;
    return slot(std::move(claim), destination, nullptr);
  }
  if (!destination.idle.empty()) {
    Idle idle = std::move(destination.idle.back());
    destination.idle.pop_back();
    retire(std::move(idle.connection), std::move(idle.over));
    return slot(std::move(claim), destination, nullptr);
  }
  return std::nullopt;
}

std::optional<Admission> Destinations::Slot::State::ask(const std::string& name, std::size_t recipients, Shard* shard,
                                                        const Completion<Admission>& turn) {
  const std::scoped_lock lock(mutex);
  if (stopping) return PutOff{.until = doors.clock->wall()};
  const SteadyTime now = doors.clock->steady();
  Destination& destination = find(name);
  std::optional<Admission> answer;
  Claim claim{.destination = name, .recipients = recipients, .is_cold = destination.is_cold(), .asked = now};
  if (destination.outage && (destination.outage->probing || now < destination.outage->probe_at)) {
    answer = down(name, destination);
  } else if (!has_room(destination, recipients)) {
    answer = put_off(destination, true);
  } else if (destination.outage) {
    destination.outage->probing = true;
    claim.is_probe = true;
    ++destination.used;  // those of before the outage may still wait for their ends
    enter(destination, recipients, true);
    answer.emplace(slot(std::move(claim), destination, nullptr));
  } else if (std::optional<Slot> started = start_now(destination, claim, shard)) {
    enter(destination, recipients, claim.is_cold);
    answer.emplace(std::move(*started));
  } else if (may_wait(destination)) {
    enter(destination, recipients, claim.is_cold);
    destination.waiting.push_back(
        {.turn = turn, .shard = shard, .recipients = recipients, .is_cold = claim.is_cold, .asked = now});
  } else {
    answer = put_off(destination, false);
  }
  leave(name, destination);
  return answer;
}

Destinations::Slot::State::Changed Destinations::Slot::State::learn(Destination& destination, const Claim& claim,
                                                                    const Use& use) {
  const SteadyTime now = doors.clock->steady();
  const bool was_down = destination.outage.has_value();
  if (was_down && claim.is_probe) destination.outage->probing = false;
  if (use.result == ConnectionResult::unused) return Changed::nothing;
  destination.retry = use.retry;
  destination.use.add(now - claim.began);
  if (use.result == ConnectionResult::worked) {
    destination.allowed = std::min(destination.allowed + 1, kConnectionsMax);
    destination.had_success = true;
  } else {
    destination.allowed = std::max(destination.allowed / 2, 1U);
  }
  if (use.result != ConnectionResult::failed) {
    destination.failures = 0;
    destination.outage.reset();
    return was_down ? Changed::came_up : Changed::nothing;
  }
  destination.last_failure = use;
  if (destination.failures++ == 0) destination.failing_since = doors.clock->wall();
  if (was_down) {
    if (!claim.is_probe) return Changed::nothing;
    destination.outage->back_off = std::min(destination.outage->back_off * 2, kProbeAfterMax);
    destination.outage->probe_at = now + destination.outage->back_off;
    return Changed::nothing;
  }
  if (destination.failures < kFailuresToDown) return Changed::nothing;
  destination.outage = Outage{.since = destination.failing_since, .probe_at = now + kProbeAfterMin};
  return Changed::went_down;
}

/// What becomes of the right to a connection, and of the connection, that a group has ended with.
void Destinations::Slot::State::pass_on(const std::string& name, Destination& destination,
                                        std::unique_ptr<Parked> connection, Granted* granted) {
  const bool goes_on = connection && !destination.outage && !stopping;
  if (goes_on) {
    const auto next = std::ranges::find(destination.waiting, connection->shard(), &Waiter::shard);
    if (next != destination.waiting.end()) return grant(name, destination, next, std::move(connection), granted);
    if (destination.waiting.empty()) return park(name, destination, std::move(connection));
  }
  if (connection) {
    ++open;
    all_closed.clear();
    retire(std::move(connection));
  }
  --destination.used;
}

void Destinations::Slot::State::end(const Claim& claim, Use use, std::unique_ptr<Parked> connection) {
  Granted granted;
  Changed changed = Changed::nothing;
  {
    const std::scoped_lock lock(mutex);
    Destination& destination = all.find(claim.destination)->second;
    depart(destination, claim.recipients, claim.is_cold, claim.asked);
    changed = learn(destination, claim, use);
    pass_on(claim.destination, destination, std::move(connection), &granted);
    if (changed == Changed::went_down) {
      for (Waiter& waiter : destination.waiting) {
        depart(destination, waiter.recipients, waiter.is_cold, waiter.asked);
        granted.emplace_back(waiter.turn, down(claim.destination, destination));
      }
      destination.waiting.clear();
    }
    grant_free(claim.destination, destination, &granted);
    leave(claim.destination, destination);
  }
  tell(std::move(granted));
  if (changed == Changed::went_down)
    doors.events->emit(DestinationDown{.destination = claim.destination, .reply = use.reply});
  if (changed == Changed::came_up) doors.events->emit(DestinationUp{.destination = claim.destination});
}

void Destinations::Slot::State::stop() {
  Granted granted;
  {
    const std::scoped_lock lock(mutex);
    stopping = true;
    for (auto& [name, destination] : all) {
      for (Waiter& waiter : destination.waiting) {
        depart(destination, waiter.recipients, waiter.is_cold, waiter.asked);
        granted.emplace_back(waiter.turn, PutOff{.until = doors.clock->wall()});
      }
      destination.waiting.clear();
      for (Idle& idle : destination.idle) {
        --destination.used;
        retire(std::move(idle.connection), std::move(idle.over));
      }
      destination.idle.clear();
    }
    if (open == 0) all_closed.set();
  }
  tell(std::move(granted));
}

Destinations::Slot::Slot(std::shared_ptr<State> state, Claim claim, std::unique_ptr<Parked> connection)
    : state_(std::move(state)), claim_(std::move(claim)), connection_(std::move(connection)) {}
Destinations::Slot::Slot(Slot&&) noexcept = default;
Destinations::Slot::~Slot() { end({}); }

std::unique_ptr<Parked> Destinations::Slot::take_connection() { return std::move(connection_); }

void Destinations::Slot::end(Use use, std::unique_ptr<Parked> connection) {
  connection_.reset();
  if (const std::shared_ptr<State> state = std::move(state_)) state->end(claim_, std::move(use), std::move(connection));
}

Destinations::Destinations(Doors doors) : state_(std::make_shared<Slot::State>(doors)) {}
Destinations::~Destinations() = default;

Task<Destinations::Admission> Destinations::admit(std::string destination, std::size_t recipients) {
  Shard* const shard = co_await this_shard();
  const Completion<Admission> turn;
  std::optional<Admission> now = state_->ask(destination, recipients, shard, turn);
  if (now) co_return std::move(*now);
  co_return co_await turn.wait();
}

void Destinations::start() {
  const std::scoped_lock lock(state_->mutex);
  state_->stopping = false;
  state_->all_closed.clear();
}

void Destinations::stop() { state_->stop(); }

Task<void> Destinations::closed() {
  const Result<void> ended = co_await state_->all_closed.wait(SteadyTime::never());
  (void)ended;  // waits without a deadline
}

std::size_t Destinations::size() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->all.size();
}

}  // namespace postrider::delivery
