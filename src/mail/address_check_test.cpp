#include "mail/address.hpp"
#include "mail/header_address.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {
namespace {

using namespace std::string_literals;

std::string x(std::size_t n) { return std::string(n, 'x'); }
std::string labels(std::size_t n, std::size_t last) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += x(50) + ".";
  return out + x(last);
}

struct Row {
  std::string input, diagnosis;
};

AddressClass class_by_name(std::string_view diagnosis) {
  if (diagnosis == "valid") return AddressClass::valid;
  if (diagnosis.starts_with("rfc5321_")) return AddressClass::rfc5321;
  if (diagnosis.starts_with("deprec_")) return AddressClass::deprecated;
  return diagnosis.starts_with("err_") ? AddressClass::invalid : AddressClass::rfc5322;
}

void expect_rows(const std::vector<Row>& rows, bool utf8) {
  for (const Row& row : rows) {
    const AddressCheck check = check_address(row.input, AddressGrammar::header, utf8);
    EXPECT_EQ(check.diagnosis, row.diagnosis) << row.input;
    EXPECT_EQ(check.address_class, class_by_name(check.diagnosis)) << row.input;
    EXPECT_EQ(check.valid, check.address_class != AddressClass::invalid) << row.input;
    EXPECT_EQ(check.local.empty() && check.domain.empty(), !check.valid) << row.input;
    const AddressCheck smtp = check_address(row.input, AddressGrammar::smtp, utf8);
    EXPECT_EQ(smtp.diagnosis, check.diagnosis);
    EXPECT_EQ(smtp.valid, check.address_class <= AddressClass::rfc5321) << row.input;
  }
}

TEST(CheckAddress, WhatSmtpCarries) {
  expect_rows(
      {
          {"test@iana.org", "valid"},
          {"a@iana.org", "valid"},
          {"te.s-t+1@iana.org", "valid"},
          {"!#$%&'*+-/=?^_`{|}~@iana.org", "valid"},
          {"123@123.com", "valid"},
          {"xn--test@xn--hxajbheg2az3al.xn--jxalpdlp", "valid"},
          {"test@g--a.com", "valid"},
          {x(64) + "@iana.org", "valid"},
          {"test@" + x(63) + ".com", "valid"},
          {"test@iana", "rfc5321_tld"},
          {"test@123", "rfc5321_tldnumeric"},
          {"test@iana.123", "rfc5321_tldnumeric"},
          {"test@192.0.2.1", "rfc5321_tldnumeric"},
          {"\"test\"@iana.org", "rfc5321_quotedstring"},
          {"\"\"@iana.org", "rfc5321_quotedstring"},
          {"\"te st\"@iana", "rfc5321_quotedstring"},
          {R"("\a"@iana.org)", "rfc5321_quotedstring"},
          {R"("\""@iana.org)", "rfc5321_quotedstring"},
          {R"("\\"@iana.org)", "rfc5321_quotedstring"},
          {R"("te\ st"@iana.org)", "rfc5321_quotedstring"},
          {"test@[255.255.255.255]", "rfc5321_addressliteral"},
          {"\"test\"@[IPv6:::1]", "rfc5321_addressliteral"},
          {"test@[ipv6:1:2:3:4:5:6:7:8]", "rfc5321_addressliteral"},
          {"test@[IPv6:1:2:3:4:5::8]", "rfc5321_addressliteral"},
          {"test@[IPv6:::3:4:5:6:7:8]", "rfc5321_addressliteral"},
          {"test@[IPv6:::]", "rfc5321_addressliteral"},
          {"test@[IPv6:1:2:3:4:5:6:192.0.2.1]", "rfc5321_addressliteral"},
          {"test@[IPv6:1:2:3:4::192.0.2.1]", "rfc5321_addressliteral"},
          {"test@[IPv6:1:2:3:4:5:6::8]", "rfc5321_ipv6deprecated"},
          {"test@[IPv6:::2:3:4:5:6:7:8]", "rfc5321_ipv6deprecated"},
      },
      false);
}

