// tests/dialogue/pop3/*.txt against the engine: whole, and cut at every octet. The maildrop is the one of
// `two_messages`; who may log in is said at pop3::test::Driver. Files named tls_only_* run without plaintext_auth.
#include "pop3/test_driver.hpp"
#include "tests/dialogue/dialogue.hpp"
#include "tests/dialogue/pop3_maildrop.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/pop3";

/// Plays a script; `cut_octets` is the size of the pieces that the client's octets come in.
class Play {
 public:
  Play(const Script& script, pop3::Settings settings, std::size_t cut_octets)
      : driver_(std::move(settings), answers_of(script),
                script.tls == Script::Tls::from_start ? pop3::Secured::from_start : pop3::Secured::no),
        cut_octets_(cut_octets) {
    for (const Step& step : script.steps) {
      transcript_.server_said(driver_.said());
      take(step);
    }
    transcript_.server_said(driver_.said());
    EXPECT_EQ(transcript_.rest(), "") << "said beside the S lines";
  }

 private:
  void take(const Step& step) {
    switch (step.kind) {
      case Step::Kind::client_sends:
        for (std::string_view rest = step.octets; !rest.empty();
             rest.remove_prefix(std::min(cut_octets_, rest.size()))) {
          driver_.feed(rest.substr(0, cut_octets_));
        }
        break;
      case Step::Kind::server_line:
      case Step::Kind::server_reply: EXPECT_EQ(transcript_.compare(step), ""); break;
      case Step::Kind::handshake:
        EXPECT_TRUE(driver_.handshake()) << "line " << step.line << ": nobody waits for it";
        break;
      case Step::Kind::time_passes: driver_.step(pop3::TimedOut{}); break;
      case Step::Kind::drain: driver_.step(pop3::Draining{}); break;
      case Step::Kind::client_closes: driver_.step(pop3::PeerClosed{}); break;
      case Step::Kind::server_closed: EXPECT_TRUE(driver_.hung_up()) << "line " << step.line << ": not closed"; break;
      case Step::Kind::content_taken:
      case Step::Kind::no_content:
      case Step::Kind::too_slow: ADD_FAILURE() << "line " << step.line << ": not of POP3"; break;
    }
  }
  pop3::test::Driver driver_;
  Transcript transcript_;
  std::size_t cut_octets_;
};

class Pop3Dialogue : public testing::TestWithParam<std::string> {
 protected:
  void play(std::size_t cut_octets) {
    const Result<Script> script = read_script(GetParam());
    ASSERT_TRUE(script) << describe(script.error());
    SCOPED_TRACE(GetParam() + ": " + script->rule);
    const Play play(*script, settings_of(GetParam(), *script), cut_octets);
  }
};
TEST_P(Pop3Dialogue, Whole) { play(pop3::kReceivedOctetsMax); }
TEST_P(Pop3Dialogue, CutAtEveryOctet) { play(1); }
TEST_P(Pop3Dialogue, CutAtEverySeventhOctet) { play(7); }

INSTANTIATE_TEST_SUITE_P(Files, Pop3Dialogue, testing::ValuesIn(script_files(kFolder)),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

}  // namespace
}  // namespace postrider::dialogue
