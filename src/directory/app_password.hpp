// Passwords that are made here for one program each.
#pragma once

#include "core/random.hpp"
#include "core/secret.hpp"
#include "mail/account_id.hpp"

#include <cstddef>
#include <string>

namespace postrider::directory {

inline constexpr std::size_t kAppPasswordLetters = 24;        // of 32 kinds: 120 bits
inline constexpr std::size_t kAppPasswordNameOctetsMax = 64;  // of its name
inline constexpr std::size_t kAppPasswordIdLetters = 6;       // for commands only

/// `abcdef-ghijkl-mnopqr-stuvwx`: 120 bits.
[[nodiscard]] Secret make_app_password(Random& random);
[[nodiscard]] std::string make_app_password_id(Random& random);

/// What is kept of it, of an account. SHA-256 is enough: nobody can try 2^120 passwords however fast each is, so there
/// is nothing for a slow hash to slow down. Made with the account's number, so that no two accounts have the same. As
/// it may be typed: without the marks between the groups, with blanks, in capitals.
[[nodiscard]] std::string digest_of_app_password(mail::AccountId account, const Secret& password);

}  // namespace postrider::directory
