// Does what a ServerSession asks for, in memory: for dialogues, unit tests and fuzzers.
#pragma once

#include "core/overloaded.hpp"
#include "smtp/server_session.hpp"
#include "tests/dialogue/dialogue.hpp"
#include "tests/dialogue/scripted_login.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::dialogue {

class ServerRunner {
 public:
  using Answers = std::function<smtp::Reply(Question question, std::string_view subject)>;

  /// A login is answered by ScriptedLogin; a right password asks `answers` about Question::auth.
  ServerRunner(smtp::ServerSettings settings, Answers answers, smtp::PeerRights rights = {},
               smtp::Secured secured = smtp::Secured::no, Cleartext cleartext = Cleartext::refused,
               smtp::Tally before = {})
      : settings_(std::move(settings)),
        secured_(secured),
        cleartext_(cleartext),
        session_(&settings_, secured, before),
        answers_(std::move(answers)),
        rights_(std::move(rights)) {}

  ServerRunner(const ServerRunner&) = delete;
  ServerRunner& operator=(const ServerRunner&) = delete;

  void start() {
    smtp::Actions todo;
    session_.start(todo);
    perform(std::move(todo));
  }
  /// The peer talks before it is greeted.
  void start_early() {
    smtp::Actions todo;
    session_.start(todo);
    if (todo.size() != 1 || !std::holds_alternative<smtp::AskConnect>(todo.front())) broken = "no AskConnect";
    todo.clear();
    session_.step(smtp::TalkedEarly{}, todo);
    perform(std::move(todo));
  }
  /// The client's part of the handshake. False: the server does not wait for one.
  bool handshake() {
    if (!std::exchange(awaits_handshake_, false)) return false;
    secured_ = smtp::Secured::by_starttls;
    session_ = smtp::ServerSession(&settings_, secured_, session_.tally());
    authenticated_ = false;
    start();
    return true;
  }
  void step(const smtp::Event& event) {
    smtp::Actions todo;
    session_.step(event, todo);
    perform(std::move(todo));
  }
  /// In pieces of at most `cut_octets` and kContentChunkOctetsMax; what comes after the end of the session is lost.
  void receive(std::string_view octets, std::size_t cut_octets) {
    const std::size_t most = std::min(cut_octets, smtp::kContentChunkOctetsMax);
    while (!octets.empty() && !session_.closed()) {
      step(smtp::Received{octets.substr(0, most)});
      octets.remove_prefix(std::min(most, octets.size()));
    }
    if (!octets.empty() && std::exchange(awaits_handshake_, false)) hung_up_ = true;  // that is no ClientHello
  }

  [[nodiscard]] const smtp::ServerSession& session() const { return session_; }
  [[nodiscard]] bool hung_up() const { return hung_up_; }
  [[nodiscard]] bool awaits_handshake() const { return awaits_handshake_; }
  [[nodiscard]] smtp::Secured secured() const { return secured_; }
  /// Everything sent since it was last taken.
  [[nodiscard]] std::string take_sent() { return std::exchange(sent_, {}); }
  /// The contents that were taken.
  std::vector<std::string> taken;
  std::size_t sends = 0;
  std::size_t pauses = 0;
  std::size_t drops = 0;
  std::size_t cancels = 0;
  std::vector<std::string> logins;  ///< that were let in
  std::vector<smtp::Limit> limits;
  /// The last of each.
  smtp::MailParameters mail;
  mail::RecipientRequest request;
  smtp::XclientAttributes attributes;
  /// The engine broke its own rules: an action after HangUp, a chunk too large, content outside of a content.
  std::string broken;

