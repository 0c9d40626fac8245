#include "smtp/server_session.hpp"

#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "smtp/command_parameters.hpp"
#include "smtp/server_state.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::smtp {

namespace {

constexpr std::size_t kPendingOctetsMax = 64 * 1024 + kContentChunkOctetsMax;  // what waits and one read more
constexpr std::size_t kSwallowedLineOctetsMax = 64 * 1024;                     // of a command line over its limit
constexpr std::size_t kActionsMax = 32;             // made of one read before they must be done
constexpr std::size_t kReplyOctetsMax = 16 * 1024;  // the same, of the replies of a group
constexpr std::size_t kUsedOctetsMax = 16 * 1024;   // used up in front of `pending` before it is moved down

bool is_much(const Actions& out) {
  if (out.size() >= kActionsMax) return true;
  const auto* const replies = out.empty() ? nullptr : std::get_if<Send>(&out.back());
  return replies != nullptr && replies->octets.size() >= kReplyOctetsMax;
}

}  // namespace

std::string_view name_of(Limit limit) {
  switch (limit) {
    case Limit::command_line: return "command_line";
    case Limit::address: return "address";
    case Limit::data_line: return "data_line";
    case Limit::message_size: return "message_size";
    case Limit::recipients: return "recipients";
    case Limit::errors: return "errors";
    case Limit::idle_commands: return "idle_commands";
    case Limit::refused_recipients: return "refused_recipients";
    case Limit::swallowed: return "swallowed";
    case Limit::bare_newline: return "bare_newline";
    case Limit::early_talker: return "early_talker";
    case Limit::other_protocol: return "other_protocol";
    case Limit::behind_starttls: return "behind_starttls";
    case Limit::wait: return "wait";
    case Limit::rate: return "rate";
  }
  return "";
}

ServerSession::ServerSession(const ServerSettings* settings, Secured secured, Tally before)
    : state_(new State(settings, secured, before)) {
  static_assert(sizeof(State) <= 1024, "an idle session is small (LIMITS.md)");
}
void ServerSession::StateDeleter::operator()(State* state) const { delete state; }

Wait ServerSession::waits_for() const {
  return state_->phase == State::Phase::data || state_->phase == State::Phase::chunk ? Wait::data : Wait::command;
}
bool ServerSession::closed() const {
  return state_->phase == State::Phase::closed || state_->phase == State::Phase::handed_over;
}
bool ServerSession::in_content() const { return state_->transaction && state_->transaction->content_begun; }
HelloKind ServerSession::hello_kind() const { return state_->hello.value_or(HelloKind::helo); }
Tally ServerSession::tally() const {
  return {.errors = state_->errors,
          .refused_recipients = state_->refused_recipients,
          .idle_commands = state_->idle_commands};
}

void ServerSession::start(Actions& out) { state_->ask(State::Asking::connect, AskConnect{}, out); }

void ServerSession::step(const Event& event, Actions& out) {
  check(state_->phase != State::Phase::handed_over || !std::holds_alternative<Received>(event),
        "smtp: octets for a session that went over to TLS");  // SECURITY R5
  if (closed()) return;
  const auto over = [&](Limit limit, int code, std::string enhanced, std::string text) {
    state_->note(limit, out);
    state_->hang_up({.code = code, .enhanced = std::move(enhanced), .text = std::move(text)}, out);
  };
  std::visit(Overloaded{[&](const Received& e) { state_->on_received(e.octets, out); },
                        [&](const Answered& e) { state_->on_answer(e, out); },
                        [&](const Challenged& e) { state_->on_challenge(e, out); },
                        [&](const TalkedEarly&) {  // 5321 §3.1, §4.3.1
                          over(Limit::early_talker, 554, "5.5.1", "Talked before the greeting");
                        },
                        [&](const TimedOut&) { over(Limit::wait, 421, "4.4.2", "Idle too long"); },
                        [&](const TooSlow&) { over(Limit::rate, 421, "4.4.2", "Content comes too slowly"); },
                        [&](const PeerClosed&) {
                          state_->drop(out);
                          state_->phase = State::Phase::closed;
                          out.emplace_back(HangUp{});
                        },
                        [&](const Draining&) {
                          state_->draining = true;
                          state_->run_pending(out);
                        }},
             event);
}

