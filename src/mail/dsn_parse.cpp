#include "mail/dsn_parse.hpp"

#include "core/text.hpp"
#include "mail/bounce_text.hpp"
#include "mail/header_address.hpp"
#include "mail/report_fields.hpp"
#include "mail/report_source.hpp"
#include "mail/ses_notice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace postrider::mail {

namespace {

constexpr std::size_t kWordOctetsMax = 32;        // of an action; ours
constexpr std::size_t kMessageIdOctetsMax = 998;  // 5322 §2.1.1

// Parts of subjects in lower case: of reports of failure, and of automatic replies.
constexpr auto kFailureSubjects = std::to_array<std::string_view>({
    "cannot send message",
    "could not be delivered",
    "delivery error",
    "delivery fail",
    "delivery notification",
    "delivery status",
    "delayed",
    "error sending your",
    "failed mail",
    "failure notice",
    "mail could not",
    "mail failed",
    "mail failure",
    "mail system error",
    "message delivery has failed",
    "message you sent blocked",
    "mta-blocked",
    "non remis",
    "nondeliverable",
    "non-deliverable",
    "not delivered",
    "postmaster notify",
    "returned mail",
    "returned to sender",
    "undeliver",
    "unzustellbar",
    "warning: message",
    "delivery delayed",
    "delivery report",
    "не доставлено",
    "недоставленное",
    "nicht zugestellt",
    "nondistribuito",
    "mancato recapito",
    "non recapitabile",
    "no se puede entregar",
    "no entregado",
    "não entregue",
    "onbestelbaar",
    "nie dostarczono",
    "退信",
    "无法投递",
    "無法投遞",
    "配信",
    "送信できません",
    "delivery problem",
    "couldn't be delivered",
});
constexpr auto kDelaySubjects = std::to_array<std::string_view>({"(delay)", "delayed", "warning: message"});
constexpr auto kAutoreplySubjects = std::to_array<std::string_view>({
    "auto:",
    "auto reply",
    "auto-reply",
    "autoreply",
    "automatic reply",
    "autorespon",
    "out of office",
    "out of the office",
    "out-of-office",
    "réponse automatique",
    "automatische antwort",
    "abwesenheitsnotiz",
    "respuesta automática",
    "risposta automatica",
    "resposta automática",
    "автоответ",
    "自動応答",
    "自動返信",
});
constexpr auto kDaemons = std::to_array<std::string_view>({
    "mailer-daemon",
    "mailerdaemon",
    "mail-daemon",
    "postmaster",
    "post_master",
    "mail.delivery.system",
    "mail-delivery",
    "maildelivery",
    "double-bounce",
    "bounce-mail",
    "mmdf",
    "mail_delivery_subsystem",
});
constexpr auto kListOwners = std::to_array<std::string_view>({"-admin", "-owner", "-request", "-bounces", "owner-"});

template <class Table>
bool has_one_of(std::string_view lower, const Table& words) {
  return std::ranges::any_of(words, [lower](std::string_view w) { return lower.contains(w); });
}

std::string address_of(const HeaderMailbox& mailbox) {
  if (mailbox.local.empty() || mailbox.domain.empty()) return {};
  return find_address(mailbox.local + '@' + mailbox.domain).address;
}

std::vector<std::string> addresses_in(std::string_view value) {
  std::vector<std::string> out;
  for (const HeaderMailbox& mailbox : parse_address_list(value).mailboxes()) {
    std::string address = address_of(mailbox);
    if (!address.empty()) out.push_back(std::move(address));
  }
  return out;
}

std::string first_address(std::string_view value) {
  const std::vector<std::string> all = addresses_in(value);
  return all.empty() ? std::string() : all.front();
}

/// The first `<…>` of a field; what has no brackets as it is.
std::string message_id_in(std::string_view value) {
  const std::size_t open = value.find('<');
  if (open != std::string_view::npos) {
    value.remove_prefix(open + 1);
    value = value.substr(0, value.find('>'));
  }
  return one_line(value, kMessageIdOctetsMax);
}

/// The word that a value begins with, lower case.
std::string word_of(std::string_view value) {
  const auto end = std::ranges::find_if(value, [](char c) { return !is_alpha_ascii(c) && c != '-'; });
  return lowered_ascii(value.substr(0, std::min(static_cast<std::size_t>(end - value.begin()), kWordOctetsMax)));
}

/// Without the type (3464 §2.3.6), where there is one.
std::string_view without_type(std::string_view diagnostic) {
  const auto [type, rest] = split_once(diagnostic, ';');
  const bool typed = type.size() < diagnostic.size() && !trimmed(type).empty() &&
                     std::ranges::all_of(trimmed(type), [](char c) { return is_alnum_ascii(c) || c == '-'; });
  return trimmed(typed ? rest : diagnostic);
}

std::string_view status_in(std::string_view value) {
  const std::string_view found = find_enhanced_status(value.substr(0, kWordOctetsMax));
  if (!found.empty() || value.empty()) return found;
  constexpr auto kBare = std::to_array<std::string_view>({"2.0.0", "4.0.0", "5.0.0"});
  const auto* const bare = std::ranges::find_if(kBare, [&](std::string_view s) { return s.front() == value.front(); });
  return bare == kBare.end() ? std::string_view() : *bare;
}

/// From the reply on, where the text has one.
std::string diagnostic_of(std::string_view reason) {
  const ReplyCode reply = find_reply_code(reason);
  return one_line(reply.code == 0 ? reason : reason.substr(reply.offset), kReportDiagnosticOctetsMax);
}

bool is_success(std::string_view action) {
  return action == "delivered" || action == "relayed" || action == "expanded";
}

/// Fills in what follows from the rest. `words`: more text that tells the category.
void conclude(ReportedRecipient& recipient, std::string_view words) {
  const ReplyCode reply = find_reply_code(recipient.diagnostic);
  recipient.code = reply.code;
  const std::string_view said = find_enhanced_status(recipient.diagnostic);
  const bool vague = recipient.status.ends_with(".0.0") && !said.empty() && said.front() == recipient.status.front();
  // `failed` with a status of class 4 contradicts itself: the remote's own words decide.
  const bool denied =
      recipient.action == "failed" && recipient.status.starts_with('4') && said.starts_with('5') && reply.code >= 500;
  if (recipient.status.empty() || vague || denied) recipient.status = said;
  if (recipient.status.empty() && reply.code != 0) recipient.status = fmt::format("{}.0.0", reply.code / 100);
  if (recipient.status.empty()) {
    if (recipient.action == "failed") recipient.status = "5.0.0";
    if (recipient.action == "delayed") recipient.status = "4.0.0";
    if (is_success(recipient.action)) recipient.status = "2.0.0";
  }
  if (recipient.action.empty() && recipient.status.starts_with('5')) recipient.action = "failed";
  const char digit = recipient.status.empty() ? ' ' : recipient.status.front();
  recipient.bounce_class = digit == '5' ? BounceClass::hard : digit == '4' ? BounceClass::soft : BounceClass::unknown;
  if (is_success(recipient.action)) {
    recipient.category = BounceCategory::delivered;
    return;
  }
  recipient.category = categorize(recipient.diagnostic, recipient.status);
  if (recipient.category == BounceCategory::other) recipient.category = categorize(words, {});
  if (recipient.category == BounceCategory::other && recipient.action == "delayed")
    recipient.category = BounceCategory::delayed;
}

/// What tells a report of failure from other mail.
struct Evidence {
  std::string subject;  ///< lower case
  bool subject_fails = false;
  std::string failed;  ///< X-Failed-Recipients
  int score = 0;
};
constexpr int kScoreMin = 3;  // two signs, at least one of them of a failure

/// A report that is returned by another is read too, one that it returns not.
enum class Within : std::uint8_t { nothing, a_report };

class Parser {
 public:
  Parser(std::string_view message, Within within)
      : within_(within), source_(message), text_(read_bounce_text(source_.text())) {
    if (!text_.returned.empty()) source_.take_returned(text_.returned);
  }

