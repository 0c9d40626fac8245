// rooms: smtp mail core
// The client engine against a remote that says anything: every transaction ends with one outcome for each recipient,
// and no bare CR or LF is ever written, but inside of the chunks of a binary content. Input: a seed octet, of which one
// bit chooses LMTP and one to ask only, an octet of flags, a content up to the first 0xFF, the remote.
#include "core/check.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "tests/dialogue/client_runner.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace postrider;

namespace {

/// What is sent without the octets of BDAT chunks; a binary content is sent in no other way.
std::string without_chunks(const std::vector<std::string>& writes) {
  std::string out;
  for (const std::string& write : writes) {
    std::size_t bdat = write.starts_with("BDAT ") ? 0 : std::string::npos;
    if (write.starts_with("MAIL ")) bdat = write.find("\r\nBDAT ");
    if (bdat == std::string::npos) {
      out += write;
      continue;
    }
    const std::size_t end = write.find("\r\n", bdat + 2);
    check(end != std::string::npos, "a BDAT command is a line");
    out += write.substr(0, end + 2);
  }
  return out;
}

void check_lines(std::string_view sent) {
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (sent[i] == '\n') check(i > 0 && sent[i - 1] == '\r', "no bare LF is written");
    if (sent[i] == '\r') check(i + 1 < sent.size() && sent[i + 1] == '\n', "no bare CR is written");
  }
}

void check_outcomes(const smtp::TransactionDone& done, std::size_t recipients, smtp::Phase accepts) {
  check(done.outcomes.size() == recipients, "one outcome for each recipient");
  for (const smtp::RecipientOutcome& outcome : done.outcomes) {
    check(outcome.reply.code >= 200 && outcome.reply.code <= 599, "an outcome is a reply");
    check(outcome.reply.code >= 400 || outcome.phase == accepts, "only the end of data accepts");
    for (const char c : smtp::to_line(outcome.reply)) check(c >= ' ' && c <= '~', "printable ASCII");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  SeededRandom random(data[0]);
  const unsigned flags = data[1];
  const auto parts = split_once(std::string_view(reinterpret_cast<const char*>(data) + 2, size - 2), '\xff');
  std::string_view said = parts.second;
  dialogue::ClientRunner runner([](std::string_view) { return std::string(); }, std::string(parts.first),
                                1 + random.below(50),
                                (data[0] & 128U) != 0 ? smtp::Protocol::lmtp : smtp::Protocol::smtp);
  const bool only_ask = (data[0] & 64U) != 0;
  std::size_t begun = 0;
  const std::size_t recipients = 1 + (flags & 3U);
  const auto begin = [&] {
    smtp::ClientTransaction transaction{.reverse_path = mail::Path::null(),
                                        .recipients = {},
                                        .size_octets = parts.first.size(),
                                        .request = {},
                                        .recipient_requests = {},
                                        .only_ask = only_ask};
    for (std::size_t i = 0; i < recipients; ++i) {
      const std::string_view text = (flags & 64U) != 0 && i == 1 ? "\xc3\xb6@x.test" : "\"a b\"@x.test";
      transaction.recipients.push_back(mail::Address::parse(text, mail::Utf8::yes).value());
    }
    if ((flags & 4U) != 0) transaction.request.body = smtp::BodyType::eight_bit_mime;
    if ((flags & 128U) != 0) {
      transaction.request = {
          .utf8 = mail::Utf8::no,
          .body = smtp::BodyType::binary_mime,
          .returned = mail::ReturnContent::headers,
          .envelope_id = "e=1",
          .deliver_by =
              mail::DeliverBy{.within = std::chrono::seconds(9), .mode = mail::DeliverBy::Mode::notify, .trace = true},
          .hold_for = std::nullopt,
          .hold_until = std::nullopt,
          .priority = 3};
      transaction.recipient_requests.assign(
          recipients, {.notify = mail::NotifyOn{}, .original_type = "rfc822", .original = "a+b=c@x.test"});
    }
    ++begun;
    runner.begin(std::move(transaction));
  };
  while (!said.empty() && !runner.session().closed()) {
    const std::size_t piece = 1 + random.below((flags & 8U) != 0 ? 200 : 5);
    runner.remote_says(said.substr(0, piece));
    said.remove_prefix(std::min(piece, said.size()));
    runner.listen(1000);
    if (runner.session().ready() && begun < 3) begin();
    if (runner.session().ready() && (flags & 16U) != 0) runner.quit();
  }
  if ((flags & 32U) != 0) runner.step(smtp::TimedOut{});
  runner.step(smtp::PeerClosed{});
  check(runner.session().closed() && runner.hung_up, "a lost connection ends the session");
  check(runner.broken.empty(), "the engine keeps its own rules");
  check(runner.done.size() == begun, "every transaction ends once");
  check(runner.refused.size() <= 1 && (runner.refused.empty() || begun == 0), "a refused session has no transactions");
  for (const smtp::TransactionDone& done : runner.done) {
    check_outcomes(done, recipients, only_ask ? smtp::Phase::rcpt : smtp::Phase::end_of_data);
  }
  const std::string commands = without_chunks(runner.writes);
  check_lines(commands);
  if (only_ask) check(!commands.contains("\r\nDATA\r\n") && !commands.contains("\r\nBDAT "), "it only asks");
  if ((flags & 128U) != 0) check(!commands.contains("DATA\r\n"), "a binary content never goes by DATA");
  return 0;
}
