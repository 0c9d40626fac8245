// What serves a Stage: the drivers of the server, and answers as the script says.
#pragma once

#include "server/pop3_driver.hpp"
#include "server/smtp_driver.hpp"
#include "tests/dialogue/network_stage.hpp"
#include "tests/dialogue/pop3_maildrop.hpp"
#include "tests/dialogue/scripted_login.hpp"

namespace postrider::dialogue {

/// Answers as the script says, and keeps what is taken.
class ScriptedAnswers final : public server::SmtpAnswers {
 public:
  explicit ScriptedAnswers(Stage* stage) : script_(stage->script), stage_(stage) {}

  void secured(const net::Stream* stream) override {
    check(stream->tls().has_value(), "dialogue: a protected stream");
    secured_ = script_->tls == Script::Tls::from_start ? smtp::Secured::from_start : smtp::Secured::by_starttls;
  }
  Task<std::optional<smtp::Event>> take(smtp::Action action, smtp::HelloKind /*hello_kind*/) override {
    std::optional<smtp::Event> event;
    std::optional<ScriptedLogin::Step> login;
    if (const auto* const a = std::get_if<smtp::AskAuth>(&action)) login = login_.begin(a->mechanism, a->initial);
    if (const auto* const a = std::get_if<smtp::AskAuthResponse>(&action)) login = login_.respond(a->response);
    if (login) {
      event = answer_login(*login);
      co_return event;
    }
    std::optional<smtp::Reply> reply = answer_to(action);
    if (!reply) co_return event;
    smtp::Answered answer{.reply = std::move(*reply)};
    if (std::holds_alternative<smtp::AskConnect>(action))
      answer.rights = rights_when(script_->rights, secured_, script_->cleartext);
    if (std::holds_alternative<smtp::AskHello>(action)) answer.now = kDialogueTime;
    if (std::holds_alternative<smtp::EndContent>(action)) answer.each = std::exchange(each_, {});
    event = std::move(answer);
    co_return event;
  }

 private:
  [[nodiscard]] smtp::Event answer_login(const ScriptedLogin::Step& step) {
    if (const auto* const challenge = std::get_if<ScriptedLogin::Challenge>(&step))
      return smtp::Challenged{.octets = challenge->octets};
    const auto* const right = std::get_if<ScriptedLogin::Right>(&step);
    smtp::Answered answer{.reply = right == nullptr ? kWrongPassword : script_->answer(Question::auth, right->login)};
    if (smtp::is_positive(answer.reply)) {
      answer.rights = kRightsAfterLogin;
      ++stage_->logins;
    }
    return answer;
  }
  std::optional<smtp::Reply> answer_to(const smtp::Action& action) {
    std::optional<smtp::Reply> answer;
    if (std::holds_alternative<smtp::AskConnect>(action)) answer = script_->answer(Question::connect, "");
    if (const auto* const a = std::get_if<smtp::AskXclient>(&action))
      answer = script_->answer(Question::xclient, a->attributes.address.value_or(""));
    if (const auto* const a = std::get_if<smtp::AskHello>(&action)) answer = script_->answer(Question::hello, a->name);
    if (const auto* const a = std::get_if<smtp::AskSender>(&action)) {
      answer = script_->answer(Question::sender, a->reverse_path.text());
      stage_->senders.push_back(a->reverse_path.text());
      recipients_.clear();
    }
    if (const auto* const a = std::get_if<smtp::AskRecipient>(&action)) {
      answer = script_->answer(Question::recipient, a->address.text());
      if (smtp::is_positive(*answer)) recipients_.push_back(a->address.text());
    }
    if (std::holds_alternative<smtp::BeginContent>(action)) answer = script_->answer(Question::begin_content, "");
    if (const auto* const a = std::get_if<smtp::AppendContent>(&action)) content_ += a->octets;
    if (std::holds_alternative<smtp::DropTransaction>(action)) content_.clear();
    if (std::holds_alternative<smtp::EndContent>(action)) {
      answer = script_->answer(Question::end_content, "");
      if (end(*answer)) stage_->taken.push_back(std::move(content_));
      content_.clear();
    }
    return answer;
  }

  /// Whether the content is taken, for one recipient at least.
  bool end(const smtp::Reply& reply) {
    if (script_->protocol == smtp::Protocol::smtp) return smtp::is_positive(reply);
    for (const std::string& one : recipients_) each_.push_back(script_->answer(Question::end_content, one));
    return std::ranges::any_of(each_, smtp::is_positive);
  }

  const Script* script_;
  smtp::Secured secured_ = smtp::Secured::no;
  ScriptedLogin login_;
  Stage* stage_;
  std::string content_;
  std::vector<std::string> recipients_;  // accepted, of the transaction
  std::vector<smtp::Reply> each_;
};

inline Task<void> serve_smtp(Stage* stage, std::unique_ptr<net::Stream> stream) {
  const server::SmtpDrive drive{.engine = stage->script->settings(),
                                .timeouts = {},
                                .clock = &stage->world.clock,
                                .counts = &stage->counts,
                                .scratch = &stage->scratch,
                                .drain = &stage->drain,
                                .tls = stage->tls,
                                .greeting_delay = stage->script->early ? std::chrono::seconds(5) : Duration{}};
  auto answers = std::make_unique<ScriptedAnswers>(stage);
  co_await server::serve_smtp(&drive, std::move(stream), std::move(answers));
}

class ScriptedMaildrop final : public server::Pop3Answers {
 public:
  explicit ScriptedMaildrop(Stage* stage) : stage_(stage), answers_(answers_of(*stage->script)) {}
  void secured(const net::Stream* stream) override { check(stream->tls().has_value(), "dialogue: a protected stream"); }
  Task<std::optional<pop3::Event>> take(pop3::Action action) override {
    std::optional<pop3::Event> answer = answers_.answer_to(action);
    if (answer && std::holds_alternative<pop3::LoggedIn>(*answer)) ++stage_->logins;
    co_return answer;
  }

 private:
  Stage* stage_;
  pop3::test::Answers answers_;
};

inline Task<void> serve_pop3(Stage* stage, std::unique_ptr<net::Stream> stream) {
  const server::Pop3Drive drive{.engine = settings_of(stage->path, *stage->script),
                                .timeouts = {},
                                .clock = &stage->world.clock,
                                .scratch = &stage->scratch,
                                .drain = &stage->drain,
                                .tls = stage->tls};
  auto answers = std::make_unique<ScriptedMaildrop>(stage);
  co_await server::serve_pop3(&drive, std::move(stream), std::move(answers));
}

}  // namespace postrider::dialogue