TEST(CheckAddress, CommentsFoldsAndObsoleteForms) {
  expect_rows(
      {
          {"(comment)test@iana.org", "cfws_comment"},
          {"test(comment).test@iana.org", "deprec_localpart"},
          {"(co(mm)ent)test@iana.org", "cfws_comment"},
          {"test@iana.org(comment)", "cfws_comment"},
          {"test@iana(comment).org", "cfws_comment"},
          {"(" + x(300) + ")test@iana.org", "cfws_comment"},
          {"(c)" + x(64) + "@iana.org", "cfws_comment"},
          {"(a b)test@iana.org", "cfws_fws"},
          {" test@iana.org", "cfws_fws"},
          {"test@iana.org\t", "cfws_fws"},
          {"test@iana .org", "cfws_fws"},
          {"\r\n test@iana.org", "cfws_fws"},
          {" \r\n test@iana.org", "cfws_fws"},
          {"test@iana.org\r\n ", "cfws_fws"},
          {"test@iana.org \r\n ", "cfws_fws"},
          {"\"te\tst\"@iana.org", "cfws_fws"},
          {"\"te\r\n st\"@iana.org", "cfws_fws"},
          {"test@iana.org\r\n \r\n ", "deprec_fws"},
          {"\r\n \r\n test@iana.org", "deprec_fws"},
          {"test . test@iana.org", "deprec_fws"},
          {"test@iana. org", "deprec_fws"},
          {"\"test\".\"test\"@iana.org", "deprec_localpart"},
          {"\"test\".test@iana.org", "deprec_localpart"},
          {"test.\"test\"@iana.org", "deprec_localpart"},
          {"test .test@iana.org", "deprec_localpart"},
          {"test.(comment)test@iana.org", "deprec_comment"},
          {"test@iana.(comment)org", "deprec_comment"},
          {"test @iana.org", "deprec_cfws_near_at"},
          {" test @iana.org", "deprec_cfws_near_at"},
          {"test(c)@iana.org", "deprec_cfws_near_at"},
          {"test@(c)iana.org", "deprec_cfws_near_at"},
          {"test@ iana .com", "deprec_cfws_near_at"},
          {"test@(c)[192.0.2.1]", "deprec_cfws_near_at"},
          {"\"\x7f\"@iana.org", "deprec_qtext"},
          {"\"\a\"@iana.org", "deprec_qtext"},
          {"\"\\\x7f\"@iana.org", "deprec_qp"},
          {"\"\\\a\"@iana.org", "deprec_qp"},
          {"\"\\\n\"@iana.org", "deprec_qp"},
          {"\"test\\\0\"@iana.org"s, "deprec_qp"},
          {"(\x7f)test@iana.org", "deprec_ctext"},
          {"(\a)test@iana.org", "deprec_ctext"},
      },
      false);
}

