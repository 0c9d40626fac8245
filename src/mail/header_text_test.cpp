#include "mail/header_text.hpp"

#include "core/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace postrider::mail {
namespace {

using Words = std::vector<std::string>;

struct Row {
  std::string_view value;
  std::string_view text;
  Words charsets;
  Words defects;
};

void expect_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const DecodedText out = decode_header_text(row.value);
    EXPECT_EQ(out.text, row.text) << row.value;
    EXPECT_EQ(out.charsets, row.charsets) << row.value;
    EXPECT_EQ(out.defects, row.defects) << row.value;
  }
}

TEST(HeaderText, DecodesEncodedWords) {
  expect_rows({
      {"", "", {}, {}},
      {"plain text", "plain text", {}, {}},
      {" folded\r\n text \r\n", "folded text", {}, {}},
      {"tab\r\n\tkept", "tab\tkept", {}, {}},
      {"=?utf-8?q?caf=C3=A9?=", "caf\u00e9", {"utf-8"}, {}},
      {"=?UTF-8?Q?caf=c3=a9_x?=", "caf\u00e9 x", {"utf-8"}, {}},
      {"=?utf-8?B?Y2Fmw6k=?=", "caf\u00e9", {"utf-8"}, {}},
      {"=?iso-8859-1?b?Y2Fm6Q?=", "caf\u00e9", {"iso-8859-1"}, {}},
      {"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore", {"us-ascii"}, {}},
      {"=?utf-8*en?Q?x?=", "x", {"utf-8"}, {}},
      {"Re: =?utf-8?q?a?= and =?koi8-r?q?=F0?= b", "Re: a and \u041f b", {"utf-8", "koi8-r"}, {}},
      // 2047 §8
      {"(=?ISO-8859-1?Q?a?=)", "(a)", {"iso-8859-1"}, {}},
      {"(=?ISO-8859-1?Q?a?= b)", "(a b)", {"iso-8859-1"}, {}},
      {"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)", {"iso-8859-1"}, {}},
      {"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)", {"iso-8859-1"}, {}},
      {"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)", {"iso-8859-1"}, {}},
      {"(=?ISO-8859-1?Q?a_b?=)", "(a b)", {"iso-8859-1"}, {}},
      {"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)", {"iso-8859-1", "iso-8859-2"}, {}},
      {"=?utf-8?q?_a_?=", " a ", {"utf-8"}, {}},
      {"=?utf-8?q?\?=", "", {"utf-8"}, {}},
  });
}

