// Why a delivery failed, as remote servers put it in words: reply code, enhanced status (3463) and one of few
// categories.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::mail {

inline constexpr std::size_t kReasonOctetsMax =
    2048;  // of a text that is judged; what is behind them counts for nothing

/// What to do about it is the same within one. docs/manual/diagnosis.md says what each means.
enum class BounceCategory : std::uint8_t {
  other,
  user_unknown,
  moved,
  disabled,
  mailbox_full,
  too_big,
  blocked,
  auth,
  relay,
  rate,
  content,
  dns,
  network,
  loop,
  expired,
  protocol,
  system,
  delayed,
  delivered,
  feedback,
  disposition,
  autoreply,
};
/// As `dsn parse` prints it; lower case, stable.
[[nodiscard]] std::string_view name_of(BounceCategory category);

struct ReplyCode {
  std::uint16_t code = 0;  ///< 250 to 253, 400 to 559; 0: the text has none
  std::size_t offset = 0;  ///< of its first digit
};
/// The first SMTP reply code (5321 §4.2) in free text: three digits that stand by themselves.
[[nodiscard]] ReplyCode find_reply_code(std::string_view text);

/// The first enhanced status (3463 §2) in free text, `5.1.1`; one behind a reply code before others. Empty: none.
/// Addresses and version numbers are none.
[[nodiscard]] std::string_view find_enhanced_status(std::string_view text);

/// True for `2.1.5`, `4.4.7`, `5.7.1`: the syntax of 3463 §2.
[[nodiscard]] bool is_enhanced_status(std::string_view text);

/// By what `text` says, else by `status` (3463 §3 and the registry of RFC 5248); both may be empty. Linear.
[[nodiscard]] BounceCategory categorize(std::string_view text, std::string_view status);

}  // namespace postrider::mail
