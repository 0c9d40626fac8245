#include "store/store.hpp"

#include <iterator>

namespace postrider::store {

KeyRange range_of_prefix(std::string_view prefix) {
  KeyRange range{Key(prefix), Key(prefix)};
  while (!range.to.empty() && static_cast<unsigned char>(range.to.back()) == 0xFF) range.to.pop_back();
  if (!range.to.empty()) range.to.back() = static_cast<char>(static_cast<unsigned char>(range.to.back()) + 1);
  return range;
}

std::size_t Transaction::size_octets() const {
  std::size_t octets = 0;
  for (const Write& write : writes_) octets += write.key.size() + (write.value ? write.value->size() : 0);
  for (const std::shared_ptr<SealedBlob>& blob : blobs_) {
    if (blob->ref().size_octets <= kInlineBlobOctetsMax) octets += static_cast<std::size_t>(blob->ref().size_octets);
  }
  return octets;
}

void Transaction::append(Transaction other) {
  const auto move_behind = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  move_behind(writes_, other.writes_);
  move_behind(preconditions_, other.preconditions_);
  move_behind(refs_, other.refs_);
  move_behind(blobs_, other.blobs_);
}

}  // namespace postrider::store
