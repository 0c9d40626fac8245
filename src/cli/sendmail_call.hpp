// What `sendmail`, `mailq` and `newaliases` were called for (INTERFACE §2).
#pragma once

#include "core/result.hpp"
#include "mail/envelope.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::cli {

// sysexits.h: what callers of sendmail look at.
inline constexpr int kSendmailDone = 0;
inline constexpr int kSendmailUsage = 64;
inline constexpr int kSendmailData = 65;
inline constexpr int kSendmailNoUser = 67;
inline constexpr int kSendmailUnavailable = 69;
inline constexpr int kSendmailSoftware = 70;
inline constexpr int kSendmailTryAgain = 75;
inline constexpr int kSendmailNotPermitted = 77;

struct SendmailCall {
  enum class Mode : std::uint8_t {
    deliver,
    smtp,     ///< -bs: an SMTP session on stdin and stdout
    verify,   ///< -bv: would the recipients be taken?
    list,     ///< -bp, mailq
    flush,    ///< -q: try what waits
    aliases,  ///< -bi, newaliases
  };
  Mode mode = Mode::deliver;
  std::optional<std::string> from;       ///< -f, -r; empty or `<>`: the null reverse-path
  std::string full_name;                 ///< -F: of the From field, where one is made
  bool recipients_from_header = false;   ///< -t
  bool dots_are_text = false;            ///< -i, -oi: a line with a dot alone does not end the message
  bool verbose = false;                  ///< -v: the dialogue is shown
  bool is_gateway = false;               ///< -G: it comes from elsewhere, addresses are complete
  std::string config;                    ///< -C
  std::string flush_what;                ///< -qR…, -qS…, -qI…: with its letter; empty: all
  mail::SenderRequest request;           ///< -R, -V, -B
  std::optional<mail::NotifyOn> notify;  ///< -N
  std::vector<std::string> recipients;   ///< as given
};

/// `program`: the name that it was called by, without directories. Understands what programs give Sendmail and Postfix:
/// options with their argument attached or in the next word, letters in one word (-ti), `--`. What means nothing here
/// (-oem, -n, -L tag and the like) is read and passed over.
/// Errors  malformed: says which option, and what is wrong with it; unsupported: what only a daemon does (-bd).
[[nodiscard]] Result<SendmailCall> parse_sendmail(std::string_view program, const std::vector<std::string>& words);

/// Whether a program of that name is sendmail: "sendmail", "mailq", "newaliases", with directories before.
[[nodiscard]] bool is_sendmail(std::string_view program);

}  // namespace postrider::cli
