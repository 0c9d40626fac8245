#include "mail/ses_notice.hpp"

#include "mail/dsn_parse.hpp"
#include "mail/report_fields.hpp"

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::size_t kMemberOctetsMax = 4096;  // of a member's value; ours

/// One level of escapes and line ends taken out: `\"` is then like `"`. Quotes inside of strings end them, which cuts
/// what the remote said and nothing else.
std::string flat(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text)
    if (c != '\\' && c != '\r' && c != '\n') out += c;
  return out;
}

/// The string that is the member `name` (with quotes and colon) of what is before `end`; empty: there is none.
std::string_view member(std::string_view object, std::string_view name) {
  const std::size_t at = object.find(name);
  if (at == std::string_view::npos) return {};
  object.remove_prefix(at + name.size());
  object.remove_prefix(std::min(object.find_first_not_of(" ["), object.size()));
  if (!object.starts_with('"')) return {};
  object.remove_prefix(1);
  return object.substr(0, std::min(object.find('"'), kMemberOctetsMax));
}

/// `"recipients":["a@b","c@d"]` of what was delivered, in one answer.
void read_delivered(std::string_view octets, SesNotice& out) {
  octets.remove_prefix(std::min(octets.find(R"("delivery":)"), octets.size()));
  const std::string diagnostic(member(octets, R"("smtpResponse":)"));
  constexpr std::string_view kList = R"("recipients":[)";
  octets.remove_prefix(std::min(octets.find(kList), octets.size()));
  if (octets.empty()) return;
  octets.remove_prefix(kList.size());
  octets = octets.substr(0, octets.find(']'));
  for (std::size_t at = octets.find('"'); at != std::string_view::npos; at = octets.find('"')) {
    octets.remove_prefix(at + 1);
    const std::string_view address = octets.substr(0, octets.find('"'));
    octets.remove_prefix(std::min(address.size() + 1, octets.size()));
    if (out.recipients.size() == kReportRecipientsMax) return;
    out.recipients.push_back({.address = reported_address(address.substr(0, kMemberOctetsMax)),
                              .action = "delivered",
                              .status = {},
                              .diagnostic = diagnostic});
  }
}

/// The objects with an `emailAddress`.
void read_named(std::string_view rest, SesNotice& out) {
  constexpr std::string_view kAddress = R"("emailAddress":)";
  for (std::size_t at = rest.find(kAddress); at != std::string_view::npos; at = rest.find(kAddress)) {
    rest.remove_prefix(at);
    std::string_view object = rest.substr(0, 4 * kMemberOctetsMax);
    object = object.substr(0, object.find('}'));
    if (out.recipients.size() == kReportRecipientsMax) return;
    out.recipients.push_back({.address = reported_address(member(object, kAddress)),
                              .action = out.kind == SesNotice::Kind::bounce ? "failed" : "abuse",
                              .status = std::string(member(object, R"("status":)")),
                              .diagnostic = std::string(member(object, R"("diagnosticCode":)"))});
    rest.remove_prefix(kAddress.size());
  }
}

}  // namespace

SesNotice read_ses_notice(std::string_view text) {
  SesNotice out;
  if (!text.contains("notificationType") && !text.contains("eventType")) return out;
  const std::string octets = flat(text);
  std::string_view type = member(octets, R"("notificationType":)");
  if (type.empty()) type = member(octets, R"("eventType":)");
  if (type == "Bounce") out.kind = SesNotice::Kind::bounce;
  if (type == "Complaint") out.kind = SesNotice::Kind::complaint;
  if (type == "Delivery") out.kind = SesNotice::Kind::delivery;
  if (out.kind == SesNotice::Kind::none) return out;
  out.message_id = member(octets, R"("name":"Message-ID","value":)");
  if (out.kind == SesNotice::Kind::delivery) {
    read_delivered(octets, out);
  } else {
    read_named(octets, out);
  }
  if (out.recipients.empty()) out.kind = SesNotice::Kind::none;
  return out;
}

}  // namespace postrider::mail
