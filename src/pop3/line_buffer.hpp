// What came from the client and is not yet a command.
#pragma once

#include "core/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace postrider::pop3 {

/// Holds octets until they are lines. Work is linear in the octets, however they are cut.
class LineBuffer {
 public:
  void append(std::string_view octets);
  /// The next line without its CRLF, valid until the next call of anything here; nullopt: none is complete.
  /// Errors  too_long: a line, complete or not, over `octets_max` (CRLF not counted).
  [[nodiscard]] Result<std::optional<std::string_view>> next_line(std::size_t octets_max);
  /// Octets that no line was made of yet.
  [[nodiscard]] std::size_t held_octets() const { return octets_.size() - begin_; }
  /// Forgets what is held and gives back its memory.
  void clear() { *this = LineBuffer(); }

 private:
  std::string octets_;
  std::size_t begin_ = 0;    // of the first line not given
  std::size_t scanned_ = 0;  // no CRLF begins between begin_ and here
};

}  // namespace postrider::pop3
