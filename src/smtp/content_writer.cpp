#include "smtp/content_writer.hpp"

namespace postrider::smtp {

namespace {
std::unexpected<Error> bare_octet() { return error(Error::malformed, "smtp.content", "bare CR or LF"); }
}  // namespace

Result<void> ContentWriter::write(std::string_view content, std::string& out) {
  if (content.empty()) return {};
  if (at_ == At::after_cr) {
    if (content.front() != '\n') return bare_octet();
    out += "\r\n";
    at_ = At::line_start;
    content.remove_prefix(1);
  }
  while (!content.empty()) {
    if (at_ == At::line_start && content.front() == '.') out += '.';  // 5321 §4.5.2
    const std::size_t lf = content.find('\n');
    const std::string_view line = content.substr(0, lf);  // may end in the CR of the line end, nowhere else has it one
    const std::size_t cr = line.find('\r');
    if (cr != std::string_view::npos && cr != line.size() - 1) return bare_octet();
    if (lf == std::string_view::npos) {
      const bool waits = cr != std::string_view::npos;
      out += line.substr(0, cr);
      at_ = waits ? At::after_cr : At::in_line;
      return {};
    }
    if (cr == std::string_view::npos) return bare_octet();
    out += content.substr(0, lf + 1);
    at_ = At::line_start;
    content.remove_prefix(lf + 1);
  }
  return {};
}

Result<void> ContentWriter::finish(std::string& out) {
  if (at_ == At::after_cr) return bare_octet();
  if (at_ == At::in_line) out += "\r\n";
  out += ".\r\n";  // 5321 §4.1.1.4
  return {};
}

Result<void> LineEnds::take(std::string_view content) {
  while (!content.empty()) {
    const std::size_t lf = content.find('\n');
    const std::string_view line = content.substr(0, lf);  // may end in the CR of the line end, nowhere else has it one
    const std::size_t cr = line.find('\r');
    if (after_cr_ && lf != 0) return bare_octet();
    if (cr != std::string_view::npos && cr != line.size() - 1) return bare_octet();
    if (lf == std::string_view::npos) {
      after_cr_ = cr != std::string_view::npos;
      return {};
    }
    if (cr == std::string_view::npos && !after_cr_) return bare_octet();
    after_cr_ = false;
    content.remove_prefix(lf + 1);
  }
  return {};
}

Result<void> LineEnds::finish() const {
  if (after_cr_) return bare_octet();
  return {};
}

}  // namespace postrider::smtp