TEST(CheckAddress, WhatOnlyAHeaderFieldCarries) {
  expect_rows(
      {
          {"test@iana/icann.org", "rfc5322_domain"},
          {"test@under_score.org", "rfc5322_domain"},
          {x(65) + "@iana.org", "rfc5322_local_toolong"},
          {"\"" + x(63) + "\"@iana.org", "rfc5322_local_toolong"},
          {"\"" + x(60) + "\\x\"@iana.org", "rfc5321_quotedstring"},
          {"\"" + x(61) + "\\x\"@iana.org", "rfc5322_local_toolong"},
          {"test@" + x(64) + ".com", "rfc5322_label_toolong"},
          {"test@iana." + x(64), "rfc5322_label_toolong"},
          {"a@" + labels(4, 48), "valid"},
          {"a@" + labels(4, 49), "rfc5322_toolong"},
          {x(64) + "@" + labels(3, 37), "rfc5322_toolong"},
          {x(64) + "@" + labels(3, 36), "valid"},
          {"a@" + labels(4, 52), "rfc5322_domain_toolong"},
          {"test@[255.255.255]", "rfc5322_domainliteral"},
          {"test@[255.255.255.255.255]", "rfc5322_domainliteral"},
          {"test@[255.255.255.256]", "rfc5322_domainliteral"},
          {"test@[1:2:3:4:5:6:7:8]", "rfc5322_domainliteral"},
          {"test@[RFC 5322 literal]", "rfc5322_domainliteral"},
          {"test@[RFC-5322-literal] (comment)", "rfc5322_domainliteral"},
          {"test@[]", "rfc5322_domainliteral"},
          {"test@[a\\]b]", "rfc5322_domlit_obsdtext"},
          {"test@[a\\\tb]", "rfc5322_domlit_obsdtext"},
          {"test@[a\ab]", "rfc5322_domlit_obsdtext"},
          {"test@[IPv6:1:2:3:4:5:6:7]", "rfc5322_ipv6_grpcount"},
          {"test@[IPv6:1:2:3:4:5:6:7:8:9]", "rfc5322_ipv6_grpcount"},
          {"test@[IPv6:1:2:3:4:5:192.0.2.1]", "rfc5322_ipv6_grpcount"},
          {"test@[IPv6:1:2:3:4:5:6:7:192.0.2.1]", "rfc5322_ipv6_grpcount"},
          {"test@[IPv6:1::4:5::8]", "rfc5322_ipv6_2x2xcolon"},
          {"test@[IPv6:1:2:3:4:::192.0.2.1]", "rfc5322_ipv6_2x2xcolon"},
          {"test@[IPv6:1:2:3:4:5:6:7:888G]", "rfc5322_ipv6_badchar"},
          {"test@[IPv6:1:2:3:4:5:6:7:88888]", "rfc5322_ipv6_badchar"},
          {"test@[IPv6:::1%eth0]", "rfc5322_ipv6_badchar"},
          {"test@[IPv6:1:2:3:4:5:6::7:8]", "rfc5322_ipv6_maxgrps"},
          {"test@[IPv6:1:2:3:4:5:6::192.0.2.1]", "rfc5322_ipv6_maxgrps"},
          {"test@[IPv6::3:4:5:6:7:8]", "rfc5322_ipv6_colonstrt"},
          {"test@[IPv6::192.0.2.1]", "rfc5322_ipv6_colonstrt"},
          {"test@[IPv6:]", "rfc5322_ipv6_grpcount"},
          {"test@[IPv6:1::2:]", "rfc5322_ipv6_colonend"},
      },
      false);
}

TEST(CheckAddress, WhatIsNone) {
  expect_rows(
      {
          {"", "err_nodomain"},
          {"test", "err_nodomain"},
          {"test@", "err_nodomain"},
          {"test@(c)", "err_nodomain"},
          {"@", "err_nolocalpart"},
          {"@iana.org", "err_nolocalpart"},
          {" @iana.org", "err_nolocalpart"},
          {".test@iana.org", "err_dot_start"},
          {"test@.iana.org", "err_dot_start"},
          {"test@.", "err_dot_start"},
          {"test.@iana.org", "err_dot_end"},
          {"test@iana.org.", "err_dot_end"},
          {"test..test@iana.org", "err_consecutivedots"},
          {"test@iana..org", "err_consecutivedots"},
          {"test@-iana.org", "err_domainhyphenstart"},
          {"test@iana-.com", "err_domainhyphenend"},
          {"test@iana.org-", "err_domainhyphenend"},
          {"test\\@test@iana.org", "err_expecting_atext"},
          {"a@b@iana.org", "err_expecting_atext"},
          {"\"\"\"@iana.org", "err_expecting_atext"},
          {"test\"@iana.org", "err_expecting_atext"},
          {"test\"text\"@iana.org", "err_expecting_atext"},
          {"\"test\"\"test\"@iana.org", "err_expecting_atext"},
          {"test@a[192.0.2.1]", "err_expecting_atext"},
          {"test@iana.org\n", "err_expecting_atext"},
          {"\x7f@iana.org", "err_expecting_atext"},
          {"test@\a.org", "err_expecting_atext"},
          {"\0@iana.org"s, "err_expecting_atext"},
          {"<test@iana.org>", "err_expecting_atext"},
          {"test@iana.org, a@b", "err_expecting_atext"},
          {"t\u00e9st@iana.org", "err_expecting_atext"},
          {"test@\u00e9.org", "err_expecting_atext"},
          {"\"test\"test@iana.org", "err_atext_after_qs"},
          {"test(c)test@iana.org", "err_atext_after_cfws"},
          {"te st@iana.org", "err_atext_after_cfws"},
          {"test@ia na.org", "err_atext_after_cfws"},
          {"test@[192.0.2.1]a", "err_atext_after_domlit"},
          {"test@[RFC-5322]-literal]", "err_atext_after_domlit"},
          {"test@[192.0.2.1].org", "err_expecting_atext"},
          {"test@[a[b]", "err_expecting_dtext"},
          {"test@[a\u00e9]", "err_expecting_dtext"},
          {"\"test\\\u00a9\"@iana.org", "err_expecting_qpair"},
          {"\"te\0st\"@iana.org"s, "err_expecting_qtext"},
          {"\"\n\"@iana.org", "err_expecting_qtext"},
          {"\"\u00e9\"@iana.org", "err_expecting_qtext"},
          {"(\n)test@iana.org", "err_expecting_ctext"},
          {"(\u00e9)test@iana.org", "err_expecting_ctext"},
          {"\"test@iana.org", "err_unclosedquotedstr"},
          {R"("\"@iana.org)", "err_unclosedquotedstr"},
          {"((c)test@iana.org", "err_unclosedcomment"},
          {"test@(iana.org", "err_unclosedcomment"},
          {R"((c\)test@iana.org)", "err_unclosedcomment"},
          {std::string(200000, '('), "err_unclosedcomment"},
          {"test@[192.0.2.1", "err_uncloseddomlit"},
          {R"(test@[a\])", "err_uncloseddomlit"},
          {R"(test@iana.org(c\)", "err_backslashend"},
          {R"(test@[a\)", "err_backslashend"},
          {"\"\\", "err_backslashend"},
          {"\r\ntest@iana.org", "err_fws_crlf_end"},
          {"test@iana.org\r\n", "err_fws_crlf_end"},
          {" \r\n \r\ntest@iana.org", "err_fws_crlf_end"},
          {"test@iana.org \r\n\r\n ", "err_fws_crlf_x2"},
          {" \r\n\r\ntest@iana.org", "err_fws_crlf_x2"},
          {"test@iana.org\r", "err_cr_no_lf"},
          {"\rtest@iana.org", "err_cr_no_lf"},
          {"\"\rtest\"@iana.org", "err_cr_no_lf"},
          {"(\r)test@iana.org", "err_cr_no_lf"},
          {"test@[\r]", "err_cr_no_lf"},
      },
      false);
}

