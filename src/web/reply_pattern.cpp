#include "web/reply_pattern.hpp"

#include <re2/re2.h>

#include <memory>

namespace postrider::web {
namespace {

constexpr std::int64_t kPatternMemoryOctets = 1024 * 1024;  // compiled, with its caches

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Result<std::function<bool(std::string_view)>> parse_reply_pattern(std::string_view expression) {
  if (expression.size() > kPatternOctetsMax) return error(Error::too_long, "web.reply_pattern", "over 1,024 octets");
  RE2::Options options(RE2::Latin1);  // replies are kept as ASCII
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryOctets);
  // shared: a std::function is copied, RE2 is not
  const auto pattern = std::make_shared<const RE2>(piece(expression), options);
  if (!pattern->ok()) return error(Error::malformed, "web.reply_pattern", pattern->error());
  return [pattern](std::string_view reply) { return RE2::PartialMatch(piece(reply), *pattern); };
}

}  // namespace postrider::web
