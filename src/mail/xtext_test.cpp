#include "mail/xtext.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace postrider::mail {
namespace {

TEST(Xtext, MeansWhatWasEncoded) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""}, {"plain", "plain"}, {"a b", "a+20b"}, {"a+b=c", "a+2Bb+3Dc"}, {"\\\"@<>", "\\\"@<>"}, {"~", "~"},
  };
  for (const auto& [text, xtext] : rows) {
    EXPECT_EQ(encode_xtext(text), xtext);
    EXPECT_EQ(decode_xtext(xtext).value(), text);
  }
  EXPECT_EQ(decode_xtext("+41+7e+7E").value(), "A~~");
  EXPECT_EQ(encode_xtext("a\n\xc3"), "a+0A+C3");  // never a control on the wire, whatever comes in
}

TEST(Xtext, RefusesWhatIsNoneOrMeansAControl) {
  const std::pair<std::string, std::string> rows[] = {
      {"a b", "offset 1"},
      {"a=b", "offset 1"},
      {"ab\t", "offset 2"},
      {"\r\n", "offset 0"},
      {"\x7f", "offset 0"},
      {"\xc3\xa9", "offset 0"},
      {"+", "offset 0"},
      {"+4", "offset 0"},
      {"a+4", "offset 1"},
      {"+G0", "offset 0"},
      {"+0x", "offset 0"},
      {"++1", "offset 0"},
      {"+-1", "offset 0"},
      {"+ 1", "offset 0"},
      {"a+0D+0A", "offset 1"},
      {"+00", "offset 0"},
      {"+1F", "offset 0"},
      {"x+7F", "offset 1"},
      {"+80", "offset 0"},
      {"+C3+A9", "offset 0"},
      {"ok+20+FF", "offset 5"},
      {"+2", "offset 0"},
      {std::string("a\0", 2), "offset 1"},
  };
  for (const auto& [bad, where] : rows) {
    const Result<std::string> text = decode_xtext(bad);
    ASSERT_FALSE(text) << bad;
    EXPECT_EQ(text.error().code, Error::malformed);
    EXPECT_EQ(text.error().detail, where) << bad;
  }
}

TEST(Utf8AddressText, MeansWhatWasEncoded) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"ann@b.test", "ann@b.test"},
      {"j\u00f6rg@b.test", "j\\x{F6}rg@b.test"},
      {"\u00a0", "\\x{A0}"},
      {"a+b=c\\ d", "a\\x{2B}b\\x{3D}c\\x{5C}\\x{20}d"},
      {"\u7528\u6237", "\\x{7528}\\x{6237}"},
      {"\U0001f40e", "\\x{1F40E}"},
      {"\U0010fffd", "\\x{10FFFD}"},
  };
  for (const auto& [text, escaped] : rows) {
    EXPECT_EQ(encode_utf8_address(text), escaped);
    EXPECT_EQ(decode_utf8_address(escaped).value(), text);
  }
  EXPECT_EQ(decode_utf8_address("j\u00f6rg+x@b\\x{fc}cher").value(), "j\u00f6rg+x@b\u00fccher");
  EXPECT_EQ(encode_utf8_address("a\n\xff\xc3"), "a\\x{0A}\\x{FFFD}\\x{FFFD}");
}

TEST(Utf8AddressText, RefusesBadEscapesControlsAndBadUtf8) {
  for (const std::string& bad :
       {std::string("\\"),          std::string("a\\"),         std::string("\\x"),          std::string("\\x{"),
        std::string("\\x{}"),       std::string("\\x{F6"),      std::string("\\xF6"),        std::string("\\X{F6}"),
        std::string("\\u{F6}"),     std::string("\\x{F}"),      std::string("\\x{G6}"),      std::string("\\x{ F6}"),
        std::string("\\x{+F6}"),    std::string("\\x{-F6}"),    std::string("\\x{0F6}"),     std::string("\\x{41}"),
        std::string("\\x{0A}"),     std::string("\\x{0D}"),     std::string("\\x{00}"),      std::string("\\x{7F}"),
        std::string("\\x{85}"),     std::string("\\x{9F}"),     std::string("\\x{D800}"),    std::string("\\x{DFFF}"),
        std::string("\\x{110000}"), std::string("\\x{FFFFFF}"), std::string("\\x{10FFFF0}"), std::string("\\x{C3}\xa9"),
        std::string("\xc3"),        std::string("\xc3\\x{A9}"), std::string("a\n"),          std::string("a\0", 2),
        std::string("\u0085"),      std::string("\x7f")}) {
    const Result<std::string> text = decode_utf8_address(bad);
    ASSERT_FALSE(text) << bad;
    EXPECT_EQ(text.error().code, Error::malformed);
  }
  EXPECT_EQ(decode_utf8_address("abc\\x{41}").error().detail, "offset 3");
}

}  // namespace
}  // namespace postrider::mail
