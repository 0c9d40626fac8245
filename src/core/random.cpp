#include "core/random.hpp"

#include "core/check.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace postrider {

std::uint64_t Random::u64() {
  std::array<std::byte, 8> octets{};
  fill(octets);
  std::uint64_t value = 0;
  std::memcpy(&value, octets.data(), sizeof value);
  return value;
}

std::uint64_t Random::below(std::uint64_t n) {
  check(n > 0, "Random::below(0)");
  const std::uint64_t excess =
      (~std::uint64_t{0} % n + 1) % n;  // values past the last whole multiple of n would be uneven
  for (;;) {
    const std::uint64_t value = u64();
    if (value <= ~std::uint64_t{0} - excess) return value % n;
  }
}

void SystemRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    check(got > 0, "getrandom failed");
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    z ^= z >> 31U;
    const std::size_t taken = std::min(out.size(), sizeof z);
    std::memcpy(out.data(), &z, taken);
    out = out.subspan(taken);
  }
}

}  // namespace postrider
