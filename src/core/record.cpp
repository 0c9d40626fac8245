#include "core/record.hpp"

#include <array>

namespace postrider {

namespace {

template <class T>
void append_big_endian(std::string& out, T value) {
  for (std::size_t shift = sizeof(T) * 8; shift != 0; shift -= 8)
    out += static_cast<char>((value >> (shift - 8)) & 0xFFU);
}

template <class T>
Result<T> read_big_endian(std::string_view octets, std::size_t offset) {
  if (offset > octets.size() || octets.size() - offset < sizeof(T))
    return error(Error::corrupt, "record.number", "key too short");
  T value = 0;
  for (const char c : octets.substr(offset, sizeof(T)))
    value = static_cast<T>((value << 8U) | static_cast<std::uint8_t>(c));
  return value;
}

// Eight octets at a time: table k has the checksum of an octet that k octets of zero follow.
constexpr std::size_t kCrcStep = 8;
using CrcTable = std::array<std::uint32_t, 256>;
constexpr std::array<CrcTable, kCrcStep> kCrcTables = [] {
  std::array<CrcTable, kCrcStep> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1U) ^ 0x82F63B78U : crc >> 1U;
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < kCrcStep; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[k - 1][i];
      tables[k][i] = tables[0][before & 0xFFU] ^ (before >> 8U);
    }
  }
  return tables;
}();

constexpr std::size_t kChecksumOctets = 4;

}  // namespace

void append_u16(std::string& out, std::uint16_t value) { append_big_endian(out, value); }
void append_u32(std::string& out, std::uint32_t value) { append_big_endian(out, value); }
void append_u64(std::string& out, std::uint64_t value) { append_big_endian(out, value); }
Result<std::uint16_t> read_u16(std::string_view octets, std::size_t offset) {
  return read_big_endian<std::uint16_t>(octets, offset);
}
Result<std::uint32_t> read_u32(std::string_view octets, std::size_t offset) {
  return read_big_endian<std::uint32_t>(octets, offset);
}
Result<std::uint64_t> read_u64(std::string_view octets, std::size_t offset) {
  return read_big_endian<std::uint64_t>(octets, offset);
}

std::uint32_t crc32c(std::string_view octets) {
  std::uint32_t crc = ~0U;
  for (; octets.size() >= kCrcStep; octets.remove_prefix(kCrcStep)) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < kCrcStep; ++i) {
      const std::uint32_t before = i < 4 ? crc >> (8 * i) : 0;
      next ^= kCrcTables[kCrcStep - 1 - i][(before ^ static_cast<std::uint8_t>(octets[i])) & 0xFFU];
    }
    crc = next;
  }
  for (const char c : octets) crc = kCrcTables[0][(crc ^ static_cast<std::uint8_t>(c)) & 0xFFU] ^ (crc >> 8U);
  return ~crc;
}

RecordWriter::RecordWriter(std::uint8_t format) { out_ += static_cast<char>(format); }

RecordWriter& RecordWriter::number(std::uint64_t value) {
  while (value >= 0x80) {
    out_ += static_cast<char>((value & 0x7FU) | 0x80U);
    value >>= 7U;
  }
  out_ += static_cast<char>(value);
  return *this;
}

RecordWriter& RecordWriter::signed_number(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  return number((bits << 1U) ^ (value < 0 ? ~std::uint64_t{0} : 0U));
}

RecordWriter& RecordWriter::text(std::string_view octets) {
  number(octets.size());
  out_ += octets;
  return *this;
}

RecordWriter& RecordWriter::flag(bool value) { return number(value ? 1 : 0); }

std::string RecordWriter::finish() && {
  append_u32(out_, crc32c(out_));
  return std::move(out_);
}

RecordReader::RecordReader(std::string_view octets, std::uint8_t format) {
  if (octets.size() < 1 + kChecksumOctets || static_cast<std::uint8_t>(octets.front()) != format) {
    good_ = false;
    return;
  }
  const std::string_view covered = octets.substr(0, octets.size() - kChecksumOctets);
  const Result<std::uint32_t> stored = read_u32(octets, covered.size());
  good_ = stored && *stored == crc32c(covered);
  rest_ = covered.substr(1);
}

std::uint64_t RecordReader::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; good_ && shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto octet = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && octet > 1) break;
    value |= static_cast<std::uint64_t>(octet & 0x7FU) << shift;
    if ((octet & 0x80U) == 0) return value;
  }
  good_ = false;
  return 0;
}

std::uint64_t RecordReader::number_up_to(std::uint64_t max) {
  const std::uint64_t value = number();
  if (value > max) good_ = false;
  return good_ ? value : 0;
}

std::int64_t RecordReader::signed_number() {
  const std::uint64_t bits = number();
  return static_cast<std::int64_t>((bits >> 1U) ^ (~(bits & 1U) + 1U));
}

std::string RecordReader::text() {
  const std::uint64_t length = number();
  if (!good_ || length > rest_.size()) {
    good_ = false;
    return {};
  }
  std::string out(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return out;
}

bool RecordReader::flag() { return number_up_to(1) == 1; }

std::size_t RecordReader::count() { return static_cast<std::size_t>(number_up_to(rest_.size())); }

Result<void> RecordReader::end() const {
  if (!good_ || !rest_.empty()) return error(Error::corrupt, "record", "checksum, format or field does not fit");
  return {};
}

}  // namespace postrider
