// For tests and the fuzzer: plays the driver of a session over a maildrop in memory, and writes down what happens.
#pragma once

#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "pop3/session.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::pop3::test {

struct Maildrop {
  std::vector<std::string> contents{};
  std::size_t chunk_octets = 4096;
  std::optional<std::size_t> chunks_before_failure{};  ///< of each Fetch
};

/// Answers the questions of a session over a maildrop in memory.
/// Every login with the password "secret" (PLAIN: a message that ends with it; LOGIN: the second response) succeeds,
/// but for these names of USER: "busy" (another session holds the mailbox), "sick" (the store fails) and "banned" (it
/// is hung up on). The deletions of "stuck" fail.
class Answers {
 public:
  explicit Answers(Maildrop drop, std::vector<std::string> mechanisms = {"PLAIN", "LOGIN"})
      : drop_(std::move(drop)), mechanisms_(std::move(mechanisms)) {}

  std::optional<Event> answer_to(const Action& action) {
    return std::visit(
        Overloaded{[&](const Send&) -> std::optional<Event> { return std::nullopt; },
                   [&](const AskLogin& a) -> std::optional<Event> {
                     last_login_ = a.login;
                     return log_in(a.password.reveal() == "secret");
                   },
                   [&](const AskConnect&) -> std::optional<Event> { return Offered{mechanisms_}; },
                   [&](const AskAuth& a) -> std::optional<Event> {
                     check(std::ranges::count(mechanisms_, a.mechanism) == 1, "it was offered");
                     mechanism_ = a.mechanism;
                     asked_ = false;
                     if (a.initial) return respond(a.initial->reveal());
                     return Challenged{mechanism_ == "LOGIN" ? "Username:" : ""};
                   },
                   [&](const AskAuthResponse& a) -> std::optional<Event> { return respond(a.response.reveal()); },
                   [&](const AuthCancelled&) -> std::optional<Event> {
                     ++cancelled_;
                     return std::nullopt;
                   },
                   [&](const Fetch& a) -> std::optional<Event> {
                     fetching_ = a.index;
                     offset_ = 0;
                     chunks_ = 0;
                     return next_chunk();
                   },
                   [&](const Continue&) -> std::optional<Event> { return next_chunk(); },
                   [&](const StopFetching&) -> std::optional<Event> {
                     ++stopped_;
                     return std::nullopt;
                   },
                   [&](const DeleteMessages& a) -> std::optional<Event> {
                     deleted_ = a.indices;
                     return Deleted{last_login_ != "stuck"};
                   },
                   [&](const Flush&) -> std::optional<Event> { return Flushed{}; },
                   [](const StartTls&) -> std::optional<Event> { return std::nullopt; },
                   [](const HangUp&) -> std::optional<Event> { return std::nullopt; }},
        action);
  }

  [[nodiscard]] const std::vector<std::size_t>& deleted() const { return deleted_; }
  [[nodiscard]] std::size_t stopped() const { return stopped_; }
  [[nodiscard]] std::size_t cancelled() const { return cancelled_; }
  [[nodiscard]] const std::string& last_login() const { return last_login_; }
  [[nodiscard]] std::size_t logins() const { return logins_; }

 private:
  Event respond(std::string_view response) {
    if (mechanism_ != "LOGIN") return log_in(response.ends_with(std::string_view("\0secret", 7)));
    if (std::exchange(asked_, true)) return log_in(response == "secret");
    last_login_ = response;
    return Challenged{"Password:"};
  }
  [[nodiscard]] Event log_in(bool right) {
    if (last_login_ == "banned") return LoginRefused{"AUTH", "too many failed logins", true};
    if (last_login_ == "busy") return LoginRefused{"IN-USE", "another session holds the mailbox"};
    if (last_login_ == "sick") return LoginRefused{"SYS/TEMP", "try again later"};
    if (!right) return LoginRefused{"AUTH", "wrong login or password"};
    ++logins_;
    LoggedIn answer;
    for (std::size_t i = 0; i < drop_.contents.size(); ++i) {
      answer.messages.push_back({"uid." + std::to_string(i + 1), drop_.contents[i].size()});
    }
    return answer;
  }

  Event next_chunk() {
    if (drop_.chunks_before_failure && chunks_++ >= *drop_.chunks_before_failure) return FetchFailed{"disk on fire"};
    const std::string_view chunk = std::string_view(drop_.contents.at(fetching_)).substr(offset_, drop_.chunk_octets);
    offset_ += chunk.size();
    return Chunk{chunk, offset_ == drop_.contents.at(fetching_).size()};
  }

