#include "smtp/reply.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::smtp {

namespace {
constexpr std::size_t kReplyTextOctetsMax = 500;  // with code and CRLF 512 (5321 §4.5.3.1.5)
}

std::string to_wire(const Reply& reply) {
  std::string out;
  std::string_view rest = reply.text;
  while (true) {
    const std::size_t end = rest.find('\n');
    const bool last = end == std::string_view::npos;
    std::string line =
        reply.enhanced.empty() ? std::string() : printable_ascii(reply.enhanced, kReplyTextOctetsMax) + ' ';
    line += printable_ascii(rest.substr(0, end), kReplyTextOctetsMax);
    out +=
        fmt::format("{}{}{}\r\n", reply.code, last ? ' ' : '-', std::string_view(line).substr(0, kReplyTextOctetsMax));
    if (last) return out;
    rest.remove_prefix(end + 1);
  }
}

std::string to_line(const Reply& reply) {
  std::string text = reply.text;
  std::ranges::replace(text, '\n', ' ');
  text = printable_ascii(text, text.size());
  if (reply.enhanced.empty()) return fmt::format("{} {}", reply.code, text);
  return fmt::format("{} {} {}", reply.code, reply.enhanced, text);
}

}  // namespace postrider::smtp
