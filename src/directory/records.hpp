// The stored values of this room.
#pragma once

#include "core/result.hpp"
#include "directory/directory.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::directory {

/// An account with what only authentication may see.
struct StoredAccount {
  Account account;
  std::string password_hash;
};

/// Errors of all decoders  corrupt.
[[nodiscard]] std::string encode_domain(const DomainRecord& domain);
[[nodiscard]] Result<DomainRecord> decode_domain(std::string_view value);
[[nodiscard]] std::string encode_account(const StoredAccount& account);
[[nodiscard]] Result<StoredAccount> decode_account(std::string_view value);
[[nodiscard]] std::string encode_alias(const AliasRecord& alias);
[[nodiscard]] Result<AliasRecord> decode_alias(std::string_view value);
[[nodiscard]] std::string encode_account_id(mail::AccountId id);
[[nodiscard]] Result<mail::AccountId> decode_account_id(std::string_view value);
[[nodiscard]] std::string encode_address(const mail::Address& address);
[[nodiscard]] Result<mail::Address> decode_address(std::string_view value);

}  // namespace postrider::directory