  Maildrop drop_;
  std::vector<std::string> mechanisms_;
  std::string mechanism_;  // of the exchange
  bool asked_ = false;     // LOGIN has the name
  std::string last_login_;
  std::size_t logins_ = 0;
  std::size_t cancelled_ = 0;
  std::vector<std::size_t> deleted_;
  std::size_t fetching_ = 0;
  std::size_t offset_ = 0;
  std::size_t chunks_ = 0;
  std::size_t stopped_ = 0;
};

/// Plays the driver.
class Driver {
 public:
  Driver(Settings settings, Maildrop drop, Secured secured = Secured::no)
      : answers_(std::move(drop)), settings_(settings), secured_(secured), session_(std::move(settings), secured) {
    start();
  }
  Driver(Settings settings, Answers answers, Secured secured, Tally before = {})
      : answers_(std::move(answers)),
        settings_(settings),
        secured_(secured),
        session_(std::move(settings), secured, before) {
    start();
  }

  void feed(std::string_view octets) {
    if (std::exchange(awaits_handshake_, false)) failed_ = hung_up_ = true;  // that is no ClientHello
    if (!failed_) step(Received{octets});
  }
  void feed_each(std::string_view octets) {
    for (std::size_t i = 0; i < octets.size(); ++i) feed(octets.substr(i, 1));
  }
  /// The client's part of the handshake. False: the server does not wait for one.
  bool handshake() {
    if (!std::exchange(awaits_handshake_, false)) return false;
    secured_ = Secured::by_stls;
    session_ = Session(settings_, secured_, session_.tally());
    start();
    return true;
  }
  void step(const Event& event) {
    Actions todo;
    session_.step(event, todo);
    perform(std::move(todo));
  }

  /// What was sent, in one string; since the last call of `said`.
  std::string said() { return std::exchange(sent_, {}); }
  [[nodiscard]] const std::string& sent() const { return sent_; }
  [[nodiscard]] bool closed() const { return session_.closed(); }
  [[nodiscard]] bool hung_up() const { return hung_up_; }
  [[nodiscard]] Wait waits_for() const { return session_.waits_for(); }
  [[nodiscard]] const std::vector<std::size_t>& deleted() const { return answers_.deleted(); }
  [[nodiscard]] std::size_t stopped() const { return answers_.stopped(); }
  [[nodiscard]] std::size_t octets_unflushed_max() const { return octets_unflushed_max_; }
  [[nodiscard]] const std::string& last_login() const { return answers_.last_login(); }
  [[nodiscard]] std::size_t logins() const { return answers_.logins(); }
  [[nodiscard]] std::size_t cancelled() const { return answers_.cancelled(); }
  [[nodiscard]] bool awaits_handshake() const { return awaits_handshake_; }
  [[nodiscard]] Secured secured() const { return secured_; }
  [[nodiscard]] Tally tally() const { return session_.tally(); }

 private:
  void start() {
    Actions todo;
    session_.start(todo);
    perform(std::move(todo));
  }
  void perform(Actions todo) {
    std::size_t unflushed = 0;
    while (!todo.empty()) {
      const Action action = std::move(todo.front());
      todo.pop_front();
      check(!hung_up_, "nothing follows HangUp");
      check(!awaits_handshake_, "nothing follows StartTls");
      if (const auto* const send = std::get_if<Send>(&action)) {
        check(!send->octets.empty() && send->octets.size() <= kSendOctetsMax, "a Send is in bounds");
        sent_ += send->octets;
        unflushed += send->octets.size();
        octets_unflushed_max_ = std::max(octets_unflushed_max_, unflushed);
        continue;
      }
      if (std::holds_alternative<HangUp>(action)) hung_up_ = true;
      if (std::holds_alternative<StartTls>(action)) {
        check(settings_.stls && secured_ == Secured::no, "TLS was offered");
        awaits_handshake_ = true;
      }
      const bool logs_in = std::holds_alternative<AskLogin>(action) || std::holds_alternative<AskAuth>(action) ||
                           std::holds_alternative<AskAuthResponse>(action);
      check(!logs_in || secured_ != Secured::no || settings_.cleartext == Cleartext::allowed, "a login may be here");
      const std::optional<Event> answer = answers_.answer_to(action);
      if (!answer) continue;
      check(todo.empty(), "a question is the last action");
      unflushed = 0;
      session_.step(*answer, todo);
    }
  }

  Answers answers_;
  Settings settings_;
  Secured secured_;
  Session session_;
  bool awaits_handshake_ = false;
  bool failed_ = false;  // the handshake
  std::string sent_;
  bool hung_up_ = false;
  std::size_t octets_unflushed_max_ = 0;
};

}  // namespace postrider::pop3::test
