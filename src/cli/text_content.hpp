// A message in memory as the relay reads it: for the commands that send one.
#pragma once

#include "delivery/relay.hpp"

#include <string>

namespace postrider::cli {

class TextContent final : public delivery::ContentSource {
 public:
  /// `text` outlives it.
  explicit TextContent(const std::string* text) : text_(text) {}
  void rewind() override { offset_ = 0; }
  [[nodiscard]] Task<Result<std::string>> next(std::size_t octets_max) override;

 private:
  const std::string* text_;
  std::size_t offset_ = 0;
};

}  // namespace postrider::cli
