#include "mail/idna.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace postrider::mail {
namespace {

TEST(Idna, MapsThenConvertsALabel) {
  const std::pair<std::string, std::string> rows[] = {
      {"b\u00fccher", "xn--bcher-kva"},  {"B\u00dcCHER", "xn--bcher-kva"},
      {"bu\u0308cher", "xn--bcher-kva"}, {"fa\u00df", "xn--fa-hia"},
      {"\uff21\uff22\uff23", "abc"},     {"\u65e5\u672c", "xn--wgv71a"},
      {"\u05d01", "xn--1-zhc"},          {"plain", "plain"},
  };
  for (const auto& [input, want] : rows) {
    const Result<std::string> label = to_a_label(input);
    ASSERT_TRUE(label) << input << ' ' << label.error().detail;
    EXPECT_EQ(*label, want);
  }
}

TEST(Idna, RefusesWhatIsNoLabel) {
  for (const std::string& bad : {std::string(),
                                 std::string("."),
                                 std::string("a.b"),
                                 std::string("\u3002"),
                                 std::string("\u2603"),
                                 std::string("\u00e9_"),
                                 std::string("\u00e9/"),
                                 std::string("\u00e9@x"),
                                 std::string("\u00e9 "),
                                 std::string("-\u00e9"),
                                 std::string("\u00e9-"),
                                 std::string("ab--\u00e9"),
                                 std::string("xn--\u00e9"),
                                 std::string("\u0301a"),
                                 std::string("1\u05d0"),
                                 std::string("a\u05d0"),
                                 std::string("a\u200db"),
                                 std::string("\u00ad"),
                                 std::string("\u0378"),
                                 std::string("\u2026"),
                                 std::string("\u2488"),
                                 std::string("\u2100"),
                                 std::string("\u00e9\0x", 4),
                                 std::string("\u00e9\n"),
                                 std::string("\u00e9\u0085"),
                                 std::string("\xc3"),
                                 std::string("\xff\xfe"),
                                 std::string(63, 'x') + "\u00e9",
                                 std::string(255, 'x') + "\u00e9"}) {
    const Result<std::string> label = to_a_label(bad);
    ASSERT_FALSE(label) << bad << " became " << *label;
    EXPECT_EQ(label.error().code, Error::malformed);
  }
}

TEST(Idna, ANameKeepsItsAsciiLabels) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"Example.COM", "Example.COM"},
      {"a..b_.", "a..b_."},
      {"xn--9.\u00e9", "xn--9.xn--9ca"},
      {"a\u3002b\uff0ec\uff61d", "a.b.c.d"},
      {"\u3002", "."},
      {"\u00e9.\u00e9.", "xn--9ca.xn--9ca."},
  };
  for (const auto& [input, want] : rows) EXPECT_EQ(to_a_labels(input).value(), want);
  EXPECT_FALSE(to_a_labels("a.\u2603"));
  EXPECT_FALSE(to_a_labels("\u2603.a"));
  EXPECT_FALSE(to_a_labels("a.\xe3\x80"));
}

}  // namespace
}  // namespace postrider::mail
