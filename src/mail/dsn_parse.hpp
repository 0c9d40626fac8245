// What a report says: delivery status (3464, 6533), bounces in free text, dispositions (8098), feedback (5965) and
// automatic replies (3834), read into one form.
#pragma once

#include "mail/bounce_reason.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

inline constexpr std::size_t kReportRecipientsMax = 1000;  // LIMITS.md "recipients a transaction"; more are left out
inline constexpr std::size_t kReportDiagnosticOctetsMax = 1024;  // of what the remote said; ours. The rest is cut
inline constexpr std::size_t kReportPartsMax =
    64;  // parts of the report that are read, those of what it returns not; ours

enum class ReportKind : std::uint8_t {
  none,       ///< no report
  dsn,        ///< has the fields of 3464, or is a machine's notice of the same (Amazon SES)
  bounce,     ///< free text
  mdn,        ///< disposition notification (8098, 3798)
  arf,        ///< a complaint or an authentication failure (5965, 6591)
  autoreply,  ///< sent by a machine in a person's name (3834)
};
[[nodiscard]] std::string_view name_of(ReportKind kind);

/// By the class of the status: 5 is hard, 4 soft. `unknown` is everything else: success, dispositions, feedback.
enum class BounceClass : std::uint8_t { unknown, hard, soft };
[[nodiscard]] std::string_view name_of(BounceClass c);

// All texts are UTF-8 without control characters.
struct ReportedRecipient {
  std::string final;     ///< an address as it was written, without brackets and type; what is no address, as text
  std::string original;  ///< the same of what the sender gave; empty: not said
  std::string action;    ///< 3464 §2.3.3; of an mdn its disposition, of feedback its type; lower case; empty: not said
  std::string status;    ///< 3463; where only a reply code or the words are known, `4.0.0` or `5.0.0`; empty: none
  std::uint16_t code = 0;  ///< of the remote's reply; 0: not known
  std::string diagnostic;  ///< what the remote said, one line; empty: nothing
  BounceClass bounce_class = BounceClass::unknown;
  BounceCategory category = BounceCategory::other;
};

struct ParsedReport {
  ReportKind kind = ReportKind::none;
  std::vector<ReportedRecipient> recipients;
  std::string original_message_id;  ///< without angle brackets; empty: not found
};

/// Takes a whole message, whatever it is; line ends as parse_mime. Never fails. Linear; memory beside the MIME tree is
/// bounded by the constants of the headers that it includes.
[[nodiscard]] ParsedReport parse_report(std::string_view message);

}  // namespace postrider::mail
