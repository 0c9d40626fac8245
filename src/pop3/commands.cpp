// What each command does (1939 §5-7, 2449 §5, 5034 §4).
#include "core/numbers.hpp"
#include "core/text.hpp"
#include "pop3/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::pop3 {

void Session::State::run_line(std::string_view line, Actions& out) {
  if (std::ranges::any_of(line, [](char c) { return (c >= '\0' && c < ' ') || c == '\x7F'; })) {
    if (std::exchange(wants_response, false)) out.emplace_back(AuthCancelled{});
    return refuse("control character in a command", out);
  }
  if (wants_response) return take_response(line, out);
  const auto [verb, arguments] = split_once(line, ' ');
  run_command(verb, arguments, out);
}

void Session::State::run_command(std::string_view verb, std::string_view arguments, Actions& out) {
  enum class When : std::uint8_t { authorization, transaction, both };
  struct Rule {
    std::string_view verb;
    When when;
    void (State::*run)(std::string_view, Actions&);
  };
  static constexpr auto kRules = std::to_array<Rule>({
      {"AUTH", When::authorization, &State::auth},  // 5034 §4
      {"CAPA", When::both, &State::capa},           // 2449 §5
      {"DELE", When::transaction, &State::dele},    // 1939 §5
      {"LIST", When::transaction, &State::list},    // 1939 §5
      {"NOOP", When::transaction, &State::noop},    // 1939 §5
      {"PASS", When::authorization, &State::pass},  // 1939 §7
      {"QUIT", When::both, &State::quit},           // 1939 §4, §6
      {"RETR", When::transaction, &State::retr},    // 1939 §5
      {"RSET", When::transaction, &State::rset},    // 1939 §5
      {"STAT", When::transaction, &State::stat},    // 1939 §5
      {"STLS", When::authorization, &State::stls},  // 2595 §4
      {"TOP", When::transaction, &State::top},      // 1939 §7
      {"UIDL", When::transaction, &State::uidl},    // 1939 §7
      {"USER", When::authorization, &State::user},  // 1939 §7
  });
  const bool is_http = iequals_ascii(verb, "GET") || iequals_ascii(verb, "POST");
  if (is_http && phase == Phase::authorization) return hang_up(out);  // a browser sent here (SECURITY §3, 29)
  if (phase == Phase::authorization && ++commands_before_login > kCommandsBeforeLoginMax) {
    say("-ERR too many commands without a login");  // else CAPA and USER would hold a place for ever
    return hang_up(out);
  }
  const auto* const rule = std::ranges::find_if(kRules, [v = verb](const Rule& r) { return iequals_ascii(r.verb, v); });
  if (rule == kRules.end()) {
    // 1939 §7 has APOP as optional: it needs the passwords themselves, and we keep hashes.
    return refuse(iequals_ascii(verb, "APOP") ? "APOP is not supported" : "unknown command", out);
  }
  const When now = phase == Phase::authorization ? When::authorization : When::transaction;
  if (rule->when != When::both && rule->when != now) {
    return refuse(now == When::authorization ? "log in first" : "logged in already", out);
  }
  (this->*rule->run)(arguments, out);
}

bool Session::State::may_log_in(Actions& out) {
  if (is_safe()) return true;
  refuse("login needs TLS", out);
  return false;
}

void Session::State::user(std::string_view arguments, Actions& out) {
  if (!may_log_in(out)) return;
  if (arguments.empty()) return refuse("USER needs a name", out);
  login = std::string(arguments);
  say("+OK send PASS");  // whether there is such a user or not (SECURITY R10)
}

void Session::State::pass(std::string_view arguments, Actions& out) {
  if (!may_log_in(out)) return;
  if (!login) return refuse("USER first", out);
  AskLogin question_of{std::move(*login), Secret(std::string(arguments))};  // all after the blank (1939 §7 PASS)
  login.reset();
  ask(Question::login, std::move(question_of), out);
}

bool Session::State::offers(std::string_view mechanism) const {
  const std::vector<std::string_view> offered = split(mechanisms, ' ');
  return !mechanism.empty() && std::ranges::find(offered, mechanism) != offered.end();
}

void Session::State::auth(std::string_view arguments, Actions& out) {
  if (!may_log_in(out)) return;
  if (arguments.empty()) {  // many clients ask so
    say("+OK mechanisms follow");
    if (!mechanisms.empty()) {
      for (const std::string_view one : split(mechanisms, ' ')) say(one);
    }
    return say(".");
  }
  const auto [mechanism, initial_response] = split_once(arguments, ' ');
  AskAuth question_of{.mechanism = std::string(mechanism), .initial = std::nullopt};
  std::ranges::transform(question_of.mechanism, question_of.mechanism.begin(), &to_upper_ascii);
  if (!offers(question_of.mechanism)) return refuse("no such mechanism here", out);
  if (initial_response == "=") {  // 5034 §4: there, and empty
    question_of.initial.emplace();
  } else if (!initial_response.empty()) {
    Result<std::string> octets = from_base64(initial_response);
    if (!octets) return refuse("not base64", out);
    question_of.initial.emplace(std::move(*octets));
  }
  ask(Question::auth, std::move(question_of), out);
}

void Session::State::take_response(std::string_view line, Actions& out) {
  wants_response = false;
  Result<std::string> octets = from_base64(line);
  if (octets) return ask(Question::auth, AskAuthResponse{Secret(std::move(*octets))}, out);
  out.emplace_back(AuthCancelled{});
  refuse(line == "*" ? "authentication cancelled" : "not base64", out);  // 5034 §4
}

