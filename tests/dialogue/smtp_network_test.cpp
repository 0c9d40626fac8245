// tests/dialogue/smtp/*.txt the third way: through the server's driver, over the simulated network, with its deadlines.
#include "core/test_run.hpp"
#include "net/sim_network.hpp"
#include "server/smtp_driver.hpp"
#include "tests/dialogue/dialogue.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/smtp";
constexpr std::uint16_t kPort = 25;
constexpr std::chrono::seconds kServerSilence{400};  // longer than any wait of the server

/// Answers as the script says, and keeps what is taken.
class ScriptedAnswers final : public server::SmtpAnswers {
 public:
  ScriptedAnswers(const Script* script, std::vector<std::string>* taken) : script_(script), taken_(taken) {}

  Task<std::optional<smtp::Reply>> take(smtp::Action action, smtp::HelloKind /*hello_kind*/) override {
    std::optional<smtp::Reply> answer;
    if (std::holds_alternative<smtp::AskConnect>(action)) answer = script_->answer(Question::connect, "");
    if (const auto* const a = std::get_if<smtp::AskHello>(&action)) answer = script_->answer(Question::hello, a->name);
    if (const auto* const a = std::get_if<smtp::AskSender>(&action)) answer = script_->answer(Question::sender, a->reverse_path.text());
    if (const auto* const a = std::get_if<smtp::AskRecipient>(&action)) answer = script_->answer(Question::recipient, a->address.text());
    if (std::holds_alternative<smtp::BeginContent>(action)) answer = script_->answer(Question::begin_content, "");
    if (const auto* const a = std::get_if<smtp::AppendContent>(&action)) content_ += a->octets;
    if (std::holds_alternative<smtp::DropTransaction>(action)) content_.clear();
    if (std::holds_alternative<smtp::EndContent>(action)) {
      answer = script_->answer(Question::end_content, "");
      if (smtp::is_positive(*answer)) taken_->push_back(std::move(content_));
      content_.clear();
    }
    co_return answer;
  }

 private:
  const Script* script_;
  std::vector<std::string>* taken_;
  std::string content_;
};

/// One dialogue: a server that drives one session, and a client that plays the script.
struct Stage {
  explicit Stage(const Script* the_script, std::uint64_t seed) : script(the_script), random(seed), network(&random) {
    network.set_weather({.latency_min = std::chrono::milliseconds(1), .latency_max = std::chrono::milliseconds(20), .cuts_segments = true});
  }

  const Script* script;
  test::World world;
  SeededRandom random;
  net::SimNetwork network;
  net::ScratchPool scratch;
  gate::SessionCounts counts{gate::Settings{}};
  Signal drain;
  Signal stop;
  std::vector<std::string> taken;
  std::vector<std::string> mistakes;
  std::size_t contents = 0;
  Transcript transcript;
  bool closed = false;
};

Task<void> serve_one(Stage* stage, std::unique_ptr<net::Listener> listener) {
  Result<std::unique_ptr<net::Stream>> stream = co_await listener->accept(&stage->stop);
  check(stream.has_value(), "dialogue: accept");
  server::SmtpDrive drive{.engine = stage->script->settings(),
                          .timeouts = {},
                          .clock = &stage->world.clock,
                          .counts = &stage->counts,
                          .scratch = &stage->scratch,
                          .drain = &stage->drain};
  auto answers = std::make_unique<ScriptedAnswers>(stage->script, &stage->taken);
  co_await server::serve_smtp(std::move(drive), std::move(*stream), std::move(answers));
}

/// Reads until `enough`, or the end, or long silence.
Task<void> read_until(Stage* stage, net::Stream* stream, const Step* enough) {
  while (!stage->closed && (enough == nullptr || !stage->transcript.has(*enough))) {
    const Result<net::Ready> ready = co_await stream->wait_readable(stage->world.clock.steady() + kServerSilence, nullptr);
    if (!ready) {
      stage->closed = ready.error().code == Error::closed;
      co_return;
    }
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = stream->read_some(buffer);
    if (!got) stage->closed = true;
    else stage->transcript.server_said(std::string_view(buffer.data(), *got));
  }
}

