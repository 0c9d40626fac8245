// rooms: pop3 mail core
// The POP3 engine: cuts of input and of messages change nothing; a client that reads by 1939 §3 finds one reply for
// each of its lines, and in RETR the message as it was; output between two flushes is bounded. The first octet of the
// input is the seed of the cuts; what comes behind the first 0xFF is the content of message 2, the rest is what a
// client sends.
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
  std::vector<std::size_t> deleted;
  bool hung_up = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::string first_message() { return "A: b\r\n\r\n.\r\n..\r\n\r\nend"; }

Seen play(std::string_view octets, std::string_view content, Random* cuts) {
  pop3::test::Maildrop drop{.contents = {first_message(), std::string(content)}};
  if (cuts != nullptr) drop.chunk_octets = 1 + cuts->below(9);
  pop3::test::Driver driver({.hostname = "mx", .cleartext = pop3::Cleartext::allowed}, std::move(drop));
  while (!octets.empty()) {
    const std::size_t size = cuts == nullptr ? octets.size() : 1 + cuts->below(cuts->below(4) == 0 ? 3000 : 9);
    driver.feed(octets.substr(0, size));
    octets.remove_prefix(std::min(size, octets.size()));
  }
  check(driver.hung_up() == driver.closed(), "closed is hung up");
  check(driver.octets_unflushed_max() <= 3 * pop3::kSendOctetsMax, "output is bounded");
  return {.sent = driver.said(), .deleted = driver.deleted(), .hung_up = driver.hung_up()};
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
  check(line.starts_with("+OK") || line.starts_with("-ERR ") || line == "+ ", "a status indicator");
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
         (lists && trimmed(arguments).empty());
}

void check_replies(std::string_view octets, const Seen& seen, std::string_view content) {
  std::string_view sent = seen.sent;
  check(take_status(sent).starts_with("+OK "), "a greeting");
  bool is_response = false;  // the line answers an AUTH challenge
  for (std::size_t end = octets.find("\r\n"); end != std::string_view::npos && !sent.empty();
       end = octets.find("\r\n")) {
    const std::string_view command = octets.substr(0, end);
    octets.remove_prefix(end + 2);
    const std::string_view status = take_status(sent);
    const bool was_response = std::exchange(is_response, status == "+ ");
    if (was_response || !status.starts_with("+OK") || !is_multi_line(command)) continue;
    const std::string meant = take_lines(sent);
    if (!istarts_with_ascii(command, "RETR")) continue;
    const std::string number(trimmed(command.substr(4)));
    std::string want = number.ends_with('1') ? first_message() : std::string(content);
    if (!want.empty() && !want.ends_with("\r\n")) want += "\r\n";
    check(meant == want, "RETR gives the message");
  }
  if (!sent.empty()) check(take_status(sent) == "-ERR line too long" && seen.hung_up, "nothing without a command");
  check(sent.empty(), "one reply a command");
  check(seen.hung_up || octets.find("\r\n") == std::string_view::npos, "each command has its reply");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > pop3::kReceivedOctetsMax) return 0;
  SeededRandom cuts(data[0]);
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto [octets, content] = split_once(all, '\xFF');
  const Seen whole = play(octets, content, nullptr);
  check(whole == play(octets, content, &cuts), "cuts change nothing");
  check_replies(octets, whole, content);
  return 0;
}
