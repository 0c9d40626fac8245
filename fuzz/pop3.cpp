// rooms: pop3 mail core
// The POP3 engine: cuts of input and of messages change nothing; a client that reads by 1939 §3 finds one reply for
// each of its lines, and in RETR the message as it was; output between two flushes is bounded. The first octet of the
// input is the seed of the cuts, and its highest bits have the settings; what comes behind the first 0xFF is the
// content of message 2, the rest is what a client sends. Where STLS is offered the first 0xFE stands for the handshake:
// what was said before means nothing after it.
#include "core/check.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "pop3/test_driver.hpp"

#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

struct Seen {
  std::string sent;
  std::string sent_inside;  // after the handshake
  std::vector<std::size_t> deleted;
  bool handed_over = false;  // what ended the clear part was the handshake
  bool hung_up = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};

pop3::Settings settings_of(std::uint8_t bits) {
  return {.hostname = "mx",
          .cleartext = (bits & 64U) != 0 ? pop3::Cleartext::refused : pop3::Cleartext::allowed,
          .stls = (bits & 128U) != 0};
}

/// What a client sends: in the clear, and behind the handshake.
struct Input {
  std::string_view clear;
  std::string_view inside;
  std::string_view content;
};

std::string first_message() { return "A: b\r\n\r\n.\r\n..\r\n\r\nend"; }

void feed(pop3::test::Driver& driver, std::string_view octets, Random* cuts) {
  while (!octets.empty()) {
    const std::size_t size = cuts == nullptr ? octets.size() : 1 + cuts->below(cuts->below(4) == 0 ? 3000 : 9);
    driver.feed(octets.substr(0, size));
    octets.remove_prefix(std::min(size, octets.size()));
  }
}

Seen play(const Input& input, const pop3::Settings& settings, Random* cuts) {
  pop3::test::Maildrop drop{.contents = {first_message(), std::string(input.content)}};
  if (cuts != nullptr) drop.chunk_octets = 1 + cuts->below(9);
  pop3::test::Driver driver(settings, drop);
  feed(driver, input.clear, cuts);
  Seen seen;
  seen.sent = driver.said();
  seen.handed_over = driver.awaits_handshake();
  if (seen.handed_over) {
    pop3::test::Driver fresh(settings, pop3::test::Answers(drop), pop3::Secured::by_stls, driver.tally());
    driver.handshake();
    feed(driver, input.inside, cuts);
    feed(fresh, input.inside, nullptr);
    seen.sent_inside = driver.said();
    check(seen.sent_inside == fresh.said() && driver.hung_up() == fresh.hung_up(), "a handshake begins a new session");
  } else {
    feed(driver, input.inside, cuts);
    seen.sent += driver.said();
  }
  check(driver.hung_up() == driver.closed() || driver.awaits_handshake(), "closed is hung up");
  check(driver.octets_unflushed_max() <= 3 * pop3::kSendOctetsMax, "output is bounded");
  seen.deleted = driver.deleted();
  seen.hung_up = driver.hung_up();
  return seen;
}

/// Takes one line without its CRLF off `octets`.
std::string_view take_line(std::string_view& octets) {
  const std::size_t end = octets.find("\r\n");
  check(end != std::string_view::npos, "the server ends each line with CRLF");
  const std::string_view line = octets.substr(0, end);
  octets.remove_prefix(end + 2);
  return line;
}

std::string_view take_status(std::string_view& sent) {
  const std::string_view line = take_line(sent);
  check(line.size() <= 510, "a status line has at most 512 octets");  // 1939 §3
  check(line.starts_with("+OK") || line.starts_with("-ERR ") || line.starts_with("+ "), "a status indicator");
  for (const char c : line) check(c >= ' ' && c <= '~', "a status line is printable ASCII");
  return line;
}

/// What the lines up to the final dot mean.
std::string take_lines(std::string_view& sent) {
  std::string meant;
  for (std::string_view line = take_line(sent); line != "."; line = take_line(sent)) {
    if (line.starts_with('.')) line.remove_prefix(1);
    meant.append(line).append("\r\n");
  }
  return meant;
}

bool is_multi_line(std::string_view command) {
  const auto [verb, arguments] = split_once(command, ' ');
  const bool lists = iequals_ascii(verb, "LIST") || iequals_ascii(verb, "UIDL");
  return iequals_ascii(verb, "CAPA") || iequals_ascii(verb, "RETR") || iequals_ascii(verb, "TOP") ||
         (lists && trimmed(arguments).empty()) || (iequals_ascii(verb, "AUTH") && arguments.empty());
}

/// `sent`: the replies to `octets`; of a whole session, or up to the handshake, which ends them as a hang-up would.
void check_replies(std::string_view octets, std::string_view sent, bool ended, std::string_view content) {
  bool is_response = false;  // the line answers an AUTH challenge
  for (std::size_t end = octets.find("\r\n"); end != std::string_view::npos && !sent.empty();
       end = octets.find("\r\n")) {
    const std::string_view command = octets.substr(0, end);
    octets.remove_prefix(end + 2);
    const std::string_view status = take_status(sent);
    const bool was_response = std::exchange(is_response, status.starts_with("+ "));
    if (was_response || !status.starts_with("+OK") || !is_multi_line(command)) continue;
    const std::string meant = take_lines(sent);
    if (!istarts_with_ascii(command, "RETR")) continue;
    const std::string number(trimmed(command.substr(4)));
    std::string want = number.ends_with('1') ? first_message() : std::string(content);
    if (!want.empty() && !want.ends_with("\r\n")) want += "\r\n";
    check(meant == want, "RETR gives the message");
  }
  if (!sent.empty()) check(take_status(sent) == "-ERR line too long" && ended, "nothing without a command");
  check(sent.empty(), "one reply a command");
  check(ended || octets.find("\r\n") == std::string_view::npos, "each command has its reply");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > pop3::kReceivedOctetsMax) return 0;
  SeededRandom cuts(data[0]);
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto [octets, content] = split_once(all, '\xFF');
  const pop3::Settings settings = settings_of(data[0]);
  const auto [clear, inside] = settings.stls ? split_once(octets, '\xFE') : std::pair(octets, std::string_view());
  const Input input{.clear = clear, .inside = inside, .content = content};
  const Seen whole = play(input, settings, nullptr);
  const Seen cut = play(input, settings, &cuts);
  const bool is_behind_stls = whole.sent.ends_with("-ERR nothing goes with STLS\r\n");  // there the cuts do matter
  check(is_behind_stls || whole == cut, "cuts change nothing");
  std::string_view sent = whole.sent;
  check(take_status(sent).starts_with("+OK "), "a greeting");
  const std::string outside = whole.handed_over ? std::string(clear) : std::string(clear) + std::string(inside);
  const bool ended = whole.handed_over || whole.hung_up || whole.sent.ends_with("+OK begin TLS\r\n");
  check_replies(outside, sent, ended, content);
  check_replies(whole.handed_over ? inside : std::string_view(), whole.sent_inside, whole.hung_up, content);
  return 0;
}
