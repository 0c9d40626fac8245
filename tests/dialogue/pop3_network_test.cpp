// tests/dialogue/pop3/*.txt the third way: through the server's driver, over the simulated network.
#include "server/pop3_driver.hpp"
#include "tests/dialogue/network_stage.hpp"
#include "tests/dialogue/pop3_maildrop.hpp"

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/pop3";

class ScriptedMaildrop final : public server::Pop3Answers {
 public:
  explicit ScriptedMaildrop(const Script* script) : answers_(answers_of(*script)) {}
  void secured(const net::Stream* stream) override { check(stream->tls().has_value(), "dialogue: a protected stream"); }
  Task<std::optional<pop3::Event>> take(pop3::Action action) override { co_return answers_.answer_to(action); }

 private:
  pop3::test::Answers answers_;
};

Task<void> serve(Stage* stage, std::unique_ptr<net::Stream> stream) {
  const server::Pop3Drive drive{.engine = settings_of(stage->path, *stage->script),
                                .timeouts = {},
                                .clock = &stage->world.clock,
                                .scratch = &stage->scratch,
                                .drain = &stage->drain,
                                .tls = &stage->tls};
  auto answers = std::make_unique<ScriptedMaildrop>(stage->script);
  co_await server::serve_pop3(&drive, std::move(stream), std::move(answers));
}

class Pop3OverNetwork : public testing::TestWithParam<std::string> {};
TEST_P(Pop3OverNetwork, SaysTheSame) { play_over_network(GetParam(), &serve); }

INSTANTIATE_TEST_SUITE_P(Files, Pop3OverNetwork, testing::ValuesIn(script_files(kFolder)),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

}  // namespace
}  // namespace postrider::dialogue
