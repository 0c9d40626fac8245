// tests/dialogue/smtp/*.txt against the server engine: whole, and cut at every octet.
#include "tests/dialogue/dialogue.hpp"
#include "tests/dialogue/server_runner.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/smtp";

/// Plays a script; `cut_octets` is the size of the pieces that the client's octets come in.
class Play {
 public:
  Play(const Script& script, std::size_t cut_octets)
      : runner_(
            script.settings(),
            [&script](Question question, std::string_view subject) { return script.answer(question, subject); },
            script.rights, script.secured_at_start(), script.cleartext),
        cut_octets_(cut_octets) {
    if (script.early)
      runner_.start_early();
    else
      runner_.start();
    for (const Step& step : script.steps) {
      transcript_.server_said(runner_.take_sent());
      take(step);
    }
    transcript_.server_said(runner_.take_sent());
    EXPECT_EQ(transcript_.rest(), "") << "said beside the S lines";
    EXPECT_EQ(runner_.broken, "");
  }

 private:
  void take(const Step& step) {
    switch (step.kind) {
      case Step::Kind::client_sends: runner_.receive(step.octets, cut_octets_); break;
      case Step::Kind::server_line:
      case Step::Kind::server_reply: EXPECT_EQ(transcript_.compare(step), ""); break;
      case Step::Kind::content_taken:
        ASSERT_LT(contents_, runner_.taken.size()) << "line " << step.line << ": no content was taken";
        EXPECT_EQ(runner_.taken[contents_++], step.octets) << "line " << step.line;
        break;
      case Step::Kind::no_content: EXPECT_EQ(runner_.taken.size(), contents_) << "line " << step.line; break;
      case Step::Kind::handshake:
        EXPECT_TRUE(runner_.handshake()) << "line " << step.line << ": nobody waits for it";
        break;
      case Step::Kind::time_passes: runner_.step(smtp::TimedOut{}); break;
      case Step::Kind::drain: runner_.step(smtp::Draining{}); break;
      case Step::Kind::too_slow: runner_.step(smtp::TooSlow{}); break;
      case Step::Kind::client_closes: runner_.step(smtp::PeerClosed{}); break;
      case Step::Kind::server_closed: EXPECT_TRUE(runner_.hung_up()) << "line " << step.line << ": not closed"; break;
    }
  }
  ServerRunner runner_;
  Transcript transcript_;
  std::size_t cut_octets_;
  std::size_t contents_ = 0;
};

class SmtpDialogue : public testing::TestWithParam<std::string> {
 protected:
  void play(std::size_t cut_octets) {
    const Result<Script> script = read_script(GetParam());
    ASSERT_TRUE(script) << describe(script.error());
    SCOPED_TRACE(GetParam() + ": " + script->rule);
    const Play play(*script, cut_octets);
  }
};
TEST_P(SmtpDialogue, Whole) { play(smtp::kContentChunkOctetsMax); }
TEST_P(SmtpDialogue, CutAtEveryOctet) { play(1); }
TEST_P(SmtpDialogue, CutAtEverySeventhOctet) { play(7); }

INSTANTIATE_TEST_SUITE_P(Files, SmtpDialogue, testing::ValuesIn(script_files(kFolder)),
                         [](const auto& row) { return std::filesystem::path(row.param).stem().string(); });

TEST(Dialogue, WhatIsNoScriptIsRefused) {
  for (const char* bad : {"", "S: x\n", "# r\nX: y\n", "# r\nC+ x\n", "# r\nC+ x\nS: y\n", "# r\ngiven x: 250 ok\n",
                          "# r\ngiven hello 250\n", "# r\nC~ \\q\n", "# r\nC~ \\*3\n", "# r\nT+ 5\n", "# r\nset x: 1\n",
                          "# r\ngiven hello: 999 x\n"}) {
    EXPECT_FALSE(parse_script(bad)) << bad;
  }
}

}  // namespace
}  // namespace postrider::dialogue
