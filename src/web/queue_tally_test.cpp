#include "web/queue_tally.hpp"

#include "core/random.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::web {
namespace {

using std::chrono::hours;

constexpr WallTime kNow{std::chrono::days(20'000)};

TEST(FoldReply, TakesOutWhatDiffersFromMessageToMessage) {
  struct Row {
    std::string_view reply;
    std::string_view want;
  };
  for (const Row& row : {
           Row{"", ""},
           Row{"  \r\n", ""},
           Row{"451 4.3.0 try later", "451 4.3.0 try later"},
           Row{"450 4.2.0 <ann@away.test>: Recipient address rejected: Greylisted",
               "450 4.2.0 <*>: Recipient address rejected: Greylisted"},
           Row{"450 4.7.1 Client host [192.0.2.7] refused, wait 300 seconds.",
               "450 4.7.1 Client host [*] refused, wait * seconds."},
           Row{"421 4.7.28 id 4cKx3z1Q2Zz 123 456 - gsmtp", "421 4.7.28 id * - gsmtp"},
           Row{"550- 5.7.1 no", "550- 5.7.1 no"},
           Row{"452 4.2.2 (over quota: 105%)", "452 4.2.2 (over quota: *)"},
           Row{"held by route[0] via hold", "held by * via hold"},
           Row{"\"q1\" '' <> . x", "\"*\" '' <> . x"},
           Row{"6.1.1 4.1 5.1.1.1 5.1111.1", "*"},
       }) {
    EXPECT_EQ(fold_reply(row.reply), row.want);
  }
}

TEST(FoldReply, IsLimitedAndFoldsWhatIsFoldedToItself) {
  for (const std::string& reply : {std::string(5000, 'x'), std::string(5000, '1'), std::string(300, '<') + "1",
                                   std::string("450 4.2.0 <a@b>: c 1 2 3 d")}) {
    const std::string folded = fold_reply(reply);
    EXPECT_LE(folded.size(), kFoldedReplyOctetsMax);
    EXPECT_EQ(fold_reply(folded), folded);
  }
}

class Tally : public testing::Test {
 protected:
  queue::Listed listed(Duration age, std::vector<queue::Recipient> recipients) {
    queue::Listed out{.entry = {.id = ids_.next(),
                                .reverse_path = {},
                                .content = {},
                                .return_paths = {},
                                .has_eight_bit = false,
                                .report_to = queue::ReportTo::sender,
                                .request = {},
                                .arrival = kNow - std::chrono::floor<std::chrono::microseconds>(age),
                                .client = {},
                                .recipients_left = 1,
                                .version = 1},
                      .recipients = std::move(recipients)};
    out.entry.content.prefix = "12345";
    return out;
  }
  static queue::Recipient recipient(std::string_view address, std::uint32_t attempts, std::string reply) {
    return {.number = 0,
            .address = mail::Address::parse(address).value(),
            .original = {},
            .account = {},
            .request = {},
            .attempts = attempts,
            .due = kNow,
            .last_reply = std::move(reply),
            .version = 1};
  }

  SimClock clock_{kNow};
  SeededRandom random_{1};
  queue::QueueIds ids_{&clock_, &random_};
  QueueTally tally_{kNow};
};

TEST_F(Tally, CountsByDestinationAgeReplyAndReason) {
  queue::Recipient held = recipient("c@two.test", 1, "550 no");
  held.state = queue::RecipientState::held;
  held.held_why = queue::HeldWhy::route;
  tally_.add(
      listed(hours(3), {recipient("a@one.test", 0, ""), recipient("b@one.test", 2, "450 wait 10 seconds"), held}));
  tally_.add(listed(hours(200), {recipient("d@two.test", 1, "450 wait 20 seconds")}));
  tally_.add(listed(-hours(1), {recipient("e@two.test", 0, "")}));  // the clock was set back

  EXPECT_EQ(tally_.messages(), 3U);
  EXPECT_EQ(tally_.octets(), 15U);
  EXPECT_EQ(tally_.total().due, 2U);
  EXPECT_EQ(tally_.total().deferred, 2U);
  EXPECT_EQ(tally_.total().held, 1U);
  EXPECT_EQ(tally_.total().oldest, kNow - hours(200));
  const std::vector<TallyRow> destinations = tally_.destinations();
  ASSERT_EQ(destinations.size(), 2U);
  EXPECT_EQ(destinations[0].name, "two.test");
  EXPECT_EQ(destinations[0].count.all(), 3U);
  EXPECT_EQ(destinations[1].name, "one.test");
  EXPECT_EQ(destinations[1].count.oldest, kNow - hours(3));
  const std::vector<TallyRow> replies = tally_.replies();
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[0].name, "450 wait * seconds");
  EXPECT_EQ(replies[0].count.deferred, 2U);
  EXPECT_EQ(replies[0].example, "450 wait 10 seconds");
  const std::vector<TallyRow> ages = tally_.ages();
  EXPECT_EQ(ages.front().count.all(), 1U);
  EXPECT_EQ(ages.back().count.all(), 1U);
  EXPECT_EQ(ages[3].name, "1h to 4h");
  EXPECT_EQ(ages[3].count.all(), 3U);
  ASSERT_EQ(tally_.held().size(), 1U);
  EXPECT_EQ(tally_.held()[0].name, "route");
}

TEST_F(Tally, CountsWhatIsOverItsRowsTogether) {
  for (std::size_t i = 0; i < kTallyRowsMax + 5; ++i) {
    std::string reply = "450 ";
    for (std::size_t n = i; n > 0; n /= 26) reply += static_cast<char>('a' + n % 26);
    tally_.add(listed(hours(1), {recipient(fmt::format("a@d{}.test", i), 1, reply)}));
  }
  const std::vector<TallyRow> destinations = tally_.destinations();
  ASSERT_EQ(destinations.size(), kTallyRowsMax + 1);
  EXPECT_EQ(destinations.back().name, "(others)");
  EXPECT_EQ(destinations.back().count.all(), 5U);
  EXPECT_EQ(tally_.replies().size(), kTallyRowsMax + 1);
}

}  // namespace
}  // namespace postrider::web
