#include "pop3/line_buffer.hpp"

namespace postrider::pop3 {

void LineBuffer::append(std::string_view octets) {
  octets_.erase(0, begin_);  // once for what one read brought, so many short lines stay linear
  scanned_ -= begin_;
  begin_ = 0;
  octets_ += octets;
}

Result<std::optional<std::string_view>> LineBuffer::next_line(std::size_t octets_max) {
  const std::string_view all = octets_;
  const std::size_t end = all.find("\r\n", scanned_);
  if (end == std::string_view::npos) {
    if (begin_ > 0) {  // an idle session holds no buffer (LIMITS.md): what is left gets one of its size
      std::string(all.substr(begin_)).swap(octets_);
      scanned_ -= begin_;
      begin_ = 0;
      return next_line(octets_max);
    }
    // A CR at the very end may be half of a CRLF: look at it again, and do not count it.
    const std::size_t half = all.size() > begin_ && all.back() == '\r' ? 1 : 0;
    scanned_ = all.size() - half;
    if (scanned_ - begin_ > octets_max) return error(Error::too_long, "pop3.line");
    return std::optional<std::string_view>();
  }
  const std::string_view line = all.substr(begin_, end - begin_);
  if (line.size() > octets_max) return error(Error::too_long, "pop3.line");
  begin_ = end + 2;
  scanned_ = begin_;
  return std::optional<std::string_view>(line);
}

}  // namespace postrider::pop3