TEST(HeaderText, ReadsWhatStandsInTheWild) {
  expect_rows({
      // a character over two words, in both encodings
      {"=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "caf\u00e9", {"utf-8"}, {}},
      {"=?utf-8?B?w6k=?= =?UTF-8?b?ww==?=\r\n =?utf-8?b?qQ==?=", "\u00e9\u00e9", {"utf-8"}, {}},
      {"=?utf-8?b?ww==?= =?utf-8?q?=A9?=", "\uFFFD\uFFFD", {"utf-8"}, {"bad_characters"}},
      // inside a word, or without blanks between
      {"pre=?utf-8?q?fix?=ed", "prefixed", {"utf-8"}, {}},
      {"=?utf-8?q?a?==?utf-8?q?b?=", "ab", {"utf-8"}, {}},
      {"\"=?utf-8?q?a?=\"", "\"a\"", {"utf-8"}, {}},
      {"=?utf-8?q?a b c?= d", "a b c d", {"utf-8"}, {}},
      {"=?utf-8?q?a\r\n b?=", "a b", {"utf-8"}, {}},
      {"=?utf-8?q?a?b=?c?=", "=?utf-8?q?a?b=?c?=", {}, {}},
      {"=?utf-8?q?a?b?=", "a?b", {"utf-8"}, {}},
      // no words
      {"=?", "=?", {}, {}},
      {"=?\?=", "=?\?=", {}, {}},
      {"=?utf-8?q?open", "=?utf-8?q?open", {}, {}},
      {"=?utf-8?q?open =?utf-8?q?a?= b", "=?utf-8?q?open a b", {"utf-8"}, {}},
      {"=?utf-8?x?a?=", "=?utf-8?x?a?=", {}, {}},
      {"=?utf-8?qq?a?=", "=?utf-8?qq?a?=", {}, {}},
      {"=?ut f-8?q?a?=", "=?ut f-8?q?a?=", {}, {}},
      {"2 =? 3 ?= 4", "2 =? 3 ?= 4", {}, {}},
      // damage
      {"=?utf-8?b?YW*Jj?=", "abc", {"utf-8"}, {"bad_base64"}},
      {"=?utf-8?q?a=zz=?=", "a=zz=", {"utf-8"}, {"bad_quoted_printable"}},
      {"=?klingon?q?a=E9?= =?klingon?q?b?=", "a\u00e9b", {"klingon"}, {"unknown_charset"}},
      {"=?utf-8?q?a=FF?=", "a\uFFFD", {"utf-8"}, {"bad_characters"}},
      {"=??q?a?=", "a", {""}, {}},
      // octets of 8 bits
      {"caf\xc3\xa9", "caf\u00e9", {}, {}},
      {"caf\xe9 \x93", "caf\u00e9 \u201c", {}, {"raw_8bit"}},
      {"caf\xe9 =?utf-8?q?=C3=A9?= \xc3\xa9", "caf\u00e9 \u00e9 \u00e9", {"utf-8"}, {"raw_8bit"}},
      // nothing gets through that ends a line or a string
      {"=?utf-8?q?a=0D=0ABcc:_x=00?=", "aBcc: x", {"utf-8"}, {}},
      {std::string_view("a\0b\rc\nd", 7), "abcd", {}, {}},
      {"=?iso-2022-jp?b?GyRCRnwbKEI=?=", "\u65e5", {"iso-2022-jp"}, {}},
      {"=?utf-16?b?/v8ADQAKAOk=?=", "\u00e9", {"utf-16"}, {}},
  });
}

TEST(HeaderText, LongWordsAreRead) {
  const std::string value = "=?utf-8?q?" + std::string(5000, 'x') + "?=";
  EXPECT_EQ(decode_header_text(value).text, std::string(5000, 'x'));
}

TEST(HeaderText, IsCutAtItsLimitBetweenCharacters) {
  const std::string fits(kDecodedTextOctetsMax, 'x');
  EXPECT_EQ(decode_header_text(fits).text, fits);
  EXPECT_EQ(decode_header_text(fits).defects, Words{});
  EXPECT_EQ(decode_header_text(fits + "y").text, fits);
  EXPECT_EQ(decode_header_text(fits + "y").defects, Words{"truncated"});
  std::string words;
  for (std::size_t i = 0; i < kDecodedTextOctetsMax / 4; ++i) words += "=?utf-8?q?=E6=97=A5=E6=97=A5?=";
  const DecodedText cut = decode_header_text(words);
  EXPECT_EQ(cut.text.size(), kDecodedTextOctetsMax / 3 * 3);
  EXPECT_TRUE(is_utf8(cut.text));
  EXPECT_EQ(cut.defects, Words{"truncated"});
}

TEST(HeaderText, IsLinearInHostileValues) {  // quadratic if every word were looked for to the end
  for (const std::string_view piece :
       {"=?", "=?a", "=?a?", "=?a?q", "=?a?q?", "=?a?q?x ", "=?a?q?x?", "=?a?q?=?=", "?="}) {
    std::string value;
    while (value.size() < 300'000) value += piece;
    EXPECT_LE(decode_header_text(value).text.size(), kDecodedTextOctetsMax) << piece;
  }
  std::string value;
  for (int i = 0; i < 20'000; ++i) value += "=?x" + std::to_string(i) + "?q?a?= ";
  EXPECT_LE(decode_header_text(value).charsets.size(), 20U);
}

TEST(HeaderText, EncodesWhatIsNoAscii) {
  EXPECT_EQ(encode_header_text("", 8), "");
  EXPECT_EQ(encode_header_text("plain text", 8), "plain text");
  EXPECT_EQ(encode_header_text("caf\u00e9 au lait", 8), "=?utf-8?q?caf=C3=A9?= au lait");
  EXPECT_EQ(encode_header_text("a \u00e9 \u00e9 b", 8), "a =?utf-8?b?w6kgw6k=?= b");
  EXPECT_EQ(encode_header_text("a  b", 8), "a =?utf-8?q?_b?=");
  EXPECT_EQ(encode_header_text("a =?b", 8), "a =?utf-8?b?PT9i?=");
  EXPECT_EQ(encode_header_text("a\r\nBcc: x", 8), "a =?utf-8?q?_Bcc=3A?= x");
}

TEST(HeaderText, FoldsAndGivesBackWhatWasEncoded) {
  std::string prose;
  std::string mixed;
  std::string kanji;
  for (int i = 0; i < 60; ++i) {
    prose += "word ";
    mixed += i % 7 == 3 ? "\u00fcber " : "word ";
    kanji += "\u65e5\U0001f40e";
  }
  for (const std::string& text :
       {prose, mixed, kanji, std::string("   "), std::string(" a"), std::string("a "), std::string("a  "),
        std::string("\uFEFFx"), std::string(2000, 'x'), std::string(500, 'x') + " \u00e9 " + std::string(100, 'y'),
        std::string("=?utf-8?q?a?="), std::string("\u00e9  \u00e9 =? x"), std::string(300, ' ')}) {
    for (const std::size_t name_octets : {3U, 8U, 40U, 70U}) {
      const std::string value = encode_header_text(text, name_octets);
      EXPECT_EQ(decode_header_text(value).text, text);
      EXPECT_TRUE(is_ascii(value));
      for (const std::string_view line : split(value, '\n')) {
        EXPECT_TRUE(line.size() <= 77 || !line.contains("=?")) << line;  // with its CR
        EXPECT_LE(line.size(), 998U);
        EXPECT_FALSE(trimmed(line).empty());
      }
    }
  }
}

}  // namespace
}  // namespace postrider::mail
