// Log events: a name, keys in a fixed order, outside text quoted and escaped. Sentences belong nowhere.
//
// An event is a struct with `kName`, `kLevel` and `fields(FieldSink&)`:
//   struct AuthFailed {
//     static constexpr std::string_view kName = "auth.failed";
//     static constexpr Level kLevel = Level::warn;
//     std::string_view ip, login;
//     void fields(FieldSink& sink) const { sink.add("ip", ip); sink.add("login", login); }
//   };
// Addresses and our own values come before anything that the remote chose (INTERFACE §4).
#pragma once

#include "core/clock.hpp"
#include "core/secret.hpp"

#include <concepts>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace postrider {

enum class Level : std::uint8_t { debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };
[[nodiscard]] std::string_view name_of(Level level);

/// Collects the fields of one event, already in their written form.
class FieldSink {
 public:
  explicit FieldSink(LogFormat format) : format_(format) {}
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const char* text) { add(key, std::string_view(text)); }
  void add(std::string_view key, const std::string& text) { add(key, std::string_view(text)); }
  template <std::integral N>
  void add(std::string_view key, N number) {
    add_raw(key, std::to_string(number));
  }
  void add(std::string_view key, const Secret& secret) = delete;
  [[nodiscard]] const std::string& written() const { return out_; }

 private:
  void add_raw(std::string_view key, std::string_view raw);
  LogFormat format_;
  std::string out_;
};

/// Where finished lines go.
class LogOutput {
 public:
  virtual ~LogOutput() = default;
  virtual void write_line(std::string_view line) = 0;  ///< one line without its newline; thread-safe
};

/// Lines to a file descriptor that stays open, such as stderr.
[[nodiscard]] std::unique_ptr<LogOutput> make_descriptor_output(int descriptor);

/// The place where all rooms emit. Thread-safe.
class Events {
 public:
  /// `output` null: nothing is written.
  Events(Clock* clock, LogFormat format, Level least, LogOutput* output)
      : clock_(clock), format_(format), least_(least), output_(output) {}

  template <class E>
  void emit(const E& event) {
    if (output_ == nullptr || E::kLevel < least_) return;
    FieldSink sink(format_);
    event.fields(sink);
    write(E::kLevel, E::kName, sink.written());
  }

 private:
  void write(Level level, std::string_view name, std::string_view fields);
  Clock* clock_;
  LogFormat format_;
  Level least_;
  LogOutput* output_;
};

struct TaskFailed {
  static constexpr std::string_view kName = "task.failed";
  static constexpr Level kLevel = Level::error;
  std::string_view task;
  std::string_view what;
  void fields(FieldSink& sink) const {
    sink.add("task", task);
    sink.add("what", what);
  }
};

/// A failure that is safe to go on from; `why` says why. Emitted by `log_if_failed`.
struct FailureIgnored {
  static constexpr std::string_view kName = "failure.ignored";
  static constexpr Level kLevel = Level::warn;
  std::string_view why;
  std::string error;
  void fields(FieldSink& sink) const {
    sink.add("why", why);
    sink.add("error", error);
  }
};

/// Drops a result on purpose: a failure is logged with the reason why it is safe.
template <class T>
void log_if_failed(Events& events, const Result<T>& result, std::string_view why_safe) {
  if (!result) events.emit(FailureIgnored{.why = why_safe, .error = describe(result.error())});
}

}  // namespace postrider
