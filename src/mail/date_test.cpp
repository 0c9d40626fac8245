#include "mail/date.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace postrider::mail {
namespace {

struct Row {
  std::string_view value;
  std::string_view utc;
  int offset_minutes;
};

TEST(Date, ReadsWhatStandardsAndTheWildWrite) {
  const Row rows[] = {
      {"Mon, 4 May 2026 07:11:04 +0000", "2026-05-04T07:11:04.000Z", 0},
      {"Mon, 04 May 2026 09:11:04 +0200", "2026-05-04T07:11:04.000Z", 120},
      {"4 May 2026 01:41:04 -0530", "2026-05-04T07:11:04.000Z", -330},
      {"4 May 2026 07:11:04 -0000", "2026-05-04T07:11:04.000Z", 0},
      {" Mon ,\r\n\t4 May\r\n 2026 07:11:04\t+0000 \r\n", "2026-05-04T07:11:04.000Z", 0},
      {"Mon, 4 May 2026 07:11 +0000", "2026-05-04T07:11:00.000Z", 0},
      {"mon, 4 MAY 2026 07:11:04 gmt", "2026-05-04T07:11:04.000Z", 0},
      {"Thu (a (nested \\) one)) , 13 (x) Feb 1969 23:32 -0330 (Newfoundland Time)", "1969-02-14T03:02:00.000Z", -210},
      {"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06.000Z", 0},
      {"21 Nov 49 09:55:06 GMT", "2049-11-21T09:55:06.000Z", 0},
      {"21 Nov 50 09:55:06 GMT", "1950-11-21T09:55:06.000Z", 0},
      {"21 Nov 126 09:55:06 GMT", "2026-11-21T09:55:06.000Z", 0},
      {"4 May 2026 03:11:04 EDT", "2026-05-04T07:11:04.000Z", -240},
      {"4 May 2026 02:11:04 EST", "2026-05-04T07:11:04.000Z", -300},
      {"3 May 2026 23:11:04 PST", "2026-05-04T07:11:04.000Z", -480},
      {"4 May 2026 07:11:04 Z", "2026-05-04T07:11:04.000Z", 0},
      {"4 May 2026 07:11:04 A", "2026-05-04T07:11:04.000Z", 0},
      {"4 May 2026 07:11:04 XYZT", "2026-05-04T07:11:04.000Z", 0},
      {"4 May 2026 07:11:04", "2026-05-04T07:11:04.000Z", 0},
      {"Monday, 4 May 2026 07:11:04 +0000", "2026-05-04T07:11:04.000Z", 0},
      {"4 September 2026 07:11:04 +0000", "2026-09-04T07:11:04.000Z", 0},
      {"4 Sept 2026 07:11:04 +0000", "2026-09-04T07:11:04.000Z", 0},
      {"Mon May  4 07:11:04 2026", "2026-05-04T07:11:04.000Z", 0},
      {"Mon May  4 07:11:04 EDT 2026", "2026-05-04T11:11:04.000Z", -240},
      {"4-May-2026 07:11:04 +0000", "2026-05-04T07:11:04.000Z", 0},
      {"4 May 2026 09:11:04+0200", "2026-05-04T07:11:04.000Z", 120},
      {"4 May 2026 05:11:04-0200", "2026-05-04T07:11:04.000Z", -120},
      {"4 May 2026 09:11:04 +02:00", "2026-05-04T07:11:04.000Z", 120},
      {"4 May 2026 09:11:04 +2", "2026-05-04T07:11:04.000Z", 120},
      {"4 May 2026 09:11:04 GMT+0200", "2026-05-04T07:11:04.000Z", 120},
      {"4 May 2026 09:11:04 +0200 CEST", "2026-05-04T07:11:04.000Z", 120},
      {"4 May 2026 07:11:04.300 +0000", "2026-05-04T07:11:04.000Z", 0},
      {"4 May 2026 7:1:4 +0000", "2026-05-04T07:01:04.000Z", 0},
      {"30 Jun 2015 23:59:60 +0000", "2015-07-01T00:00:00.000Z", 0},
      {"29 Feb 2024 00:00:00 +0000", "2024-02-29T00:00:00.000Z", 0},
      {"31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.000Z", 0},
      {"1 Jan 1900 00:00:00 +0000", "1900-01-01T00:00:00.000Z", 0},
  };
  for (const Row& row : rows) {
    const Result<DateTime> date = parse_date(row.value);
    ASSERT_TRUE(date) << row.value << ": " << describe(date.error());
    EXPECT_EQ(to_rfc3339(date->at), row.utc) << row.value;
    EXPECT_EQ(date->offset.count(), row.offset_minutes) << row.value;
  }
}

TEST(Date, RefusesWhatIsNoneAndFieldsOutOfTheirRange) {
  const std::pair<std::string, Error::Code> rows[] = {
      {"", Error::malformed},
      {"(4 May 2026 07:11:04 +0000)", Error::malformed},
      {"yesterday", Error::malformed},
      {"4 May 2026", Error::malformed},
      {"May 2026 07:11:04", Error::too_long},
      {"4 2026 07:11:04 +0000", Error::malformed},
      {"4 Ma 2026 07:11:04 +0000", Error::malformed},
      {"4 May 07:11:04 +0000", Error::malformed},
      {"4 May 2026 07:11:04:05 +0000", Error::malformed},
      {"4 May 2026 :: +0000", Error::malformed},
      {"4 May 2026 07:11:04 +junk", Error::malformed},
      {"4x May 2026 07:11:04 +0000", Error::malformed},
      {"31 Feb 2026 07:11:04 +0000", Error::too_long},
      {"29 Feb 2026 07:11:04 +0000", Error::too_long},
      {"0 May 2026 07:11:04 +0000", Error::too_long},
      {"32 May 2026 07:11:04 +0000", Error::too_long},
      {"4 May 1899 07:11:04 +0000", Error::too_long},
      {"4 May 10000 07:11:04 +0000", Error::too_long},
      {"4 May 2026 24:00:00 +0000", Error::too_long},
      {"4 May 2026 25:00 +0000", Error::too_long},
      {"4 May 2026 07:60:00 +0000", Error::too_long},
      {"4 May 2026 07:11:61 +0000", Error::too_long},
      {"4 May 2026 07:11:04 +0060", Error::too_long},
      {"4 May 2026 07:11:04 +12345", Error::too_long},
      {"99999999999999999999 May 2026 07:11:04 +0000", Error::too_long},
      {"a a a a a a a a a a a a a a a a a 4 May 2026 07:11:04", Error::malformed},
      {std::string(100'000, '('), Error::malformed},
  };
  for (const auto& [value, code] : rows) {
    const Result<DateTime> date = parse_date(value);
    ASSERT_FALSE(date) << value;
    EXPECT_EQ(date.error().code, code) << value << ": " << describe(date.error());
  }
}

TEST(Date, ReadsWhatWeWrite) {
  for (std::int64_t seconds = -2'208'988'800; seconds < 253'402'300'799; seconds += 98'765'431) {
    const WallTime at(std::chrono::seconds{seconds});
    const Result<DateTime> date = parse_date(to_rfc5322_date(at));
    ASSERT_TRUE(date);
    EXPECT_EQ(date->at, at);
  }
}

}  // namespace
}  // namespace postrider::mail
