// Reads the replies of a remote server (5321 §4.2) within the limits of LIMITS.md "remote reply".
#pragma once

#include "core/result.hpp"
#include "smtp/reply.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::smtp {

class ReplyReader {
 public:
  /// Takes octets from the front of `in` until a reply is whole. Gives nullopt when all were taken and more are needed.
  /// The enhanced status is taken out of the text when its class is that of the code; lines end in CRLF only; the text
  /// becomes printable ASCII. After an error the reader is spent.
  /// Errors  malformed: no reply with a code of 2yz-5yz, or lines with different codes; too_long: over a limit.
  [[nodiscard]] Result<std::optional<Reply>> take(std::string_view& in);
  /// Octets of a reply that is not whole yet were taken.
  [[nodiscard]] bool has_begun() const { return octets_ != 0; }

 private:
  [[nodiscard]] Result<bool> take_line(std::string_view line);

  std::string line_;  // begun; empty, without capacity, between replies
  Reply reply_;
  std::size_t octets_ = 0;
  std::size_t lines_ = 0;
};

}  // namespace postrider::smtp