TEST(CheckAddress, Utf8WhereItIsAllowed) {
  expect_rows(
      {
          {"j\u00f6rg@b\u00fccher.example", "valid"},
          {"j\u00f6rg@b\u00fccher", "rfc5321_tld"},
          {"\"\u00e9 x\"@iana.org", "rfc5321_quotedstring"},
          {"\"\\\u00e9\"@iana.org", "rfc5321_quotedstring"},
          {"(\u00e9)a@iana.org", "cfws_comment"},
          {"a@[\u00e9]", "rfc5322_domainliteral"},
          {"a@\u2603.org", "rfc5322_domain"},
          {"a@ab--\u00e9.org", "rfc5322_domain"},
          {std::string(31, 'x') + "\u00e9" + std::string(32, 'x') + "@iana.org", "rfc5322_local_toolong"},
          {"\u0085@iana.org", "err_expecting_atext"},
          {"\"\u009f\"@iana.org", "err_expecting_qtext"},
          {"\xc3@iana.org", "err_expecting_atext"},
          {"a@\xff.org", "err_expecting_atext"},
          {"\xed\xa0\x80@iana.org", "err_expecting_atext"},
          {"\u00e9", "err_nodomain"},
          {"\u00e9.@iana.org", "err_dot_end"},
          {"a@\u00e9-.org", "err_domainhyphenend"},
      },
      true);
}

TEST(CheckAddress, GivesThePartsAsTheyMean) {
  struct Parts {
    std::string input, local, domain;
  };
  const Parts rows[] = {
      {"Test@IANA.org", "Test", "iana.org"},
      {R"("a\ b\"c"@iana.org)", "a b\"c", "iana.org"},
      {"(c) te(d) . \"s t\" @ (e) ia(f).na (g)", "te.s t", "ia.na"},
      {"a@[IPv6:::1]", "a", "[ipv6:::1]"},
      {"\"a\r\n b\"@x.y", "a b", "x.y"},
      {"\u00c9@B\u00dcCHER.de", "\u00c9", "b\u00dccher.de"},
  };
  for (const Parts& row : rows) {
    const AddressCheck check = check_address(row.input, AddressGrammar::header, true);
    EXPECT_TRUE(check.valid) << row.input << ' ' << check.diagnosis;
    EXPECT_EQ(check.local, row.local);
    EXPECT_EQ(check.domain, row.domain);
  }
  EXPECT_EQ(name_of(AddressClass::deprecated), "deprecated");
}