void ServerSession::State::on_received(std::string_view octets, Actions& out) {
  if (pending.empty()) {
    run(octets, out);
    pending = octets;
    return;
  }
  // The driver reads only when nothing is left to do, so what waits is the start of a line (2920 §3.2).
  check(pending.size() - pending_used + octets.size() <= kPendingOctetsMax, "smtp: more input than was asked for");
  pending += octets;
  run_pending(out);
}

void ServerSession::State::run_pending(Actions& out) {
  std::string_view rest = std::string_view(pending).substr(pending_used);
  run(rest, out);
  pending_used = pending.size() - rest.size();
  if (rest.empty()) {
    std::string().swap(pending);  // an idle session holds no buffer (LIMITS.md); an assignment would keep it
    pending_used = 0;
  } else if (pending_used > (asking == Asking::nothing ? 0 : kUsedOctetsMax)) {
    std::string(rest).swap(pending);  // the start of a line, in a buffer of its size
    pending_used = 0;
  }
}

/// Uses up octets from the front of `rest` until a question is open or more octets are needed.
void ServerSession::State::run(std::string_view& rest, Actions& out) {
  bool moved = true;
  while (moved && asking == Asking::nothing) {
    if (phase != Phase::closed && phase != Phase::handed_over && !rest.empty() && is_much(out)) {
      ask(Asking::flushed, AskFlushed{}, out);
      break;
    }
    switch (phase) {
      case Phase::handed_over:
      case Phase::closed: rest = {}; return;
      case Phase::command:
      case Phase::response:
        if (draining && !transaction) {
          hang_up({.code = 421, .enhanced = "4.3.2", .text = "Shutting down"}, out);  // 5321 §3.8
        } else {
          moved = take_command_line(rest, out);
        }
        break;
      case Phase::data: moved = take_data(rest, out); break;
      case Phase::chunk: moved = take_chunk(rest, out); break;
    }
  }
  if (phase == Phase::closed || phase == Phase::handed_over) rest = {};
}

/// One line, if it is all there. Only CRLF ends it (SECURITY R1).
bool ServerSession::State::take_command_line(std::string_view& rest, Actions& out) {
  const bool is_command = phase == Phase::command;
  if (swallowed == 0 && is_command) {
    if (const std::optional<RefusedCommand> other = refuse_other_protocol(rest)) {
      refuse(*other, out);
      return true;
    }
  }
  const std::size_t end = rest.find("\r\n");
  const bool whole = end != std::string_view::npos;
  const std::size_t octets = swallowed + (whole ? end + 2 : rest.size());
  if (octets > kSwallowedLineOctetsMax) {
    note(Limit::swallowed, out);
    hang_up({.code = 421, .enhanced = "4.7.0", .text = "Line far too long"}, out);
    return true;
  }
  const bool too_long = octets > line_octets_max(rest);
  if (too_long && swallowed == 0) {  // LIMITS.md "command line"
    swallows_auth = line_octets_max(rest) == kAuthLineOctetsMax;
    const RefusedCommand refusal = refuse_long_line(rest);
    if (refusal.hang_up && is_command) {
      refuse(refusal, out);
      return true;
    }
  }
  if (!whole) {
    if (!too_long) return false;
    const std::size_t kept = rest.ends_with('\r') ? 1 : 0;
    swallowed += rest.size() - kept;
    rest.remove_prefix(rest.size() - kept);
    return false;
  }
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  if (too_long) {
    swallowed = 0;
    RefusedCommand refusal = refuse_long_line({});
    if (swallows_auth) refusal.reply.enhanced = "5.5.6";  // 4954 §6
    if (is_command) {
      run_command(std::move(refusal), rest, out);
    } else {
      note(refusal.limit, out);
      cancel_auth(refusal.reply, out);
    }
  } else if (is_command) {
    run_command(parse_command(line, context()), rest, out);
  } else {
    take_response(line, out);
  }
  return true;
}

