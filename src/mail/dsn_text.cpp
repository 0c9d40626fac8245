#include "mail/dsn_text.hpp"

#include "core/text.hpp"
#include "mail/xtext.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::mail {

namespace {

constexpr std::size_t kOutsideTextOctetsMax =
    900;                                  // of one quoted line: below 998 with what stands before it (5322 §2.1.1)
constexpr std::size_t kLineColumns = 76;  // where text is broken at blanks (5322 §2.1.1)

// From the gravest to the best.
constexpr auto kActions = std::to_array<DsnAction>(
    {DsnAction::failed, DsnAction::delayed, DsnAction::expanded, DsnAction::relayed, DsnAction::delivered});

DsnAction action_of(const DsnInput& input, const DsnRecipient& recipient) {
  return recipient.action.value_or(input.action);
}

struct Advice {
  std::string_view detail;  ///< of the status, behind its class: `1.1`, or `1.` for the rest of a subject
  std::string_view text;
};

// 3463 §3 and the registry of 5248, in words that help; more exact rows stand first.
constexpr auto kAdvice = std::to_array<Advice>({
    {"1.2", "There is no such domain. Check what stands behind the @, and send the message again."},
    {"1.6", "The mailbox has moved, and nobody said where to. Ask the recipient for the new address."},
    {"1.7", "The other side does not take the address that the message is from. Ask your postmaster."},
    {"1.8", "The other side does not take the address that the message is from. Ask your postmaster."},
    {"1.10", "This domain takes no mail at all. Check what stands behind the @."},
    {"1.", "There is no such mailbox. Check the address for mistakes, and send the message again."},
    {"2.1", "The mailbox is disabled. Reach the recipient in another way."},
    {"2.2", "The recipient's mailbox is full. Send the message again later, or tell the recipient in another way."},
    {"2.3", "The message is too big for this mailbox. Send less at once, or a link."},
    {"2.", "The mailbox could not take the message. Reach the recipient in another way."},
    {"3.4", "The message is too big for the other side. Send less at once, or a link."},
    {"3.", "The other side's mail system is in trouble. Send the message again later."},
    {"4.3",
     "The domain's names could not be looked up. Check what stands behind the @; if it is right, send the "
     "message again later."},
    {"4.4", "No way to this domain was found. Check what stands behind the @."},
    {"4.6", "The message went in circles between mail systems. The recipient's postmaster has to mend that."},
    {"4.", "The other side could not be reached. If it still matters, send the message again later."},
    {"5.3", "The message has too many recipients for the other side. Send it to fewer at once."},
    {"5.", "The two mail systems did not understand each other. Your postmaster can find out why."},
    {"6.7", "The other side cannot handle addresses that are not ASCII. Ask the recipient for another address."},
    {"6.8", "The other side cannot handle addresses that are not ASCII. Ask the recipient for another address."},
    {"6.9", "The other side cannot handle addresses that are not ASCII. Ask the recipient for another address."},
    {"6.", "The other side cannot handle or does not want the message's content or its form."},
    {"7.",
     "The other side refuses the message by its policy. If its words above do not say what to do, ask your "
     "postmaster, or the recipient in another way."},
});
constexpr std::string_view kNoAdvice =
    "The other side does not take the message. If its words above do not help, ask your postmaster.";

/// `5 days`, `4 hours`.
std::string duration_text(std::chrono::seconds duration) {
  const auto hours =
      std::chrono::duration_cast<std::chrono::hours>(std::max(duration, std::chrono::seconds(0))).count();
  const bool days = hours >= 48;
  const auto count = days ? hours / 24 : hours;
  if (count == 0) return "less than an hour";
  return fmt::format("{} {}{}", count, days ? "day" : "hour", count == 1 ? "" : "s");
}

/// Broken at blanks; every line with `indent` before it.
std::string wrapped(std::string_view text, std::string_view indent) {
  std::string out;
  std::size_t column = 0;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (column > 0 && column + 1 + word.size() > kLineColumns) {
      out += "\r\n";
      column = 0;
    }
    out += column == 0 ? indent : " ";
    column += (column == 0 ? indent.size() : 1) + word.size();
    out += word;
  }
  return column == 0 ? out : out + "\r\n";
}

std::string_view advice_of(std::string_view status) {
  if (status.size() < 3) return kNoAdvice;
  const std::string_view detail = status.substr(2);
  const auto* const found = std::ranges::find_if(kAdvice, [detail](const Advice& a) {
    return a.detail == detail || (a.detail.ends_with('.') && detail.starts_with(a.detail));
  });
  return found == kAdvice.end() ? kNoAdvice : found->text;
}

