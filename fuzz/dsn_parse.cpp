// rooms: mail core
// Reports: whatever comes, texts are UTF-8 without control characters and within their limits, statuses are statuses,
// and what build_dsn makes of the fuzzer's own words is read again as it was meant.
#include "mail/dsn_parse.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/dsn.hpp"
#include "mail/printable.hpp"
#include "mail/report_fields.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

constexpr std::size_t kAddressOctetsMax = 512;
constexpr std::string_view kBoundary = "0boundary0boundary0boundary";

void check_report(const mail::ParsedReport& report) {
  check(report.recipients.size() <= mail::kReportRecipientsMax, "limit of recipients");
  check((report.kind == mail::ReportKind::none) == report.recipients.empty(), "a report is about somebody");
  check(mail::is_printable_utf8(report.original_message_id), "id without control characters");
  for (const mail::ReportedRecipient& one : report.recipients) {
    for (const std::string& text : {one.final, one.original, one.action, one.status, one.diagnostic})
      check(mail::is_printable_utf8(text), "UTF-8 without control characters");
    check(one.final.size() <= kAddressOctetsMax && one.original.size() <= kAddressOctetsMax, "limit of addresses");
    check(one.diagnostic.size() <= mail::kReportDiagnosticOctetsMax, "limit of the diagnostic");
    check(one.status.empty() || mail::is_enhanced_status(one.status), "a status");
    check(one.code == 0 || (one.code >= 250 && one.code <= 559), "a reply code");
    const char digit = one.status.empty() ? ' ' : one.status.front();
    check((one.bounce_class == mail::BounceClass::hard) == (digit == '5') || one.status.empty(), "hard is class 5");
    if (report.kind == mail::ReportKind::bounce && !one.final.empty())
      check(mail::Address::parse(one.final, mail::Utf8::yes).has_value(), "free text gives addresses");
  }
}

/// The octets are: what decides, then diagnostic, remote and headers, divided by line ends.
void check_round_trip(std::string_view text) {
  if (text.empty() || text.contains(kBoundary)) return;  // nobody can know a real one
  const auto choice = static_cast<unsigned char>(text.front());
  std::array<std::string_view, 4> words;
  std::string_view rest = text.substr(1);
  for (std::string_view& word : words) {
    word = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  }
  const Result<mail::Address> to = mail::Address::parse("sender@x.test");
  Result<mail::Address> about = mail::Address::parse(words[0], mail::Utf8::yes);
  if (!about) about = mail::Address::parse("bob@y.test");
  constexpr auto kActions =
      std::to_array<mail::DsnAction>({mail::DsnAction::failed, mail::DsnAction::delayed, mail::DsnAction::delivered,
                                      mail::DsnAction::relayed, mail::DsnAction::expanded});
  constexpr auto kNames = std::to_array<std::string_view>({"failed", "delayed", "delivered", "relayed", "expanded"});
  constexpr auto kStatuses = std::to_array<std::string_view>({"5.1.1", "4.4.1", "2.0.0", "2.0.0", "2.0.0"});
  const std::size_t action = choice % kActions.size();
  mail::DsnInput input{.reporting_mta = "mx.example.test",
                       .queue_id = "q1",
                       .to = *to,
                       .action = kActions[action],
                       .recipients = {{.final_recipient = *about,
                                       .original_recipient = std::nullopt,
                                       .original_type = {},
                                       .original = {},
                                       .status = std::string(kStatuses[action]),
                                       .diagnostic = std::string(words[1]),
                                       .remote_mta = std::string(words[2])}},
                       .envelope_id = std::string(words[3]),
                       .arrival = WallTime{std::chrono::seconds(1'777'878'664)},
                       .at = WallTime{std::chrono::seconds(1'777'878'664)},
                       .will_retry_until = std::nullopt,
                       .original_headers = std::string(rest),
                       .utf8 = (choice & 0x80U) != 0 ? mail::Utf8::yes : mail::Utf8::no,
                       .boundary = std::string(kBoundary)};
  const mail::Dsn dsn = mail::build_dsn(input);
  const mail::ParsedReport report = mail::parse_report(dsn.before + dsn.after);
  check_report(report);
  check(report.kind == mail::ReportKind::dsn && report.recipients.size() == 1,
        "our own report is one, of one recipient");
  const mail::ReportedRecipient& one = report.recipients.front();
  const Result<mail::Address> again = mail::Address::parse(one.final, mail::Utf8::yes);
  check(again && *again == *about, "of the same recipient");
  check(one.action == kNames[action] && one.status.front() == kStatuses[action].front(), "with the same outcome");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  check_report(mail::parse_report(message));
  check_round_trip(message);
  const std::string address = mail::reported_address(message.substr(0, 4096));
  check(address.size() <= kAddressOctetsMax && mail::is_printable_utf8(address), "an address within its limit");
  return 0;
}
