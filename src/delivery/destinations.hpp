// How many connections a destination gets: slow start, halved on failure (LIMITS.md "per destination").
#pragma once

#include "core/task.hpp"

#include <memory>
#include <string>

namespace postrider::delivery {

inline constexpr unsigned kConnectionsStart = 5;
inline constexpr unsigned kConnectionsMax = 20;

enum class ConnectionResult : std::uint8_t { worked, failed };

class Destinations {
 public:
  /// The right to one connection. To be ended with how it went; without a word it counts as failed.
  class Slot {
   public:
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;
    ~Slot();
    void end(ConnectionResult result);

   private:
    friend class Destinations;
    struct State;
    Slot(std::shared_ptr<State> state, std::string destination)
        : state_(std::move(state)), destination_(std::move(destination)) {}
    std::shared_ptr<State> state_;  // shared: slots may outlive the table at shutdown
    std::string destination_;
  };

  Destinations();
  ~Destinations();
  /// Waits its turn; first come, first served. Thread-safe.
  [[nodiscard]] Task<Slot> take(std::string destination);

 private:
  std::shared_ptr<Slot::State> state_;
};

}  // namespace postrider::delivery
