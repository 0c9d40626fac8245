// The private keys of DKIM (6376 §3.3, 8463): all that OpenSSL does with them is here.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace postrider::trust {

enum class DkimAlgorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };

/// As a= has it: "rsa-sha256", "ed25519-sha256".
[[nodiscard]] std::string_view name_of(DkimAlgorithm algorithm);
/// As k= of the record has it: "rsa", "ed25519".
[[nodiscard]] std::string_view key_type_of(DkimAlgorithm algorithm);

inline constexpr int kDkimRsaBits = 2048;     // of the keys that we make
inline constexpr int kDkimRsaBitsMin = 1024;  // LIMITS.md, 8301 §3.2
inline constexpr int kDkimRsaBitsMax = 4096;

/// A key that signs. Thread-safe. Costs about 0.7 ms a signature with RSA, 0.05 ms with Ed25519.
class DkimPrivateKey {
 public:
  /// Takes PEM, PKCS #8 or OpenSSL's older form, without a passphrase.
  /// Errors  malformed: no such key; unsupported: another kind, or RSA outside of the limits above.
  [[nodiscard]] static Result<DkimPrivateKey> parse(const Secret& pem);
  DkimPrivateKey(DkimPrivateKey&&) noexcept;
  DkimPrivateKey& operator=(DkimPrivateKey&&) noexcept;
  ~DkimPrivateKey();

  [[nodiscard]] DkimAlgorithm algorithm() const { return algorithm_; }
  /// What b= has, in base64: RSASSA-PKCS1-v1_5 (6376 §3.3.1), or PureEdDSA of the digest (8463 §3).
  /// Takes the 32 octets of a SHA-256 digest. Errors  exhausted: OpenSSL could not.
  [[nodiscard]] Result<std::string> sign(std::string_view digest) const;
  /// What p= of the record has: SubjectPublicKeyInfo (6376 §3.6.1), or the 32 octets of Ed25519 (8463 §4); in base64.
  [[nodiscard]] Result<std::string> public_key() const;

 private:
  struct Key;
  explicit DkimPrivateKey(std::unique_ptr<Key> key, DkimAlgorithm algorithm);
  std::unique_ptr<Key> key_;
  DkimAlgorithm algorithm_;
};

struct NewDkimKey {
  Secret private_key;      ///< PKCS #8 in PEM
  std::string public_key;  ///< as p= has it
};
/// Takes some 0.1 s with RSA: for Workers. Errors  exhausted: OpenSSL could not.
[[nodiscard]] Result<NewDkimKey> make_dkim_key(DkimAlgorithm algorithm);

}  // namespace postrider::trust
