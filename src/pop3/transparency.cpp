#include "pop3/transparency.hpp"

namespace postrider::pop3 {

void Transparency::append(std::string_view chunk, std::string& out) {
  while (!chunk.empty() && !enough_) {
    const std::size_t newline = chunk.find('\n');
    const std::string_view piece = chunk.substr(0, newline == std::string_view::npos ? newline : newline + 1);
    if (line_octets_ == 0 && piece.front() == '.') out += '.';  // 1939 §3
    out += piece;
    line_octets_ += piece.size();
    // A line ends at CRLF and nowhere else; the CR may have come with the chunk before.
    const bool ends = piece.back() == '\n' && (piece.size() > 1 ? piece[piece.size() - 2] == '\r' : after_cr_);
    after_cr_ = piece.back() == '\r';
    if (ends) end_line();
    chunk.remove_prefix(piece.size());
  }
}

void Transparency::end_line() {
  const bool was_empty = line_octets_ == 2;
  line_octets_ = 0;
  if (!lines_left_) return;
  if (in_header_) {
    in_header_ = !was_empty;
  } else {
    --*lines_left_;
  }
  enough_ = !in_header_ && *lines_left_ == 0;  // 1939 §7: the header section, the blank line, then n lines
}

void Transparency::finish(std::string& out) const {
  if (line_octets_ != 0) out += "\r\n";
  out += ".\r\n";
}

}  // namespace postrider::pop3
