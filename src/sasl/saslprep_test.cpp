#include "sasl/saslprep.hpp"

#include "sasl/password.hpp"

#include <gtest/gtest.h>

namespace postrider::sasl {
namespace {

TEST(Saslprep, GivesWhatTheRfcSays) {  // 4013 §3, and more
  struct Row {
    std::string input;
    std::string want;
  };
  const Row rows[] = {
      {"I\xC2\xADX", "IX"},                            // soft hyphen
      {"user", "user"},                                //
      {"USER", "USER"},                                //
      {"\xC2\xAA", "a"},                               // feminine ordinal
      {"\xE2\x85\xA8", "IX"},                          // roman numeral nine
      {"a b", "a b"},                                  //
      {"a\xC2\xA0 b", "a  b"},                         // no-break space
      {"e\xCC\x81", "\xC3\xA9"},                       // composed
      {"\xF0\x9F\x90\x99 ok", "\xF0\x9F\x90\x99 ok"},  // unassigned in Unicode 3.2
      {std::string(kPasswordOctetsMax, 'a'), std::string(kPasswordOctetsMax, 'a')},
  };
  for (const Row& row : rows) {
    const Result<Secret> got = saslprep(Secret(row.input));
    ASSERT_TRUE(got) << row.input << describe(got.error());
    EXPECT_EQ(got->reveal(), row.want);
  }
}

TEST(Saslprep, RefusesTheRest) {
  struct Row {
    std::string input;
    Error::Code want;
  };
  const Row rows[] = {
      {"", Error::malformed},
      {"\x07", Error::malformed},
      {"a\nb", Error::malformed},
      {"a\x7f", Error::malformed},
      {std::string("a\0b", 3), Error::malformed},
      {"\xD8\xA7\x31", Error::malformed},  // 4013 §3: ends left to right
      {"\xC2\xAD", Error::malformed},      // nothing is left
      {"\xEE\x80\x80", Error::malformed},  // private use
      {"\xC2\x85 x", Error::malformed},    // a control character
      {"\xFF", Error::malformed},          // no UTF-8
      {"\xED\xA0\x80", Error::malformed},  // a surrogate
      {std::string(kPasswordOctetsMax + 1, 'a'), Error::too_long},
  };
  for (const Row& row : rows) {
    const Result<Secret> got = saslprep(Secret(row.input));
    ASSERT_FALSE(got) << row.input;
    EXPECT_EQ(got.error().code, row.want) << row.input;
  }
}

TEST(Saslprep, WhatGrowsOverTheLimitIsTooLong) {
  std::string text;
  for (int i = 0; i < 341; ++i) text += "\xEF\xB7\xBA";  // U+FDFA: 18 letters each by NFKC
  EXPECT_EQ(saslprep(Secret(text)).error().code, Error::too_long);
}

}  // namespace
}  // namespace postrider::sasl
