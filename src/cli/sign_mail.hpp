// `sign dkim`: signs a message from a file (INTERFACE §5).
#pragma once

#include "core/clock.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postrider::cli {

struct SignOptions {
  std::string file;  ///< `-` is stdin
  std::string domain;
  std::vector<std::string> selectors;  ///< one for each of `keys`
  std::vector<std::string> keys;       ///< files in PEM
  std::string headers;                 ///< "from:to:subject"; empty: our own choice
  std::optional<std::int64_t> time;    ///< seconds since 1970; unset: now
  bool json = false;
};

/// Prints the message with its signatures above it, or with `json` one object a signature. Lines end in CRLF as they
/// would be sent. kExitFailed: the message cannot be signed; kExitUsage: an option or a file is not what it should be.
[[nodiscard]] int sign_by_dkim(const SignOptions& options);

}  // namespace postrider::cli
