// Stored values: versioned records with a format octet and a checksum; and the big-endian numbers that keys are made
// of.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider {

/// Big-endian, so that octet order is number order. For keys.
void append_u16(std::string& out, std::uint16_t value);
void append_u32(std::string& out, std::uint32_t value);
void append_u64(std::string& out, std::uint64_t value);
/// Reads the number at `offset`. Errors  corrupt: fewer octets than that.
[[nodiscard]] Result<std::uint16_t> read_u16(std::string_view octets, std::size_t offset);
[[nodiscard]] Result<std::uint32_t> read_u32(std::string_view octets, std::size_t offset);
[[nodiscard]] Result<std::uint64_t> read_u64(std::string_view octets, std::size_t offset);

/// CRC-32C (Castagnoli, 3720 §12.1).
[[nodiscard]] std::uint32_t crc32c(std::string_view octets);

/// Writes one record: format octet, fields, CRC-32C over both. Numbers are varints (LEB128), texts are length-prefixed.
class RecordWriter {
 public:
  explicit RecordWriter(std::uint8_t format);
  RecordWriter& number(std::uint64_t value);
  RecordWriter& signed_number(std::int64_t value);  ///< zigzag
  RecordWriter& text(std::string_view octets);
  RecordWriter& flag(bool value);
  /// Adds the checksum and gives the octets; the writer is spent.
  [[nodiscard]] std::string finish() &&;

 private:
  std::string out_;
};

/// Reads one record back. Every read after a failed one fails too, so a decoder may read all fields and test `end()`
/// once:
///   RecordReader in(octets, kFormat); x.a = in.number(); x.b = in.text(); if (auto ok = in.end(); !ok) return
///   fail(ok);
class RecordReader {
 public:
  /// Checks checksum and format octet; a mismatch makes `end()` fail with corrupt.
  RecordReader(std::string_view octets, std::uint8_t format);
  [[nodiscard]] std::uint64_t number();
  /// A number at most `max`; a larger one fails the record.
  [[nodiscard]] std::uint64_t number_up_to(std::uint64_t max);
  [[nodiscard]] std::int64_t signed_number();
  [[nodiscard]] std::string text();
  [[nodiscard]] bool flag();
  /// A count of items that follow, each at least one octet: never more than the octets left.
  [[nodiscard]] std::size_t count();
  /// Errors  corrupt: checksum, format, a field that ran out, or octets left over.
  [[nodiscard]] Result<void> end() const;

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace postrider
