// Serves the remote of every temper (smtp/persona.hpp) on real and simulated networks: for tests and the sandbox.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/shard.hpp"
#include "core/signal.hpp"
#include "net/net.hpp"
#include "smtp/persona.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::server {

inline constexpr std::size_t kPersonaMessagesMax = 10'000;              ///< kept; then the oldest are let go
inline constexpr std::size_t kPersonaKeptOctetsMax = 64ULL << 20;       ///< of contents, likewise
inline constexpr Duration kPersonaPatience = std::chrono::hours(1);     ///< with a peer that does nothing
inline constexpr std::uint64_t kPersonaForEverOctetsMax = 16ULL << 20;  ///< of a reply without end

/// All listeners and sessions are on one shard; only `messages`, `taken` and `drain` may be called from elsewhere. It
/// and what it was made from outlive the shard's tasks.
class PersonaService {
 public:
  PersonaService(net::Network* network, Shard* shard);
  PersonaService(const PersonaService&) = delete;
  PersonaService& operator=(const PersonaService&) = delete;

  /// Listens with that profile (persona_behaviours.hpp; an unknown one is plain) and begins to serve. Port 0 takes any
  /// free one. Gives where it listens. Errors  as net::Network::listen.
  [[nodiscard]] Result<net::Endpoint> listen(std::string_view profile, const net::Endpoint& at);

  /// The messages that were taken, oldest first, within the limits above.
  [[nodiscard]] std::vector<smtp::PersonaMessage> messages() const;
  /// How many were taken, all of them.
  [[nodiscard]] std::uint64_t taken() const;
  /// Sessions begun, all of them.
  [[nodiscard]] std::uint64_t sessions() const;

  /// Closes listeners and sessions soon.
  void drain() { draining_.set(); }

 private:
  class Session;
  static Task<void> accept(PersonaService* service, std::string profile, std::unique_ptr<net::Listener> listener);
  static Task<void> serve(PersonaService* service, std::string profile, std::unique_ptr<net::Stream> stream);
  void keep(smtp::PersonaMessage message);

  net::Network* network_;
  Shard* shard_;
  Signal draining_;
  smtp::PersonaMemory memory_;
  mutable std::mutex mutex_;  // of what is below
  std::deque<smtp::PersonaMessage> messages_;
  std::size_t kept_octets_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t sessions_ = 0;
};

}  // namespace postrider::server
