#include "mail/bounce_text.hpp"

#include "core/text.hpp"
#include "mail/bounce_reason.hpp"
#include "mail/header_section.hpp"
#include "mail/report_fields.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

namespace postrider::mail {

namespace {

// What announces the returned message, lower case.
constexpr auto kReturnedMarks = std::to_array<std::string_view>({
    "a copy of the message",
    "copy of the original message",
    "copy of your message",
    "original message follows",
    "original message -----",
    "original message headers",
    "-original message",
    "-original mail",
    "header of the original message",
    "headers of the original message",
    "message headers follow",
    "message header follows",
    "copy of the message header",
    "unsent message",
    "returned message -",
    "message text follows",
    "original mail headers follow",
    "message follows -",
});

// Behind these words, in lower case, stands a recipient.
constexpr auto kRecipientWords = std::to_array<std::string_view>({
    "addressed to:",
    "address:",
    "adresse:",
    "allowed size:",
    "attempts:",
    "delivered to",
    "deliver to",
    "delivering to",
    "failed recipient:",
    "following address:",
    "following recipient:",
    "mail to",
    "message for",
    "message to",
    "mailing list",
    "message to:",
    "permanent errors:",
    "recipient",
    "recipient address",
    "recipient:",
    "rejected:",
    "temporary errors:",
    "undeliverable to",
});
constexpr std::size_t kGapOctetsMax = 4;  // `: <` and the like, between the words and the address

// Behind these stands what SMTP was given as recipient.
constexpr auto kCommandWords = std::to_array<std::string_view>({"rcpt to:", "rcpt:", "rcpt to "});

constexpr auto kOriginalWords =
    std::to_array<std::string_view>({"generated from", "expanded from", "original address", "forwarded from"});

// A line that begins so is about the message or the sender.
constexpr auto kHeaderWords = std::to_array<std::string_view>({
    "arrival-date:",
    "bcc:",
    "cc:",
    "date:",
    "from:",
    "in-reply-to:",
    "message-id:",
    "original sender:",
    "reply-to:",
    "reporting-mta:",
    "return-path:",
    "sender:",
    "sent:",
    "subject:",
    "to:",
    "x-",
    "mail from:",
});

constexpr auto kFailureWords = std::to_array<std::string_view>({
    "been a permanent failure",
    "can't be delivered",
    "can not be delivered",
    "cannot be delivered",
    "could not be delivered",
    "could not be sent",
    "couldn't be delivered",
    "couldn't deliver",
    "delevery to the following",
    "delivery errors",
    "delivery failed",
    "delivery failure",
    "delivery has failed",
    "delivery problems",
    "delivery to the following",
    "did not reach",
    "error delivering your mail",
    "error occurred while trying to deliver",
    "error has occurred while attempting to deliver",
    "exceeds allowed size",
    "fatal errors",
    "following address(es) failed",
    "failed addresses follow",
    "failure reasons",
    "have not been delivered",
    "has been rejected",
    "has not been delivered",
    "not be delivered",
    "was rejected by a remote",
    "rejected your message",
    "returned permanent errors",
    "trouble delivering your message",
    "unable to deliver",
    "undeliverable",
    "undelivered",
    "unzustellbar",
    "was automatically rejected",
    "was not delivered",
    "was not relayed",
    "was undeliverable",
    "wasn't able to deliver",
    "wasn't delivered",
    "wurde nicht zugestellt",
    "konnte nicht zugestellt",
    "n'a pas pu",
    "not a member of",
    "not allowed to post",
    "chec de la remise",
    "no ha podido ser entregado",
    "no se pudo entregar",
    "non è stato possibile recapitare",
    "не может быть доставлено",
    "transcript of session follows",
    "送信できませんでした",
    "配信できませんでした",
});

constexpr auto kDelayWords = std::to_array<std::string_view>({
    "delay reason",
    "has been delayed",
    "has not yet been delivered",
    "is delayed",
    "not been delivered yet",
    "still being retried",
    "this is a warning message only",
    "this is a warning only",
    "this is only a notification about a delay",
    "will be retried",
    "will continue trying",
    "delivery attempts will continue",
});

constexpr std::size_t kReasonKeptOctetsMax = 1200;      // of a recipient's reason; ours
constexpr std::size_t kNoticeKeptOctetsMax = 8 * 1024;  // of the whole; ours

template <class Table>
bool has_one_of(std::string_view lower, const Table& words) {
  return std::ranges::any_of(words, [lower](std::string_view w) { return lower.contains(w); });
}

// A line that ends so is followed by whom the message is from.
constexpr auto kSenderLeads = std::to_array<std::string_view>({"sent by", "message from", "message from:", "sent by:"});

struct Line {
  std::string_view text;  ///< trimmed
  std::string lower;
  std::size_t indent = 0;
  bool after_blank = false;   ///< an empty line, or the beginning, stands before it
  bool about_sender = false;  ///< the line that is not empty before it says so
};

/// An address that is behind one of `words`, at most kGapOctetsMax octets after it.
template <class Table>
std::optional<FoundAddress> address_behind(const Line& line, const Table& words) {
  for (const std::string_view word : words) {
    const std::size_t at = line.lower.find(word);
    if (at == std::string::npos) continue;
    const std::size_t behind = at + word.size();
    FoundAddress found = find_address(line.text, behind);
    if (!found.address.empty() && found.begin - behind <= kGapOctetsMax &&
        line.text.substr(behind, found.begin - behind).find_first_not_of(" :<\"'\t") == std::string_view::npos)
      return found;
  }
  return std::nullopt;
}

/// An address that begins the line, behind bullets and brackets.
std::optional<FoundAddress> leading_address(const Line& line) {
  FoundAddress found = find_address(line.text);
  if (found.address.empty()) return std::nullopt;
  if (line.text.substr(0, found.begin).find_first_not_of(" \t<>*-+\"'") != std::string_view::npos) return std::nullopt;
  if (line.text.starts_with(">>>") || line.text.starts_with("<<<")) return std::nullopt;
  const std::string_view rest = line.text.substr(found.end);
  if (!rest.empty() && !std::string_view(" :>\"'<([;,.\t").contains(rest.front())) return std::nullopt;
  return found;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text.substr(0, kBounceTextOctetsMax)) {}

