#include "cli/print.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace postrider::cli {

void print_line(std::string_view line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void print_error(std::string_view what) { fmt::print(stderr, "postrider: {}\n", what); }

int report(const Error& failure) {
  print_error(describe(failure));
  switch (failure.code) {
    case Error::not_found: return kExitNotFound;
    case Error::denied: return kExitNotPermitted;
    case Error::malformed:
    case Error::unsupported: return kExitUsage;
    case Error::transient:
    case Error::timeout:
    case Error::exhausted: return kExitTryAgain;
    case Error::too_long:
    case Error::conflict:
    case Error::cancelled:
    case Error::closed:
    case Error::corrupt: return kExitFailed;
  }
  return kExitFailed;
}

}  // namespace postrider::cli
