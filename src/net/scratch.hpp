// A read buffer that exists once per shard and is lent for the time between two waits, so that idle sessions hold none.
#pragma once

#include "core/check.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace postrider::net {

inline constexpr std::size_t kScratchOctets = 64 * 1024;

class ScratchPool;

/// The buffer, lent. Must be given back (destroyed) before the next co_await.
class Scratch {
 public:
  Scratch(Scratch&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();
  [[nodiscard]] std::span<char> span() const;

 private:
  friend class ScratchPool;
  explicit Scratch(ScratchPool* pool) : pool_(pool) {}
  ScratchPool* pool_;
};

class ScratchPool {
 public:
  [[nodiscard]] Scratch take() {
    check(!lent_, "scratch: lent over a co_await");
    lent_ = true;
    return Scratch(this);
  }

 private:
  friend class Scratch;
  std::unique_ptr<std::array<char, kScratchOctets>> octets_ = std::make_unique<std::array<char, kScratchOctets>>();
  bool lent_ = false;
};

inline Scratch::~Scratch() {
  if (pool_ != nullptr) pool_->lent_ = false;
}
inline std::span<char> Scratch::span() const { return *pool_->octets_; }

}  // namespace postrider::net