Task<Result<void>> play_step(Stage* stage, std::unique_ptr<net::Stream>* stream, const Step* step) {
  const auto wrong = [&](std::string_view what) { stage->mistakes.push_back(fmt::format("line {}: {}", step->line, what)); };
  switch (step->kind) {
    case Step::Kind::client_sends: {
      const Result<void> written = co_await (*stream)->write(step->octets, stage->world.clock.steady() + kServerSilence);
      (void)written;  // a server that hung up is what some dialogues are about: what it said is compared
      break;
    }
    case Step::Kind::server_line:
    case Step::Kind::server_reply: {
      co_await read_until(stage, stream->get(), step);
      const std::string different = stage->transcript.compare(*step);
      if (!different.empty()) wrong(different);
      break;
    }
    case Step::Kind::content_taken:
      if (stage->contents >= stage->taken.size()) wrong("no content was taken");
      else if (stage->taken[stage->contents++] != step->octets) wrong("another content was taken");
      break;
    case Step::Kind::no_content:
      if (stage->taken.size() != stage->contents) wrong("a content was taken");
      break;
    case Step::Kind::time_passes:
    case Step::Kind::too_slow: {
      const Duration duration = step->kind == Step::Kind::too_slow ? server::kRateWindow + std::chrono::seconds(1) : Duration(step->duration);
      Signal nothing;
      const Result<void> passed = co_await nothing.wait(stage->world.clock.steady() + duration);
      (void)passed;  // always timeout
      break;
    }
    case Step::Kind::drain: {
      Signal nothing;  // what the client said is there before the drain, as in the other two ways
      const Result<void> passed = co_await nothing.wait(stage->world.clock.steady() + std::chrono::seconds(1));
      (void)passed;  // always timeout
      stage->drain.set();
      break;
    }
    case Step::Kind::client_closes: (*stream)->close(); break;
    case Step::Kind::server_closed:
      co_await read_until(stage, stream->get(), nullptr);
      if (!stage->closed) wrong("not closed");
      break;
  }
  co_return Result<void>{};
}

Task<Result<void>> play(Stage* stage) {
  const net::Address server = net::Address::v4({10, 0, 0, 1});
  net::Network* const host = stage->network.host(server);
  const net::Endpoint at{.address = server, .port = kPort, .unix_path = {}};
  std::vector<Shard*> shards(1, &stage->world.shard);
  Result<std::vector<std::unique_ptr<net::Listener>>> listeners = host->listen(at, shards);
  if (!listeners) co_return fail(listeners);
  spawn(&stage->world.shard, "server", serve_one(stage, std::move(listeners->front())));
  net::Network* const client = stage->network.host(net::Address::v4({10, 0, 0, 2}));
  Result<std::unique_ptr<net::Stream>> stream = co_await client->dial(at, std::nullopt, stage->world.clock.steady() + kServerSilence);
  if (!stream) co_return fail(stream);
  for (const Step& step : stage->script->steps) {
    const Result<void> played = co_await play_step(stage, &*stream, &step);
    if (!played) co_return fail(played);
  }
  (*stream)->close();
  co_return Result<void>{};
}

class SmtpOverNetwork : public testing::TestWithParam<std::string> {};

TEST_P(SmtpOverNetwork, SaysTheSame) {
  const Result<Script> script = read_script(GetParam());
  ASSERT_TRUE(script) << describe(script.error());
  SCOPED_TRACE(GetParam() + ": " + script->rule);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Stage stage(&*script, seed);
    const Result<void> played = test::run(stage.world, play(&stage));
    ASSERT_TRUE(played) << describe(played.error());
    stage.world.run_until_still();
    EXPECT_EQ(stage.world.shard.tasks(), 0U) << "the session goes on";
    EXPECT_EQ(stage.transcript.rest(), "") << "said beside the S lines";
    for (const std::string& mistake : stage.mistakes) ADD_FAILURE() << "seed " << seed << ": " << mistake;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, SmtpOverNetwork, testing::ValuesIn(script_files(kFolder)),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

}  // namespace
}  // namespace postrider::dialogue
