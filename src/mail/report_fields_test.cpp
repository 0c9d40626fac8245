#include "mail/report_fields.hpp"

#include <gtest/gtest.h>

#include <array>

namespace postrider::mail {
namespace {

TEST(ReportFields, GroupsAreDividedByEmptyLines) {
  const std::vector<ReportGroup> groups = parse_report_groups(
      "Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; a@x.test\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n"
      "\tno such\r\n  user\r\nno field\r\n\r\n\r\nfinal-recipient : rfc822; b@x.test\nStatus:4.0.0\rAction: delayed",
      ReportNames::any);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].first("reporting-mta"), "dns; mx.test");
  EXPECT_EQ(groups[1].first("diagnostic-code"), "smtp; 550 5.1.1 no such user");
  EXPECT_EQ(groups[1].first("status"), "");
  EXPECT_EQ(groups[2].first("final-recipient"), "rfc822; b@x.test");
  EXPECT_EQ(groups[2].first("status"), "4.0.0");
  EXPECT_EQ(groups[2].first("action"), "delayed");
  EXPECT_TRUE(parse_report_groups("", ReportNames::any).empty());
}

TEST(ReportFields, AGroupWithoutItsEmptyLineIsSeenAllTheSame) {
  const std::vector<ReportGroup> groups = parse_report_groups(
      "Final-Recipient: rfc822; a@x\nAction: failed\nFinal-Recipient: rfc822; b@x\nAction: failed\n", ReportNames::any);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[1].first("final-recipient"), "rfc822; b@x");
}

TEST(ReportFields, InFreeTextOnlyKnownNamesCount) {
  const std::vector<ReportGroup> groups =
      parse_report_groups("Dear: all\n folded\nAction: failed\nX-Other: 1\nStatus: 5.1.1\n", ReportNames::known_only);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].fields.size(), 2U);
}

TEST(ReportFields, HaveLimits) {
  std::string many;
  for (std::size_t i = 0; i < kReportGroupsMax + 5; ++i) many += "A: b\n\n";
  EXPECT_EQ(parse_report_groups(many, ReportNames::any).size(), kReportGroupsMax);
  std::string fields;
  for (std::size_t i = 0; i < kReportFieldsMax + 5; ++i) fields += "A: b\n";
  EXPECT_EQ(parse_report_groups(fields, ReportNames::any).front().fields.size(), kReportFieldsMax);
  std::string folds = "A: b";
  for (std::size_t i = 0; i < kReportValueOctetsMax; ++i) folds += "\n c";
  EXPECT_LE(parse_report_groups(folds, ReportNames::any).front().fields.front().value.size(), kReportValueOctetsMax);
}

TEST(ReportedAddress, IsReadInEveryForm) {
  struct Case {
    std::string_view value;
    std::string_view address;
  };
  for (const Case& c : std::to_array<Case>({
           {"rfc822; a@x.test", "a@x.test"},
           {"RFC822;<a@x.test>", "a@x.test"},
           {"<a@x.test>", "a@x.test"},
           {"a@x.test", "a@x.test"},
           {"rfc822; A@X.TEST", "A@X.TEST"},
           {"rfc822; @relay.test,@b.test:a@x.test", "a@x.test"},
           {"rfc822; a@x.test (somebody)", "a@x.test"},
           {"rfc822; Ann <a@x.test>", "a@x.test"},
           {"rfc822; \"a b\"@x.test", "\"a b\"@x.test"},
           {"utf-8; j\\x{F6}rg@y.test", "j\xc3\xb6rg@y.test"},
           {"utf-8;j\xc3\xb6rg@y.test", "j\xc3\xb6rg@y.test"},
           {"rfc822; nobody", "nobody"},
           {"rfc822;", ""},
           {"", ""},
           {"x400; /S=ann/O=x/C=de/", "/S=ann/O=x/C=de/"},
           {"NOTES; CN=ann/O=x@x", "CN=ann/O=x@x"},
           {"rfc822; a@x.test\x01\x7f", "a@x.test"},
           {"rfc822; a@", "a@"},
       })) {
    EXPECT_EQ(reported_address(c.value), c.address) << c.value;
  }
  EXPECT_LE(reported_address("x400; " + std::string(5000, 'a')).size(), 512U);
}

TEST(FoundAddress, IsTheFirstInText) {
  struct Case {
    std::string_view text;
    std::string_view address;
  };
  for (const Case& c : std::to_array<Case>({
           {"to <a@x.test>: no", "a@x.test"},
           {"to a@x.test.", "a@x.test"},
           {"'a@x.test' is", "a@x.test"},
           {"mailto:a@x.test?x", "a@x.test"},
           {"*a@x.test*", "a@x.test"},
           {"\"a b\"@x.test", "\"a b\"@x.test"},
           {"@ a@ @b a@x.test", "a@x.test"},
           {"a@[192.0.2.1]", "a@[192.0.2.1]"},
           {"\xe3\x80\x8c\xe3\x81\xb8"
            "a@x.test\xe3\x81\xab",
            "a@x.test"},
           {"j\xc3\xb6rg@x.test", "j\xc3\xb6rg@x.test"},
           {"nothing", ""},
           {"@@@@", ""},
           {"\"@\"@\"@", ""},
       })) {
    EXPECT_EQ(find_address(c.text).address, c.address) << c.text;
  }
  const FoundAddress found = find_address("to <a@x.test>", 1);
  EXPECT_EQ(found.begin, 4U);
  EXPECT_EQ(found.end, 12U);
}

TEST(OneLine, HasNoControlCharacters) {
  EXPECT_EQ(one_line(" a\r\n\tb\x01\x7f  c\xc2\x85 d ", 100), "a b c d");
  EXPECT_EQ(one_line("a\xff", 100), "a\xc3\xbf");
  EXPECT_EQ(one_line("\xc3\xa9\xc3\xa9", 3), "\xc3\xa9");
  EXPECT_EQ(one_line("", 3), "");
}

}  // namespace
}  // namespace postrider::mail
