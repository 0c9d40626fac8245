// Abuse of BDAT (3030 §2, SECURITY R7): whatever its size says, the server either keeps in step (what stands behind the
// chunk is answered as the command that it is) or closes.
#include "tests/attack/attack.hpp"

namespace postrider::attack {
namespace {

using namespace std::string_literals;

constexpr std::uint64_t kLimit = 20;                            // max_message_size
constexpr std::uint64_t kSwallowed = 2 * kLimit + 1024 * 1024;  // the most of a chunk that is read to be thrown away

struct Row {
  const char* name;
  std::string stream;  // after MAIL and RCPT
  Outcome want;
  Start start = Start::transaction;
};

std::string chunk(std::uint64_t size, const char* last = "") {
  return "BDAT " + std::to_string(size) + last + "\r\n" + std::string(size, 'Q');
}
std::string times(std::size_t count, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::vector<Row> rows() {
  const std::string evil = "MAIL FROM:<e@x.test>\r\n";
  return {
      // Sizes that are numbers.
      {"0", "BDAT 0\r\nNOOP\r\n", {"250 250", {}}},
      {"0 LAST", "BDAT 0 LAST\r\nNOOP\r\n", {"250 250", {""}}},
      {"1", "BDAT 1\r\nQBDAT 1 LAST\r\nQNOOP\r\n", {"250 250 250", {"QQ"}}},
      {"the limit", chunk(kLimit, " LAST") + "NOOP\r\n", {"250 250", {std::string(kLimit, 'Q')}}},
      {"one over the limit", chunk(kLimit + 1, " LAST") + "NOOP\r\n", {"552 250", {}}},
      {"one over the limit, not last", chunk(kLimit + 1) + "NOOP\r\n", {"552 250", {}}},
      {"the limit, then one octet", chunk(kLimit) + chunk(1, " LAST") + "NOOP\r\n", {"250 552 250", {}}},
      {"the limit, then nothing",
       chunk(kLimit) + "BDAT 0 LAST\r\nNOOP\r\n",
       {"250 250 250", {std::string(kLimit, 'Q')}}},
      {"one over what is swallowed",
       "BDAT " + std::to_string(kSwallowed + 1) + " LAST\r\nNOOP\r\n",
       {"552 closed", {}}},
      {"2^31", "BDAT 2147483648\r\n" + evil, {"552 closed", {}}},
      {"2^32", "BDAT 4294967296 LAST\r\n" + evil, {"552 closed", {}}},
      {"2^32 + 6: six when it is cut to 32 bits", "BDAT 4294967302 LAST\r\nQUIT\r\n" + evil, {"552 closed", {}}},
      {"2^63 - 1", "BDAT 9223372036854775807\r\n" + evil, {"552 closed", {}}},
      {"2^63", "BDAT 9223372036854775808\r\n" + evil, {"552 closed", {}}},
      {"2^64 - 1", "BDAT 18446744073709551615 LAST\r\n" + evil, {"552 closed", {}}},
      {"2^64 - 1 after a chunk: the sum wraps",
       chunk(6) + "BDAT 18446744073709551615\r\n" + evil,
       {"250 552 closed", {}}},
      {"2^64 - 6 after a chunk of six: the sum is 0",
       chunk(6) + "BDAT 18446744073709551610 LAST\r\n" + evil,
       {"250 552 closed", {}}},
      {"leading zeros", "BDAT 000000006 LAST\r\ntext\r\nNOOP\r\n", {"250 250", {"text\r\n"}}},
      {"LAST in small letters", "BDAT 6 last\r\ntext\r\nNOOP\r\n", {"250 250", {"text\r\n"}}},
      // Sizes that are none: what follows cannot be told from commands, so the session ends.
      {"2^64", "BDAT 18446744073709551616 LAST\r\n" + evil, {"501 closed", {}}},
      {"2^64 + 6", "BDAT 18446744073709551622 LAST\r\nQUIT\r\n" + evil, {"501 closed", {}}},
      {"a hundred digits", "BDAT 1" + std::string(100, '0') + "\r\n" + evil, {"501 closed", {}}},
      {"negative", "BDAT -1 LAST\r\n" + evil, {"501 closed", {}}},
      {"minus zero", "BDAT -0 LAST\r\n" + evil, {"501 closed", {}}},
      {"plus", "BDAT +6 LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"hexadecimal", "BDAT 0x6 LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"octal by Python", "BDAT 0o6 LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"exponent", "BDAT 1e1 LAST\r\n" + evil, {"501 closed", {}}},
      {"fraction", "BDAT 6.0 LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"grouped", "BDAT 1,000 LAST\r\n" + evil, {"501 closed", {}}},
      {"with a unit", "BDAT 6k LAST\r\n" + evil, {"501 closed", {}}},
      {"full width digits", "BDAT \xef\xbc\x96 LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"a word", "BDAT six LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"no size", "BDAT\r\n" + evil, {"501 closed", {}}},
      {"blanks only", "BDAT    \r\n" + evil, {"501 closed", {}}},
      {"LAST only", "BDAT LAST\r\n" + evil, {"501 closed", {}}},
      {"LAST first", "BDAT LAST 6\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"LASTLY", "BDAT 6 LASTLY\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"LAST twice", "BDAT 6 LAST LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"two sizes", "BDAT 6 7\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"glued", "BDAT 6LAST\r\ntext\r\n" + evil, {"501 closed", {}}},
      {"tab before the size", "BDAT\t6 LAST\r\ntext\r\n" + evil, {"500 closed", {}}},
      {"tab before LAST", "BDAT 6\tLAST\r\ntext\r\n" + evil, {"500 closed", {}}},
      {"NUL behind the size", "BDAT 6\0 LAST\r\ntext\r\n"s + evil, {"500 closed", {}}},
      {"a line ended by LF", "BDAT 6 LAST\ntext\r\n" + evil, {"500 closed", {}}},
      {"a line too long",
       "BDAT 6 " + std::string(smtp::kCommandLineOctetsMax, ' ') + "LAST\r\ntext\r\n" + evil,
       {"500 closed", {}}},
      // Chunks at the wrong time are swallowed.
      {"without a transaction", "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", {"503 250", {}}, Start::ready},
      {"without a recipient",
       "MAIL FROM:<x@y.test>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
       {"250 554 250", {}},
       Start::ready},
      {"after the last one", "BDAT 6 LAST\r\ntext\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", {"250 503 250", {"text\r\n"}}},
      {"after one too big", chunk(kLimit + 1) + "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", {"552 503 250", {}}},
      {"after a bare LF", "BDAT 6\r\nte\nt\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", {"550 503 250", {}}},
      {"after RSET", "BDAT 6\r\ntext\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", {"250 250 503 250", {}}},
      {"after RSET in the midst, a new transaction",
       "BDAT 5\r\nold\r\nRSET\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<ann@example.test>\r\nBDAT 5 LAST\r\nnew\r\nNOOP\r\n",
       {"250 250 250 250 250 250", {"new\r\n"}}},
      {"RSET within a chunk", "BDAT 6\r\nRSET\r\nBDAT 0 LAST\r\nNOOP\r\n", {"250 250 250", {"RSET\r\n"}}},
      {"within a DATA content", "DATA\r\nBDAT 999 LAST\r\n.\r\nNOOP\r\n", {"354 250 250", {"BDAT 999 LAST\r\n"}}},
      // Ends that do not come.
      {"a chunk that does not come", "BDAT 6 LAST\r\n", {"", {}}},
      {"a chunk that comes in part", "BDAT 6 LAST\r\ntext\r", {"", {}}},
      {"a chunk that takes the command behind it for its own",
       "BDAT 12 LAST\r\ntext\r\nNOOP\r\n",
       {"250", {"text\r\nNOOP\r\n"}}},
      {"a chunk shorter than its content", "BDAT 4 LAST\r\ntext\r\nNOOP\r\n", {"250 500 250", {"text"}}},
      // Very many of them.
      {"empty chunks for ever", times(120, "BDAT 0\r\n"), {times(99, "250 ") + "421 closed", {}}},
      {"refused chunks for ever", times(30, "BDAT 1\r\nQ"), {times(20, "503 ") + "421 closed", {}}, Start::ready},
  };
}

TEST(BdatAbuse, KeepsInStepOrCloses) {
  const std::vector<Row> table = rows();
  ASSERT_GE(table.size(), 30U);
  Setting setting;
  setting.script.max_message_size = kLimit;
  for (const Row& row : table) {
    SCOPED_TRACE(row.name);
    expect_outcome(setting, row.start, row.stream, row.want);
  }
}

TEST(BdatAbuse, ThousandsOfTinyChunksAreOneContent) {
  const std::size_t count = 5000;
  const std::string stream = times(count, "BDAT 1\r\nQ") + "BDAT 0 LAST\r\nNOOP\r\n";
  Victim victim({}, {});
  victim.begin(Start::transaction);
  victim.receive(stream, 1000);
  const Outcome seen = victim.outcome();
  EXPECT_EQ(seen.codes, times(count + 1, "250 ") + "250");
  EXPECT_EQ(seen.taken, std::vector{std::string(count, 'Q')});
}

TEST(BdatAbuse, TheLargestChunkThatIsSwallowedIsSwallowedWhole) {
  dialogue::Script script;
  script.max_message_size = kLimit;
  Victim victim(script, {});
  victim.begin(Start::transaction);
  victim.receive(chunk(kSwallowed, " LAST") + "NOOP\r\n");
  EXPECT_EQ(victim.outcome(), (Outcome{"552 250", {}}));
}

TEST(BdatAbuse, AConnectionThatEndsInAChunkLeavesNothing) {
  for (const smtp::Event& end :
       {smtp::Event(smtp::PeerClosed{}), smtp::Event(smtp::TimedOut{}), smtp::Event(smtp::TooSlow{})}) {
    for (const std::size_t octets : {0U, 1U, 5U}) {
      Victim victim({}, {});
      victim.begin(Start::transaction);
      victim.receive("BDAT 6 LAST\r\n" + "text\r\n"s.substr(0, octets));
      victim.runner().step(end);
      EXPECT_TRUE(victim.runner().hung_up());
      EXPECT_EQ(victim.outcome().taken.size(), 0U);
      EXPECT_EQ(victim.runner().drops, 1U);
    }
  }
}

}  // namespace
}  // namespace postrider::attack
