#include "sasl/digest.hpp"

#include <sodium.h>

#include <array>

namespace postrider::sasl {

std::string sha256(std::string_view octets) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> out{};
  ::crypto_hash_sha256(out.data(), reinterpret_cast<const unsigned char*>(octets.data()), octets.size());
  return {out.begin(), out.end()};
}

}  // namespace postrider::sasl