  ParsedReport read() && {
    weigh();
    if (!(from_status(source_.status(), ReportNames::any) || from_disposition() || from_feedback() || from_notice())) {
      const bool is_report = is_bounce();
      if (!(is_report && from_status(source_.text(), ReportNames::known_only))) {
        if (is_report) {
          from_text();
        } else {
          from_autoreply();
        }
      }
    }
    if (out_.kind != ReportKind::none && out_.original_message_id.empty()) find_message_id();
    return std::move(out_);
  }

 private:
  void weigh() {
    evidence_.subject = lowered_ascii(source_.header("Subject"));
    evidence_.subject_fails = has_one_of(evidence_.subject, kFailureSubjects);
    evidence_.failed = source_.header("X-Failed-Recipients");
    const std::string from = lowered_ascii(source_.header("From"));
    const std::string path = source_.header("Return-Path");
    int& score = evidence_.score;
    if (has_one_of(from, kDaemons) || from == "<>" || from.contains("mail delivery")) score += 2;
    if (has_one_of(from, kListOwners)) score += 1;
    if (evidence_.subject_fails) score += 2;
    if (path.starts_with("<>") || has_one_of(lowered_ascii(path), kDaemons)) score += 1;
    if (!evidence_.failed.empty()) score += 4;
    if (text_.failure || text_.delay) score += 2;
    if (text_.transcript) score += 2;
    if (source_.type() == "multipart/report") score += 2;
    if (source_.has_returned()) score += 1;
    if (lowered_ascii(source_.header("Auto-Submitted")).starts_with("auto-")) score += 1;
  }

