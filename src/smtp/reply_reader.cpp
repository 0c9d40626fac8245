#include "smtp/reply_reader.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace postrider::smtp {

namespace {

constexpr std::string_view kPlace = "smtp.reply";

/// The enhanced status code at the start of `text` (2034 §4), or nothing: class "." 1*3digit "." 1*3digit.
std::string_view enhanced_status(std::string_view text, int code) {
  const std::string_view status = text.substr(0, text.find(' '));
  const std::vector<std::string_view> parts = split(status, '.');
  const auto is_number = [](std::string_view part) {
    return !part.empty() && part.size() <= 3 && std::ranges::all_of(part, &is_digit_ascii);
  };
  if (parts.size() != 3 || !std::ranges::all_of(parts, is_number)) return {};
  if (parts[0].size() != 1 || parts[0].front() - '0' != code / 100) return {};
  return status;
}

}  // namespace

Result<std::optional<Reply>> ReplyReader::take(std::string_view& in) {
  while (!in.empty()) {
    const std::size_t lf = in.find('\n');
    const std::string_view piece = in.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    octets_ += piece.size();
    if (octets_ > kRemoteReplyOctetsMax) return error(Error::too_long, kPlace, "reply over 64 KiB");
    line_ += piece;
    in.remove_prefix(piece.size());
    if (lf == std::string_view::npos) break;
    if (!line_.ends_with("\r\n")) return error(Error::malformed, kPlace, "bare LF");
    const std::string line = std::exchange(line_, std::string());
    const Result<bool> last = take_line(std::string_view(line).substr(0, line.size() - 2));
    if (!last) return fail(last);
    if (!*last) continue;
    octets_ = 0;
    lines_ = 0;
    return std::exchange(reply_, Reply{});
  }
  return std::nullopt;
}

/// Gives true for the last line of a reply (5321 §4.2.1).
Result<bool> ReplyReader::take_line(std::string_view line) {
  if (++lines_ > kRemoteReplyLinesMax) return error(Error::too_long, kPlace, "reply over 512 lines");
  const bool has_code =
      line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit_ascii(line[1]) && is_digit_ascii(line[2]);
  if (!has_code) return error(Error::malformed, kPlace, "no code of 2yz-5yz");
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  const bool last = line.size() == 3 || line[3] == ' ';
  if (!last && line[3] != '-') return error(Error::malformed, kPlace, "neither blank nor '-' after the code");
  std::string_view text = line.substr(std::min<std::size_t>(4, line.size()));
  const std::string_view status = enhanced_status(text, code);
  if (lines_ == 1) {
    reply_.code = code;
    reply_.enhanced = status;
  } else {
    if (code != reply_.code) return error(Error::malformed, kPlace, "lines with different codes");
    reply_.text += '\n';
  }
  if (!status.empty() && status == reply_.enhanced) text = text.substr(std::min(status.size() + 1, text.size()));
  reply_.text += printable_ascii(text, text.size());
  return last;
}

}  // namespace postrider::smtp
