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

/// The limits that were told of while `octets` came, in order.
std::vector<smtp::Limit> limits_of(const Script& script, const std::string& octets) {
  ServerRunner runner(
      script.settings(),
      [&script](Question question, std::string_view subject) { return script.answer(question, subject); },
      script.rights);
  runner.start();
  runner.receive(octets, smtp::kContentChunkOctetsMax);
  EXPECT_EQ(runner.broken, "");
  return runner.limits;
}

std::string many(std::size_t times, std::string_view octets) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += octets;
  return out;
}

TEST(SmtpServer, TellsOfEachLimit) {
  using enum smtp::Limit;
  using Limits = std::vector<smtp::Limit>;
  Script script;
  script.max_message_size = 100'000;
  script.max_recipients = 1;
  const std::string hello = "EHLO c\r\n";
  const std::string data = hello + "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";
  const std::pair<std::string, Limits> rows[] = {
      {"NOOP " + std::string(2041, 'x') + "\r\n", {}},
      {"NOOP " + std::string(2042, 'x') + "\r\n", {command_line}},
      {std::string(70'000, 'x'), {swallowed}},
      {hello + "MAIL FROM:<" + std::string(65, 'x') + "@b.test>\r\n", {address}},
      {data + std::string(65'535, 'x') + "\r\n.\r\n", {data_line}},
      {hello + "MAIL FROM:<a@b.test> SIZE=100001\r\n", {message_size}},
      {data + many(1001, std::string(98, 'x') + "\r\n") + ".\r\n", {message_size}},
      {data + many(13'000, std::string(98, 'x') + "\r\n"), {swallowed}},
      {hello + "BDAT 99999999999\r\n", {swallowed}},
      {hello + "MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<c@d.test>\r\n", {recipients}},
      {many(20, "FOO\r\n"), {}},
      {many(21, "FOO\r\n"), {errors}},
      {many(100, "NOOP\r\n"), {}},
      {many(101, "NOOP\r\n"), {idle_commands}},
      {data + "a\nb\r\n.\r\n", {bare_newline}},
      {"GET / HTTP/1.1\r\n", {other_protocol}},
      {"\x16\x03", {other_protocol}},
  };
  for (const auto& [octets, want] : rows) EXPECT_EQ(limits_of(script, octets), want) << octets.substr(0, 100);
  script.rights.bare_newline = smtp::BareNewline::normalize;
  EXPECT_EQ(limits_of(script, data + "a\nb\r\n.\r\n"), Limits{bare_newline}) << "taken all the same";
}

TEST(SmtpServer, TellsOfWaitsAndEarlyTalkers) {
  const Script script = plain();
  for (const auto& [event, limit] : {std::pair<smtp::Event, smtp::Limit>{smtp::TimedOut{}, smtp::Limit::wait},
                                     {smtp::TooSlow{}, smtp::Limit::rate}}) {
    ServerRunner runner = make_runner(script);
    runner.start();
    runner.step(event);
    EXPECT_EQ(runner.limits, std::vector<smtp::Limit>{limit});
  }
  ServerRunner runner = make_runner(script);
  runner.start_early();
  EXPECT_EQ(runner.limits, std::vector<smtp::Limit>{smtp::Limit::early_talker});
  EXPECT_TRUE(runner.hung_up());
}

TEST(SmtpServer, OneReplyOfLmtpIsForEachRecipient) {
  Script script;
  script.protocol = smtp::Protocol::lmtp;
  const smtp::ServerSettings settings = script.settings();
  smtp::ServerSession session(&settings);
  smtp::Actions out;
  session.start(out);
  const auto answer = [&](int code) {
    session.step(smtp::Answered{{.code = code, .enhanced = "", .text = "ok"}}, out);
  };
  answer(220);
  session.step(smtp::Received{"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@d.test>\r\nDATA\r\n.\r\n"},
               out);
  for (const int code : {250, 250, 250, 250, 354}) answer(code);
  out.clear();
  answer(250);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(std::get<smtp::Send>(out.front()).octets, "250 ok\r\n250 ok\r\n");
}

TEST(SmtpServer, FutureReleaseNeedsTheTime) {
  Script script;
  script.rights.trusted = true;
  const smtp::ServerSettings settings = script.settings();
  smtp::ServerSession session(&settings);
  smtp::Actions out;
  session.start(out);
  smtp::Answered answer{.reply = {.code = 220, .enhanced = "", .text = "mx"}};
  answer.rights = script.rights;
  session.step(answer, out);
  session.step(smtp::Received{"EHLO c\r\nMAIL FROM:<> HOLDFOR=60\r\n"}, out);
  out.clear();
  answer.reply.code = 250;
  session.step(answer, out);
  ASSERT_EQ(out.size(), 1U);
  const std::string& sent = std::get<smtp::Send>(out.front()).octets;
  EXPECT_EQ(sent.find("FUTURERELEASE"), std::string::npos);
  EXPECT_NE(sent.find("555 5.5.4"), std::string::npos);
}

}  // namespace
}  // namespace postrider::dialogue