  [[nodiscard]] bool is_bounce() const {
    return evidence_.score >= kScoreMin &&
           (evidence_.subject_fails || text_.failure || text_.delay || text_.transcript || !evidence_.failed.empty());
  }

  void add(ReportedRecipient recipient) {
    if (out_.recipients.size() < kReportRecipientsMax) out_.recipients.push_back(std::move(recipient));
  }

  /// What the text for people says of one; of the only one, all of it.
  [[nodiscard]] std::string_view said_of(std::string_view address, bool only_one) const {
    const auto found = std::ranges::find_if(text_.recipients,
                                            [&](const TextRecipient& r) { return iequals_ascii(r.address, address); });
    if (found != text_.recipients.end() && !found->reason.empty()) return found->reason;
    return only_one ? std::string_view(text_.reason) : std::string_view();
  }

  /// 3464 §2.3; false when there is no recipient.
  bool from_status(std::string_view body, ReportNames names) {
    std::vector<ReportGroup> groups = parse_report_groups(body, names);
    std::erase_if(groups, [](const ReportGroup& g) {
      return g.first("final-recipient").empty() && g.first("original-recipient").empty() &&
             g.first("x-actual-recipient").empty();
    });
    for (const ReportGroup& group : groups) from_group(group, groups.size() == 1);
    if (!groups.empty()) out_.kind = ReportKind::dsn;
    return !groups.empty();
  }

  void from_group(const ReportGroup& group, bool only_one) {
    ReportedRecipient recipient;
    recipient.original = reported_address(group.first("original-recipient"));
    recipient.final = reported_address(group.first("final-recipient"));
    if (recipient.final.empty()) recipient.final = recipient.original;
    if (recipient.final.empty()) recipient.final = reported_address(group.first("x-actual-recipient"));
    if (only_one && recipient.final.starts_with('@') && text_.recipients.size() == 1)  // a route without its end
      recipient.final = text_.recipients.front().address;
    recipient.action = word_of(group.first("action"));
    const std::string_view status = group.first("status");
    recipient.status = status_in(status);
    recipient.diagnostic = one_line(without_type(group.first("diagnostic-code")), kReportDiagnosticOctetsMax);
    const std::string_view said = said_of(recipient.final, only_one);
    if (recipient.diagnostic.empty()) {  // some say it as a comment of the status, some in the text only
      const auto [before, comment] = split_once(status, '(');
      recipient.diagnostic = one_line(comment.substr(0, comment.rfind(')')), kReportDiagnosticOctetsMax);
    }
    if (recipient.diagnostic.empty() && find_reply_code(said).code != 0) recipient.diagnostic = diagnostic_of(said);
    conclude(recipient, said);
    add(std::move(recipient));
  }