void Session::State::stls(std::string_view arguments, Actions& out) {
  if (secured != Secured::no) return refuse("TLS is on", out);
  if (!settings.stls) return refuse("no TLS here", out);
  if (!arguments.empty()) return refuse("STLS has no arguments", out);
  if (input.held_octets() > 0) {  // SECURITY R5: it was said in the clear, by whomever
    say("-ERR nothing goes with STLS");
    return hang_up(out);
  }
  say("+OK begin TLS");
  emit(out);
  phase = Phase::handed_over;
  out.emplace_back(StartTls{});
}

void Session::State::capa(std::string_view /*arguments*/, Actions& /*out*/) {
  say("+OK capability list follows");
  if (settings.stls && secured == Secured::no && phase == Phase::authorization) say("STLS");  // 2595 §4
  if (is_safe()) {  // nothing that would be refused (2449 §6.2, 5034 §3)
    say("USER");
    if (!mechanisms.empty()) say("SASL " + mechanisms);
  }
  for (const std::string_view capability :
       {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "IMPLEMENTATION Postrider", "."}) {
    say(capability);
  }
}

void Session::State::quit(std::string_view /*arguments*/, Actions& out) {
  DeleteMessages question_of;
  for (std::size_t i = 0; i < deleted.size(); ++i) {
    if (deleted[i]) question_of.indices.push_back(i);
  }
  // 1939 §6: also without deletions, so that the maildrop is free when the client hears of the end.
  if (phase == Phase::transaction) return ask(Question::deletion, std::move(question_of), out);
  say("+OK bye");
  hang_up(out);
}

void Session::State::noop(std::string_view /*arguments*/, Actions& /*out*/) { say("+OK"); }

void Session::State::rset(std::string_view /*arguments*/, Actions& /*out*/) {
  deleted.assign(messages.size(), false);
  kept_messages = messages.size();
  kept_octets = 0;
  for (const Message& message : messages) kept_octets += message.size_octets;
  say(fmt::format("+OK {} messages ({} octets)", kept_messages, kept_octets));
}

void Session::State::stat(std::string_view /*arguments*/, Actions& /*out*/) {
  say(fmt::format("+OK {} {}", kept_messages, kept_octets));
}

std::optional<std::size_t> Session::State::message_index(std::string_view number, Actions& out) {
  const Result<std::uint64_t> parsed = parse_number<std::uint64_t>(number);
  if (!parsed && parsed.error().code == Error::malformed) {
    refuse("not a message number", out);
  } else if (!parsed || *parsed == 0 || *parsed > messages.size() || deleted[*parsed - 1]) {
    refuse("no such message", out);
  } else {
    return *parsed - 1;
  }
  return std::nullopt;
}

void Session::State::dele(std::string_view arguments, Actions& out) {
  const std::optional<std::size_t> index = message_index(trimmed(arguments), out);
  if (!index) return;
  deleted[*index] = true;
  --kept_messages;
  kept_octets -= messages[*index].size_octets;
  say(fmt::format("+OK message {} deleted", *index + 1));
}

void Session::State::list(std::string_view arguments, Actions& out) { scan_listing(Column::size, arguments, out); }
void Session::State::uidl(std::string_view arguments, Actions& out) { scan_listing(Column::unique_id, arguments, out); }

void Session::State::scan_listing(Column column, std::string_view arguments, Actions& out) {
  const std::string_view number = trimmed(arguments);
  if (number.empty()) {
    say(fmt::format("+OK {} messages", kept_messages));
    listing = Listing{.column = column};
    return;
  }
  const std::optional<std::size_t> index = message_index(number, out);
  if (index) say("+OK " + listing_line(column, *index));
}

std::string Session::State::listing_line(Column column, std::size_t index) const {
  const Message& message = messages[index];
  if (column == Column::size) return fmt::format("{} {}", index + 1, message.size_octets);
  return fmt::format("{} {}", index + 1, message.unique_id);
}

void Session::State::continue_listing() {
  while (listing->next < messages.size()) {
    if (output.size() + unflushed >= kSendOctetsMax) return;
    const std::size_t index = listing->next++;
    if (!deleted[index]) say(listing_line(listing->column, index));  // 1939 §5 LIST: without those marked as deleted
  }
  listing.reset();
  say(".");
}

void Session::State::retr(std::string_view arguments, Actions& out) {
  const std::optional<std::size_t> index = message_index(trimmed(arguments), out);
  if (index) fetch(*index, std::nullopt, out);
}

void Session::State::top(std::string_view arguments, Actions& out) {
  const auto [number, lines] = split_once(trimmed(arguments), ' ');
  const Result<std::uint64_t> lines_max = parse_number<std::uint64_t>(trimmed(lines));
  if (!lines_max) return refuse("TOP needs a message number and a count of lines", out);
  const std::optional<std::size_t> index = message_index(number, out);
  if (index) fetch(*index, *lines_max, out);
}

void Session::State::fetch(std::size_t index, std::optional<std::uint64_t> body_lines_max, Actions& out) {
  retrieval.emplace(Retrieval{.lines = Transparency(body_lines_max), .index = index});
  ask(Question::chunk, Fetch{index}, out);
}

}  // namespace postrider::pop3
