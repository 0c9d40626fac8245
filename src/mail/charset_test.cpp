#include "mail/charset.hpp"

#include "core/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace postrider::mail {
namespace {

TEST(Charset, ReadsTheNamesThatMailUses) {
  struct Row {
    std::string_view charset;
    std::string_view octets;
    std::string_view text;
  };
  const Row rows[] = {
      {"utf-8", "\xc3\xa9", "\u00e9"},
      {"UTF8", "\xc3\xa9", "\u00e9"},
      {" utf-8 ", "\xc3\xa9", "\u00e9"},
      {"us-ascii", "plain", "plain"},
      {"ansi_x3.4-1968", "plain", "plain"},
      {"", "plain", "plain"},
      {"iso-8859-1", "\xe9\x80", "\u00e9\u20ac"},  // as windows-1252
      {"latin1", "\xe9\x93", "\u00e9\u201c"},
      {"ISO8859-1", "\xe9", "\u00e9"},
      {"iso_8859-1", "\xe9", "\u00e9"},
      {"windows-1252", "\x80", "\u20ac"},
      {"iso-8859-2", "\xb1", "\u0105"},
      {"iso-8859-15", "\xa4", "\u20ac"},
      {"windows-1251", "\xcf\xf0", "\u041f\u0440"},
      {"koi8-r", "\xf0\xd2", "\u041f\u0440"},
      {"koi8-u", "\xa4", "\u0454"},
      {"cp-850", "\x82", "\u00e9"},
      {"ibm850", "\x82", "\u00e9"},
      {"macintosh", "\x8e", "\u00e9"},
      {"iso-8859-8-i", "\xe0", "\u05d0"},
      {"windows-874", "\xa1", "\u0e01"},
      {"tis-620", "\xa1", "\u0e01"},
      {"gb2312", "\xc4\xe3\xba\xc3", "\u4f60\u597d"},
      {"gbk", "\xc4\xe3\x81\x40", "\u4f60\u4e02"},
      {"gb18030", "\x81\x30\x81\x30", "\u0080"},
      {"big5", "\xa7\x41\xa6\x6e", "\u4f60\u597d"},
      {"big5-hkscs", "\xa7\x41\x87\x40", "\u4f60\u43f0"},
      {"shift_jis", "\x93\xfa\x87\x40", "\u65e5\u2460"},  // with NEC's row 13, as windows-31j
      {"x-sjis", "\x93\xfa\x5c", "\u65e5\\"},
      {"cp932", "\x93\xfa", "\u65e5"},
      {"euc-jp", "\xc6\xfc", "\u65e5"},
      {"iso-2022-jp", "\x1b$BF|\x1b(B!", "\u65e5!"},
      {"iso-2022-jp", "\x1b$BF|\x1b(B\x1b$BF|\x1b(B", "\u65e5\u65e5"},
      {"_iso-2022-jp", "\x1b$BF|\x1b(B", "\u65e5"},
      {"_iso-2022-jp$ESC", "\x1b$BF|\x1b(B", "\u65e5"},
      {"iso-2022-kr", "\x1b$)C\x0e\x3e\x48\x0f", "\uc548"},
      {"ks_c_5601-1987", "\xbe\xc8\x8c\x63", "\uc548\ub620"},  // as cp949
      {"euc-kr", "\xbe\xc8", "\uc548"},
      {"utf-7", "a+AOk-b", "a\u00e9b"},
      {"unicode-1-1-utf-7", "a+AOk-b", "a\u00e9b"},
      {"utf-16", std::string_view("\xff\xfe\xe9\x00", 4), "\u00e9"},
      {"utf-16", std::string_view("\xfe\xff\x00\xe9", 4), "\u00e9"},
      {"utf-16le", std::string_view("\xff\xfe\xe9\x00", 4), "\u00e9"},
      {"utf-16be", std::string_view("\x00\xe9", 2), "\u00e9"},
      {"utf-16be", std::string_view("\xd8\x3d\xdc\x0e", 4), "\U0001f40e"},
      {"iso-8859-1", std::string_view("a\0b", 3), std::string_view("a\0b", 3)},
  };
  for (const Row& row : rows) {
    const ConvertedText out = to_utf8(row.octets, row.charset);
    EXPECT_EQ(out.text, row.text) << row.charset;
    EXPECT_TRUE(out.known) << row.charset;
    EXPECT_FALSE(out.replaced) << row.charset;
  }
}

TEST(Charset, ReadsWhatNobodyKnowsAsUtf8OrWindows1252) {
  for (const std::string_view charset :
       {"x-unknown", "unknown-8bit", "default", "klingon", "../../etc/passwd", "utf-16,version=1", "ibm-1047,swaplfnl",
        "windows 1252 \xff", "'utf-8'", "iso-8859-1;"}) {
    const ConvertedText out = to_utf8("\xe9 \xc3\xa9 \x93", charset);
    EXPECT_EQ(out.text, "\u00e9 \u00e9 \u201c") << charset;
    EXPECT_FALSE(out.known) << charset;
    EXPECT_FALSE(out.replaced);
  }
  EXPECT_FALSE(to_utf8("a", std::string(100'000, 'x')).known);
}

TEST(Charset, ReadsUndeclaredOctetsAsUtf8OrWindows1252) {
  const ConvertedText out = to_utf8("\xe9 \xc3\xa9 \x81\xff", "us-ascii");
  EXPECT_EQ(out.text, "\u00e9 \u00e9 \u0081\u00ff");
  EXPECT_TRUE(out.known);
  EXPECT_FALSE(out.replaced);
}

TEST(Charset, ReplacesOctetsThatMeanNothing) {
  struct Row {
    std::string_view charset;
    std::string_view octets;
    std::string_view text;
  };
  const Row rows[] = {
      {"utf-8",
       "a\xff"
       "b",
       "a\uFFFD"
       "b"},
      {"utf-8", "\xc3", "\uFFFD"},
      {"utf-8", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
      {"utf-8", "\xc0\xaf", "\uFFFD\uFFFD"},
      {"euc-jp", "a\xc6", "a\uFFFD"},
      {"gb2312", "a\xff", "a\uFFFD"},
      {"iso-2022-jp", "a\x1b$B", "a"},
      {"iso-8859-3", "a\xa5", "a\uFFFD"},
      {"utf-16be", std::string_view("\xd8\x3d\x00\x61", 4), "\uFFFDa"},
      {"utf-16be", "a", "\uFFFD"},
  };
  for (const Row& row : rows) {
    const ConvertedText out = to_utf8(row.octets, row.charset);
    EXPECT_EQ(out.text, row.text) << row.charset;
    EXPECT_EQ(out.replaced, row.text.contains("\uFFFD")) << row.charset;
    EXPECT_TRUE(out.known);
  }
}

TEST(Charset, ConvertsMoreThanItsBuffersHold) {
  std::string octets;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    octets +=
        "\x93\xfa"
        "a";
    text +=
        "\u65e5"
        "a";
  }
  EXPECT_EQ(to_utf8(octets, "shift_jis").text, text);
  const ConvertedText bad = to_utf8(std::string(50'000, '\xff'), "euc-jp");
  EXPECT_TRUE(bad.replaced);
  EXPECT_TRUE(is_utf8(bad.text));
  EXPECT_LE(bad.text.size(), 150'000U);
}

}  // namespace
}  // namespace postrider::mail
