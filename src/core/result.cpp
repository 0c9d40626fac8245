#include "core/result.hpp"

#include <fmt/format.h>

namespace postrider {

std::string_view name_of(Error::Code code) {
  switch (code) {
    case Error::malformed: return "malformed";
    case Error::too_long: return "too_long";
    case Error::unsupported: return "unsupported";
    case Error::not_found: return "not_found";
    case Error::denied: return "denied";
    case Error::conflict: return "conflict";
    case Error::transient: return "transient";
    case Error::timeout: return "timeout";
    case Error::cancelled: return "cancelled";
    case Error::closed: return "closed";
    case Error::exhausted: return "exhausted";
    case Error::corrupt: return "corrupt";
  }
  return "unknown";
}

std::string describe(const Error& failure) {
  if (failure.detail.empty()) return fmt::format("{} ({})", failure.place, name_of(failure.code));
  return fmt::format("{}: {} ({})", failure.place, failure.detail, name_of(failure.code));
}

bool is_transient(Error::Code code) {
  switch (code) {
    case Error::transient:
    case Error::timeout:
    case Error::cancelled:
    case Error::closed:
    case Error::exhausted:
    case Error::conflict: return true;
    case Error::malformed:
    case Error::too_long:
    case Error::unsupported:
    case Error::not_found:
    case Error::denied:
    case Error::corrupt: return false;
  }
  return false;
}

}  // namespace postrider
