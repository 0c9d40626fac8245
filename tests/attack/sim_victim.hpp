// One server session behind the driver, and an attacker's client, over the simulated network.
#pragma once

#include "core/await.hpp"
#include "server/smtp_driver.hpp"
#include "tests/attack/attack.hpp"
#include "tests/dialogue/network_stage.hpp"

namespace postrider::attack {

/// Answers as the script and `answers` say, and keeps what is taken.
class VictimAnswers final : public server::SmtpAnswers {
 public:
  VictimAnswers(const dialogue::Script* script, Victim::Answers answers, std::vector<std::string>* taken)
      : script_(script), answers_(std::move(answers)), taken_(taken) {}

  Task<std::optional<smtp::Event>> take(smtp::Action action, smtp::HelloKind /*hello_kind*/) override {
    std::optional<smtp::Reply> reply = answer_to(action);
    std::optional<smtp::Answered> answer;
    if (!reply) co_return answer;
    answer.emplace().reply = std::move(*reply);
    if (std::holds_alternative<smtp::AskConnect>(action)) answer->rights = script_->rights;
    if (std::holds_alternative<smtp::AskHello>(action)) answer->now = dialogue::kDialogueTime;
    co_return answer;
  }

 private:
  smtp::Reply answer(dialogue::Question question, std::string_view subject) {
    std::optional<smtp::Reply> own = answers_ ? answers_(question, subject) : std::nullopt;
    return own ? std::move(*own) : script_->answer(question, subject);
  }
  std::optional<smtp::Reply> answer_to(const smtp::Action& action) {
    std::optional<smtp::Reply> reply;
    if (std::holds_alternative<smtp::AskConnect>(action)) reply = answer(dialogue::Question::connect, "");
    if (const auto* const a = std::get_if<smtp::AskHello>(&action)) reply = answer(dialogue::Question::hello, a->name);
    if (const auto* const a = std::get_if<smtp::AskSender>(&action))
      reply = answer(dialogue::Question::sender, a->reverse_path.text());
    if (const auto* const a = std::get_if<smtp::AskRecipient>(&action))
      reply = answer(dialogue::Question::recipient, a->address.text());
    if (std::holds_alternative<smtp::BeginContent>(action)) reply = answer(dialogue::Question::begin_content, "");
    if (const auto* const a = std::get_if<smtp::AppendContent>(&action)) content_ += a->octets;
    if (std::holds_alternative<smtp::DropTransaction>(action)) content_.clear();
    if (std::holds_alternative<smtp::EndContent>(action)) {
      reply = answer(dialogue::Question::end_content, "");
      if (smtp::is_positive(*reply)) taken_->push_back(std::move(content_));
      content_.clear();
    }
    return reply;
  }

  const dialogue::Script* script_;
  Victim::Answers answers_;
  std::vector<std::string>* taken_;
  std::string content_;
};

/// The world of one attack. `made` outlives it.
struct SimVictim {
  SimVictim(const dialogue::Script* script, Victim::Answers the_answers, std::uint64_t seed)
      : answers(std::move(the_answers)), stage(script, &SimVictim::serve_nothing, seed) {}

  /// Listens, serves one session, and gives the client's end of it.
  Task<Result<std::unique_ptr<net::Stream>>> connect() {
    const net::Address server = net::Address::v4({10, 0, 0, 1});
    net::Network* const host = stage.network.host(server);
    const net::Endpoint at{.address = server, .port = dialogue::kPort, .unix_path = {}};
    std::vector<Shard*> shards(1, &stage.world.shard);
    Result<std::vector<std::unique_ptr<net::Listener>>> listeners = host->listen(at, shards);
    check(listeners.has_value(), "attack: listen");
    spawn(&stage.world.shard, "server", serve(this, std::move(listeners->front())));
    net::Network* const client = stage.network.host(net::Address::v4({10, 0, 0, 2}));
    const SteadyTime until = stage.world.clock.steady() + dialogue::kServerSilence;
    co_return co_await client->dial(at, std::nullopt, until);
  }

  Victim::Answers answers;
  dialogue::Stage stage;

 private:
  static Task<void> serve_nothing(dialogue::Stage* /*stage*/, std::unique_ptr<net::Stream> /*stream*/) { co_return; }
  static Task<void> serve(SimVictim* self, std::unique_ptr<net::Listener> listener) {
    dialogue::Stage& stage = self->stage;
    Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(&stage.stop);
    check(stream.has_value(), "attack: accept");
    const server::SmtpDrive drive{.engine = stage.script->settings(),
                                  .timeouts = {},
                                  .clock = &stage.world.clock,
                                  .counts = &stage.counts,
                                  .scratch = &stage.scratch,
                                  .drain = &stage.drain};
    auto answers = std::make_unique<VictimAnswers>(stage.script, self->answers, &stage.taken);
    co_await server::serve_smtp(&drive, std::move(*stream), std::move(answers));
  }
};

}  // namespace postrider::attack
