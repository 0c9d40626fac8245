// Turns a content into the lines of a multi-line reply (1939 §3), chunk by chunk, with the cut of TOP (§7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::pop3 {

/// One message on its way out. Chunks may be cut anywhere; what comes out does not depend on where.
class Transparency {
 public:
  /// `body_lines_max`: TOP's count; nullopt: all of the message.
  explicit Transparency(std::optional<std::uint64_t> body_lines_max) : lines_left_(body_lines_max) {}

  /// Adds `chunk` to `out`, with a dot before each line that begins with one. Stops where TOP has enough. At most
  /// doubles the octets.
  void append(std::string_view chunk, std::string& out);
  /// TOP has all its lines: what still comes is ignored.
  [[nodiscard]] bool enough() const { return enough_; }
  /// Ends the last line where the message did not, and adds the final dot.
  void finish(std::string& out) const;

 private:
  void end_line();

  std::optional<std::uint64_t> lines_left_;
  std::uint64_t line_octets_ = 0;  // of the line that has begun
  bool after_cr_ = false;
  bool in_header_ = true;
  bool enough_ = false;
};

}  // namespace postrider::pop3
