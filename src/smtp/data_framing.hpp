// How the octets of a content are read off the wire: DATA with its transparency and end, and the chunks of BDAT.
//
// Only CRLF ends a line and only CRLF.CRLF ends DATA (SECURITY R1). Reading goes on to the true end whatever is wrong
// with the content; `faults()` says afterwards what was. What comes out is the same however the input is cut.
// With BareNewline::normalize a bare CR or LF ends a line too and comes out as CRLF. The line after it is unstuffed as
// any other, but a lone dot in it is content: it ends nothing.
#pragma once

#include "smtp/server_session.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::smtp {

struct ContentFaults {
  bool bare_octet = false;  ///< a NUL, or when they are rejected, a CR without its LF or an LF without its CR
  bool long_line = false;   ///< a line over kDataLineOctetsMax, CRLF included
  [[nodiscard]] bool any() const { return bare_octet || long_line; }
};

class DataFraming {
 public:
  explicit DataFraming(BareNewline bare_newline = BareNewline::reject) : bare_newline_(bare_newline) {}

  /// Takes octets after the DATA command and appends the content in them to `out`. Gives how many it took: all, unless
  /// the content ended there (`ended()`). Nothing of the end mark goes to `out`.
  [[nodiscard]] std::size_t take_data(std::string_view in, std::string& out);
  [[nodiscard]] bool ended() const { return at_ == At::end; }

  /// Takes octets of a chunk (3030), all of them, and appends the content in them to `out`. Lines go on over the
  /// borders of chunks.
  void take_chunk(std::string_view in, std::string& out);
  /// There are no more chunks.
  void finish_chunks(std::string& out);

  /// The most octets to take at once when no more than `out_octets` may come out.
  [[nodiscard]] std::size_t in_octets_max(std::size_t out_octets) const;
  [[nodiscard]] const ContentFaults& faults() const { return faults_; }
  /// Whether there was a CR without its LF or an LF without its CR.
  [[nodiscard]] bool met_bare_newline() const { return met_bare_newline_; }

 private:
  /// after_bare: at the start of a line whose predecessor ended in a bare newline; bare_dot: after its first dot.
  enum class At : std::uint8_t {
    line_start,
    after_dot,
    after_dot_cr,
    in_line,
    after_cr,
    after_bare,
    bare_dot,
    end,
  };
  std::size_t take_line(std::string_view in);
  void count(std::size_t octets);
  void meet_bare_newline();

  std::size_t normalize_data(std::string_view in, std::string& out);
  void normalize_octet(char c, std::string& out);
  void end_bare_line(std::string& out);
  std::size_t normalize_run(std::string_view in, std::string& out);

  BareNewline bare_newline_;
  At at_ = At::line_start;
  ContentFaults faults_;
  bool met_bare_newline_ = false;
  std::size_t line_octets_ = 0;
};

}  // namespace postrider::smtp
