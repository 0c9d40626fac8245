// Where mail goes: who may connect now, who waits in hand, who is put off, and who is known not to be reachable.
//
// A destination is what `route::Router::destination` says of a recipient; it is known before any name is asked for, so
// that dead names count as its trouble. One that is dead or slow must never keep another from its turn: that is what
// the shares below are for.
#pragma once

#include "core/clock.hpp"
#include "core/events.hpp"
#include "core/random.hpp"
#include "core/shard.hpp"
#include "core/task.hpp"

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace postrider::delivery {

inline constexpr unsigned kConnectionsStart = 5;
inline constexpr unsigned kConnectionsMax = 20;  // idle ones count
/// Failures running, of whole attempts, after which a destination counts as down.
inline constexpr unsigned kFailuresToDown = 3;
inline constexpr Duration kProbeAfterMin = std::chrono::seconds(30);  // doubles with each probe that fails
inline constexpr Duration kProbeAfterMax = std::chrono::minutes(10);
inline constexpr unsigned kWaitingAConnection = 2;  // groups that wait in hand for each connection allowed, at least
inline constexpr Duration kWaitInHandMax = std::chrono::seconds(5);  // as estimated; over it they are put off
inline constexpr Duration kPutOffMin = std::chrono::seconds(1);
inline constexpr Duration kPutOffMax = std::chrono::minutes(10);
inline constexpr Duration kPutOffUnmeasuredMax =
    std::chrono::seconds(30);  // of a destination with no attempt ended yet
inline constexpr Duration kIdleConnection = std::chrono::seconds(2);
inline constexpr std::size_t kDestinationsMax = 10'000;  // known at once; those unused for longest are forgotten
inline constexpr Duration kDestinationKept = std::chrono::hours(1);  // unused
inline constexpr Duration kSlowUse = std::chrono::seconds(10);       // a destination is slow whose attempts take longer

/// Groups (recipients of one entry for one destination) and recipients, of all destinations together. The rest of what
/// may be in hand (deliverer.hpp) is for local mailboxes.
inline constexpr std::size_t kGroupsInHandMax = 4'000;
inline constexpr std::size_t kRemoteRecipientsInHandMax = 16'000;
/// Of cold destinations: those that had no success yet, that are down, or slow. A destination's first group may use all
/// of it, further ones three quarters.
inline constexpr std::size_t kColdGroupsMax = 2'500;
inline constexpr std::size_t kColdRecipientsMax = 10'000;

/// A connection that may carry more messages. It lives and dies on its shard.
class Parked {
 public:
  virtual ~Parked() = default;
  [[nodiscard]] virtual Shard* shard() const = 0;
  /// Takes leave of the peer. Nothing may be done with the connection after it.
  [[nodiscard]] virtual Task<void> quit() = 0;
};

enum class ConnectionResult : std::uint8_t {
  worked,     ///< somebody talked to us
  throttled,  ///< reachable, but it wants less of us
  failed,     ///< no hop took a connection and greeted, or the names gave no answer
  unused,     ///< says nothing about the destination
};

/// What a use of a slot came to.
struct Use {
  ConnectionResult result = ConnectionResult::failed;
  std::string reply = {};  ///< of a failure, for those who are not tried: one line, code first
  std::string remote = {};
  std::vector<Duration> retry = {};  ///< the route's
};

class Destinations {
 public:
  struct Doors {
    Clock* clock;
    Random* random;
    Events* events;
  };

  /// The right to one connection. To be ended with how it went; without a word it counts as failed.
  class Slot {
   public:
    Slot(Slot&&) noexcept;
    Slot& operator=(Slot&&) = delete;
    ~Slot();
    /// A connection that waited, on this shard; null: there is none.
    [[nodiscard]] std::unique_ptr<Parked> take_connection();
    /// The route's, as the last use of the destination knew it.
    [[nodiscard]] const std::vector<Duration>& retry() const { return claim_.retry; }
    /// `connection`: it may go on; the next one for the destination gets it. To be called on its shard.
    void end(Use use, std::unique_ptr<Parked> connection = nullptr);

   private:
    friend class Destinations;
    struct State;
    struct Claim {
      std::string destination;
      std::size_t recipients = 0;
      bool is_cold = false;
      bool is_probe = false;
      SteadyTime asked = {};
      SteadyTime began = {};
      std::vector<Duration> retry = {};
    };
    Slot(std::shared_ptr<State> state, Claim claim, std::unique_ptr<Parked> connection);
    std::shared_ptr<State> state_;  // shared: slots may outlive the table at shutdown
    Claim claim_;
    std::unique_ptr<Parked> connection_;
  };

  /// Too many wait: try again then, nothing was tried.
  struct PutOff {
    WallTime until;
  };
  /// Not to be tried; the retry table says when again.
  struct Down {
    std::string reply;  ///< of the last attempt, with the note that there was none this time
    std::string remote;
    std::vector<Duration> retry;
  };
  using Admission = std::variant<Slot, PutOff, Down>;

  explicit Destinations(Doors doors);
  ~Destinations();

  /// For a group of `recipients` recipients: gives at once, or when its turn has come (first come, first served, but
  /// that a connection that is free goes on with the next group on its own shard). Thread-safe.
  [[nodiscard]] Task<Admission> admit(std::string destination, std::size_t recipients);

  /// Takes back `stop`.
  void start();
  /// From now on nobody waits (all are put off until now) and no connection is kept.
  void stop();
  /// After `stop`, when all slots have ended: gives when the last connection is closed.
  [[nodiscard]] Task<void> closed();

  /// Destinations known.
  [[nodiscard]] std::size_t size() const;

 private:
  std::shared_ptr<Slot::State> state_;
};

}  // namespace postrider::delivery
