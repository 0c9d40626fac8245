#include "sasl/plain.hpp"

#include "core/text.hpp"
#include "sasl/password.hpp"

namespace postrider::sasl {

namespace {

constexpr std::size_t kIdentityOctetsMax = 255;  // 4616 §2

}  // namespace

Result<PlainCredentials> parse_plain(std::string_view message) {
  const std::vector<std::string_view> pieces = split(message, '\0');
  if (pieces.size() != 3) return error(Error::malformed, "sasl.plain", "want [authzid] NUL authcid NUL passwd");
  const std::string_view authzid = pieces[0];
  const std::string_view authcid = pieces[1];
  const std::string_view password = pieces[2];
  if (authcid.empty() || password.empty())
    return error(Error::malformed, "sasl.plain", "empty authcid or passwd");  // §2
  if (authzid.size() > kIdentityOctetsMax || authcid.size() > kIdentityOctetsMax ||
      password.size() > kPasswordOctetsMax) {
    return error(Error::too_long, "sasl.plain");
  }
  if (!authzid.empty() && authzid != authcid) return error(Error::denied, "sasl.plain", "authzid is not the authcid");
  return PlainCredentials{std::string(authzid), std::string(authcid), Secret(std::string(password))};
}

}  // namespace postrider::sasl