std::size_t ServerSession::State::line_octets_max(std::string_view rest) const {
  if (swallowed > 0) return 0;  // it was too long before
  const bool of_auth = phase == Phase::response || (mechanisms && is_auth_line(rest));
  return of_auth ? kAuthLineOctetsMax : kCommandLineOctetsMax;
}

void ServerSession::State::run_command(Command command, std::string_view behind, Actions& out) {
  if (!count_idle_command(out)) return;
  std::visit(
      Overloaded{
          [&](HelloCommand& c) { run_hello(std::move(c), out); }, [&](MailCommand& c) { run_mail(std::move(c), out); },
          [&](RcptCommand& c) { run_rcpt(std::move(c), out); },
          [&](XclientCommand& c) { run_xclient(std::move(c), out); }, [&](const BdatCommand& c) { run_bdat(c, out); },
          [&](AuthCommand& c) { run_auth(std::move(c), out); },
          [&](const BareCommand& c) { c == BareCommand::starttls ? run_starttls(behind, out) : run_bare(c, out); },
          [&](const RefusedCommand& c) { refuse(c, out); }},
      command);
}

CommandContext ServerSession::State::context() const {
  return {.own_domain = &settings->own_domain,
          .protocol = settings->protocol,
          .extended = hello != HelloKind::helo,
          .binarymime = settings->binarymime,
          .trusted = rights.trusted,
          .xclient = rights.xclient,
          .auth = authenticated || mechanisms != nullptr,
          .hold_until_max = hold_until_max,
          .utf8 = transaction ? transaction->utf8 : mail::Utf8::no};
}

void ServerSession::State::run_hello(HelloCommand command, Actions& out) {
  hello_asked = command.kind;
  ask(Asking::hello, AskHello{.kind = command.kind, .name = std::move(command.name)}, out);
}

void ServerSession::State::run_mail(MailCommand command, Actions& out) {
  if (const std::optional<Reply> refusal = submission_refusal()) return refuse(*refusal, out);
  if (!hello) return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "Say EHLO first"}, out);  // 5321 §4.1.4
  if (transaction)
    return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "MAIL was said before"}, out);  // 5321 §4.1.4
  if (command.parameters.size_octets > settings->max_message_size) {                              // 1870 §6.1
    note(Limit::message_size, out);
    return refuse(Reply{.code = 552, .enhanced = "5.3.4", .text = "Message too big"}, out);
  }
  utf8_asked = command.parameters.request.utf8;
  binary_asked = command.parameters.request.body == BodyType::binary_mime;
  ask(Asking::sender,
      AskSender{.reverse_path = std::move(command.reverse_path), .parameters = std::move(command.parameters)}, out);
}

void ServerSession::State::run_rcpt(RcptCommand command, Actions& out) {
  if (const std::optional<Reply> refusal = submission_refusal()) return refuse(*refusal, out);
  if (!transaction) return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "Say MAIL first"}, out);
  if (transaction->content_begun)
    return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "The content has begun"}, out);
  if (transaction->accepted >= settings->max_recipients) {  // 5321 §4.5.3.1.10
    note(Limit::recipients, out);
    return send({.code = 452, .enhanced = "4.5.3", .text = "Too many recipients"}, out);
  }
  ask(Asking::recipient, AskRecipient{.address = std::move(command.address), .request = std::move(command.request)},
      out);
}

