#include "server/smtp_deadline.hpp"

#include <gtest/gtest.h>

namespace postrider::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr SteadyTime kStart{hours(5)};

TEST(SmtpDeadline, ACommandHasFiveMinutesHoweverItTricklesIn) {
  const SmtpTimeouts timeouts;
  SmtpDeadline deadline(&timeouts, kStart);
  EXPECT_EQ(deadline.follow(smtp::Wait::command, Content::none, Crowd::calm, kStart), kStart + minutes(5));
  deadline.received(1);  // octets without a command: nothing is renewed
  EXPECT_EQ(deadline.follow(smtp::Wait::command, Content::none, Crowd::calm, kStart + minutes(4)), kStart + minutes(5));
  EXPECT_EQ(deadline.passed(kStart + minutes(5)), Late::timed_out);
  deadline.progressed(kStart + minutes(4));
  EXPECT_EQ(deadline.follow(smtp::Wait::command, Content::none, Crowd::calm, kStart + minutes(4)), kStart + minutes(9));
}

TEST(SmtpDeadline, WhenCrowdedACommandHasTenSeconds) {
  const SmtpTimeouts timeouts;
  SmtpDeadline deadline(&timeouts, kStart);
  EXPECT_EQ(deadline.follow(smtp::Wait::command, Content::none, Crowd::crowded, kStart), kStart + seconds(10));
}

/// Sends `octets` a second in DATA; gives when and how it ends.
std::pair<Duration, Late> send_steadily(std::size_t octets, Crowd crowd) {
  const SmtpTimeouts timeouts;
  SmtpDeadline deadline(&timeouts, kStart);
  for (SteadyTime now = kStart;; now = now + seconds(1)) {
    const SteadyTime until = deadline.follow(smtp::Wait::data, Content::under_way, crowd, now);
    if (until <= now) {
      const std::optional<Late> late = deadline.passed(now);
      if (late) return {now - kStart, *late};
    }
    deadline.received(octets);
    deadline.progressed(now);
  }
}

TEST(SmtpDeadline, ContentBelowOneKiBASecondEndsAfterAMinute) {
  EXPECT_EQ(send_steadily(1023, Crowd::calm), std::pair(Duration(seconds(60)), Late::too_slow));
}

TEST(SmtpDeadline, TheWholeContentHasAnHour) {
  EXPECT_EQ(send_steadily(1024, Crowd::calm), std::pair(Duration(hours(1)), Late::timed_out));
}

TEST(SmtpDeadline, TheWholeContentHasAMinuteWhenCrowded) {
  EXPECT_EQ(send_steadily(100'000, Crowd::crowded), std::pair(Duration(minutes(1)), Late::timed_out));
}

TEST(SmtpDeadline, ChunksOfBdatAreOneContent) {
  const SmtpTimeouts timeouts;
  SmtpDeadline deadline(&timeouts, kStart);
  for (int second = 0; second < 60; ++second) {  // a chunk of one octet a second, its command before it
    const SteadyTime now = kStart + seconds(second);
    EXPECT_GT(deadline.follow(smtp::Wait::command, Content::under_way, Crowd::calm, now), now);
    EXPECT_GT(deadline.follow(smtp::Wait::data, Content::under_way, Crowd::calm, now), now);
    deadline.received(10);
    deadline.progressed(now);
  }
  const SteadyTime end = kStart + seconds(60);
  EXPECT_EQ(deadline.follow(smtp::Wait::command, Content::under_way, Crowd::calm, end), end);
  EXPECT_EQ(deadline.passed(end), Late::too_slow);
}

TEST(SmtpDeadline, AContentThatFallsSilentIsTooSlowBeforeItsChunkIsLate) {
  const SmtpTimeouts timeouts;
  SmtpDeadline deadline(&timeouts, kStart);
  EXPECT_EQ(deadline.follow(smtp::Wait::data, Content::under_way, Crowd::calm, kStart), kStart + kRateWindow);
  EXPECT_EQ(deadline.passed(kStart + kRateWindow), Late::too_slow);
}

}  // namespace
}  // namespace postrider::server
