// Attempts to make a second message out of the content of one (SECURITY R1). A stream is played whole, octet by octet,
// and cut in two at every octet; it has exactly the outcome of its row however it is cut.
#include "tests/attack/attack.hpp"

namespace postrider::attack {
namespace {

using namespace std::string_literals;

/// What the attacker wants to be commands. Its CRLF.CRLF is the only true end of the content before it.
const std::string kEvil = "MAIL FROM:<evil@attacker.example>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nevil\r\n.\r\n";
const std::string kEvilLines = kEvil.substr(0, kEvil.size() - 3);

/// Octets that someone might take for the end of a content. They do not begin with a dot.
struct FakeEnd {
  const char* name;
  std::string octets;
  /// What of them is in the message, transparency removed; nothing: the message is refused with 550.
  std::optional<std::string> content = std::nullopt;
};

const FakeEnd kFakeEnds[] = {
    {"LF.LF", "\n.\n"},
    {"LF.CRLF", "\n.\r\n"},
    {"CRLF.LF", "\r\n.\n"},
    {"CR.CR", "\r.\r"},
    {"CR.CRLF", "\r.\r\n"},
    {"CRLF.CR", "\r\n.\r"},
    {"CR.LF", "\r.\n"},
    {"LF.CR", "\n.\r"},
    {"LFCR.LFCR", "\n\r.\n\r"},
    {"LFCR.CRLF", "\n\r.\r\n"},
    {"CRLF.LFCR", "\r\n.\n\r"},
    {"CRCRLF.CRCRLF", "\r\r\n.\r\r\n"},
    {"CRLF.CRCRLF", "\r\n.\r\r\n"},
    {"CRCR.CRCR", "\r\r.\r\r"},
    {"LFLF.LFLF", "\n\n.\n\n"},
    {"CRLFLF.LF", "\r\n\n.\n"},
    {"CRLFCR.CRLF", "\r\n\r.\r\n"},
    {"CRLF.LF.CRLF", "\r\n.\n.\r\n"},
    {"CRLF.CR.CRLF", "\r\n.\r.\r\n"},
    {"CRLF..LF", "\r\n..\n"},
    {"CRLF..CR", "\r\n..\r"},
    {"LF..LF", "\n..\n"},
    {"LF..CRLF", "\n..\r\n"},
    {"CR..CRLF", "\r..\r\n"},
    {"CRLF.CR blank LF", "\r\n.\r \n"},
    {"CRLF.NUL CRLF", "\r\n.\0\r\n"s},
    {"CRLF NUL.CRLF", "\r\n\0.\r\n"s},
    {"NUL CRLF.NUL CRLF", "\0\r\n.\0\r\n"s},
    {"CRLF.CR NUL LF", "\r\n.\r\0\n"s},
    {"CR NUL LF.CR NUL LF", "\r\0\n.\r\0\n"s},
    {"NUL.NUL", "\0.\0"s},
    {"LF.NUL LF", "\n.\0\n"s},
    {"LF NUL.LF", "\n\0.\n"s},
    {"header field with a CR end", "\r\nSubject: x\r.\r\n"},
    {"header field with an LF end", "\r\nSubject: x\n.\r\n"},
    {"folded by LF", "\r\nSubject: x\n .\n"},
    // No CR, LF or NUL out of place: one message with all of it.
    {"CRLF..CRLF", "\r\n..\r\n", "\r\n.\r\n"},
    {"CRLF...CRLF", "\r\n...\r\n", "\r\n..\r\n"},
    {"CRLF..CRLF..CRLF", "\r\n..\r\n..\r\n", "\r\n.\r\n.\r\n"},
    {"CRLF. blank CRLF", "\r\n. \r\n", "\r\n \r\n"},
    {"CRLF blank.CRLF", "\r\n .\r\n", "\r\n .\r\n"},
    {"CRLF.tab CRLF", "\r\n.\t\r\n", "\r\n\t\r\n"},
    {"CRLF.x", "\r\n.", "\r\n"},
    {"CRLF.octet 128 CRLF", "\r\n.\x80\r\n", "\r\n\x80\r\n"},
    {"CRLF octet 128.CRLF", "\r\n\x80.\r\n", "\r\n\x80.\r\n"},
    {"CRLF.octet 255 CRLF", "\r\n.\xff\r\n", "\r\n\xff\r\n"},
    {"octet 255 CRLF..octet 255", "\xff\r\n..\xff\r\n", "\xff\r\n.\xff\r\n"},
    {"CR and LF with their eighth bit", "\x8d\x8a.\x8d\x8a", "\x8d\x8a.\x8d\x8a"},
    {"VT.VT", "\v.\v", "\v.\v"},
    {"FF.FF", "\f.\f", "\f.\f"},
    {"CRLF.VT CRLF", "\r\n.\v\r\n", "\r\n\v\r\n"},
    {"RS.RS", "\x1e.\x1e", "\x1e.\x1e"},
    {"SUB.SUB", "\x1a.\x1a", "\x1a.\x1a"},
    {"EOT.EOT", "\x04.\x04", "\x04.\x04"},
    {"backspace over a letter", "\r\n.x\b\r\n", "\r\nx\b\r\n"},
    {"DEL over a letter", "\r\n.x\x7f\r\n", "\r\nx\x7f\r\n"},
    {"NEL of ISO 8859", "\x85.\x85", "\x85.\x85"},
    {"NEL of UTF-8", "\xc2\x85.\xc2\x85", "\xc2\x85.\xc2\x85"},
    {"NL of EBCDIC", "\x15.\x15", "\x15.\x15"},
    {"U+2028", "\xe2\x80\xa8.\xe2\x80\xa8", "\xe2\x80\xa8.\xe2\x80\xa8"},
    {"U+2029", "\xe2\x80\xa9.\xe2\x80\xa9", "\xe2\x80\xa9.\xe2\x80\xa9"},
    {"U+560D U+560A, cut to octets", "\xe5\x98\x8d\xe5\x98\x8a.\xe5\x98\x8d\xe5\x98\x8a",
     "\xe5\x98\x8d\xe5\x98\x8a.\xe5\x98\x8d\xe5\x98\x8a"},
    {"CR and LF overlong", "\xc0\x8d\xc0\x8a.\xc0\x8d\xc0\x8a", "\xc0\x8d\xc0\x8a.\xc0\x8d\xc0\x8a"},
    {"dot overlong", "\r\n\xc0\xae\r\n", "\r\n\xc0\xae\r\n"},
    {"full width dot", "\r\n\xef\xbc\x8e\r\n", "\r\n\xef\xbc\x8e\r\n"},
    {"ideographic full stop", "\r\n\xe3\x80\x82\r\n", "\r\n\xe3\x80\x82\r\n"},
    {"one dot leader", "\r\n\xe2\x80\xa4\r\n", "\r\n\xe2\x80\xa4\r\n"},
    {"byte order mark before the dot", "\r\n\xef\xbb\xbf.\r\n", "\r\n\xef\xbb\xbf.\r\n"},
    {"zero width space behind the dot", "\r\n.\xe2\x80\x8b\r\n", "\r\n\xe2\x80\x8b\r\n"},
    {"quoted-printable", "=0D=0A.=0D=0A", "=0D=0A.=0D=0A"},
    {"per cent", "%0d%0a.%0d%0a", "%0d%0a.%0d%0a"},
    {"escapes as text", "\\r\\n.\\r\\n", "\\r\\n.\\r\\n"},
    {"UTF-7", "+AA0ACg-.+AA0ACg-", "+AA0ACg-.+AA0ACg-"},
    {"a terminal's escape", "\r\n.\x1b[1D\r\n", "\r\n\x1b[1D\r\n"},
};

TEST(FramingAttacks, NoFakeEndMakesASecondMessage) {
  ASSERT_GE(std::size(kFakeEnds), 60U);
  for (const FakeEnd& fake : kFakeEnds) {
    for (const std::string before : {"", "text", "Subject: x\r\n\r\ntext\r\n", "..\r\n"}) {
      SCOPED_TRACE(fake.name + " after "s + testing::PrintToString(before));
      ASSERT_FALSE(fake.octets.starts_with('.'));
      const std::string stored = before == "..\r\n" ? ".\r\n" : before;
      Outcome want{.codes = "550 250", .taken = {}};
      if (fake.content) want = {.codes = "250 250", .taken = {stored + *fake.content + kEvilLines}};
      expect_outcome({}, Start::data, before + fake.octets + kEvil + "NOOP\r\n", want);
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

/// The same over the border between two pieces of content of 64 KiB.
TEST(FramingAttacks, NoFakeEndMakesASecondMessageAtTheBorderOfPieces) {
  std::string lines;
  while (lines.size() + 64 < smtp::kContentChunkOctetsMax)
    lines += "0123456789abcdef0123456789abcdef0123456789abcd\r\n";
  for (const FakeEnd& fake : kFakeEnds) {
    for (std::size_t over = 0; over <= fake.octets.size(); ++over) {
      const std::string before = lines + std::string(smtp::kContentChunkOctetsMax - lines.size() - over, 'x');
      Victim victim({}, {});
      victim.begin(Start::data);
      victim.receive(before + fake.octets + kEvil + "NOOP\r\n");
      const Outcome seen = victim.outcome();
      EXPECT_EQ(seen.codes, fake.content ? "250 250" : "550 250") << fake.name << " " << over;
      ASSERT_EQ(seen.taken.size(), fake.content ? 1U : 0U) << fake.name;
      if (fake.content) EXPECT_TRUE(seen.taken[0] == before + *fake.content + kEvilLines) << fake.name << " " << over;
    }
  }
}

struct Row {
  const char* name;
  Start start;
  std::string stream;
  Outcome want;
};

std::string times(std::size_t count, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}
std::string codes(std::size_t count, const std::string& code) {
  const std::string all = times(count, code + " ");
  return all.substr(0, all.size() - 1);
}

std::vector<Row> rows() {
  const std::string long_line(smtp::kDataLineOctetsMax, 'x');
  return {
      // The end mark itself, and what is bare beside it.
      {"a dot as the first line", Start::data, ".\r\nNOOP\r\n", {"250 250", {""}}},
      {"bare CR before the true end: refused; what follows is commands",
       Start::data,
       "text\r\r\n.\r\nNOOP\r\n",
       {"550 250", {}}},
      {"bare LF before the true end", Start::data, "text\n\r\n.\r\nNOOP\r\n", {"550 250", {}}},
      {"NUL before the true end", Start::data, "text\0\r\n.\r\nNOOP\r\n"s, {"550 250", {}}},
      {"the dot's CR, then silence", Start::data, "text\r\n.\r", {"", {}}},
      {"the dot's CR, then commands, then nothing", Start::data, "text\r\n.\rQUIT\r\n", {"", {}}},
      {"two end marks: the second is a command",
       Start::data,
       "text\r\n.\r\n.\r\nNOOP\r\n",
       {"250 500 250", {"text\r\n"}}},
      {"DATA again behind the end",
       Start::data,
       "text\r\n.\r\nDATA\r\n" + kEvilLines + "QUIT\r\n",
       {"250 503 250 250 354", {"text\r\n"}}},
      {"RCPT behind the end",
       Start::data,
       "text\r\n.\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nQUIT\r\n",
       {"250 503 503 221 closed", {"text\r\n"}}},
      // BDAT within DATA and DATA within BDAT.
      {"BDAT within DATA is text",
       Start::data,
       "BDAT 6 LAST\r\nevil\r\n.\r\nNOOP\r\n",
       {"250 250", {"BDAT 6 LAST\r\nevil\r\n"}}},
      {"BDAT within DATA that claims the end mark",
       Start::data,
       "BDAT 3 LAST\r\n.\r\nNOOP\r\n",
       {"250 250", {"BDAT 3 LAST\r\n"}}},
      {"DATA between chunks",
       Start::transaction,
       "BDAT 6\r\ntext\r\nDATA\r\n.\r\nBDAT 0 LAST\r\n",
       {"250 503 500 250", {"text\r\n"}}},
      {"DATA with a transaction between chunks",
       Start::transaction,
       "BDAT 6\r\ntext\r\nDATA\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<ann@example.test>\r\n.\r\nBDAT 0 LAST\r\n",
       {"250 503 503 503 500 250", {"text\r\n"}}},
      {"a chunk that ends in an end mark",
       Start::transaction,
       "BDAT 9 LAST\r\ntext\r\n.\r\nNOOP\r\n",
       {"250 250", {"text\r\n.\r\n"}}},
      {"a chunk with a transaction in it",
       Start::transaction,
       "BDAT " + std::to_string(5 + kEvil.size()) + " LAST\r\n\r\n.\r\n" + kEvil + "NOOP\r\n",
       {"250 250", {"\r\n.\r\n" + kEvil}}},
      {"chunks cut within an end mark",
       Start::transaction,
       "BDAT 5\r\ntext\rBDAT 2\r\n\n.BDAT 1\r\n\rBDAT 1\r\n\nBDAT 0 LAST\r\nNOOP\r\n",
       {"250 250 250 250 250 250", {"text\r\n.\r\n"}}},
      {"a chunk that ends within a transaction",
       Start::transaction,
       "BDAT 6\r\ntext\r\nBDAT 39 LAST\r\n.\r\nMAIL FROM:<evil@attacker.example>\r\nNOOP\r\n",
       {"250 250 500", {"text\r\n.\r\nMAIL FROM:<evil@attacker.example>\r\nN"}}},
      {"a chunk with a bare end mark", Start::transaction, "BDAT 8 LAST\r\ntext\n.\r\nNOOP\r\n", {"550 250", {}}},
      {"a chunk with LF.LF, then the rest of the content",
       Start::transaction,
       "BDAT 7\r\ntext\n.\nBDAT 6 LAST\r\nevil\r\nNOOP\r\n",
       {"550 503 250", {}}},
      {"bare CR at the border of chunks",
       Start::transaction,
       "BDAT 5\r\ntext\rBDAT 3 LAST\r\n.\r\nNOOP\r\n",
       {"250 550 250", {}}},
      {"a chunk after DATA's content",
       Start::data,
       "text\r\n.\r\nBDAT 6 LAST\r\nevil\r\nNOOP\r\n",
       {"250 503 250", {"text\r\n"}}},
      {"a chunk that is refused holds a transaction",
       Start::ready,
       "BDAT " + std::to_string(kEvil.size()) + " LAST\r\n" + kEvil + "NOOP\r\n",
       {"503 250", {}}},
      {"commands glued to a chunk",
       Start::transaction,
       "BDAT 6\r\ntext\r\nQUIT\r\nBDAT 6 LAST\r\nevil\r\n",
       {"250 221 closed", {}}},
      // Pipelined ahead.
      {"RSET, then a content without a transaction",
       Start::transaction,
       "RSET\r\nDATA\r\nevil\r\n.\r\nNOOP\r\n",
       {"250 503 500 500 250", {}}},
      {"RSET, then a chunk of the old transaction",
       Start::transaction,
       "RSET\r\nBDAT 6 LAST\r\nevil\r\nNOOP\r\n",
       {"250 503 250", {}}},
      {"RSET between chunks, then the last one",
       Start::transaction,
       "BDAT 6\r\ntext\r\nRSET\r\nBDAT 6 LAST\r\nevil\r\nNOOP\r\n",
       {"250 250 503 250", {}}},
      {"EHLO between chunks, then the last one",
       Start::transaction,
       "BDAT 6\r\ntext\r\nEHLO x\r\nBDAT 6 LAST\r\nevil\r\nNOOP\r\n",
       {"250 250 503 250", {}}},
      {"RSET within a content", Start::data, "RSET\r\n" + kEvil + "NOOP\r\n", {"250 250", {"RSET\r\n" + kEvilLines}}},
      {"QUIT within a content", Start::data, "QUIT\r\n" + kEvil + "NOOP\r\n", {"250 250", {"QUIT\r\n" + kEvilLines}}},
      {"a transaction behind QUIT", Start::ready, "QUIT\r\n" + kEvil, {"221 closed", {}}},
      {"a content behind QUIT", Start::transaction, "QUIT\r\nDATA\r\nevil\r\n.\r\n", {"221 closed", {}}},
      // Lines that are too long.
      {"a data line too long, then the true end", Start::data, long_line + "x\r\n.\r\nNOOP\r\n", {"550 250", {}}},
      {"a data line too long with LF.LF in it", Start::data, long_line + "\n.\n" + kEvil + "NOOP\r\n", {"550 250", {}}},
      {"a data line too long with a dot where it is cut",
       Start::data,
       std::string(smtp::kDataLineOctetsMax, 'x') + ".\r\n" + kEvil + "NOOP\r\n",
       {"550 250", {}}},
      {"a data line of dots", Start::data, std::string(70'000, '.') + "\r\n" + kEvil + "NOOP\r\n", {"550 250", {}}},
      {"a command line too long with commands in it",
       Start::ready,
       "NOOP " + std::string(smtp::kCommandLineOctetsMax, 'x') + "\nMAIL FROM:<evil@x.test>\nDATA\r\nNOOP\r\n",
       {"500 250", {}}},
      {"a command line too long that ends as BDAT",
       Start::transaction,
       "BDAT " + std::string(smtp::kCommandLineOctetsMax, '0') + "6 LAST\r\nevil\r\nNOOP\r\n",
       {"500 closed", {}}},
      {"a command line too long whose cut is a command",
       Start::ready,
       std::string(smtp::kCommandLineOctetsMax, ' ') + "QUIT\r\nNOOP\r\n",
       {"500 250", {}}},
      {"a command line without end", Start::ready, std::string(70'000, 'x') + "\r\n" + kEvil, {"421 closed", {}}},
      // Contents that nobody waited for.
      {"text after a refused DATA: bounded errors",
       Start::ready,
       "DATA\r\n" + times(30, "text\r\n") + kEvil,
       {"503 " + codes(19, "500") + " 421 closed", {}}},
      {"empty lines for ever", Start::ready, times(40, "\r\n") + kEvil, {codes(20, "500") + " 421 closed", {}}},
      {"bare line ends as commands",
       Start::ready,
       "MAIL FROM:<evil@x.test>\nRCPT TO:<a@b.test>\n\r\nNOOP\r\n",
       {"500 250", {}}},
      {"commands ended by CR", Start::transaction, "DATA\revil\r.\r\r\nNOOP\r\n", {"500 250", {}}},
      {"NUL within a command", Start::transaction, "DATA\0\r\nNOOP\r\n"s, {"500 250", {}}},
      // Other protocols.
      {"the body of a POST", Start::ready, "POST / HTTP/1.1\r\nHost: x\r\n\r\n" + kEvil, {"554 closed", {}}},
      {"the body of a GET", Start::ready, "GET / HTTP/1.1\r\n\r\n" + kEvil, {"554 closed", {}}},
      {"the body of a PUT", Start::transaction, "PUT /x HTTP/1.1\r\n\r\nDATA\r\nevil\r\n.\r\n", {"554 closed", {}}},
      {"a verb unknown, then Host", Start::ready, "BREW / HTTP/1.1\r\nHost: x\r\n\r\n" + kEvil, {"500 554 closed", {}}},
      {"a proxy's CONNECT", Start::ready, "CONNECT mx:25 HTTP/1.0\r\n\r\n" + kEvil, {"554 closed", {}}},
      {"a request as content is content",
       Start::data,
       "POST / HTTP/1.1\r\n\r\n" + kEvil + "NOOP\r\n",
       {"250 250", {"POST / HTTP/1.1\r\n\r\n" + kEvilLines}}},
  };
}

TEST(FramingAttacks, EachStreamHasItsOutcome) {
  const std::vector<Row> table = rows();
  ASSERT_GE(table.size(), 40U);
  for (const Row& row : table) {
    SCOPED_TRACE(row.name);
    ASSERT_LE(row.want.taken.size(), 1U);
    expect_outcome({}, row.start, row.stream, row.want);
  }
}

TEST(FramingAttacks, AfterA421NothingIsTaken) {
  for (const dialogue::Question question : {dialogue::Question::begin_content, dialogue::Question::end_content}) {
    const Setting setting{.script = {}, .answers = [question](dialogue::Question asked, std::string_view) {
                            std::optional<smtp::Reply> reply;
                            if (asked == question) reply = {.code = 421, .enhanced = "4.3.0", .text = "store failed"};
                            return reply;
                          }};
    const std::string before = question == dialogue::Question::end_content ? "354 " : "";
    expect_outcome(setting, Start::transaction, "DATA\r\ntext\r\n.\r\n" + kEvil, {before + "421 closed", {}});
    expect_outcome(setting, Start::transaction, "BDAT 6 LAST\r\ntext\r\n" + kEvil, {"421 closed", {}});
  }
}

TEST(FramingAttacks, AContentAfterARefusedDataIsCommandsAndFewOfThem) {
  const Setting setting{.script = {}, .answers = [](dialogue::Question asked, std::string_view) {
                          std::optional<smtp::Reply> reply;
                          if (asked == dialogue::Question::begin_content)
                            reply = {.code = 451, .enhanced = "4.3.0", .text = "not now"};
                          return reply;
                        }};
  expect_outcome(setting, Start::transaction, "DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\nNOOP\r\n",
                 {"451 500 500 500 500 250", {}});
  expect_outcome(setting, Start::transaction, "DATA\r\n" + times(30, "text\r\n") + ".\r\nNOOP\r\n",
                 {"451 " + codes(19, "500") + " 421 closed", {}});
  expect_outcome(setting, Start::transaction, "DATA\r\n" + kEvil, {"451 250 250 451 500 500", {}});
  expect_outcome(setting, Start::transaction, "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", {"451 503 250", {}});
}

/// Where bare newlines become CRLF, and where BINARYMIME is on: the content may be another, but there is never
/// a second message, and the command behind the end is answered as that.
TEST(FramingAttacks, NormalizedOrBinaryThereIsNoSecondMessageEither) {
  Setting normalizing;
  normalizing.script.rights.bare_newline = smtp::BareNewline::normalize;
  Setting binary;
  binary.script.binarymime = true;
  for (const Setting& setting : {normalizing, binary}) {
    for (const FakeEnd& fake : kFakeEnds) {
      for (const std::string before : {"", "text", "Subject: x\r\n\r\ntext\r\n"}) {
        SCOPED_TRACE(fake.name + " after "s + testing::PrintToString(before));
        const std::string stream = before + fake.octets + kEvil + "NOOP\r\n";
        Victim whole(setting.script, setting.answers);
        whole.begin(Start::data);
        whole.receive(stream);
        const Outcome seen = whole.outcome();
        const bool is_normalized = setting.script.rights.bare_newline == smtp::BareNewline::normalize;
        const bool is_taken = fake.content || (is_normalized && !fake.octets.contains('\0'));
        EXPECT_EQ(seen.codes, is_taken ? "250 250" : "550 250");
        ASSERT_EQ(seen.taken.size(), is_taken ? 1U : 0U);
        if (is_taken) {
          EXPECT_TRUE(seen.taken[0].ends_with(kEvilLines));
          std::string rest = seen.taken[0];
          for (std::size_t at = rest.find("\r\n"); at != std::string::npos; at = rest.find("\r\n", at))
            rest.erase(at, 2);
          EXPECT_EQ(rest.find_first_of("\r\n"), std::string::npos) << "a bare newline is stored";
        }
        if (before == "text") expect_outcome(setting, Start::data, stream, seen);
      }
    }
  }
}

/// In LMTP the end of a content has a reply for each recipient; a fake end has none.
TEST(FramingAttacks, InLmtpThereIsNoSecondMessageEither) {
  dialogue::Script script;
  script.protocol = smtp::Protocol::lmtp;
  for (const FakeEnd& fake : kFakeEnds) {
    for (const std::size_t cut : {std::size_t{1}, smtp::kContentChunkOctetsMax}) {
      Victim victim(script, {});
      victim.receive(
          "LHLO x\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n");
      EXPECT_EQ(codes_of(victim.runner().take_sent()), "220 250 250 250 250 354");
      victim.receive("text" + fake.octets + kEvil + "NOOP\r\n", cut);
      const Outcome seen = victim.outcome();
      EXPECT_EQ(seen.codes, fake.content ? "250 250 250" : "550 550 250") << fake.name;
      ASSERT_EQ(seen.taken.size(), fake.content ? 1U : 0U) << fake.name;
      if (fake.content) EXPECT_EQ(seen.taken[0], "text" + *fake.content + kEvilLines) << fake.name;
    }
  }
}

/// Over the size limit everything up to the true end is read and thrown away; nothing of it is a command.
TEST(FramingAttacks, AMessageTooBigDoesNotSpillIntoCommands) {
  Setting setting;
  setting.script.max_message_size = 16;
  expect_outcome(setting, Start::data, "0123456789abcdef\r\n" + kEvil + "NOOP\r\n", {"552 250", {}});
  expect_outcome(setting, Start::data, "0123456789abcdef\n.\n" + kEvil + "NOOP\r\n", {"550 250", {}});
  expect_outcome(setting, Start::transaction, "BDAT 10\r\n01234567\r\nBDAT 9 LAST\r\nQUIT\r\n.\r\nNOOP\r\n",
                 {"250 552 250", {}});
}

}  // namespace
}  // namespace postrider::attack
