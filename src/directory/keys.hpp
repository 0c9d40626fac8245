// The keys of this room, all under the prefix "A"; numbers are big-endian. No domain or local part holds a NUL.
#pragma once

#include "core/record.hpp"
#include "core/text.hpp"
#include "mail/account_id.hpp"
#include "mail/address.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::directory::keys {

/// Addresses that compare equal have the same folded text: domain, NUL, local part in lower case.
inline std::string folded(const mail::Address& address) {
  return address.domain().text() + '\0' + lowered_ascii(address.local_part());
}

/// The record of a domain.
inline store::Key domains() { return "Ad"; }
inline store::Key domain(const mail::Domain& name) { return domains() + name.text(); }
/// The record of an account.
inline store::Key accounts() { return "Aa"; }
inline store::Key accounts_of(const mail::Domain& domain) { return accounts() + domain.text() + '\0'; }
inline store::Key account(const mail::Address& address) { return accounts() + folded(address); }
/// The accounts of a domain in the order in which they were made → their addresses.
inline store::Key order_of(const mail::Domain& domain) { return "Ao" + domain.text() + '\0'; }
inline store::Key order(const mail::Domain& domain, mail::AccountId id) {
  store::Key key = order_of(domain);
  append_u64(key, static_cast<std::uint64_t>(id));
  return key;
}
/// The record of an alias.
inline store::Key aliases() { return "Al"; }
inline store::Key aliases_of(const mail::Domain& domain) { return aliases() + domain.text() + '\0'; }
inline store::Key alias(const mail::Address& address) { return aliases() + folded(address); }
/// The DKIM keys of a domain, all in one record: few, and read together whenever one is needed.
inline store::Key dkim_keys(const mail::Domain& domain) { return "Ak" + domain.text(); }
/// The app passwords of an account, by their ids.
inline store::Key app_passwords_of(mail::AccountId account) {
  store::Key key = "Ap";
  append_u64(key, static_cast<std::uint64_t>(account));
  return key;
}
inline store::Key app_password(mail::AccountId account, std::string_view id) {
  return app_passwords_of(account) + std::string(id);
}
/// What makes the salts that logins get which nobody has: 32 random octets, the same for good.
inline store::Key fake_secret() { return "Af"; }
/// The id of the next account.
inline store::Key next_account() { return "As"; }

}  // namespace postrider::directory::keys