  /// 8098 §3.
  bool from_disposition() {
    if (source_.disposition().empty()) return false;
    out_.kind = ReportKind::mdn;
    ReportedRecipient recipient;
    for (const ReportGroup& group : parse_report_groups(source_.disposition(), ReportNames::any)) {
      const std::string_view mode = group.first("disposition");
      if (!mode.empty()) recipient.action = word_of(trimmed(split_once(mode, ';').second));
      if (recipient.final.empty()) recipient.final = reported_address(group.first("final-recipient"));
      if (recipient.original.empty()) recipient.original = reported_address(group.first("original-recipient"));
      if (out_.original_message_id.empty())
        out_.original_message_id = message_id_in(group.first("original-message-id"));
    }
    if (recipient.final.empty()) recipient.final = recipient.original;
    recipient.category = BounceCategory::disposition;
    add(std::move(recipient));
    return true;
  }

  /// 5965 §3; and complaints that are a message and nothing else, told by their subject.
  bool from_feedback() {
    const bool bare = source_.has_returned() && evidence_.subject.starts_with("complaint about message from");
    if (source_.feedback().empty() && !bare) return false;
    out_.kind = ReportKind::arf;
    std::string type = "abuse";
    std::vector<std::string> about;
    for (const ReportGroup& group : parse_report_groups(source_.feedback(), ReportNames::any)) {
      for (const ReportField& field : group.fields) {
        if (field.name == "feedback-type") type = word_of(field.value);
        if (field.name == "original-rcpt-to" || field.name == "removal-recipient")
          about.push_back(reported_address(field.value));
        if (field.name == "original-message-id") out_.original_message_id = message_id_in(field.value);
      }
    }
    if (about.empty()) about = addresses_in(source_.returned_header("X-HmXmrOriginalRecipient"));
    if (about.empty()) about = addresses_in(source_.returned_header("To"));
    if (about.empty()) about.emplace_back();
    for (std::string& address : about) {
      ReportedRecipient recipient;
      recipient.final = std::move(address);
      recipient.action = type;
      recipient.category = BounceCategory::feedback;
      add(std::move(recipient));
    }
    return true;
  }

  /// Amazon SES by way of SNS.
  bool from_notice() {
    SesNotice notice = read_ses_notice(source_.text());
    if (notice.kind == SesNotice::Kind::none) return false;
    out_.kind = notice.kind == SesNotice::Kind::complaint ? ReportKind::arf : ReportKind::dsn;
    out_.original_message_id = message_id_in(notice.message_id);
    for (SesNotice::Recipient& said : notice.recipients) {
      ReportedRecipient recipient;
      recipient.final = std::move(said.address);
      recipient.action = word_of(said.action);
      recipient.status = status_in(said.status);
      recipient.diagnostic = one_line(without_type(said.diagnostic), kReportDiagnosticOctetsMax);
      if (notice.kind == SesNotice::Kind::complaint) {
        recipient.category = BounceCategory::feedback;
      } else {
        conclude(recipient, {});
      }
      add(std::move(recipient));
    }
    return true;
  }

  /// A bounce that names nobody may be of a report that does: its gateway has changed the text.
  bool from_returned_report() {
    const std::string_view inner = source_.returned_message();
    if (within_ == Within::a_report || inner.empty() || !text_.recipients.empty() || !evidence_.failed.empty())
      return false;
    ParsedReport report = Parser(inner, Within::a_report).read();
    if (report.kind != ReportKind::dsn && report.kind != ReportKind::bounce) return false;
    out_ = std::move(report);
    return true;
  }

  void from_text() {
    if (from_returned_report()) return;
    out_.kind = ReportKind::bounce;
    const bool delayed = text_.delay || has_one_of(evidence_.subject, kDelaySubjects);
    std::vector<TextRecipient> about = text_recipients();
    const std::string all = evidence_.subject + ' ' + text_.reason;
    for (TextRecipient& said : about) {
      ReportedRecipient recipient;
      recipient.final = std::move(said.address);
      recipient.original = std::move(said.original);
      recipient.action = delayed ? "delayed" : "failed";
      const bool telling = find_reply_code(said.reason).code != 0 || !find_enhanced_status(said.reason).empty() ||
                           categorize(said.reason, {}) != BounceCategory::other;
      recipient.diagnostic = diagnostic_of(telling || find_reply_code(all).code == 0 ? said.reason : all);
      if (recipient.diagnostic.empty()) recipient.diagnostic = diagnostic_of(text_.reason);
      if (recipient.status.empty() && delayed) recipient.status = delayed_status(recipient.diagnostic);
      conclude(recipient, telling ? std::string_view(said.reason) : std::string_view(all));
      add(std::move(recipient));
    }
  }

