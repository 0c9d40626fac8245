// How a content is written onto the wire after DATA: CRLF lines with their transparency (5321 §4.5.2).
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::smtp {

class ContentWriter {
 public:
  /// Appends what is sent for `content` to `out`. What the content is cut at does not matter; a CR at the end of a
  /// chunk is kept back until its LF comes, so that no CR or LF is ever written but as CRLF (SECURITY R1). Errors
  /// malformed: a bare CR or LF; `out` is not to be sent, and the writer is spent.
  [[nodiscard]] Result<void> write(std::string_view content, std::string& out);
  /// Appends the end mark, after the CRLF that the content may lack (3030 lets it). Errors  malformed: a CR was left.
  [[nodiscard]] Result<void> finish(std::string& out);

 private:
  enum class At : std::uint8_t { line_start, in_line, after_cr };
  At at_ = At::line_start;
};

/// For a content that is sent as it is, in chunks (3030), and yet is text: are its lines ended by CRLF only?
class LineEnds {
 public:
  /// What the content is cut at does not matter, but for a CR at the end of a chunk, which waits for its LF. Errors
  /// malformed: a bare CR or LF (SECURITY R1).
  [[nodiscard]] Result<void> take(std::string_view content);
  /// Errors  malformed: the content ends in a bare CR.
  [[nodiscard]] Result<void> finish() const;

 private:
  bool after_cr_ = false;
};

}  // namespace postrider::smtp
