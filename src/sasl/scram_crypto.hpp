// The functions that SCRAM is made of (5802 §2.2, §3), and comparing without telling where it differs.
#pragma once

#include "core/secret.hpp"
#include "sasl/scram_keys.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::sasl {

/// Of a key or a signature: 20 or 32.
[[nodiscard]] std::size_t octets_of(ScramHash hash);

/// H(), of octets_of octets.
[[nodiscard]] std::string scram_digest(ScramHash hash, std::string_view octets);

/// HMAC() (2104), of octets_of octets.
[[nodiscard]] std::string scram_hmac(ScramHash hash, std::string_view key, std::string_view octets);

/// Hi(): PBKDF2 (8018) of one block. Takes the password by SASLprep already. Heavy.
[[nodiscard]] Secret scram_salted(ScramHash hash, const Secret& password, std::string_view salt,
                                  std::uint32_t iterations);

[[nodiscard]] ScramKeys scram_keys_of(ScramHash hash, const Secret& salted, std::string salt, std::uint32_t iterations);

/// Of strings of the same length.
[[nodiscard]] std::string xored(std::string_view a, std::string_view b);

/// In a time that depends on the lengths only.
[[nodiscard]] bool same_octets(std::string_view a, std::string_view b);

}  // namespace postrider::sasl
