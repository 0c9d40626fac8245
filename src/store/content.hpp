// A content as a record keeps it: octets of our own in front, and a stored body without some of its header fields
// (DESIGN §5 "Bodies"). Queue recipients and mailbox messages are such records; the body is never rewritten.
#pragma once

#include "core/octet_range.hpp"
#include "core/record.hpp"
#include "store/store.hpp"

#include <vector>

namespace postrider::store {

struct Content {
  std::string prefix;  ///< header fields that come first (Received, Return-Path, Delivered-To …), CRLF lines
  std::vector<OctetRange> dropped;  ///< of the body; ascending, none over another
  BlobRef body;
  /// Of what a reader gets: prefix and body without what is dropped.
  [[nodiscard]] std::uint64_t size_octets() const;
  friend bool operator==(const Content&, const Content&) = default;
};

/// Both, in order.
[[nodiscard]] std::vector<OctetRange> all_ranges(std::vector<OctetRange> some, const std::vector<OctetRange>& others);

void write_content(RecordWriter& out, const Content& content);
/// A content that makes no sense (ranges out of order or out of the body) fails the reader.
[[nodiscard]] Result<Content> read_content(RecordReader& in);

/// Reads a content from front to back in chunks.
class ContentReader {
 public:
  ContentReader(Store* store, Content content) : store_(store), content_(std::move(content)) {}
  /// The next at most `octets_max` octets; empty at the end. Errors  as Store::read_blob; corrupt: the body is shorter
  /// than its reference says.
  [[nodiscard]] Task<Result<std::string>> next(std::size_t octets_max);

 private:
  Store* store_;
  Content content_;
  bool prefix_given_ = false;
  std::uint64_t offset_ = 0;      // in the body
  std::size_t next_dropped_ = 0;  // index into content_.dropped
};

}  // namespace postrider::store
