#include "web/reply_pattern.hpp"

#include <gtest/gtest.h>

namespace postrider::web {
namespace {

TEST(ReplyPattern, MatchesAnywhereInItsCase) {
  struct Row {
    std::string_view expression;
    std::string_view reply;
    bool matches;
  };
  for (const Row& row : {Row{"greylist", "450 4.7.1 greylisted, try later", true}, Row{"^450", "450 4.7.1 x", true},
                         Row{"^4.7.1", "450 4.7.1 x", false}, Row{"Greylist", "450 greylisted", false},
                         Row{"(?i)Greylist", "450 greylisted", true}, Row{"a|full$", "452 mailbox full", true},
                         Row{"", "", true}, Row{"\\b5\\d\\d\\b", "550 5.1.1 no", true}}) {
    const auto pattern = parse_reply_pattern(row.expression);
    ASSERT_TRUE(pattern) << row.expression;
    EXPECT_EQ((*pattern)(row.reply), row.matches) << row.expression << " on " << row.reply;
  }
}

TEST(ReplyPattern, RefusesWhatIsNoneAndSaysWhy) {
  for (const std::string_view text :
       {"(", "[a", "a{2,1}", "*", "(?P<n", "\\1", "(?=a)", "a**(", "((((a{1000}){1000}){1000}))"}) {
    const auto pattern = parse_reply_pattern(text);
    ASSERT_FALSE(pattern) << text;
    EXPECT_EQ(pattern.error().code, Error::malformed);
    EXPECT_FALSE(pattern.error().detail.empty()) << text;
  }
}

TEST(ReplyPattern, IsLimited) {
  EXPECT_TRUE(parse_reply_pattern(std::string(kPatternOctetsMax, 'a')));
  const auto longer = parse_reply_pattern(std::string(kPatternOctetsMax + 1, 'a'));
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, Error::too_long);
}

}  // namespace
}  // namespace postrider::web
