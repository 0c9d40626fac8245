// The body's part of a DKIM signature (6376 §3.4.4, §3.7), while the content comes in.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace postrider::trust {

/// The body by the "relaxed" canonicalization, hashed by SHA-256. Holds no line: what it keeps does not grow.
class DkimBodyHash {
 public:
  DkimBodyHash();
  DkimBodyHash(DkimBodyHash&&) noexcept;
  DkimBodyHash& operator=(DkimBodyHash&&) noexcept;
  ~DkimBodyHash();
  /// The next octets of the body (what is behind the empty line), cut anywhere.
  void append(std::string_view octets);
  /// 32 octets.
  [[nodiscard]] std::string finish() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::trust