 private:
  void perform(smtp::Actions todo) {
    while (!todo.empty()) {
      const smtp::Action action = std::move(todo.front());
      todo.pop_front();
      if (hung_up_) broken = "an action after HangUp";
      if (awaits_handshake_) broken = "an action after StartTls";
      smtp::Answered answered;
      std::optional<ScriptedLogin::Step> login;
      std::optional<smtp::Reply> answer = std::visit(
          Overloaded{[&](const smtp::Send& a) { return send(a); }, [&](const smtp::Pause&) { return nothing(pauses); },
                     [&](const smtp::DropTransaction&) {
                       content_.clear();
                       in_content_ = false;
                       recipients_.clear();
                       return nothing(drops);
                     },
                     [&](const smtp::LimitReached& a) {
                       limits.push_back(a.limit);
                       return std::optional<smtp::Reply>();
                     },
                     [&](const smtp::AskXclient& a) {
                       attributes = a.attributes;
                       return ask(Question::xclient, a.attributes.address.value_or(""));
                     },
                     [&](const smtp::AskConnect&) {
                       answered.rights = rights_when(rights_, secured_, cleartext_);
                       return ask(Question::connect, "");
                     },
                     [&](const smtp::AskHello& a) {
                       answered.now = kDialogueTime;
                       return ask(Question::hello, a.name);
                     },
                     [&](const smtp::AskSender& a) {
                       if (settings_.submission && !rights_.may_submit && !authenticated_)
                         broken = "a transaction without a login";
                       mail = a.parameters;
                       recipients_.clear();
                       return ask(Question::sender, a.reverse_path.text());
                     },
                     [&](const smtp::AskRecipient& a) { return recipient(a); },
                     [&](const smtp::BeginContent&) { return begin(); },
                     [&](const smtp::AppendContent& a) { return append(a); },
                     [&](const smtp::EndContent&) { return end(answered); },
                     [&](const smtp::AskFlushed&) {
                       return std::optional(smtp::Reply{.code = 250, .enhanced = {}, .text = {}});
                     },
                     [&](const smtp::HangUp&) {
                       hung_up_ = true;
                       return std::optional<smtp::Reply>();
                     },
                     [&](const smtp::StartTls&) {
                       if (!settings_.starttls || secured_ != smtp::Secured::no) broken = "TLS was not offered";
                       if (in_content_) broken = "STARTTLS left a transaction";
                       awaits_handshake_ = true;
                       return std::optional<smtp::Reply>();
                     },
                     [&](const smtp::AskAuth& a) {
                       const auto offered = rights_when(rights_, secured_, cleartext_).mechanisms;
                       if (std::ranges::find(offered, a.mechanism) == offered.end()) broken = "not offered";
                       if (authenticated_) broken = "a login after a login";
                       login = login_.begin(a.mechanism, a.initial);
                       return std::optional<smtp::Reply>();
                     },
                     [&](const smtp::AskAuthResponse& a) {
                       login = login_.respond(a.response);
                       return std::optional<smtp::Reply>();
                     },
                     [&](const smtp::AuthCancelled&) { return nothing(cancels); }},
          action);
      if (login) {
        if (const auto* const challenge = std::get_if<ScriptedLogin::Challenge>(&*login)) {
          session_.step(smtp::Challenged{.octets = challenge->octets}, todo);
          continue;
        }
        answer = answer_login(*login, answered);
      }
      if (!answer) continue;
      answered.reply = std::move(*answer);
      session_.step(answered, todo);
    }
  }
  smtp::Reply answer_login(const ScriptedLogin::Step& step, smtp::Answered& answered) {
    const auto* const right = std::get_if<ScriptedLogin::Right>(&step);
    if (right == nullptr) return kWrongPassword;
    smtp::Reply reply = answers_(Question::auth, right->login);
    if (!smtp::is_positive(reply)) return reply;
    authenticated_ = true;
    logins.push_back(right->login);
    answered.rights = kRightsAfterLogin;
    return reply;
  }
  std::optional<smtp::Reply> ask(Question question, std::string_view subject) { return answers_(question, subject); }
  static std::optional<smtp::Reply> nothing(std::size_t& counter) {
    ++counter;
    return std::nullopt;
  }
  std::optional<smtp::Reply> send(const smtp::Send& action) {
    sent_ += action.octets;
    return nothing(sends);
  }
  std::optional<smtp::Reply> begin() {
    if (in_content_) broken = "BeginContent twice in a transaction";
    smtp::Reply reply = answers_(Question::begin_content, "");
    in_content_ = smtp::is_positive(reply);
    return reply;
  }
  std::optional<smtp::Reply> append(const smtp::AppendContent& action) {
    if (!in_content_) broken = "AppendContent without BeginContent";
    if (action.octets.size() > smtp::kContentChunkOctetsMax || action.octets.empty())
      broken = "a chunk of a wrong size";
    content_ += action.octets;
    return std::nullopt;
  }
  std::optional<smtp::Reply> recipient(const smtp::AskRecipient& action) {
    request = action.request;
    const std::string text = action.address.text();
    smtp::Reply reply = answers_(Question::recipient, text);
    if (smtp::is_positive(reply)) recipients_.push_back(text);
    return reply;
  }
  std::optional<smtp::Reply> end(smtp::Answered& answered) {
    if (!in_content_) broken = "EndContent without BeginContent";
    smtp::Reply reply = answers_(Question::end_content, "");
    bool took = smtp::is_positive(reply);
    if (settings_.protocol == smtp::Protocol::lmtp) {  // 2033 §4.2
      for (const std::string& one : recipients_) answered.each.push_back(answers_(Question::end_content, one));
      took = std::ranges::any_of(answered.each, smtp::is_positive);
    }
    if (took) taken.push_back(std::move(content_));
    content_.clear();
    in_content_ = false;
    return reply;
  }

  smtp::ServerSettings settings_;
  smtp::Secured secured_;
  Cleartext cleartext_;
  smtp::ServerSession session_;
  Answers answers_;
  ScriptedLogin login_;
  bool awaits_handshake_ = false;
  bool authenticated_ = false;
  smtp::PeerRights rights_;
  std::vector<std::string> recipients_;  // accepted, of the transaction
  std::string sent_;
  std::string content_;
  bool in_content_ = false;
  bool hung_up_ = false;
};

}  // namespace postrider::dialogue
