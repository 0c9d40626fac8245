// Carries octets between a ClientSession and a Persona in memory: one session with one transaction.
#pragma once

#include "core/overloaded.hpp"
#include "smtp/client_session.hpp"
#include "smtp/persona.hpp"
#include "tests/persona/persona_rows.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::persona {

inline constexpr std::size_t kForEverOctets = 1 << 20;  // of what is said without end

class Pump {
 public:
  /// Both sides read at most `cut` octets at once.
  Pump(std::string_view profile, smtp::PersonaMemory* memory, std::size_t cut,
       smtp::PersonaNeeds needs = smtp::PersonaNeeds::nothing)
      : profile_(profile), memory_(memory), needs_(needs), cut_(cut) {
    connect(smtp::BeginTls::if_offered);
  }

  /// To the end of the session: after the last transaction the client says QUIT.
  void run(std::vector<smtp::ClientTransaction> transactions, std::string_view content) {
    content_ = content;
    std::reverse(transactions.begin(), transactions.end());
    for (;;) {
      perform_client();
      if (client_->closed() && !begin_again()) return;
      if (client_->ready() && !transactions.empty()) {
        client_->begin(std::move(transactions.back()), todo_);
        transactions.pop_back();
      } else if (client_->ready()) {
        client_->quit(todo_);
      } else {
        move_octets();
      }
    }
  }

  std::vector<std::vector<smtp::RecipientOutcome>> outcomes;  ///< of each transaction that ended
  std::vector<smtp::RecipientOutcome> refused;                ///< by SessionRefused
  std::vector<smtp::PersonaMessage> taken;
  bool timed_out = false;

 private:
  void connect(smtp::BeginTls begin_tls) {
    to_persona_.clear();
    to_client_.clear();
    for_ever_.clear();
    deaf_ = dropped_ = false;
    persona_.emplace(profile_, memory_);
    client_.emplace(settings_for(profile_, needs_, begin_tls));
    client_->start(todo_);
    act([&](smtp::PersonaActions& out) { persona_->start(out); });
  }
  /// Once more in the clear where TLS did not come about: there is none here.
  bool begin_again() {
    const bool again = shook_ || (!refused.empty() && may_go_in_the_clear(refused.back()));
    if (again) {
      shook_ = false;
      refused.clear();
      connect(smtp::BeginTls::never);
    }
    return again;
  }
  /// Fails, by what the persona says to it.
  void shake_hands() {
    shook_ = true;
    to_client_.clear();
    if (dropped_) return;
    if (!deaf_) act([&](smtp::PersonaActions& out) { persona_->receive("\x16\x03\x01 hello", out); });
    timed_out = timed_out || (to_client_.empty() && !dropped_);
  }
  void perform_client() {
    while (!todo_.empty()) {
      const smtp::ClientAction action = std::move(todo_.front());
      todo_.pop_front();
      std::visit(Overloaded{[&](const smtp::Send& a) { to_persona_ += a.octets; },
                            [&](const smtp::WantContent&) {
                              client_->step(smtp::Content{.octets = content_, .last = true}, todo_);
                            },
                            [&](const smtp::TransactionDone& a) { outcomes.push_back(a.outcomes); },
                            [&](const smtp::SessionRefused& a) { refused.push_back(a.outcome); },
                            [&](const smtp::SendSecret& a) { to_persona_ += a.octets.reveal(); },
                            [&](const smtp::Handshake&) { shake_hands(); },
                            [&](const smtp::WantAuth& a) { client_->step(begin_login(a.mechanisms), todo_); },
                            [&](const smtp::WantAuthResponse&) {
                              client_->step(smtp::AuthResponse{.response = Secret("y"), .may_succeed = false}, todo_);
                            },
                            [&](const smtp::HangUp&) {}},
                 action);
    }
  }
  /// Octets one way or the other; when there are none the connection ends or the client has waited long enough.
  void move_octets() {
    if (!to_persona_.empty() && !deaf_ && !dropped_) {
      const std::string piece = to_persona_.substr(0, cut_);
      to_persona_.erase(0, piece.size());
      act([&](smtp::PersonaActions& out) { persona_->receive(piece, out); });
    } else if (!to_client_.empty()) {
      const std::string piece = to_client_.substr(0, cut_);
      to_client_.erase(0, piece.size());
      client_->step(smtp::Received{piece}, todo_);
    } else if (!for_ever_.empty() && said_for_ever_ < kForEverOctets) {
      said_for_ever_ += for_ever_.size();
      to_client_ += for_ever_;
    } else if (dropped_) {
      client_->step(smtp::PeerClosed{}, todo_);
    } else {
      timed_out = true;
      client_->step(smtp::TimedOut{}, todo_);
    }
  }
  template <class Step>
  void act(const Step& step) {
    smtp::PersonaActions actions;
    step(actions);
    for (smtp::PersonaAction& action : actions) {
      std::visit(
          Overloaded{[&](const smtp::PersonaSay& a) { to_client_ += a.octets; }, [&](const smtp::PersonaPause&) {},
                     [&](const smtp::PersonaSayForEver& a) { for_ever_ = a.octets; },
                     [&](const smtp::PersonaStopReading&) { deaf_ = true; },
                     [&](smtp::PersonaTaken& a) { taken.push_back(std::move(a.message)); },
                     [&](const smtp::PersonaDrop&) { dropped_ = true; }},
          action);
    }
  }

  std::string profile_;
  smtp::PersonaMemory* memory_;
  smtp::PersonaNeeds needs_;
  std::size_t cut_;
  std::optional<smtp::Persona> persona_;
  std::optional<smtp::ClientSession> client_;
  bool shook_ = false;  // a handshake was due
  smtp::ClientActions todo_;
  std::string content_;
  std::string to_persona_;
  std::string to_client_;
  std::string for_ever_;
  std::size_t said_for_ever_ = 0;
  bool deaf_ = false;
  bool dropped_ = false;
};

}  // namespace postrider::persona