  static std::string delayed_status(std::string_view diagnostic) {
    const std::string_view said = find_enhanced_status(diagnostic);
    return said.starts_with('4') ? std::string(said) : "4.0.0";
  }

  std::vector<TextRecipient> text_recipients() {
    const std::vector<std::string> failed = addresses_in(evidence_.failed);
    std::vector<TextRecipient> out;
    for (std::size_t i = 0; i < failed.size() && i < kReportRecipientsMax; ++i) {
      TextRecipient one{.address = failed[i], .original = {}, .reason = {}};
      const auto same = std::ranges::find_if(
          text_.recipients, [&](const TextRecipient& r) { return iequals_ascii(r.address, one.address); });
      if (same != text_.recipients.end()) {
        one = *same;
      } else if (text_.recipients.size() == failed.size()) {
        one.reason = text_.recipients[i].reason;
      }
      out.push_back(std::move(one));
    }
    if (!out.empty()) return out;
    out = std::move(text_.recipients);
    const std::string sender = first_address(source_.header("To"));  // whom the report goes to
    const auto is_sender = [&](const TextRecipient& r) { return iequals_ascii(r.address, sender); };
    if (std::ranges::count_if(out, is_sender) < std::ssize(out)) std::erase_if(out, is_sender);
    if (out.empty())
      out.push_back({.address = first_address(source_.returned_header("To")), .original = {}, .reason = {}});
    return out;
  }

  void from_autoreply() {
    const std::string submitted = lowered_ascii(source_.header("Auto-Submitted"));
    const std::string precedence = lowered_ascii(source_.header("Precedence"));
    const bool said = submitted.starts_with("auto-replied") || precedence == "auto_reply" ||
                      !source_.header("X-Autoreply").empty() || !source_.header("X-Autorespond").empty() ||
                      !source_.header("X-Autoresponder").empty();
    const bool looks = std::ranges::any_of(
        kAutoreplySubjects, [&](std::string_view words) { return evidence_.subject.starts_with(words); });
    if (!said && !looks) return;
    out_.kind = ReportKind::autoreply;
    ReportedRecipient recipient;
    recipient.final = first_address(source_.header("From"));
    recipient.category = BounceCategory::autoreply;
    add(std::move(recipient));
  }

  void find_message_id() {
    out_.original_message_id = message_id_in(source_.returned_header("Message-ID"));
    if (out_.original_message_id.empty()) out_.original_message_id = message_id_in(source_.header("In-Reply-To"));
    if (!out_.original_message_id.empty()) return;
    const std::string references = source_.header("References");
    const std::size_t last = references.rfind('<');
    if (last != std::string::npos) out_.original_message_id = message_id_in(std::string_view(references).substr(last));
  }

  Within within_;
  ReportSource source_;
  BounceText text_;
  Evidence evidence_;
  ParsedReport out_;
};

}  // namespace

std::string_view name_of(ReportKind kind) {
  switch (kind) {
    case ReportKind::none: return "none";
    case ReportKind::dsn: return "dsn";
    case ReportKind::bounce: return "bounce";
    case ReportKind::mdn: return "mdn";
    case ReportKind::arf: return "arf";
    case ReportKind::autoreply: return "autoreply";
  }
  return {};
}

std::string_view name_of(BounceClass c) {
  switch (c) {
    case BounceClass::unknown: return "unknown";
    case BounceClass::hard: return "hard";
    case BounceClass::soft: return "soft";
  }
  return {};
}

ParsedReport parse_report(std::string_view message) { return Parser(message, Within::nothing).read(); }

}  // namespace postrider::mail
