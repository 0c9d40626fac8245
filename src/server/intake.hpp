// Takes one content in: to the blob writer, past the header collector (DESIGN §5 "Intake").
#pragma once

#include "core/task.hpp"
#include "mail/header_section.hpp"
#include "store/store.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace postrider::server {

class Intake {
 public:
  /// Errors  exhausted: no room; transient.
  [[nodiscard]] static Task<Result<std::unique_ptr<Intake>>> begin(store::Store* store);

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
  mail::HeaderCollector collector_;
  std::string first_;  // the first two octets
  bool has_eight_bit_ = false;
};

}  // namespace postrider::server