class Text {
 public:
  Text(const DsnInput& input, bool utf8) : input_(input), utf8_(utf8) {}

  [[nodiscard]] std::string build() const {
    std::string out = fmt::format("This is the mail system of {}.\r\n", input_.reporting_mta);
    for (const DsnAction action : kActions) out += of_action(action);
    return out + fmt::format("\r\nYour message came to us on {}.\r\nReference: {}\r\n", to_rfc5322_date(input_.arrival),
                             input_.queue_id);
  }

 private:
  [[nodiscard]] std::string of_action(DsnAction action) const {
    std::string out;
    for (const DsnRecipient& recipient : input_.recipients) {
      if (action_of(input_, recipient) != action) continue;
      if (out.empty()) out = "\r\n" + wrapped(lead_of(action), "");
      out += of_recipient(action, recipient);
    }
    return out;
  }

  [[nodiscard]] std::string lead_of(DsnAction action) const {
    switch (action) {
      case DsnAction::failed: return "Your message could not be delivered to these recipients:";
      case DsnAction::delayed:
        return "Your message could not be delivered yet to these recipients. You need to do nothing: it is tried "
               "again " +
               (input_.will_retry_until ? "until " + to_rfc5322_date(*input_.will_retry_until) + '.' : "by itself.");
      case DsnAction::delivered: return "Your message was delivered to these recipients:";
      case DsnAction::relayed:
        return "Your message for these recipients was passed on to a system that sends no reports of success. Unless "
               "you hear of a failure, nobody will tell you more:";
      case DsnAction::expanded:
        return "Your message for these recipients was sent on to the addresses that they stand for. You will not be "
               "told "
               "of each of those:";
    }
    return {};
  }

  [[nodiscard]] std::string of_recipient(DsnAction action, const DsnRecipient& recipient) const {
    std::string out = fmt::format("\r\n<{}>\r\n", shown(recipient.final_recipient));
    if (recipient.original_recipient) out += fmt::format("  (given as <{}>)\r\n", shown(*recipient.original_recipient));
    if (!recipient.diagnostic.empty()) {
      if (!recipient.remote_mta.empty()) out += fmt::format("  {} said:\r\n", quoted_outside(recipient.remote_mta));
      out += wrapped(quoted_outside(recipient.diagnostic), "    ");
    } else if (action == DsnAction::failed || action == DsnAction::delayed) {
      out += fmt::format("    {}\r\n", quoted_outside(recipient.status));
    }
    if (action != DsnAction::failed) return out;
    if (recipient.status.ends_with(".4.7"))  // 3463 §3.5: delivery time expired
      return out +
             wrapped(fmt::format(
                         "We tried for {} and gave up. If it still matters, send the message again.",
                         duration_text(std::chrono::duration_cast<std::chrono::seconds>(input_.at - input_.arrival))),
                     "  ");
    return out + wrapped(advice_of(recipient.status), "  ");
  }

  /// An address for people.
  [[nodiscard]] std::string shown(const Address& address) const {
    return utf8_ || address.is_ascii() ? address.text() : encode_utf8_address(address.text());
  }

  const DsnInput& input_;
  const bool utf8_;
};

}  // namespace

std::string_view subject_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed: return "Your message could not be delivered";
    case DsnAction::delayed: return "Your message is delayed";
    case DsnAction::delivered: return "Your message was delivered";
    case DsnAction::relayed: return "Your message was passed on";
    case DsnAction::expanded: return "Your message was sent to the members of a list";
  }
  return {};
}

std::string_view name_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed: return "failed";
    case DsnAction::delayed: return "delayed";
    case DsnAction::delivered: return "delivered";
    case DsnAction::relayed: return "relayed";
    case DsnAction::expanded: return "expanded";
  }
  return {};
}

DsnAction gravest_action(const DsnInput& input) {
  const auto* const found = std::ranges::find_if(kActions, [&](DsnAction action) {
    return std::ranges::any_of(input.recipients, [&](const DsnRecipient& r) { return action_of(input, r) == action; });
  });
  return found == kActions.end() ? input.action : *found;
}

std::string dsn_text(const DsnInput& input, bool utf8) { return Text(input, utf8).build(); }

std::string quoted_outside(std::string_view outside) {
  std::string flat(outside.substr(0, kOutsideTextOctetsMax));
  std::ranges::replace_if(flat, [](char c) { return c == '\r' || c == '\n' || c == '\t'; }, ' ');
  return printable_ascii(flat, kOutsideTextOctetsMax);
}

}  // namespace postrider::mail
