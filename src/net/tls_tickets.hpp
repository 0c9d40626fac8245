// The keys of session tickets (5077, 8446 §4.6.1), which change with time, so that a key that leaks opens little.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>

struct ssl_ctx_st;

namespace postrider::net {

inline constexpr Duration kTicketKeyLife = std::chrono::hours(6);  // then a new one makes the tickets

struct TicketKey {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> cipher{};  // AES-256-CBC
  std::array<unsigned char, 32> mac{};     // HMAC-SHA-256
  SteadyTime made{};
};

/// The key that makes tickets, and the one before it, which opens them for one more life. In memory only. Thread-safe.
class TicketKeys {
 public:
  TicketKeys(Clock* clock, Random* random) : clock_(clock), random_(random) {}
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  /// Sessions of `context` are resumed by tickets under these keys, which outlive it.
  void serve(ssl_ctx_st* context);
  /// Nothing that was made before is resumed.
  void forget();

  [[nodiscard]] TicketKey current();
  struct Found {
    TicketKey key;
    bool is_current = false;
  };
  [[nodiscard]] std::optional<Found> find(const unsigned char* name);
  /// For the initial vector of a ticket.
  void fill(unsigned char* into, std::size_t octets);

 private:
  void turn();

  Clock* clock_;
  Random* random_;
  std::mutex mutex_;
  std::optional<TicketKey> current_;
  std::optional<TicketKey> previous_;
};

}  // namespace postrider::net
