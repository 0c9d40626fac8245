// rooms: smtp mail core
// The server engine: cuts change nothing, replies are well formed, contents hold no bare CR, LF or NUL but where they
// may, memory is bounded; nobody logs in by what was not offered, nothing is submitted without a login, and what was
// said before a handshake means nothing after it. The first octet of the input is the seed of the cuts, the second has
// the settings and rights; where STARTTLS is offered, the first 0xFF stands for the handshake.
#include "core/check.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "tests/dialogue/server_runner.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

using namespace postrider;

namespace {

constexpr std::uint64_t kMessageOctetsMax = 4096;

/// Answers by the subject, not by the count of questions: cuts must not matter.
smtp::Reply answer(dialogue::Question question, std::string_view subject) {
  using enum dialogue::Question;
  if (subject.starts_with("no")) return {.code = 550, .enhanced = "5.7.1", .text = "no"};
  if (subject.starts_with("later")) return {.code = 451, .enhanced = "4.7.1", .text = "later"};
  if (subject.starts_with("bye")) return {.code = 421, .enhanced = "4.3.2", .text = "bye"};
  switch (question) {
    case connect:
    case xclient: return {.code = 220, .enhanced = "", .text = "mx"};
    case auth: return {.code = 235, .enhanced = "2.7.0", .text = "ok"};
    case begin_content: return {.code = 354, .enhanced = "", .text = "go"};
    case hello:
    case sender:
    case recipient:
    case end_content: break;
  }
  return {.code = 250, .enhanced = "2.0.0", .text = "ok"};
}

struct Seen {
  std::string sent;
  std::vector<std::string> taken;
  bool hung_up = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};

/// The second octet, bit by bit.
struct Mode {
  explicit Mode(std::uint8_t bits) {
    if ((bits & 1U) != 0) settings.protocol = smtp::Protocol::lmtp;
    settings.binarymime = (bits & 2U) != 0;
    if ((bits & 4U) != 0) rights.bare_newline = smtp::BareNewline::normalize;
    rights.trusted = (bits & 8U) != 0;
    rights.xclient = (bits & 16U) != 0;
    settings.starttls = (bits & 32U) != 0;
    if ((bits & 64U) != 0) cleartext = dialogue::Cleartext::allowed;
    settings.submission = (bits & 128U) != 0;
  }
  smtp::ServerSettings settings{.hostname = "mx",
                                .own_domain = mail::Domain::parse("own.test").value(),
                                .max_message_size = kMessageOctetsMax,
                                .max_recipients = 5};
  smtp::PeerRights rights{.mechanisms = {"PLAIN", "LOGIN", "EXTERNAL"}};
  dialogue::Cleartext cleartext = dialogue::Cleartext::refused;
};

void feed(dialogue::ServerRunner& runner, std::string_view octets, Random* cuts) {
  while (!octets.empty()) {
    const std::size_t size = cuts == nullptr ? octets.size() : 1 + cuts->below(cuts->below(4) == 0 ? 3000 : 9);
    runner.receive(octets.substr(0, size), smtp::kContentChunkOctetsMax);
    octets.remove_prefix(std::min(size, octets.size()));
  }
}

/// A session that begins with the handshake, where another with this tally ended.
Seen play_inside(std::string_view octets, const Mode& mode, smtp::Tally before) {
  dialogue::ServerRunner runner(mode.settings, &answer, mode.rights, smtp::Secured::by_starttls, mode.cleartext,
                                before);
  runner.start();
  feed(runner, octets, nullptr);
  return {.sent = runner.take_sent(), .taken = runner.taken, .hung_up = runner.hung_up()};
}

/// Everything that is seen, or nothing where the cuts may matter: behind STARTTLS.
std::optional<Seen> play(std::string_view octets, const Mode& mode, Random* cuts) {
  dialogue::ServerRunner runner(mode.settings, &answer, mode.rights, smtp::Secured::no, mode.cleartext);
  runner.start();
  const auto [clear, inside] =
      mode.settings.starttls ? split_once(octets, '\xFF') : std::pair(octets, std::string_view());
  feed(runner, clear, cuts);
  std::string sent = runner.take_sent();
  if (runner.awaits_handshake()) {
    const smtp::Tally tally = runner.session().tally();
    const std::size_t taken_before = runner.taken.size();
    runner.handshake();
    feed(runner, inside, cuts);
    const Seen after = play_inside(inside, mode, tally);
    sent += after.sent;
    check(runner.take_sent() == after.sent && runner.hung_up() == after.hung_up, "a handshake begins a new session");
    check(std::ranges::equal(std::span(runner.taken).subspan(taken_before), after.taken), "with its own contents");
  } else {
    feed(runner, inside, cuts);
    sent += runner.take_sent();
  }
  check(runner.broken.empty(), "the engine keeps its own rules");
  check(runner.hung_up() == runner.session().closed() || runner.awaits_handshake(), "closed is hung up");
  if (std::ranges::find(runner.limits, smtp::Limit::behind_starttls) != runner.limits.end()) return std::nullopt;
  return Seen{.sent = std::move(sent), .taken = runner.taken, .hung_up = runner.hung_up()};
}

void check_replies(std::string_view sent) {
  while (!sent.empty()) {
    const std::size_t end = sent.find("\r\n");
    check(end != std::string_view::npos && end >= 4 && end <= 510, "a reply line ends in CRLF and is not too long");
    const std::string_view line = sent.substr(0, end);
    check(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'), "a reply begins with its code");
    for (const char c : line) check(c >= ' ' && c <= '~', "a reply is printable ASCII");
    sent.remove_prefix(end + 2);
  }
}

void check_content(std::string_view content) {
  check(content.size() <= kMessageOctetsMax, "size limit");
  check(content.find('\0') == std::string_view::npos, "no NUL");
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\r') check(i + 1 < content.size() && content[i + 1] == '\n', "no bare CR");
    if (content[i] == '\n') check(i > 0 && content[i - 1] == '\r', "no bare LF");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  SeededRandom cuts(data[0]);
  const std::string_view octets(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Mode mode(data[1]);
  const std::optional<Seen> whole = play(octets, mode, nullptr);
  const std::optional<Seen> cut = play(octets, mode, &cuts);
  if (!whole || !cut) return 0;
  check(whole == cut, "cuts change nothing");
  check_replies(whole->sent);
  if (mode.settings.binarymime) return 0;
  for (const std::string& content : whole->taken) check_content(content);
  return 0;
}
