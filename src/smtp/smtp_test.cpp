// The parts of the engines that are functions of their octets. The engines themselves: tests/dialogue.
#include "core/random.hpp"
#include "smtp/command.hpp"
#include "smtp/content_writer.hpp"
#include "smtp/data_framing.hpp"
#include "smtp/reply_reader.hpp"

#include <gtest/gtest.h>

namespace postrider::smtp {
namespace {

TEST(Reply, ToWire) {
  EXPECT_EQ(to_wire({.code = 250, .enhanced = "2.1.0", .text = "ok"}), "250 2.1.0 ok\r\n");
  EXPECT_EQ(to_wire({.code = 250, .enhanced = "", .text = "a\nb\nc"}), "250-a\r\n250-b\r\n250 c\r\n");
  EXPECT_EQ(to_wire({.code = 550, .enhanced = "5.1.1", .text = "a\nb"}), "550-5.1.1 a\r\n550 5.1.1 b\r\n");
  EXPECT_EQ(to_wire({.code = 550, .enhanced = "", .text = "a\r\x01\x80z"}), "550 a???z\r\n");
  EXPECT_EQ(to_wire({.code = 354, .enhanced = "", .text = ""}), "354 \r\n");
  EXPECT_EQ(to_wire({.code = 550, .enhanced = "5.7.1", .text = std::string(5000, 'x')}).size(), 506U);
  EXPECT_EQ(to_line({.code = 550, .enhanced = "5.1.1", .text = "a\nb\x1b"}), "550 5.1.1 a b?");
}

/// All replies in `octets`, or "malformed"/"too_long" at the end.
std::string read_all(std::string_view octets, std::size_t cut) {
  ReplyReader reader;
  std::string out;
  while (!octets.empty()) {
    std::string_view piece = octets.substr(0, cut);
    octets.remove_prefix(piece.size());
    while (!piece.empty()) {
      const Result<std::optional<Reply>> reply = reader.take(piece);
      if (!reply) return out + std::string(name_of(reply.error().code));
      if (*reply) out += to_line(**reply) + ";";
    }
  }
  return out;
}

TEST(ReplyReader, ReadsHoweverItIsCut) {
  const std::pair<std::string, std::string> rows[] = {
      {"250 2.1.0 ok\r\n", "250 2.1.0 ok;"},
      {"250\r\n", "250 ;"},
      {"250 \r\n354 go\r\n", "250 ;354 go;"},
      {"550-5.1.1 no\r\n550 5.1.1 such user\r\n", "550 5.1.1 no such user;"},
      {"250-mx\r\n250-SIZE\r\n250 HELP\r\n", "250 mx SIZE HELP;"},
      {"550 4.1.1 class differs\r\n", "550 4.1.1 class differs;"},
      {"550 5.1 x\r\n", "550 5.1 x;"},
      {"550 5.1234.1 x\r\n", "550 5.1234.1 x;"},
      {"550 5.1.1\r\n", "550 5.1.1 ;"},
      {"550 \x1b[31m\x80\r\n", "550 ?[31m?;"},
      {"250 a\rb\r\n", "250 a?b;"},
      {"150 x\r\n", "malformed"},
      {"650 x\r\n", "malformed"},
      {"25 x\r\n", "malformed"},
      {"2500 x\r\n", "malformed"},
      {"250_x\r\n", "malformed"},
      {"\r\n", "malformed"},
      {"-250 x\r\n", "malformed"},
      {"250-x\r\n251 y\r\n", "malformed"},
      {"250-x\r\nmore\r\n", "malformed"},
      {"250 x\n", "malformed"},
      {"250 x\r\n250 y\n", "250 x;malformed"},
      {"250-" + std::string(70'000, 'x'), "too_long"},
  };
  for (const auto& [octets, want] : rows) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{5}, octets.size()})
      EXPECT_EQ(read_all(octets, cut), want);
  }
}

struct Framed {
  std::string content, rest;
  bool ended = false;
  bool bare = false;
  bool long_line = false;
  friend bool operator==(const Framed&, const Framed&) = default;
};

Framed frame(std::string_view octets, const std::function<std::size_t()>& cut) {
  DataFraming framing;
  Framed out;
  while (!octets.empty() && !framing.ended()) {
    const std::string_view piece = octets.substr(0, cut());
    octets.remove_prefix(framing.take_data(piece, out.content));
  }
  out.rest = octets;
  out.ended = framing.ended();
  out.bare = framing.faults().bare_octet;
  out.long_line = framing.faults().long_line;
  if (framing.faults().any()) out.content.clear();  // never used
  return out;
}

TEST(DataFraming, EndsAtCrlfDotCrlfOnly) {
  struct Row {
    std::string octets, content, rest;
    bool ended, bare;
  };
  const std::string z(1, '\0');
  const Row rows[] = {
      {".\r\nQUIT\r\n", "", "QUIT\r\n", true, false},
      {"a\r\n.\r\n", "a\r\n", "", true, false},
      {"a\r\n..\r\n.\r\nx", "a\r\n.\r\n", "x", true, false},
      {".a\r\n...b\r\n", "a\r\n..b\r\n", "", false, false},
      {"a\r\n.", "a\r\n", "", false, false},
      {"a\r\n.\r", "a\r\n", "", false, false},
      {"\r\n\r\n.\r\n", "\r\n\r\n", "", true, false},
      {"a.\r\n.b\r\n", "a.\r\nb\r\n", "", false, false},
      {"a\n.\n", "", "", false, true},
      {"a\n.\r\n", "", "", false, true},
      {"a\r\n.\nb\r\n", "", "", false, true},
      {"a\r.\r\n", "", "", false, true},
      {"a\r\n.\rb\r\n.\r\nx", "", "x", true, true},
      {"a\r\r\n.\r\nx", "", "x", true, true},
      {"a\r\n.\r\r\nb", "", "", false, true},
      {"a\n\r\n.\r\nx", "", "x", true, true},
      {"\n.\r\n.\r\nx", "", "x", true, true},
      {"\r.\r\n\r\n.\r\nx", "", "x", true, true},
      {".\n\r\n.\r\nx", "", "x", true, true},
      {"a" + z + "b\r\n.\r\nx", "", "x", true, true},
      {"." + z + "\r\n.\r\nx", "", "x", true, true},
  };
  for (const Row& row : rows) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{3}, row.octets.size()}) {
      const Framed got = frame(row.octets, [cut] { return cut; });
      EXPECT_EQ(got, (Framed{row.content, row.rest, row.ended, row.bare, false})) << row.octets << " cut at " << cut;
    }
  }
}

