#include "core/check.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace postrider {

void check_failed(std::string_view what, const std::source_location& where) {
  fmt::print(stderr, "postrider: internal error: {} ({}:{} in {})\n", what, where.file_name(), where.line(),
             where.function_name());
  std::fflush(stderr);
  std::abort();
}

}  // namespace postrider
