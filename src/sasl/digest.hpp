// SHA-256 (FIPS 180-4).
#pragma once

#include <string>
#include <string_view>

namespace postrider::sasl {

/// The 32 octets of the digest.
[[nodiscard]] std::string sha256(std::string_view octets);

}  // namespace postrider::sasl
