#include "core/secret.hpp"

#include <cstring>

namespace postrider {

void Secret::wipe() noexcept {
  octets_.resize(octets_.capacity());
  ::explicit_bzero(octets_.data(), octets_.size());
  octets_.clear();
}

}  // namespace postrider
