#include "smtp/client_session.hpp"

#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "smtp/client_state.hpp"

#include <optional>
#include <utility>

namespace postrider::smtp {

Phase phase_of(Stage stage) {
  switch (stage) {
    case Stage::greeting: return Phase::greeting;
    case Stage::hello:
    case Stage::helo:
    case Stage::ready: return Phase::hello;
    case Stage::starttls: return Phase::starttls;
    case Stage::auth_begin:
    case Stage::auth:
    case Stage::auth_response: return Phase::auth;
    case Stage::rset:
    case Stage::gather:
    case Stage::mail: return Phase::mail;
    case Stage::rcpt: return Phase::rcpt;
    case Stage::data:
    case Stage::dropping:
    case Stage::no_content: return Phase::data;
    case Stage::content:
    case Stage::chunk: return Phase::content;
    case Stage::end_of_data: return Phase::end_of_data;
    case Stage::quit:
    case Stage::closed: return Phase::quit;
  }
  return Phase::quit;
}

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::connect: return "connect";
    case Phase::greeting: return "greeting";
    case Phase::hello: return "hello";
    case Phase::starttls: return "starttls";
    case Phase::auth: return "auth";
    case Phase::mail: return "mail";
    case Phase::rcpt: return "rcpt";
    case Phase::data: return "data";
    case Phase::content: return "content";
    case Phase::end_of_data: return "end_of_data";
    case Phase::quit: return "quit";
  }
  return "quit";
}

namespace {

/// What the replies say that nothing is left to ask for.
Surplus surplus_in(std::string_view rest) {
  ReplyReader reader;
  Surplus surplus = Surplus::none;
  while (!rest.empty()) {
    const Result<std::optional<Reply>> reply = reader.take(rest);
    if (!reply) return Surplus::refuses;
    if (!*reply || (*reply)->code == 421) continue;  // 421: about to close, 5321 §3.8
    if (!is_accepted(**reply)) return Surplus::refuses;
    surplus = Surplus::accepts;
  }
  return surplus;
}

}  // namespace

ClientSession::ClientSession(ClientSettings settings) : state_(new State(std::move(settings))) {}
void ClientSession::StateDeleter::operator()(State* state) const { delete state; }

void ClientSession::start(ClientActions& out) {
  if (state_->settings.secured != Secured::by_starttls) return;  // the greeting comes first
  state_->replies_owed = 0;
  state_->say_hello(out);
}
bool ClientSession::ready() const { return state_->stage == Stage::ready; }
bool ClientSession::closed() const { return state_->stage == Stage::closed; }

ClientWait ClientSession::waits_for() const {
  switch (state_->stage) {
    case Stage::greeting: return ClientWait::greeting;
    case Stage::hello:
    case Stage::helo:
    case Stage::starttls:
    case Stage::auth_begin:
    case Stage::auth:
    case Stage::auth_response: return ClientWait::hello;
    case Stage::ready:
    case Stage::rset:
    case Stage::gather:
    case Stage::mail:
    case Stage::rcpt: return ClientWait::mail_rcpt;
    case Stage::data: return ClientWait::data;
    case Stage::content: return ClientWait::block;
    case Stage::no_content:
    case Stage::chunk:
    case Stage::dropping:
    case Stage::end_of_data: return ClientWait::end_of_data;
    case Stage::quit:
    case Stage::closed: return ClientWait::quit;
  }
  return ClientWait::quit;
}

void ClientSession::begin(ClientTransaction transaction, ClientActions& out) {
  check(ready(), "smtp: begin before ready");
  check(!transaction.recipients.empty(), "smtp: a transaction has recipients");
  check(
      transaction.recipient_requests.empty() || transaction.recipient_requests.size() == transaction.recipients.size(),
      "smtp: a request for each recipient");
  state_->begin(std::move(transaction), out);
}

void ClientSession::quit(ClientActions& out) {
  check(ready(), "smtp: quit before ready");
  state_->stage = Stage::quit;
  state_->send("QUIT\r\n", 1, out);
}

void ClientSession::step(const ClientEvent& event, ClientActions& out) {
  if (closed()) return;
  std::visit(Overloaded{[&](const Received& e) { state_->on_received(e.octets, out); },
                        [&](const Content& e) { state_->on_content(e, out); },
                        [&](const ContentFailed&) {
                          state_->on_content_failed(
                              {.code = 451, .enhanced = "4.3.0", .text = "The content could not be read"}, out);
                        },
                        [&](const StartAuth& e) { state_->on_start_auth(e, out); },
                        [&](const AuthResponse& e) { state_->on_auth_response(e, out); },
                        [&](const AuthGivenUp& e) { state_->on_auth_given_up(e, out); },
                        [&](const TimedOut&) { state_->on_lost("Timed out", out); },
                        [&](const PeerClosed&) { state_->on_lost("Connection lost", out); }},
             event);
}

