#include "pop3/session.hpp"

#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "core/text.hpp"
#include "pop3/state.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace postrider::pop3 {

namespace {

constexpr std::size_t kInputOctetsMax = kLineOctetsMax + kReceivedOctetsMax;
constexpr std::size_t kReplyTextOctetsMax = 400;  // of outside text in a reply: a line has at most 512 (1939 §3)

bool is_unique_id(std::string_view text) {  // 1939 §7 UIDL
  return !text.empty() && text.size() <= 70 && std::ranges::all_of(text, [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace

Session::Session(Settings settings, Secured secured, Tally before)
    : state_(new State(std::move(settings), secured, before)) {}
void Session::StateDeleter::operator()(State* state) const { delete state; }

Wait Session::waits_for() const {
  return state_->phase == State::Phase::authorization ? Wait::before_login : Wait::command;
}
bool Session::closed() const { return state_->is_over(); }
Tally Session::tally() const {
  return {.errors = state_->errors,
          .failed_logins = state_->failed_logins,
          .commands_before_login = state_->commands_before_login};
}

void Session::start(Actions& out) { state_->ask(State::Question::connect, AskConnect{}, out); }

void Session::step(const Event& event, Actions& out) {
  State& s = *state_;
  check(s.phase != State::Phase::handed_over || !std::holds_alternative<Received>(event),
        "pop3: octets for a session that went over to TLS");  // SECURITY R5
  if (closed()) return;                                       // an answer that was on its way when the session ended
  s.unflushed = 0;  // the driver wrote all that was said before it stepped again
  std::visit(
      Overloaded{[&](const Received& e) {
                   s.input.append(e.octets);
                   if (s.input.held_octets() > kInputOctetsMax) s.hang_up(out);
                 },
                 [&](const LoggedIn& e) { s.on_logged_in(e, out); },
                 [&](const LoginRefused& e) { s.on_login_refused(e, out); },
                 [&](const Chunk& e) { s.on_chunk(e, out); }, [&](const FetchFailed& e) { s.on_fetch_failed(e, out); },
                 [&](const Deleted& e) { s.on_deleted(e, out); },
                 [&](const Flushed&) { s.expect(State::Question::flush); },
                 [&](const TimedOut&) { s.hang_up(out); },  // 1939 §3: no reply, no UPDATE state
                 [&](const PeerClosed&) { s.hang_up(out); }, [&](const Offered& e) { s.on_offered(e); },
                 [&](const Challenged& e) { s.on_challenged(e); }, [&](const Draining&) { s.draining = true; }},
      event);
  s.go_on(out);
}

void Session::State::go_on(Actions& out) {
  while (!is_over() && question == Question::none) {  // pipelined input waits for the answer (2449 §6.8)
    if (output.size() + unflushed >= kSendOctetsMax) {
      ask(Question::flush, Flush{}, out);
    } else if (listing) {
      continue_listing();
    } else if (draining) {
      say("-ERR [SYS/TEMP] the server is shutting down");
      hang_up(out);
    } else {
      const bool in_transaction = phase == Phase::transaction;
      const Result<std::optional<std::string_view>> line =
          input.next_line(in_transaction ? kLineOctetsMax : kLineOctetsMaxBeforeLogin);
      if (!line) {
        say("-ERR line too long");
        hang_up(out);
      } else if (*line) {
        run_line(**line, out);
      } else {
        break;
      }
    }
  }
  emit(out);
  if (input.held_octets() == 0) input.clear();  // an idle session holds no buffer
}

void Session::State::expect(Question wanted) {
  check(question == wanted, "pop3: an answer to a question that is not open");
  question = Question::none;
}

void Session::State::on_offered(const Offered& event) {
  expect(Question::connect);
  mechanisms = fmt::format("{}", fmt::join(event.mechanisms, " "));
  if (secured == Secured::by_stls) return;                 // 2595 §4: the client goes on
  say("+OK " + settings.hostname + " POP3 server ready");  // no <timestamp>: no APOP (1939 §7)
}

void Session::State::on_challenged(const Challenged& event) {
  expect(Question::auth);
  wants_response = true;
  say("+ " + to_base64(event.octets));  // 5034 §4
}

void Session::State::on_logged_in(const LoggedIn& event, Actions& out) {
  expect(question == Question::auth ? Question::auth : Question::login);
  check(std::ranges::all_of(event.messages, [](const Message& m) { return is_unique_id(m.unique_id); }),
        "pop3: not a unique-id");
  phase = Phase::transaction;
  messages = event.messages;
  login.reset();
  rset({}, out);
}

void Session::State::on_login_refused(const LoginRefused& event, Actions& out) {
  expect(question == Question::auth ? Question::auth : Question::login);
  say(fmt::format("-ERR [{}] {}", event.code, printable_ascii(event.text, kReplyTextOctetsMax)));
  if (++failed_logins >= kFailedLoginsMax || event.hang_up) hang_up(out);
}

void Session::State::on_chunk(const Chunk& event, Actions& out) {
  expect(Question::chunk);
  if (!retrieval->begun) say(fmt::format("+OK {} octets", messages[retrieval->index].size_octets));
  retrieval->begun = true;
  retrieval->lines.append(event.octets, output);
  if (!event.last && !retrieval->lines.enough()) return ask(Question::chunk, Continue{}, out);
  retrieval->lines.finish(output);
  retrieval.reset();
  if (event.last) return;
  emit(out);
  out.emplace_back(StopFetching{});
}

void Session::State::on_fetch_failed(const FetchFailed& event, Actions& out) {
  expect(Question::chunk);
  const bool begun = retrieval->begun;
  retrieval.reset();
  // Half a message must not look like a whole one: no final dot, the connection ends.
  if (begun) return hang_up(out);
  say("-ERR [SYS/TEMP] " + printable_ascii(event.text, kReplyTextOctetsMax));
  if (event.hang_up) hang_up(out);
}

void Session::State::on_deleted(const Deleted& event, Actions& out) {
  expect(Question::deletion);
  say(event.all ? "+OK bye" : "-ERR [SYS/TEMP] some deleted messages are not removed");  // 1939 §6
  hang_up(out);
}

void Session::State::say(std::string_view text) {
  output += text;
  output += "\r\n";
}

void Session::State::refuse(std::string_view text, Actions& out) {
  if (++errors < kErrorsMax) return say(fmt::format("-ERR {}", text));
  say("-ERR too many errors");
  hang_up(out);
}

void Session::State::emit(Actions& out) {
  unflushed += output.size();
  if (output.size() <= kSendOctetsMax) {
    if (!output.empty()) out.emplace_back(Send{std::move(output)});
  } else {
    for (std::string_view rest = output; !rest.empty(); rest.remove_prefix(std::min(rest.size(), kSendOctetsMax))) {
      out.emplace_back(Send{std::string(rest.substr(0, kSendOctetsMax))});
    }
  }
  std::string().swap(output);  // an assignment would keep its buffer
}

void Session::State::ask(Question kind, Action action, Actions& out) {
  emit(out);
  question = kind;
  out.push_back(std::move(action));
}

void Session::State::hang_up(Actions& out) {
  emit(out);
  phase = Phase::closed;
  question = Question::none;
  input.clear();
  messages = {};
  deleted = {};
  listing.reset();
  retrieval.reset();
  out.emplace_back(HangUp{});
}

}  // namespace postrider::pop3
