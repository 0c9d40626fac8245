// Bounces in free text, as they were before 3464 and still are: whom they are about, and what the remote said.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kBounceTextOctetsMax = 256 * 1024;  // that are read; ours
inline constexpr std::size_t kBounceLinesMax = 5000;             // that are read; ours
inline constexpr std::size_t kBounceLineOctetsMax = 2000;        // of a line that are read; ours
inline constexpr std::size_t kBounceRecipientsMax = 1000;        // LIMITS.md "recipients a transaction"

struct TextRecipient {
  std::string address;
  std::string original;  ///< `(generated from a@b)`, `(expanded from: <a@b>)`; empty: not said
  std::string reason;    ///< what stands behind it, one line; empty: nothing
};

struct BounceText {
  std::vector<TextRecipient> recipients;  ///< in order, each address once
  std::string reason;                     ///< all that the notice says, one line
  std::string_view returned;  ///< of the text: the message that it is about, or its header section; may be empty
  bool failure = false;       ///< it says that something was not delivered
  bool delay = false;         ///< it says that something is not delivered yet
  bool transcript = false;    ///< it quotes an SMTP session: a reply and RCPT TO
};

/// Takes the text for people of a message that may be a bounce, UTF-8; whether it is one, others decide. Knows no
/// product: an address that begins a line, or stands behind words such as `Recipient:` or `message to`, is a recipient,
/// and the text up to the next one is its reason. Linear.
[[nodiscard]] BounceText read_bounce_text(std::string_view text);

}  // namespace postrider::mail
