#include "core/events.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace postrider {

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "unknown";
}

namespace {

/// Text that may stand unquoted: visible ASCII that no reader of key=value lines trips over.
bool is_plain(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '='; });
}

}  // namespace

void FieldSink::add(std::string_view key, std::string_view text) {
  if (format_ == LogFormat::text && is_plain(text)) return add_raw(key, text);
  add_raw(key, json_quoted(text));
}

void FieldSink::add_raw(std::string_view key, std::string_view raw) {
  if (format_ == LogFormat::json) {
    out_ += fmt::format(",\"{}\":{}", key, raw);
  } else {
    out_ += fmt::format(" {}={}", key, raw);
  }
}

void Events::write(Level level, std::string_view name, std::string_view fields) {
  const std::string time = to_rfc3339(clock_->wall());
  if (format_ == LogFormat::json) {
    output_->write_line(
        fmt::format(R"({{"v":1,"time":"{}","level":"{}","event":"{}"{}}})", time, name_of(level), name, fields));
  } else {
    output_->write_line(fmt::format("{} {} {}{}", time, name_of(level), name, fields));
  }
}

namespace {

class DescriptorOutput final : public LogOutput {
 public:
  explicit DescriptorOutput(int descriptor) : descriptor_(descriptor) {}

  void write_line(std::string_view line) override {
    std::string whole(line);
    whole += '\n';
    const std::scoped_lock lock(mutex_);
    std::string_view rest = whole;
    while (!rest.empty()) {
      const ssize_t put = ::write(descriptor_, rest.data(), rest.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return;  // a log that cannot be written stops nobody
      rest.remove_prefix(static_cast<std::size_t>(put));
    }
  }

 private:
  std::mutex mutex_;
  int descriptor_;
};

}  // namespace

std::unique_ptr<LogOutput> make_descriptor_output(int descriptor) {
  return std::make_unique<DescriptorOutput>(descriptor);
}

}  // namespace postrider
