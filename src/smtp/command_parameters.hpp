// The parameters of MAIL and RCPT (5321 §4.1.1.11 and the extensions), and the attributes of XCLIENT.
#pragma once

#include "smtp/command.hpp"

#include <optional>
#include <string_view>

namespace postrider::smtp {

/// The longest hold of FUTURERELEASE (4865 §3): what is held longer would expire in the queue (LIMITS.md "lifetime").
inline constexpr std::chrono::seconds kHoldMax = std::chrono::hours(5 * 24);

[[nodiscard]] RefusedCommand refused(int code, std::string enhanced, std::string text);

/// Takes what stands after the path and its blank; several blanks are let pass. Gives the refusal, if any: 555 of what
/// is not known or not offered to this peer, 501 of a wrong value or what is said twice.
[[nodiscard]] std::optional<RefusedCommand> take_mail_parameters(std::string_view text, const CommandContext& context,
                                                                 MailParameters& out);
[[nodiscard]] std::optional<RefusedCommand> take_rcpt_parameters(std::string_view text, const CommandContext& context,
                                                                 mail::RecipientRequest& out);

/// `NAME=value …`, one at least, each once, the values in xtext. Gives the refusal, if any.
[[nodiscard]] std::optional<RefusedCommand> take_xclient_attributes(std::string_view text, XclientAttributes& out);

/// A date-time of 3339 §5.6; a leap second is the second before. Errors  malformed.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace postrider::smtp