TEST(DataFraming, LinesOverTheLimitAreFound) {
  const auto whole = [] { return std::size_t{1'000'000}; };
  EXPECT_FALSE(frame(std::string(65'534, 'x') + "\r\n.\r\n", whole).long_line);
  EXPECT_TRUE(frame(std::string(65'535, 'x') + "\r\n.\r\n", whole).long_line);
  EXPECT_TRUE(frame(std::string(65'537, 'x'), whole).long_line);
  EXPECT_FALSE(frame("." + std::string(65'534, 'x') + "\r\n.\r\n", whole).long_line);
}

TEST(DataFraming, CutsAtRandomChangeNothing) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SeededRandom random(seed);
    std::string octets;
    const std::string pieces[] = {"\r\n", "\r\n", ".", "a", "\r", "\n", "\r\n.\r\n", "bb", std::string(1, '\0')};
    for (std::uint64_t i = random.below(30); i > 0; --i)
      octets += pieces[random.below(random.below(3) == 0 ? std::size(pieces) : 4)];
    EXPECT_EQ(frame(octets, [] { return std::size_t{1000}; }), frame(octets, [&] { return 1 + random.below(4); }))
        << "seed " << seed;
  }
}

TEST(ContentWriter, WhatIsWrittenIsReadBack) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SeededRandom random(seed);
    std::string content;
    const std::string pieces[] = {"\r\n", ".", "a", ".\r\n", "long line"};
    for (std::uint64_t i = random.below(30); i > 0; --i) content += pieces[random.below(std::size(pieces))];
    ContentWriter writer;
    std::string wire;
    std::string_view rest = content;
    while (!rest.empty()) {
      const std::size_t size = 1 + random.below(5);
      ASSERT_TRUE(writer.write(rest.substr(0, size), wire));
      rest.remove_prefix(std::min(size, rest.size()));
    }
    ASSERT_TRUE(writer.finish(wire));
    const std::string want = content.empty() || content.ends_with("\r\n") ? content : content + "\r\n";
    EXPECT_EQ(frame(wire, [] { return std::size_t{1000}; }), (Framed{want, "", true, false, false})) << "seed " << seed;
  }
}

TEST(Command, NothingIsLeftOutOfARefusal) {
  const mail::Domain own_domain = mail::Domain::parse("own.test").value();
  const CommandContext own{.own_domain = &own_domain,
                           .protocol = Protocol::smtp,
                           .extended = true,
                           .binarymime = false,
                           .trusted = false,
                           .xclient = false,
                           .hold_until_max = std::nullopt,
                           .utf8 = mail::Utf8::no};
  const std::string nul = std::string("NOOP") + '\0';
  struct Row {
    std::string line;
    int code;
    bool hang_up;
  };
  const Row rows[] = {
      {"", 500, false},
      {" ", 500, false},
      {"NOOPS", 500, false},
      {"MAILFROM:<a@b.test>", 500, false},
      {"\xff\xfe", 500, false},
      {nul, 500, false},
      {"NOOP\t", 500, false},
      {"bdat 5\n", 500, true},
      {"BDAT", 501, true},
      {"BDAT x", 501, true},
      {"BDAT 5 FIRST", 501, true},
      {"BDAT -5", 501, true},
      {"BDAT 5 LAST LAST", 501, true},
      {"BDAT 5  LAST", 501, true},
      {"BDAT 0x5", 501, true},
      {"RSET 1", 501, false},
      {"GET /", 554, true},
      {"post /", 554, true},
      {"CONNECT x:25", 554, true},
      {"Host: x", 554, true},
      {"MAIL FROM <a@b.test>", 501, false},
      {"MAIL FROM:<a@b.test> SIZE", 501, false},
      {"MAIL FROM:<a@b.test> =", 501, false},
      {"MAIL FROM:<a@b.test> BODY", 501, false},
      {"RCPT TO:<a@b.test> SIZE=1", 555, false},
      {"RCPT TO:a@b.test", 501, false},
      {"RCPT TO:<a@b.test", 501, false},
      {"RCPT TO:<caf\xc3\xa9@b.test>", 553, false},
      {"LHLO c", 500, false},
      {"VRFY", 501, false},
      {"STARTTLS x", 501, false},
      {"MAIL FROM:<a@b.test> AUTH=<>", 555, false},
      {"TURN", 502, false},
      {"XCLIENT NAME=x", 550, false},
      {"PRI * HTTP/2.0", 554, true},
      {"SSH-2.0-x", 554, true},
      {"Content-Type:text/html", 554, true},
      {"*1", 554, true},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", 554, true},
      {std::string(1, '\0'), 554, true},
      {"\x16\x03\x01", 554, true},
      {"EHLO", 501, false},
  };
  for (const Row& row : rows) {
    const Command command = parse_command(row.line, own);
    const auto* const refusal = std::get_if<RefusedCommand>(&command);
    ASSERT_NE(refusal, nullptr) << row.line;
    EXPECT_EQ(refusal->reply.code, row.code) << row.line;
    EXPECT_EQ(refusal->hang_up, row.hang_up) << row.line;
    EXPECT_FALSE(refusal->reply.enhanced.empty());
  }
  EXPECT_EQ(std::get<BdatCommand>(parse_command("bDaT 18446744073709551615 last", own)).size_octets, ~std::uint64_t{0});
  EXPECT_EQ(std::get<MailCommand>(parse_command("mail from:<> size=5  body=8bitmime ", own)).parameters.size_octets,
            5U);
  EXPECT_EQ(std::get<BareCommand>(parse_command("StartTLS ", own)), BareCommand::starttls);
  EXPECT_EQ(std::get<AuthCommand>(parse_command("auth plain", own)).mechanism, "PLAIN");
  EXPECT_EQ(std::get<AuthCommand>(parse_command("AUTH PLAIN", own)).initial.has_value(), false);
  EXPECT_EQ(std::get<AuthCommand>(parse_command("AUTH PLAIN = =", own)).initial.value().reveal(), "= =");
  EXPECT_EQ(std::get<HelloCommand>(parse_command("HELO caf\xc3\xa9", own)).name, "caf??");
}

}  // namespace
}  // namespace postrider::smtp
