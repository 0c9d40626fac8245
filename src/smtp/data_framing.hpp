// How the octets of a content are read off the wire: DATA with its transparency and end, and the chunks of BDAT.
//
// Only CRLF ends a line and only CRLF.CRLF ends DATA (SECURITY R1). Reading goes on to the true end whatever is wrong
// with the content; `faults()` says afterwards what was. What comes out is the same however the input is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::smtp {

struct ContentFaults {
  bool bare_octet = false;  ///< a CR without its LF, an LF without its CR, or a NUL
  bool long_line = false;   ///< a line over kDataLineOctetsMax, CRLF included
  [[nodiscard]] bool any() const { return bare_octet || long_line; }
};

class DataFraming {
 public:
  /// Takes octets after the DATA command and appends the content in them to `out`. Gives how many it took: all, unless
  /// the content ended there (`ended()`). Nothing of the end mark goes to `out`; at most `in.size()` octets do.
  [[nodiscard]] std::size_t take_data(std::string_view in, std::string& out);
  [[nodiscard]] bool ended() const { return at_ == At::end; }

  /// Takes octets of a chunk (3030): all of them, as they are. Lines go on over the borders of chunks.
  void take_chunk(std::string_view in);
  /// There are no more chunks.
  void finish_chunks();

  [[nodiscard]] const ContentFaults& faults() const { return faults_; }

 private:
  enum class At : std::uint8_t { line_start, after_dot, after_dot_cr, in_line, after_cr, end };
  std::size_t take_line(std::string_view in);
  void count(std::size_t octets);

  At at_ = At::line_start;
  ContentFaults faults_;
  std::size_t line_octets_ = 0;
};

}  // namespace postrider::smtp
