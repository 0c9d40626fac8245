// How commands answer: columns for people, JSON objects for programs, failures with what to do about them.
#pragma once

#include "core/result.hpp"
#include "web/admin.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::web {

/// Builds one JSON object from front to back.
class JsonObject {
 public:
  JsonObject& text(std::string_view key, std::string_view value);
  /// null when there is none.
  JsonObject& text_or_null(std::string_view key, const std::optional<std::string>& value);
  JsonObject& number(std::string_view key, std::uint64_t value);
  JsonObject& flag(std::string_view key, bool value);
  JsonObject& time(std::string_view key, WallTime value);
  JsonObject& texts(std::string_view key, const std::vector<std::string>& values);
  JsonObject& objects(std::string_view key, const std::vector<JsonObject>& values);
  [[nodiscard]] std::string to_text() const { return members_ + "}"; }

 private:
  void add(std::string_view key, std::string_view json);
  std::string members_ = "{";
};

/// An object of the output, which starts with "v":1.
[[nodiscard]] JsonObject json_line();

/// Outside text for a terminal: printable ASCII.
[[nodiscard]] std::string shown(std::string_view outside);

/// Rows with the columns one under the other; the last column is not padded.
[[nodiscard]] std::vector<std::string> aligned(const std::vector<std::vector<std::string>>& rows);

/// Adds what was done: the sentence, or {"v":1,<kind>:<name>,"done":<verb>}.
struct Deed {
  std::string_view kind;  ///< "domain"
  std::string name;       ///< "example.test"
  std::string_view verb;  ///< "added"
};
void add_deed(AdminReply& reply, OutputFormat format, const Deed& deed);

/// What to do about a failure, where the command knows better than its code.
struct Advice {
  std::string_view not_found = "check the spelling";
  std::string_view conflict = "nothing was changed";
  int conflict_exit = 1;
};
/// Adds "what: why (what to do)" to `error`; the first failure gives the exit code.
void add_failure(AdminReply& reply, std::string_view what, const Error& why, const Advice& advice);
/// A reply that says how the command is used: exit 2.
[[nodiscard]] AdminReply used_wrongly(std::string_view what, std::string_view why, std::string_view advice);

}  // namespace postrider::web
