// Notices of Amazon SES that come by mail through SNS: JSON in a text part, at times JSON within JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

struct SesNotice {
  enum class Kind : std::uint8_t { none, bounce, complaint, delivery };
  struct Recipient {
    std::string address;
    std::string action;
    std::string status;
    std::string diagnostic;
  };
  Kind kind = Kind::none;
  std::vector<Recipient> recipients;  ///< at most kReportRecipientsMax
  std::string message_id;             ///< of the message's own header; empty: not said
};

/// Takes the text of a message. Reads the few members that it needs wherever they stand: mail has broken the JSON, by
/// line ends in strings and text behind it. Linear.
[[nodiscard]] SesNotice read_ses_notice(std::string_view text);

}  // namespace postrider::mail
