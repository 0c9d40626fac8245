#include "mail/bounce_reason.hpp"

#include <gtest/gtest.h>

#include <array>

namespace postrider::mail {
namespace {

TEST(ReplyCode, StandsByItself) {
  struct Case {
    std::string_view text;
    std::uint16_t code;
  };
  for (const Case& c : std::to_array<Case>({
           {"550 5.1.1 no", 550},
           {"host mx.test[192.0.2.1] said: 452 full", 452},
           {"550-first", 550},
           {"reason: [554 5.4.6 Hop count", 554},
           {"ResponseCode 421, , Host", 421},
           {"421", 421},
           {"250 2.6.0 Message received", 250},
           {"", 0},
           {"55", 0},
           {"5500 x", 0},
           {"560 x", 0},
           {"350 x", 0},
           {"222 lines", 0},
           {"[506]", 0},
           {"192.0.2.450 x", 0},
           {"id=550 x", 0},
           {"550.1", 0},
           {"port 587 or 993", 0},
       })) {
    EXPECT_EQ(find_reply_code(c.text).code, c.code) << c.text;
  }
  EXPECT_EQ(find_reply_code("said: 550 x").offset, 6U);
}

TEST(EnhancedStatus, IsFoundInFreeText) {
  struct Case {
    std::string_view text;
    std::string_view status;
  };
  for (const Case& c : std::to_array<Case>({
           {"550 5.1.1 no", "5.1.1"},
           {"no such user. (#5.1.1)", "5.1.1"},
           {"550-5.7.26 x", "5.7.26"},
           {"5.1.0 - error 550-'5.7.1 <a@b> denied'", "5.7.1"},  // what stands behind a code counts
           {"4.4.7", "4.4.7"},
           {"3.1.1", ""},
           {"5.8.1", ""},
           {"5.1", ""},
           {"5.1.1234", ""},
           {"host 4.4.4.4 refused", ""},
           {"Exim 4.96", ""},
           {"version v5.1.1a", ""},
           {"", ""},
       })) {
    EXPECT_EQ(find_enhanced_status(c.text), c.status) << c.text;
  }
  EXPECT_TRUE(is_enhanced_status("5.7.1"));
  EXPECT_FALSE(is_enhanced_status("5.7.1 x"));
  EXPECT_FALSE(is_enhanced_status(""));
}

TEST(Category, GoesByWordsThenByStatus) {
  struct Case {
    std::string_view text;
    std::string_view status;
    std::string_view category;
  };
  for (const Case& c : std::to_array<Case>({
           {"550 User Unknown", "", "user_unknown"},
           {"Mailbox full", "5.1.1", "mailbox_full"},
           {"Recipient address rejected: too much of something", "5.3.4", "too_big"},
           {"Recipient address rejected", "", "user_unknown"},
           {"blocked using zen.spamhaus.org", "5.7.1", "blocked"},
           {"does not pass DMARC", "", "auth"},
           {"Relay access denied", "5.7.1", "relay"},
           {"4.7.0 too many connections from your host", "4.7.0", "rate"},
           {"contains a virus", "", "content"},
           {"Host not found", "", "dns"},
           {"connect to mx.test: Connection timed out", "4.4.1", "network"},
           {"message is looping, too many hops", "", "loop"},
           {"Message expired", "4.4.7", "expired"},
           {"", "5.1.1", "user_unknown"},
           {"", "5.1.2", "dns"},
           {"", "5.1.10", "dns"},
           {"", "5.1.6", "moved"},
           {"", "5.2.1", "disabled"},
           {"", "4.2.2", "mailbox_full"},
           {"", "4.3.1", "system"},
           {"", "4.4.7", "expired"},
           {"", "5.5.1", "protocol"},
           {"", "5.5.3", "rate"},
           {"", "5.6.0", "content"},
           {"", "5.7.1", "blocked"},
           {"", "5.7.26", "auth"},
           {"", "2.0.0", "delivered"},
           {"", "5.0.0", "other"},
           {"", "not a status", "other"},
           {"", "", "other"},
       })) {
    EXPECT_EQ(name_of(categorize(c.text, c.status)), c.category) << c.text << c.status;
  }
}

TEST(Category, LooksAtNoMoreThanItsLimit) {
  EXPECT_EQ(categorize(std::string(kReasonOctetsMax, ' ') + "user unknown", ""), BounceCategory::other);
  EXPECT_EQ(find_reply_code(std::string(kReasonOctetsMax, ' ') + "550 x").code, 0);
  EXPECT_EQ(find_enhanced_status(std::string(kReasonOctetsMax, ' ') + "5.1.1"), "");
}

}  // namespace
}  // namespace postrider::mail
