#include "store/content.hpp"

#include "core/await.hpp"

#include <algorithm>

namespace postrider::store {

std::uint64_t Content::size_octets() const {
  std::uint64_t size = prefix.size() + body.size_octets;
  for (const OctetRange& range : dropped) size -= range.size_octets;
  return size;
}

std::vector<OctetRange> all_ranges(std::vector<OctetRange> some, const std::vector<OctetRange>& others) {
  some.insert(some.end(), others.begin(), others.end());
  std::ranges::sort(some, {}, &OctetRange::offset);
  return some;
}

void write_content(RecordWriter& out, const Content& content) {
  out.text(content.prefix).text(content.body.id.octets).number(content.body.size_octets).number(content.dropped.size());
  for (const OctetRange& range : content.dropped) out.number(range.offset).number(range.size_octets);
}

Result<Content> read_content(RecordReader& in) {
  Content content;
  content.prefix = in.text();
  content.body.id.octets = in.text();
  content.body.size_octets = in.number();
  const std::size_t count = in.count();
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const OctetRange range{in.number(), in.number()};
    const std::uint64_t size = content.body.size_octets;
    if (range.offset < end || range.offset > size || range.size_octets > size - range.offset) {
      return error(Error::corrupt, "store.content", "dropped ranges do not fit the body");
    }
    end = range.offset + range.size_octets;
    content.dropped.push_back(range);
  }
  return content;
}

Task<Result<std::string>> ContentReader::next(std::size_t octets_max) {
  if (!std::exchange(prefix_given_, true) && !content_.prefix.empty()) co_return content_.prefix;
  while (next_dropped_ < content_.dropped.size() && content_.dropped[next_dropped_].offset == offset_) {
    offset_ += content_.dropped[next_dropped_++].size_octets;
  }
  if (offset_ >= content_.body.size_octets) co_return std::string();
  std::uint64_t end = content_.body.size_octets;
  if (next_dropped_ < content_.dropped.size()) end = content_.dropped[next_dropped_].offset;
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(octets_max, end - offset_));
  Result<std::string> got = co_await store_->read_blob(content_.body.id, offset_, wanted);
  if (!got) co_return fail(got);
  if (got->empty()) co_return error(Error::corrupt, "store.content", "the body is shorter than its reference says");
  offset_ += got->size();
  co_return std::move(*got);
}

}  // namespace postrider::store