  BounceText read() {
    take_lines();
    out_.reason = one_line(notice_, kNoticeKeptOctetsMax);
    const std::string lower = lowered_ascii(out_.reason);
    out_.failure = has_one_of(lower, kFailureWords);
    out_.delay = has_one_of(lower, kDelayWords);
    bool reply = false;
    bool command = false;
    for (const Line& line : lines_) {
      const ReplyCode code = find_reply_code(line.text.substr(0, 8));
      reply = reply || (code.code >= 400 && code.offset <= 4);
      command = command || line.lower.contains("rcpt to");
      find_in_line(line, false);
    }
    out_.transcript = reply && command;
    if (out_.recipients.empty())
      for (const Line& line : lines_) find_in_line(line, true);
    for (TextRecipient& recipient : out_.recipients)
      recipient.reason = one_line(recipient.reason, kReasonKeptOctetsMax);
    return std::move(out_);
  }

 private:
  void take_lines() {
    bool blank = true;
    std::string_view rest = text_;
    while (!rest.empty() && lines_.size() < kBounceLinesMax) {
      const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
      const std::string_view whole = rest.substr(0, end);
      const std::string_view from_here = rest;
      rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : end < rest.size() ? 1 : 0));
      const std::string_view cut = whole.substr(0, kBounceLineOctetsMax);
      Line line{.text = trimmed(cut), .lower = {}, .indent = 0, .after_blank = blank};
      blank = line.text.empty();
      if (blank) continue;
      line.indent = static_cast<std::size_t>(line.text.data() - cut.data());
      line.lower = lowered_ascii(line.text);
      if (!notice_.empty() && line.indent == 0 && begins_returned(line)) {
        out_.returned = from_here;
        return;
      }
      if (!notice_.empty() && has_one_of(line.lower, kReturnedMarks)) {
        out_.returned = rest;
        return;
      }
      if (!lines_.empty()) {
        const std::string& before = lines_.back().lower;
        line.about_sender = std::ranges::any_of(kSenderLeads, [&](auto words) { return before.ends_with(words); });
      }
      notice_ += notice_.size() < 2 * kNoticeKeptOctetsMax ? std::string(line.text) + "\n" : std::string();
      lines_.push_back(std::move(line));
    }
  }

  static bool begins_returned(const Line& line) {
    return line.lower.starts_with("received: ") || line.lower.starts_with("return-path: ") ||
           line.lower.starts_with("dkim-signature: ") || line.lower.starts_with("x-received: ");
  }

  void find_in_line(const Line& line, bool in_session) {
    if (wants_original_) return take_original(line, 0);
    for (const std::string_view word : kOriginalWords)
      if (const std::size_t at = line.lower.find(word); at != std::string::npos) return take_original(line, at);
    std::optional<FoundAddress> found;
    if (!std::ranges::any_of(kHeaderWords, [&](std::string_view w) { return line.lower.starts_with(w); }))
      found = in_session ? in_transcript(line) : recipient_in(line);
    if (in_session && !found) found = address_behind(line, kCommandWords);
    if (line.about_sender) found.reset();
    // What is indented below a recipient is about it, whatever address it quotes.
    const bool below = current_ && line.indent > indent_ && !line.after_blank;
    if (!found || (below && !in_session)) return append(line.text);
    begin(*found, line);
  }

  static std::optional<FoundAddress> recipient_in(const Line& line) {
    std::optional<FoundAddress> found = leading_address(line);
    if (!found) found = address_behind(line, kRecipientWords);
    if (!found && line.lower.starts_with("rcpt to")) found = address_behind(line, kCommandWords);
    return found;
  }

  /// `550 <a@b>... User unknown`
  static std::optional<FoundAddress> in_transcript(const Line& line) {
    const ReplyCode code = find_reply_code(line.text.substr(0, 4));
    if (code.code == 0 || code.offset != 0) return std::nullopt;
    FoundAddress found = find_address(line.text, 3);
    if (found.address.empty() || found.begin > 6) return std::nullopt;
    return found;
  }

  void begin(const FoundAddress& found, const Line& line) {
    const auto [known, is_new] = places_.try_emplace(lowered_ascii(found.address), out_.recipients.size());
    if (is_new) {
      if (out_.recipients.size() == kBounceRecipientsMax) return;
      out_.recipients.push_back({.address = found.address, .original = {}, .reason = {}});
    }
    current_ = known->second;
    indent_ = line.indent;
    const std::string_view before = line.text.substr(0, found.begin);
    std::string_view rest = line.text.substr(found.end);
    while (!rest.empty() && std::string_view(">:\"' \t").contains(rest.front())) rest.remove_prefix(1);
    const bool whole = !before.empty() && before.find_first_not_of(" \t<>*-+\"'") != std::string_view::npos;
    append(whole ? line.text : rest);
  }

  /// The words about it are at `at`, the address is behind them or on the next line.
  void take_original(const Line& line, std::size_t at) {
    const std::optional<FoundAddress> leading = wants_original_ ? std::nullopt : leading_address(line);
    if (leading && leading->end <= at) {
      begin(*leading, line);
    } else {
      append(line.text);
    }
    const FoundAddress found = find_address(line.text, at);
    wants_original_ = !wants_original_ && found.address.empty();
    if (current_ && out_.recipients[*current_].original.empty()) out_.recipients[*current_].original = found.address;
  }

  void append(std::string_view text) {
    if (!current_) return;
    std::string& reason = out_.recipients[*current_].reason;
    if (reason.size() >= kReasonKeptOctetsMax || text.empty()) return;
    if (!reason.empty()) reason += '\n';
    reason += text;
  }

  std::string_view text_;
  std::string notice_;
  std::vector<Line> lines_;
  std::unordered_map<std::string, std::size_t> places_;
  std::optional<std::size_t> current_;
  std::size_t indent_ = 0;
  bool wants_original_ = false;
  BounceText out_;
};

}  // namespace

BounceText read_bounce_text(std::string_view text) { return Reader(text).read(); }

}  // namespace postrider::mail
