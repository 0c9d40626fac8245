// Passwords and keys: values that no log, event or formatter takes.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace postrider {

/// Holds octets that must not be shown. Wiped when it dies. No formatter, no stream operator, no comparison:
/// `reveal()` is grep-able.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string octets) : octets_(std::move(octets)) {}
  Secret(Secret&& other) noexcept : octets_(std::move(other.octets_)) { other.wipe(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe();
      octets_ = std::move(other.octets_);
      other.wipe();
    }
    return *this;
  }
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(); }

  [[nodiscard]] std::string_view reveal() const { return octets_; }
  [[nodiscard]] bool empty() const { return octets_.empty(); }

 private:
  void wipe() noexcept;
  std::string octets_;
};

}  // namespace postrider
