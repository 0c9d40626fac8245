// Takes one content in: to the blob writer, past the header collector (DESIGN §5 "Intake").
#pragma once

#include "core/task.hpp"
#include "mail/header_section.hpp"
#include "store/store.hpp"
#include "trust/dkim_body.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::server {

class Intake {
 public:
  /// Errors  exhausted: no room; transient.
  [[nodiscard]] static Task<Result<std::unique_ptr<Intake>>> begin(store::Store* store);

  /// Before any octets: the body is hashed for a signature (DESIGN §5).
  void hash_body() { body_hash_.emplace(); }
  /// Once, at the end: of trust::DkimBodyHash; empty where nothing was hashed. It is of a header section that is_ended.
  [[nodiscard]] std::string body_hash() { return body_hash_ ? std::move(*body_hash_).finish() : std::string(); }

  /// Errors  as store::BlobWriter::append. What the header section is worth is said by `headers`.
  [[nodiscard]] Task<Result<void>> append(std::string_view octets);

  /// The header section as collected. Once, at the end. Errors  as mail::HeaderCollector.
  [[nodiscard]] Result<mail::HeaderSection> headers() { return std::move(collector_).finish(); }

  /// The body, readable and synced where it is a file. Errors  as store::BlobWriter::seal.
  [[nodiscard]] Task<Result<std::shared_ptr<store::SealedBlob>>> seal();
  [[nodiscard]] bool has_eight_bit() const { return has_eight_bit_; }
  /// The content begins with the empty line that ends a header section, or is empty.
  [[nodiscard]] bool begins_with_empty_line() const { return first_.empty() || first_ == "\r\n"; }

 private:
  explicit Intake(std::unique_ptr<store::BlobWriter> writer) : writer_(std::move(writer)) {}
  std::unique_ptr<store::BlobWriter> writer_;
  void hash(std::string_view octets);
  mail::HeaderCollector collector_;
  std::optional<trust::DkimBodyHash> body_hash_;
  std::uint64_t taken_octets_ = 0;
  std::string first_;  // the first two octets
  bool has_eight_bit_ = false;
};

}  // namespace postrider::server
