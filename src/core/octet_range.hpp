// A part of an octet string.
#pragma once

#include <cstdint>

namespace postrider {

struct OctetRange {
  std::uint64_t offset = 0;
  std::uint64_t size_octets = 0;
  friend bool operator==(const OctetRange&, const OctetRange&) = default;
};

}  // namespace postrider
