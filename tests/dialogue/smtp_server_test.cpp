// Properties of the server engine that no transcript shows: cuts at random, what it holds, how it groups its actions.
#include "core/random.hpp"
#include "tests/dialogue/server_runner.hpp"

#include <gtest/gtest.h>

namespace postrider::dialogue {
namespace {

Script plain() {
  Script script;
  script.max_message_size = 300'000;
  return script;
}

ServerRunner make_runner(const Script& script) {
  return {script.settings(),
          [&script](Question question, std::string_view subject) { return script.answer(question, subject); }};
}

/// A stream of commands and contents, good and bad, from a seed.
std::string made_up_stream(SeededRandom& random) {
  const std::string pieces[] = {"EHLO c\r\n",
                                "MAIL FROM:<a@b.test>\r\n",
                                "RCPT TO:<c@d.test>\r\n",
                                "DATA\r\n",
                                "text\r\n",
                                ".\r\n",
                                "..\r\n",
                                "\r",
                                "\n",
                                "\r\n",
                                std::string(1, '\0'),
                                "BDAT 10\r\n0123456\r\n\n",
                                "BDAT 5 LAST\r\nabc\r\n",
                                "RSET\r\n",
                                "NOOP\r\n",
                                "BDAT 4\r\nab\nc",
                                std::string(3000, 'x'),
                                std::string(70'000, 'y') + "\r\n",
                                "MAIL FROM:<>\r\n",
                                ".",
                                "QUI",
                                "BDAT 400000\r\n",
                                "x.\r\n"};
  std::string stream = "EHLO c\r\n";
  const std::uint64_t count = 3 + random.below(25);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (random.below(3) == 0) stream += "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";
    stream += pieces[random.below(std::size(pieces))];
  }
  return stream;
}

struct Seen {
  std::string sent;
  std::vector<std::string> taken;
  bool hung_up = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};

TEST(SmtpServer, CutsAtRandomChangeNothing) {
  const Script script = plain();
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SeededRandom random(seed);
    const std::string stream = made_up_stream(random);
    const auto play = [&](bool at_random) {
      ServerRunner runner = make_runner(script);
      runner.start();
      std::string_view rest = stream;
      while (!rest.empty()) {
        const std::size_t size =
            at_random ? 1 + random.below(random.below(4) == 0 ? 5000 : 9) : smtp::kContentChunkOctetsMax;
        runner.receive(rest.substr(0, size), size);
        rest.remove_prefix(std::min(size, rest.size()));
      }
      EXPECT_EQ(runner.broken, "");
      return Seen{.sent = runner.take_sent(), .taken = runner.taken, .hung_up = runner.hung_up()};
    };
    ASSERT_EQ(play(false), play(true)) << "seed " << seed;
  }
}

TEST(SmtpServer, RepliesOfAGroupLeaveInOneSend) {
  const Script script = plain();
  ServerRunner runner = make_runner(script);
  runner.start();
  runner.receive("EHLO c\r\n", 99);
  runner.sends = 0;
  runner.receive("NOOP\r\nNOOP\r\nRSET\r\nFOO\r\nVRFY x\r\n", 99);
  EXPECT_EQ(runner.sends, 1U);
}

TEST(SmtpServer, SlowsDownAfterTenErrors) {
  const Script script = plain();
  ServerRunner runner = make_runner(script);
  runner.start();
  for (int i = 0; i < 10; ++i) runner.receive("FOO\r\n", 99);
  EXPECT_EQ(runner.pauses, 0U);
  runner.receive("FOO\r\n", 99);
  EXPECT_EQ(runner.pauses, 1U);
}

TEST(SmtpServer, SlowsDownWhoAsksForNamesAlsoAcrossTransactions) {
  ServerRunner runner(plain().settings(), [](Question question, std::string_view subject) {
    const bool refused = question == Question::recipient && !subject.starts_with("ann@");
    return smtp::Reply{.code = refused ? 550 : 250, .enhanced = "", .text = "x"};
  });
  runner.start();
  runner.receive("EHLO c\r\n", 99);
  for (int transaction = 0; transaction < 4; ++transaction) {
    runner.receive("MAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.test>\r\n", 99);
    for (int i = 0; i < 25; ++i) runner.receive("RCPT TO:<nobody@example.test>\r\n", 99);
    runner.receive("RSET\r\n", 99);
  }
  EXPECT_EQ(runner.pauses, 0U);
  runner.receive("MAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.test>\r\nRCPT TO:<nobody@example.test>\r\n", 99);
  EXPECT_EQ(runner.pauses, 1U);
}

TEST(SmtpServer, ContentComesInLargeChunks) {
  const smtp::ServerSettings settings = plain().settings();
  smtp::ServerSession session(&settings);
  smtp::Actions out;
  session.start(out);
  const auto answer = [&](int code) {
    session.step(smtp::Answered{{.code = code, .enhanced = "", .text = "ok"}}, out);
  };
  answer(220);
  session.step(smtp::Received{"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"}, out);
  answer(250);
  answer(250);
  answer(250);
  EXPECT_FALSE(session.in_content());
  answer(354);
  EXPECT_TRUE(session.in_content());
  EXPECT_EQ(session.waits_for(), smtp::Wait::data);
  out.clear();
  std::string content;
  while (content.size() < smtp::kContentChunkOctetsMax) content += "0123456789abcd\r\n";
  session.step(smtp::Received{content}, out);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(std::get<smtp::AppendContent>(out.front()).octets, content);
}

TEST(SmtpServer, LateEventsAfterTheEndDoNothing) {
  const Script script = plain();
  ServerRunner runner = make_runner(script);
  runner.start();
  runner.receive("QUIT\r\n", 99);
  EXPECT_TRUE(runner.hung_up());
  for (const smtp::Event& event : {smtp::Event(smtp::TimedOut{}), smtp::Event(smtp::PeerClosed{}),
                                   smtp::Event(smtp::Draining{}), smtp::Event(smtp::Received{"NOOP\r\n"})}) {
    runner.step(event);
  }
  EXPECT_EQ(runner.broken, "");
}

}  // namespace
}  // namespace postrider::dialogue
