// The number of an account: never used again after the account is gone.
#pragma once

#include <cstdint>

namespace postrider::mail {

enum class AccountId : std::uint64_t {};

}  // namespace postrider::mail
