// Writes reports of our own for other readers, each with what it was made from: DIR/N.eml and DIR/N.tsv, whose first
// row is `envelope id, message id`, and each other `final, original, action, status, diagnostic, remote` of a
// recipient.
#include "mail/dsn.hpp"
#include "mail/dsn_text.hpp"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <string>
#include <string_view>

using namespace postrider;
using mail::DsnAction;

namespace {

const WallTime kArrival{std::chrono::seconds(1'777'878'664)};  // Mon, 4 May 2026 07:11:04 +0000

mail::Address address(std::string_view text) { return mail::Address::parse(text, mail::Utf8::yes).value(); }

mail::DsnRecipient recipient(std::string_view of, std::string_view original, std::string_view status,
                             std::string_view diagnostic) {
  mail::DsnRecipient made{.final_recipient = address(of),
                          .original_recipient = std::nullopt,
                          .original_type = {},
                          .original = std::string(original),
                          .status = std::string(status),
                          .diagnostic = std::string(diagnostic),
                          .remote_mta = diagnostic.empty() ? "" : "mx.y.test"};
  if (!original.empty()) made.original_type = "rfc822";
  return made;
}

mail::DsnInput report(DsnAction action, std::vector<mail::DsnRecipient> recipients) {
  return {.reporting_mta = "mx.example.test",
          .queue_id = "q1",
          .to = address("sender@x.test"),
          .action = action,
          .recipients = std::move(recipients),
          .envelope_id = "env=1",
          .arrival = kArrival,
          .at = kArrival + std::chrono::hours(121),
          .will_retry_until = kArrival + std::chrono::hours(240),
          .original_headers = "Message-ID: <m.1@x.test>\r\nSubject: hello\r\n",
          .boundary = "0123456789abcdefghijklmn"};
}

std::vector<mail::DsnInput> samples() {
  std::vector<mail::DsnInput> out = {
      report(DsnAction::failed, {recipient("bob@y.test", "list@x.test", "5.1.1", "550 5.1.1 no such user"),
                                 recipient("\"a b\"@y.test", "", "5.2.2", "552 5.2.2 full: " + std::string(800, 'x'))}),
      report(DsnAction::failed, {recipient("bob@y.test", "", "4.4.7", "")}),
      report(DsnAction::delayed, {recipient("bob@y.test", "", "4.4.1", "451 4.4.1 connection timed out")}),
      report(DsnAction::delivered, {recipient("bob@y.test", "B@x.test", "2.0.0", "")}),
      report(DsnAction::relayed, {recipient("bob@y.test", "", "2.1.5", "250 2.1.5 ok")}),
      report(DsnAction::expanded, {recipient("list@y.test", "", "2.1.5", "")}),
      report(DsnAction::failed, {recipient("j\xc3\xb6rg@y.test", "", "5.6.7", "553 5.6.7 no"),
                                 recipient("bob@y.test", "", "5.1.1", "550 no")}),
      report(DsnAction::delivered,
             {recipient("a@y.test", "", "2.0.0", ""), recipient("b@y.test", "", "5.7.1", "550 no"),
              recipient("c@y.test", "", "4.2.0", "450 wait")}),
  };
  out.back().recipients[1].action = DsnAction::failed;
  out.back().recipients[2].action = DsnAction::delayed;
  out.push_back(out[6]);
  out.back().utf8 = mail::Utf8::yes;
  out.push_back(out[0]);  // what is said cannot say more than it is
  out.back().recipients[0].diagnostic = "550 \r\n--0123456789abcdefghijklmn\r\nAction: delivered\x01\xff";
  out.back().original_headers += "X-Odd: \x01\r\n--not the boundary\r\n";
  return out;
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  const std::string folder = std::string(words[1]) + '/';
  int number = 0;
  for (const mail::DsnInput& input : samples()) {
    const mail::Dsn dsn = mail::build_dsn(input);
    const std::string name = folder + std::to_string(number++);
    std::ofstream(name + ".eml", std::ios::binary) << dsn.before << dsn.after;
    std::ofstream table(name + ".tsv", std::ios::binary);
    table << input.envelope_id << "\t<m.1@x.test>\n";
    for (const mail::DsnRecipient& one : input.recipients)
      table << fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", one.final_recipient.text(), one.original,
                           mail::name_of(one.action.value_or(input.action)), one.status,
                           mail::quoted_outside(one.diagnostic), one.remote_mta);
    if (!table) return 1;
  }
  return number > 0 ? 0 : 1;
}
