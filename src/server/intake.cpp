#include "server/intake.hpp"

#include "core/await.hpp"

#include <algorithm>

namespace postrider::server {

Task<Result<std::unique_ptr<Intake>>> Intake::begin(store::Store* store) {
  Result<std::unique_ptr<store::BlobWriter>> writer = co_await store->create_blob();
  if (!writer) co_return fail(writer);
  co_return std::unique_ptr<Intake>(new Intake(std::move(*writer)));
}

Task<Result<void>> Intake::append(std::string_view octets) {
  if (first_.size() < 2) first_ += octets.substr(0, 2 - first_.size());
  if (!collector_.complete()) {
    const Result<void> collected = collector_.append(octets);
    // Too long a header section is said at the end, when the reply is due: until then the content is swallowed.
    if (!collected) co_return Result<void>{};
  }
  if (body_hash_) hash(octets);
  taken_octets_ += octets.size();
  if (!has_eight_bit_)
    has_eight_bit_ = std::ranges::any_of(octets, [](char c) { return (static_cast<unsigned char>(c) & 0x80U) != 0; });
  co_return co_await writer_->append(octets);
}

void Intake::hash(std::string_view octets) {
  if (!collector_.complete()) return;
  const std::uint64_t body = collector_.body_offset();
  const std::uint64_t before = body > taken_octets_ ? body - taken_octets_ : 0;
  body_hash_->append(octets.substr(std::min<std::uint64_t>(before, octets.size())));
}

Task<Result<std::shared_ptr<store::SealedBlob>>> Intake::seal() { co_return co_await writer_->seal(); }

}  // namespace postrider::server
