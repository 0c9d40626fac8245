// The PLAIN mechanism (4616).
#pragma once

#include "core/result.hpp"
#include "core/secret.hpp"

#include <string>
#include <string_view>

namespace postrider::sasl {

struct PlainCredentials {
  std::string authzid;  ///< empty: as authcid
  std::string authcid;
  Secret password;
};

/// Takes the decoded message `[authzid] NUL authcid NUL passwd`. Errors  malformed; too_long: authcid or authzid over
/// 255 octets, password over kPasswordOctetsMax; denied: an authzid that is not the authcid (SECURITY R10).
[[nodiscard]] Result<PlainCredentials> parse_plain(std::string_view message);

}  // namespace postrider::sasl
