// Drives a ClientSession against octets that a remote made up: for unit tests and fuzzers.
#pragma once

#include "core/overloaded.hpp"
#include "smtp/client_session.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::dialogue {

class ClientRunner {
 public:
  /// What the remote says to octets that the client sent.
  using Remote = std::function<std::string(std::string_view sent)>;

  ClientRunner(Remote remote, std::string content, std::size_t content_cut,
               smtp::Protocol protocol = smtp::Protocol::smtp)
      : ClientRunner(std::move(remote), std::move(content), content_cut,
                     smtp::ClientSettings{.hello_name = "client.example", .protocol = protocol}) {}
  ClientRunner(Remote remote, std::string content, std::size_t content_cut, smtp::ClientSettings settings)
      : settings_(std::move(settings)),
        session_(settings_),
        remote_(std::move(remote)),
        content_(std::move(content)),
        content_cut_(content_cut) {
    start();
  }

  void begin(smtp::ClientTransaction transaction) {
    content_at_ = 0;
    smtp::ClientActions todo;
    session_.begin(std::move(transaction), todo);
    perform(std::move(todo));
  }
  void quit() {
    smtp::ClientActions todo;
    session_.quit(todo);
    perform(std::move(todo));
  }
  void step(const smtp::ClientEvent& event) {
    smtp::ClientActions todo;
    session_.step(event, todo);
    perform(std::move(todo));
  }
  /// Gives the client what the remote has said, in pieces of at most `cut_octets`, until there is nothing more.
  void listen(std::size_t cut_octets) {
    while (!said_.empty() && !session_.closed()) {
      const std::string piece = said_.substr(0, cut_octets);
      said_.erase(0, piece.size());
      step(smtp::Received{piece});
    }
  }
  void remote_says(std::string_view octets) { said_ += octets; }

  [[nodiscard]] const smtp::ClientSession& session() const { return session_; }
  /// Answers WantAuth and WantAuthResponse; the defaults give up.
  std::function<smtp::ClientEvent(const std::vector<std::string>& mechanisms)> on_auth;
  std::function<smtp::ClientEvent(const std::string& challenge)> on_challenge;
  std::string shown = {};           ///< what an observer sees of `sent`
  std::size_t handshakes = 0;       ///< each forgets what the remote has said and begins a new session
  std::string sent;                 ///< everything
  std::vector<std::string> writes;  ///< the same, by Send
  std::vector<smtp::TransactionDone> done;
  std::vector<smtp::RecipientOutcome> refused;  ///< by SessionRefused
  std::vector<std::string> secrets;             ///< by SendSecret
  bool hung_up = false;
  bool content_fails = false;  ///< answer the next WantContent with ContentFailed
  std::string broken;          ///< the engine broke its own rules

 private:
  void start() {
    smtp::ClientActions todo;
    session_.start(todo);
    perform(std::move(todo));
  }
  void send(const std::string& octets, std::string_view seen) {
    sent += octets;
    shown += seen;
    writes.push_back(octets);
    said_ += remote_(octets);
  }
  void shake_hands() {
    ++handshakes;
    said_.clear();
    settings_.secured = smtp::Secured::by_starttls;
    session_ = smtp::ClientSession(settings_);
    start();
  }
  void perform(smtp::ClientActions todo) {
    while (!todo.empty()) {
      const smtp::ClientAction action = std::move(todo.front());
      todo.pop_front();
      if (hung_up) broken = "an action after HangUp";
      std::visit(Overloaded{[&](const smtp::Send& a) { send(a.octets, a.octets); },
                            [&](const smtp::SendSecret& a) {
                              secrets.emplace_back(a.octets.reveal());
                              send(secrets.back(), a.shown);
                            },
                            [&](const smtp::Handshake&) {
                              if (!todo.empty()) broken = "an action after Handshake";
                              shake_hands();
                            },
                            [&](const smtp::WantAuth& a) {
                              session_.step(on_auth ? on_auth(a.mechanisms) : smtp::AuthGivenUp{.why = "none"}, todo);
                            },
                            [&](const smtp::WantAuthResponse& a) {
                              session_.step(on_challenge ? on_challenge(a.challenge) : smtp::AuthGivenUp{.why = "no"},
                                            todo);
                            },
                            [&](const smtp::WantContent&) { give_content(todo); },
                            [&](const smtp::TransactionDone& a) { done.push_back(a); },
                            [&](const smtp::SessionRefused& a) { refused.push_back(a.outcome); },
                            [&](const smtp::HangUp&) { hung_up = true; }},
                 action);
    }
  }
  void give_content(smtp::ClientActions& todo) {
    if (content_fails) return session_.step(smtp::ContentFailed{}, todo);
    const std::string piece = content_.substr(content_at_, content_cut_);
    content_at_ += piece.size();
    session_.step(smtp::Content{.octets = piece, .last = content_at_ == content_.size()}, todo);
  }

  smtp::ClientSettings settings_;
  smtp::ClientSession session_;
  Remote remote_;
  std::string content_;
  std::size_t content_cut_;
  std::size_t content_at_ = 0;
  std::string said_;
};

}  // namespace postrider::dialogue
