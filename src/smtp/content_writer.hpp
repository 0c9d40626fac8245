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

}  // namespace postrider::smtp