void ServerSession::State::run_xclient(XclientCommand command, Actions& out) {
  if (transaction) return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "Not in a transaction"}, out);
  if (authenticated) return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "Not after a login"}, out);
  ask(Asking::xclient, AskXclient{.attributes = std::move(command.attributes)}, out);
}

void ServerSession::State::begin_anew(Actions& out) {
  hello.reset();
  hold_until_max.reset();
  take_rights({});
  ask(Asking::connect, AskConnect{}, out);
}

void ServerSession::State::run_bare(BareCommand command, Actions& out) {
  switch (command) {
    case BareCommand::data: return run_data(out);
    case BareCommand::rset: drop(out); return send({.code = 250, .enhanced = "2.0.0", .text = "Reset"}, out);
    case BareCommand::noop: return send({.code = 250, .enhanced = "2.0.0", .text = "Ok"}, out);
    case BareCommand::vrfy:  // 5321 §7.3: never says who exists (SECURITY §3, 24)
      if (const std::optional<Reply> refusal = submission_refusal()) return refuse(*refusal, out);
      return send({.code = 252, .enhanced = "2.5.0", .text = "Send some mail and see"}, out);
    case BareCommand::expn:
      return refuse(Reply{.code = 502, .enhanced = "5.5.1", .text = "EXPN is not done here"}, out);
    case BareCommand::help:
      return send({.code = 214,
                   .enhanced = "2.0.0",
                   .text = fmt::format("{} MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT{}{}",
                                       settings->protocol == Protocol::lmtp ? "LHLO" : "EHLO HELO",
                                       may_start_tls() ? " STARTTLS" : "", !mechanisms ? "" : " AUTH")},
                  out);
    case BareCommand::quit: return hang_up({.code = 221, .enhanced = "2.0.0", .text = "Bye"}, out);
    case BareCommand::starttls: break;  // run_command knows what is behind it
  }
}

void ServerSession::State::on_answer(const Answered& answer, Actions& out) {
  const Reply& reply = answer.reply;
  check(asking != Asking::nothing, "smtp: an answer without a question");
  const Asking asked = std::exchange(asking, Asking::nothing);
  if (reply.code == 421) {
    hang_up(reply, out);
    return;
  }
  switch (asked) {
    case Asking::nothing:
    case Asking::flushed: break;
    case Asking::connect:
      if (!is_positive(reply)) return hang_up(reply, out);  // 5321 §3.1
      take_rights(answer.rights);
      if (std::exchange(greets, true)) send(reply, out);  // 3207 §4.2: EHLO comes next
      break;
    case Asking::auth: on_auth_answer(answer, out); break;
    case Asking::xclient:
      if (!is_positive(reply)) {
        refuse(reply, out);
      } else {
        begin_anew(out);
      }
      break;
    case Asking::hello: say_hello(answer, out); break;
    case Asking::sender:
      if (is_positive(reply)) {
        begin_transaction();
        send(reply, out);
      } else {
        refuse(reply, out);
      }
      break;
    case Asking::recipient: on_recipient_answer(reply, out); break;
    case Asking::begin_data:
    case Asking::begin_chunk:
      phase = asked == Asking::begin_data ? Phase::data : Phase::chunk;
      on_begin_answer(reply, out);
      break;
    case Asking::end_content: on_end_answer(answer, out); break;
  }
  run_pending(out);
}

void ServerSession::State::begin_transaction() {
  transaction = std::make_unique<ServerTransaction>();
  transaction->utf8 = utf8_asked;
  transaction->binary = binary_asked;
  transaction->framing = DataFraming(rights.bare_newline);
  --idle_commands;
}

