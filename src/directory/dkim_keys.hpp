// The keys that domains sign with, in the store (6376 §3.1: selectors). Only who signs sees the private part.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/task.hpp"
#include "mail/address.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace postrider::directory {

enum class DkimAlgorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };

inline constexpr std::size_t kDkimKeysMax = 8;  // of a domain

struct DkimKey {
  std::string selector;  ///< unique in its domain
  DkimAlgorithm algorithm = DkimAlgorithm::rsa_sha256;
  Secret private_key;      ///< PKCS #8 in PEM
  std::string public_key;  ///< as p= has it, in base64
  bool active = true;      ///< signs; false: is published still, or not yet in use
  WallTime created;
};

/// Thread-safe. Errors of all  transient, corrupt from the store.
class DkimKeys {
 public:
  explicit DkimKeys(store::Store* store);
  /// In the order in which they were made; empty: none.
  [[nodiscard]] Task<Result<std::vector<DkimKey>>> of(mail::Domain domain) const;
  /// Errors  conflict: has the selector; exhausted: kDkimKeysMax.
  [[nodiscard]] Task<Result<void>> add(mail::Domain domain, DkimKey key);
  /// Errors  not_found.
  [[nodiscard]] Task<Result<void>> set_active(mail::Domain domain, std::string selector, bool active);
  [[nodiscard]] Task<Result<void>> remove(mail::Domain domain, std::string selector);
  [[nodiscard]] Task<Result<void>> remove_all(mail::Domain domain);

 private:
  store::Store* store_;
};

}  // namespace postrider::directory
