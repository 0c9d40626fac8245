// The part of ServerSession that protects the session and lets people in: STARTTLS (3207) and AUTH (4954).
#include "core/check.hpp"
#include "core/text.hpp"
#include "smtp/server_state.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace postrider::smtp {

namespace {

/// What a response or an initial response means. Errors  malformed: no base64 (4648 §4, nothing else in it).
Result<Secret> decoded(const Secret& base64) {
  Result<std::string> octets = from_base64(base64.reveal());
  if (!octets) return fail(octets);
  return Secret(std::move(*octets));
}

Reply not_base64() { return {.code = 501, .enhanced = "5.5.2", .text = "Not base64"}; }

}  // namespace

void ServerSession::State::run_starttls(std::string_view behind, Actions& out) {
  if (secured != Secured::no) return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "TLS is on"}, out);
  if (!settings->starttls) return refuse(Reply{.code = 502, .enhanced = "5.5.1", .text = "Not done here"}, out);
  if (!hello || *hello == HelloKind::helo)  // offered by EHLO only
    return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "Say EHLO first"}, out);
  if (!behind.empty()) {  // SECURITY R5: it was said in the clear, by whomever
    note(Limit::behind_starttls, out);
    return hang_up({.code = 554, .enhanced = "5.5.1", .text = "Nothing goes with STARTTLS"}, out);
  }
  drop(out);
  send({.code = 220, .enhanced = "2.0.0", .text = "Ready to start TLS"}, out);
  phase = Phase::handed_over;
  out.emplace_back(StartTls{});
}

std::optional<Reply> ServerSession::State::submission_refusal() const {
  if (!settings->submission || authenticated || rights.may_submit) return std::nullopt;
  if (may_start_tls() && !mechanisms)  // 3207 §4
    return Reply{.code = 530, .enhanced = "5.7.0", .text = "Must issue a STARTTLS command first"};
  return Reply{.code = 530, .enhanced = "5.7.0", .text = "Authentication required"};  // 4954 §6
}

std::optional<Reply> ServerSession::State::auth_refusal(std::string_view mechanism) const {
  if (authenticated) return Reply{.code = 503, .enhanced = "5.5.1", .text = "Logged in already"};  // 4954 §4
  if (!mechanisms) {
    if (settings->submission && may_start_tls())
      return Reply{.code = 530, .enhanced = "5.7.0", .text = "Must issue a STARTTLS command first"};
    return Reply{.code = 502, .enhanced = "5.5.1", .text = "Not done here"};
  }
  if (!hello || *hello == HelloKind::helo) return Reply{.code = 503, .enhanced = "5.5.1", .text = "Say EHLO first"};
  if (transaction) return Reply{.code = 503, .enhanced = "5.5.1", .text = "Not in a transaction"};  // 4954 §4
  if (mechanism.empty()) return Reply{.code = 501, .enhanced = "5.5.4", .text = "Syntax: AUTH mechanism"};
  const std::vector<std::string_view> offered = split(*mechanisms, ' ');
  if (std::ranges::find(offered, mechanism) == offered.end())
    return Reply{.code = 504, .enhanced = "5.5.4", .text = "Mechanism not known here"};
  return std::nullopt;
}

void ServerSession::State::run_auth(AuthCommand command, Actions& out) {
  if (const std::optional<Reply> refusal = auth_refusal(command.mechanism)) return refuse(*refusal, out);
  AskAuth question{.mechanism = std::move(command.mechanism), .initial = std::nullopt};
  if (command.initial && command.initial->reveal() == "=") {  // 4954 §4: there, and empty
    question.initial.emplace();
  } else if (command.initial) {
    Result<Secret> initial = decoded(*command.initial);
    if (!initial) return refuse(not_base64(), out);
    question.initial = std::move(*initial);
  }
  ask(Asking::auth, std::move(question), out);
}

void ServerSession::State::take_response(std::string_view line, Actions& out) {
  if (line == "*")  // 4954 §4
    return cancel_auth({.code = 501, .enhanced = "5.0.0", .text = "Authentication cancelled"}, out);
  Result<Secret> response = decoded(Secret(std::string(line)));
  if (!response) return cancel_auth(not_base64(), out);
  phase = Phase::command;
  ask(Asking::auth, AskAuthResponse{.response = std::move(*response)}, out);
}

void ServerSession::State::cancel_auth(const Reply& reply, Actions& out) {
  phase = Phase::command;
  out.emplace_back(AuthCancelled{});
  refuse(reply, out);
}

void ServerSession::State::on_challenge(const Challenged& challenge, Actions& out) {
  check(asking == Asking::auth, "smtp: a challenge without a question");
  asking = Asking::nothing;
  phase = Phase::response;
  out.emplace_back(Send{.octets = "334 " + to_base64(challenge.octets) + "\r\n"});  // longer than a reply may be
  run_pending(out);
}

void ServerSession::State::on_auth_answer(const Answered& answer, Actions& out) {
  if (!is_positive(answer.reply)) return refuse(answer.reply, out);  // LIMITS.md "errors a session"
  check(answer.reply.code == 235, "smtp: a login is accepted by 235");
  authenticated = true;
  take_rights(answer.rights);
  mechanisms.reset();  // once is enough (4954 §4)
  send(answer.reply, out);
}

void ServerSession::State::take_rights(const PeerRights& given) {
  mechanisms.reset();
  if (!given.mechanisms.empty())
    mechanisms = std::make_unique<std::string>(fmt::format("{}", fmt::join(given.mechanisms, " ")));
  rights = {.trusted = given.trusted,
            .xclient = given.xclient,
            .may_submit = given.may_submit,
            .bare_newline = given.bare_newline};
}

}  // namespace postrider::smtp
