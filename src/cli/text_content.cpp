#include "cli/text_content.hpp"

#include "core/await.hpp"

namespace postrider::cli {

Task<Result<std::string>> TextContent::next(std::size_t octets_max) {
  std::string chunk = text_->substr(offset_, octets_max);
  offset_ += chunk.size();
  co_return chunk;
}

}  // namespace postrider::cli
