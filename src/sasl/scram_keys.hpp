// The keys of SCRAM (5802 §3, 7677): what is kept in place of a password.
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::sasl {

enum class ScramHash : std::uint8_t { sha1, sha256 };

inline constexpr std::uint32_t kScramIterations = 4096;  // 7677 §4
inline constexpr std::size_t kScramSaltOctets = 16;
inline constexpr std::uint32_t kScramIterationsMax = 1'000'000;  // of imported keys, and that a server may ask of us
inline constexpr std::size_t kScramSaltOctetsMax = 255;

struct ScramKeys {
  std::string salt;
  std::uint32_t iterations = kScramIterations;
  std::string stored_key;
  std::string server_key;
};

/// The password by SASLprep (4013). Heavy (4 ms): to be called on Workers.
/// Errors  malformed: no password by SASLprep, or salt or iterations over their limits; too_long: kPasswordOctetsMax.
[[nodiscard]] Result<ScramKeys> make_scram_keys(ScramHash hash, const Secret& password, std::string salt,
                                                std::uint32_t iterations = kScramIterations);

/// Whether these are the keys of `password`. Heavy. Errors  denied: they are not; as make_scram_keys.
[[nodiscard]] Result<void> verify_scram_keys(ScramHash hash, const ScramKeys& keys, const Secret& password);

}  // namespace postrider::sasl
