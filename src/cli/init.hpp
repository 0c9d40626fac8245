// `postrider init`: a directory that `serve` can start from.
#pragma once

#include "cli/config.hpp"
#include "core/random.hpp"

#include <string>
#include <vector>

namespace postrider::cli {

struct InitOptions {
  std::string directory;
  std::string domain;
  std::string hostname;               ///< empty: mx.DOMAIN
  std::vector<std::string> accounts;  ///< "alice" or "alice@example.test"; empty: "postmaster"
  bool if_missing = false;            ///< an existing directory is completed, not refused
};

[[nodiscard]] int run_init(const InitOptions& options);

/// 20 characters that are easy to read aloud: about 99 bits.
[[nodiscard]] std::string make_password(Random& random);

}  // namespace postrider::cli
