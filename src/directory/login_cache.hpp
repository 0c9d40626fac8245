// Passwords that were right a moment ago, so that the next login with one costs no hash.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/secret.hpp"
#include "store/store.hpp"

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postrider::directory {

inline constexpr std::size_t kLoginCacheMax = 10'000;
inline constexpr Duration kLoginCacheKept = std::chrono::minutes(5);

/// Knows no password: an HMAC of account and password with a key of this process is kept. Each entry belongs to a
/// version of the account's record: whatever changes the account makes it void. Thread-safe.
class LoginCache {
 public:
  LoginCache(Clock* clock, Random* random) : clock_(clock), random_(random) {}
  /// What stands for the password of the account whose folded address is `name`.
  [[nodiscard]] std::string key_of(std::string_view name, const Secret& password);
  [[nodiscard]] bool has(const std::string& key, store::Version version);
  void put(const std::string& key, store::Version version);

 private:
  struct Kept {
    store::Version version = 0;
    SteadyTime until;
  };
  struct Ending {
    SteadyTime at;
    std::string key;
  };
  void forget(SteadyTime now);

  Clock* clock_;
  Random* random_;
  std::mutex mutex_;
  std::string secret_;  // made at first use
  std::unordered_map<std::string, Kept> kept_;
  std::deque<Ending> endings_;  // in their order; those of an entry that was put again say nothing
};

}  // namespace postrider::directory