// ---- the lists of shared/testdata/address-flanker

std::vector<std::string> lines_of(const std::string& name) {
  std::vector<std::string> out;
  std::ifstream in(std::string(POSTRIDER_SOURCE_DIR) + "/../shared/testdata/address-flanker/" + name);
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find("   "));  // a remark stands behind many blanks
    if (!line.empty() && !line.starts_with('#')) out.push_back(line);
  }
  return out;
}

TEST(FlankerLists, MailboxesThatAreValid) {
  const std::vector<std::string> lines = lines_of("mailbox_valid.txt");
  if (lines.empty()) GTEST_SKIP() << "no shared/testdata/address-flanker";
  for (const std::string& line : lines) {
    const AddressList list = parse_address_list(line);
    EXPECT_EQ(list.mailboxes().size(), 1U) << line;
    EXPECT_TRUE(list.errors.empty()) << line << ' ' << list.errors.front();
    if (line.ends_with('>')) continue;  // with a display name: no addr-spec
    const AddressCheck check = check_address(line, AddressGrammar::header, true);
    EXPECT_TRUE(check.valid) << line << ' ' << check.diagnosis;
    EXPECT_EQ(list.mailboxes().front().local, check.local);
    EXPECT_EQ(list.mailboxes().front().domain, check.domain);
  }
}

TEST(FlankerLists, MailboxesThatAreInvalid) {
  // 5321 §4.1.2 has any letters, digits and hyphens in a label; whether it is an A-label, the DNS knows (5890 §2.3.1).
  const std::vector<std::string> exceptions = {"test@xn--example.com"};
  const std::vector<std::string> lines = lines_of("mailbox_invalid.txt");
  if (lines.empty()) GTEST_SKIP() << "no shared/testdata/address-flanker";
  for (const std::string& line : lines) {
    const bool excepted = std::ranges::find(exceptions, line) != exceptions.end();
    const AddressCheck check = check_address(line, AddressGrammar::smtp, false);
    EXPECT_EQ(check.valid, excepted) << line << ' ' << check.diagnosis;
    EXPECT_EQ(Address::parse(line).has_value(), excepted) << line;
    if (!excepted && check_address(line, AddressGrammar::header, true).address_class == AddressClass::invalid)
      EXPECT_FALSE(parse_address_list(line).errors.empty()) << line;
  }
}

TEST(FlankerLists, LocalParts) {
  const std::vector<std::string> lines = lines_of("abridged_localpart_valid.txt");
  if (lines.empty()) GTEST_SKIP() << "no shared/testdata/address-flanker";
  for (const std::string& line : lines)
    EXPECT_TRUE(check_address(line + "@iana.org", AddressGrammar::smtp, false).valid) << line;
  for (const std::string& line : lines_of("abridged_localpart_invalid.txt"))
    EXPECT_FALSE(check_address(line + "@iana.org", AddressGrammar::smtp, false).valid) << line;
}

/// "typo,correct" in one file, names that are no typos in the other: all are domains, well formed but for three.
TEST(FlankerLists, Domains) {
  std::vector<std::string> names = lines_of("domain_typos_invalid.txt");
  if (names.empty()) GTEST_SKIP() << "no shared/testdata/address-flanker";
  for (const std::string& line : lines_of("domain_typos_valid.txt")) {
    names.push_back(line.substr(0, line.find(',')));
    names.push_back(line.substr(line.find(',') + 1));
  }
  const std::vector<std::string> not_ldh = {"gmail.com?", "gmail.com`", "gmiail.com'"};  // 5321 §4.1.2 Ldh-str
  for (const std::string& name : names) {
    const bool want = std::ranges::find(not_ldh, name) == not_ldh.end();
    EXPECT_EQ(Domain::parse(name).has_value(), want) << name;
    EXPECT_EQ(check_address("a@" + name, AddressGrammar::smtp, false).valid, want) << name;
    EXPECT_TRUE(check_address("a@" + name, AddressGrammar::header, false).valid) << name;
  }
}

}  // namespace
}  // namespace postrider::mail
