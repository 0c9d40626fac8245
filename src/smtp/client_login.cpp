// The client's way from the hello to the first transaction: STARTTLS (3207) and AUTH (4954).
#include "core/check.hpp"
#include "core/text.hpp"
#include "smtp/client_state.hpp"

#include <algorithm>
#include <utility>

namespace postrider::smtp {

namespace {

bool shows_password(std::string_view mechanism) {
  return iequals_ascii(mechanism, "PLAIN") || iequals_ascii(mechanism, "LOGIN");
}

/// A line with the base64 of `octets` behind `before`.
Secret secret_line(std::string_view before, const Secret& octets) {
  const Secret encoded(to_base64(octets.reveal()));
  std::string line;
  line.reserve(before.size() + encoded.reveal().size() + 2);  // so that no copy is left behind
  line += before;
  line += encoded.reveal();
  line += "\r\n";
  return Secret(std::move(line));
}

/// What is wrong with our credentials or our settings is no fault of the message: it waits for the postmaster.
Reply login_refused(const Reply& reply) {
  Reply out{.code = 454, .enhanced = reply.enhanced, .text = "The next hop does not let us log in: " + to_line(reply)};
  if (out.enhanced.starts_with('5')) out.enhanced.front() = '4';
  if (out.enhanced.empty()) out.enhanced = "4.7.8";
  return out;
}

}  // namespace

void ClientSession::State::after_hello(ClientActions& out) {
  if (settings.secured == Secured::no && settings.begin_tls != BeginTls::never) {
    if (offers.starttls) {
      stage = Stage::starttls;
      return send("STARTTLS\r\n", 1, out);
    }
    if (settings.begin_tls == BeginTls::required)
      return refuse({.code = 451, .enhanced = "4.7.4", .text = "TLS is required and not offered"}, out);
  }
  begin_auth(out);
}

void ClientSession::State::on_starttls_reply(Reply reply, ClientActions& out) {
  if (reply.code == 220) {
    // 3207 §5, SECURITY R5: what stands behind it was put there to be taken for what TLS protects.
    if (more_behind) {
      return refuse({.code = 451, .enhanced = "4.7.0", .text = "Octets came in the clear behind the reply to STARTTLS"},
                    out);
    }
    stage = Stage::closed;
    out.emplace_back(Handshake{});
    return;
  }
  if (!is_refused(reply)) return break_protocol(out);
  if (reply.code == 421) return refuse(std::move(reply), out);  // 5321 §3.8
  if (settings.begin_tls == BeginTls::required) {
    return refuse({.code = 451, .enhanced = "4.7.5", .text = "TLS is required and refused: " + to_line(reply)}, out);
  }
  begin_auth(out);
}

void ClientSession::State::begin_auth(ClientActions& out) {
  std::vector<std::string> mechanisms = std::exchange(offers.mechanisms, {});
  if (!settings.authenticate) {
    stage = Stage::ready;
    return;
  }
  stage = Stage::auth_begin;
  if (mechanisms.empty())
    return refuse({.code = 454, .enhanced = "4.7.4", .text = "We are to log in, and AUTH is not offered"}, out);
  out.emplace_back(WantAuth{.mechanisms = std::move(mechanisms)});
}

void ClientSession::State::on_start_auth(const StartAuth& event, ClientActions& out) {
  check(stage == Stage::auth_begin, "smtp: a mechanism that was not asked for");
  const bool is_private = settings.secured != Secured::no || settings.passwords_in_clear;
  if (!is_private && shows_password(event.mechanism)) {  // 4954 §4, SECURITY R10
    return refuse({.code = 454, .enhanced = "4.7.11", .text = "No password is shown without TLS"}, out);
  }
  stage = Stage::auth;
  may_succeed = event.may_succeed;
  const std::string command = "AUTH " + event.mechanism;
  if (event.initial) {
    const Secret line =
        event.initial->empty() ? Secret(command + " =\r\n") : secret_line(command + ' ', *event.initial);
    if (line.reveal().size() <= kAuthCommandOctetsMax) {
      ++replies_owed;
      out.emplace_back(SendSecret{.octets = line, .shown = command + " ***\r\n"});
      return;
    }
    initial = event.initial;  // 4954 §4: too long to go with the command
  }
  send(command + "\r\n", 1, out);
}

void ClientSession::State::on_auth_response(const AuthResponse& event, ClientActions& out) {
  check(stage == Stage::auth_response, "smtp: a response that was not asked for");
  may_succeed = event.may_succeed;
  send_response(event.response, out);
}

void ClientSession::State::send_response(const Secret& response, ClientActions& out) {
  Secret line = secret_line({}, response);
  if (line.reveal().size() > kAuthLineOctetsMax) return cancel_auth("our response is over 12,288 octets", out);
  stage = Stage::auth;
  ++replies_owed;
  out.emplace_back(SendSecret{.octets = std::move(line), .shown = "***\r\n"});
}

void ClientSession::State::on_auth_given_up(const AuthGivenUp& event, ClientActions& out) {
  check(stage == Stage::auth_begin || stage == Stage::auth_response, "smtp: nothing to give up");
  if (stage == Stage::auth_response) return cancel_auth(event.why, out);
  refuse({.code = 454, .enhanced = "4.7.4", .text = "We cannot log in: " + event.why}, out);
}

void ClientSession::State::on_auth_reply(Reply reply, ClientActions& out) {
  if (reply.code == 334) return on_challenge(reply, out);
  if (reply.code == 235) {
    if (initial || !may_succeed) {  // it cannot know, or has not shown that it knows the password
      return refuse(
          {.code = 454, .enhanced = "4.7.0", .text = "The next hop says that we are logged in before it can know"},
          out);
    }
    stage = Stage::ready;
    return;
  }
  if (!is_refused(reply)) return break_protocol(out);
  refuse(is_permanent(reply) ? login_refused(reply) : std::move(reply), out);
}

void ClientSession::State::on_challenge(const Reply& reply, ClientActions& out) {
  if (++challenges > kAuthChallengesMax) return cancel_auth("the next hop asks again and again", out);
  Result<std::string> octets = reply.text.size() > kAuthLineOctetsMax || !reply.enhanced.empty()
                                   ? error(Error::malformed, "smtp.challenge")
                                   : from_base64(reply.text);
  if (!octets) return cancel_auth("the next hop's challenge is no base64", out);
  if (initial) {
    if (!octets->empty()) return cancel_auth("a challenge came where the initial response is due", out);
    const Secret first = *std::exchange(initial, std::nullopt);
    return send_response(first, out);
  }
  stage = Stage::auth_response;
  out.emplace_back(WantAuthResponse{.challenge = std::move(*octets)});
}

/// 4954 §4: `*` ends the exchange.
void ClientSession::State::cancel_auth(std::string why, ClientActions& out) {
  send("*\r\n", 1, out);
  refuse({.code = 454, .enhanced = "4.7.0", .text = "We cannot log in: " + std::move(why)}, out);
}

}  // namespace postrider::smtp