void ClientSession::State::on_received(std::string_view octets, ClientActions& out) {
  replies_due = replies_owed;
  while (!octets.empty() && stage != Stage::closed) {
    if (stage == Stage::ready) return hang_up(out);  // nothing was asked: a reply now would be taken for a later one's
    Result<std::optional<Reply>> reply = reader.take(octets);
    if (!reply) return break_protocol(out);
    if (!*reply) continue;
    surplus = replies_due == 1 ? surplus_in(octets) : Surplus::none;
    more_behind = !octets.empty();
    on_reply(std::move(**reply), out);
  }
  if (stage != Stage::closed && reader.has_begun() && replies_due == 0)
    break_protocol(out);  // begun before its question
}

void ClientSession::State::on_reply(Reply reply, ClientActions& out) {
  if (replies_due == 0) return on_early_reply(reply, out);
  --replies_due;
  --replies_owed;
  switch (stage) {
    case Stage::greeting:
    case Stage::hello:
    case Stage::helo: return on_hello_reply(std::move(reply), out);
    case Stage::starttls: return on_starttls_reply(std::move(reply), out);
    case Stage::auth: return on_auth_reply(std::move(reply), out);
    case Stage::rset:
    case Stage::mail:
    case Stage::rcpt:
    case Stage::data:
    case Stage::content:
    case Stage::chunk:
    case Stage::dropping:
    case Stage::end_of_data:
    case Stage::no_content: return on_transaction_reply(std::move(reply), out);
    case Stage::quit: return hang_up(out);
    case Stage::auth_begin:
    case Stage::auth_response:
    case Stage::gather:
    case Stage::ready:
    case Stage::closed: return;
  }
}

/// It was there before its question was sent (or nothing was asked): of use only as a refusal of what is open, and the
/// session is out of step.
void ClientSession::State::on_early_reply(const Reply& reply, ClientActions& out) {
  if (!outcomes.empty() && in_step && is_refused(reply)) return break_off(reply, out);
  break_protocol(out);
}

void ClientSession::State::say_hello(ClientActions& out) {
  stage = Stage::hello;
  send((protocol == Protocol::lmtp ? "LHLO " : "EHLO ") + settings.hello_name + "\r\n", 1,
       out);  // 5321 §4.1.1.1, 2033 §4.1
}

void ClientSession::State::on_hello_reply(Reply reply, ClientActions& out) {
  if (stage == Stage::greeting && reply.code == 220) return say_hello(out);
  if (stage != Stage::greeting && reply.code == 250) {
    if (stage == Stage::hello) offers = parse_offers(reply.text);
    return after_hello(out);
  }
  if (stage == Stage::hello && protocol == Protocol::smtp && is_permanent(reply)) {  // 5321 §3.2, §4.1.1.1
    stage = Stage::helo;
    return send("HELO " + settings.hello_name + "\r\n", 1, out);
  }
  if (!is_refused(reply)) return break_protocol(out);
  refuse(std::move(reply), out);
}

void ClientSession::State::refuse(Reply reply, ClientActions& out) {
  out.emplace_back(SessionRefused{.outcome = {.reply = std::move(reply), .phase = phase_of(stage)}});
  send("QUIT\r\n", 1, out);  // 5321 §3.1
  hang_up(out);
}

/// Timed out or closed by the peer. After the end of data nobody knows whether it was taken: try again (5321 §4.5.4.2),
/// though a recipient may have it twice.
void ClientSession::State::on_lost(std::string text, ClientActions& out) {
  text += " in phase ";
  text += name_of(phase_of(stage));
  break_off({.code = 451, .enhanced = "4.4.2", .text = std::move(text)}, out);
}

void ClientSession::State::send(std::string octets, std::size_t replies, ClientActions& out) {
  replies_owed += replies;
  out.emplace_back(Send{.octets = std::move(octets)});
}

void ClientSession::State::break_off(const Reply& reply, ClientActions& out) {
  if (!outcomes.empty()) {
    settle(reply, phase_of(stage));
    end_transaction(out);
  } else if (stage == Stage::greeting || stage == Stage::hello || stage == Stage::helo || stage == Stage::starttls ||
             logs_in()) {
    out.emplace_back(SessionRefused{.outcome = {.reply = reply, .phase = phase_of(stage)}});
  }
  hang_up(out);
}

/// What came is no reply to what was sent (LIMITS.md "remote reply"). As long as nothing showed that both sides are in
/// step, what was taken for the reply to one recipient may have been another's: none of them counts.
void ClientSession::State::break_protocol(ClientActions& out) {
  if (!outcomes.empty() && !in_step) forget(asked);
  if (!outcomes.empty() && stage == Stage::end_of_data) forget(accepted);  // LMTP has some of them
  break_off({.code = 451, .enhanced = "4.5.0", .text = "The next hop does not speak SMTP"}, out);
}

void ClientSession::State::hang_up(ClientActions& out) {
  stage = Stage::closed;
  out.emplace_back(HangUp{});
}

}  // namespace postrider::smtp