void ServerSession::State::say_hello(const Answered& answer, Actions& out) {
  if (!is_positive(answer.reply)) return refuse(answer.reply, out);
  drop(out);  // 5321 §4.1.4
  hello = hello_asked;
  hold_until_max.reset();
  std::string text = settings->hostname;
  if (*hello == HelloKind::helo) return send({.code = 250, .enhanced = {}, .text = std::move(text)}, out);
  text += fmt::format("\nPIPELINING\nSIZE {}\n8BITMIME\nSMTPUTF8\nCHUNKING", settings->max_message_size);
  if (settings->binarymime) text += "\nBINARYMIME";
  text += fmt::format("\nENHANCEDSTATUSCODES\nDSN\nLIMITS RCPTMAX={}", settings->max_recipients);
  if (rights.trusted) text += "\nDELIVERBY\nMT-PRIORITY";
  if (rights.trusted && answer.now) {  // 4865 §3
    hold_until_max = *answer.now + kHoldMax;
    text += fmt::format("\nFUTURERELEASE {} {}", kHoldMax.count(), to_rfc3339(*hold_until_max));
  }
  if (may_start_tls()) text += "\nSTARTTLS";
  if (mechanisms) text += "\nAUTH " + *mechanisms;
  if (rights.xclient) text += "\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
  send({.code = 250, .enhanced = {}, .text = std::move(text)}, out);
}

void ServerSession::State::on_recipient_answer(const Reply& reply, Actions& out) {
  if (is_positive(reply)) {
    ++transaction->accepted;
    --idle_commands;
    errors -= std::exchange(transaction->refused_as_errors, 0);  // LIMITS.md "errors a session"
    return send(reply, out);
  }
  // SECURITY §3, 24: who asks for names one after the other is slowed; a list with some dead addresses is not.
  if (++refused_recipients > kRefusedRecipientsBeforeSlow) {
    note(Limit::refused_recipients, out);
    out.emplace_back(Pause{});
  }
  if (transaction->accepted == 0) {
    ++transaction->refused_as_errors;
    return refuse(reply, out);
  }
  if (++transaction->refused <= settings->max_recipients) --idle_commands;
  send(reply, out);
}

void ServerSession::State::ask(Asking question, Action action, Actions& out) {
  asking = question;
  out.push_back(std::move(action));
}

void ServerSession::State::drop(Actions& out) {
  if (!transaction) return;
  transaction.reset();
  out.emplace_back(DropTransaction{});
}

void ServerSession::State::hang_up(const Reply& reply, Actions& out) {
  drop(out);
  send(reply, out);
  phase = Phase::closed;
  asking = Asking::nothing;
  std::string().swap(pending);
  pending_used = 0;
  out.emplace_back(HangUp{});
}

/// Replies of a pipelined group leave in one write (2920 §3.2).
void ServerSession::State::send(const Reply& reply, Actions& out) {
  if (!out.empty()) {
    if (auto* const before = std::get_if<Send>(&out.back())) {
      before->octets += to_wire(reply);
      return;
    }
  }
  out.emplace_back(Send{.octets = to_wire(reply)});
}

void ServerSession::State::refuse(const Reply& reply, Actions& out) {
  if (++errors > kErrorsMax) {
    note(Limit::errors, out);
    return hang_up({.code = 421, .enhanced = "4.7.0", .text = "Too many errors"}, out);
  }
  if (errors > kErrorsBeforeSlow) out.emplace_back(Pause{});
  send(reply, out);
}

void ServerSession::State::refuse(const RefusedCommand& refusal, Actions& out) {
  note(refusal.limit, out);
  if (refusal.hang_up) return hang_up(refusal.reply, out);
  refuse(refusal.reply, out);
}

void ServerSession::State::note(std::optional<Limit> limit, Actions& out) {
  if (limit) out.emplace_back(LimitReached{.limit = *limit});
}

bool ServerSession::State::count_idle_command(Actions& out) {
  if (++idle_commands <= kIdleCommandsMax) return true;
  note(Limit::idle_commands, out);
  hang_up({.code = 421, .enhanced = "4.7.0", .text = "Too many commands without a message"}, out);
  return false;
}

}  // namespace postrider::smtp
