// The stored values of this room.
#pragma once

#include "core/result.hpp"
#include "directory/directory.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::directory {

/// An account with what only authentication may see.
struct StoredAccount {
  Account account;
  std::string password_hash = {};  ///< argon2id of ours; empty: the password was never seen here
  std::string imported_hash = {};  ///< came from elsewhere; empty: none. Ours, where there is one, counts
  std::optional<sasl::ScramKeys> scram_sha1 = std::nullopt;
  std::optional<sasl::ScramKeys> scram_sha256 = std::nullopt;
  std::uint64_t passwords = 0;    ///< how many were set before this one: tells a new password from a better hash
  Source source = Source::store;  ///< `file`: counts only as long as the file has the account
};

/// An app password with what it is known by.
struct StoredAppPassword {
  AppPassword record;
  std::string digest;  ///< app_password.hpp
};

/// Errors of all decoders  corrupt.
[[nodiscard]] std::string encode_domain(const DomainRecord& domain);
[[nodiscard]] Result<DomainRecord> decode_domain(std::string_view value);
[[nodiscard]] std::string encode_account(const StoredAccount& account);
[[nodiscard]] Result<StoredAccount> decode_account(std::string_view value);
[[nodiscard]] std::string encode_app_password(const StoredAppPassword& stored);
[[nodiscard]] Result<StoredAppPassword> decode_app_password(std::string_view value);
[[nodiscard]] std::string encode_alias(const AliasRecord& alias);
[[nodiscard]] Result<AliasRecord> decode_alias(std::string_view value);
[[nodiscard]] std::string encode_account_id(mail::AccountId id);
[[nodiscard]] Result<mail::AccountId> decode_account_id(std::string_view value);
[[nodiscard]] std::string encode_address(const mail::Address& address);
[[nodiscard]] Result<mail::Address> decode_address(std::string_view value);

}  // namespace postrider::directory
