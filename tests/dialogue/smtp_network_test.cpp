// tests/dialogue/smtp/*.txt the third way: through the server's driver, over the simulated network.
#include "server/smtp_driver.hpp"
#include "tests/dialogue/network_stage.hpp"
#include "tests/dialogue/scripted_login.hpp"

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/smtp";

/// Answers as the script says, and keeps what is taken.
class ScriptedAnswers final : public server::SmtpAnswers {
 public:
  ScriptedAnswers(const Script* script, std::vector<std::string>* taken) : script_(script), taken_(taken) {}

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
  [[nodiscard]] smtp::Event answer_login(const ScriptedLogin::Step& step) const {
    if (const auto* const challenge = std::get_if<ScriptedLogin::Challenge>(&step))
      return smtp::Challenged{.octets = challenge->octets};
    const auto* const right = std::get_if<ScriptedLogin::Right>(&step);
    smtp::Answered answer{.reply = right == nullptr ? kWrongPassword : script_->answer(Question::auth, right->login)};
    if (smtp::is_positive(answer.reply)) answer.rights = kRightsAfterLogin;
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
      if (end(*answer)) taken_->push_back(std::move(content_));
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
  std::vector<std::string>* taken_;
  std::string content_;
  std::vector<std::string> recipients_;  // accepted, of the transaction
  std::vector<smtp::Reply> each_;
};

Task<void> serve(Stage* stage, std::unique_ptr<net::Stream> stream) {
  const server::SmtpDrive drive{.engine = stage->script->settings(),
                                .timeouts = {},
                                .clock = &stage->world.clock,
                                .counts = &stage->counts,
                                .scratch = &stage->scratch,
                                .drain = &stage->drain,
                                .tls = &stage->tls,
                                .greeting_delay = stage->script->early ? std::chrono::seconds(5) : Duration{}};
  auto answers = std::make_unique<ScriptedAnswers>(stage->script, &stage->taken);
  co_await server::serve_smtp(&drive, std::move(stream), std::move(answers));
}

class SmtpOverNetwork : public testing::TestWithParam<std::string> {};
TEST_P(SmtpOverNetwork, SaysTheSame) { play_over_network(GetParam(), &serve); }

INSTANTIATE_TEST_SUITE_P(Files, SmtpOverNetwork, testing::ValuesIn(script_files(kFolder)),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

}  // namespace
}  // namespace postrider::dialogue
