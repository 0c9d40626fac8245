#include "mail/address.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace postrider::mail {
namespace {

std::string x(std::size_t n) { return std::string(n, 'x'); }
/// A domain of exactly `n` octets, in labels of at most 63.
std::string domain_of(std::size_t n) {
  std::string out;
  while (n - out.size() > 63) out += x(49) + ".";
  return out + x(n - out.size());
}
Domain own() { return Domain::parse("own.test").value(); }

TEST(Domain, TakesNamesAndLiterals) {
  const std::pair<std::string, std::string> rows[] = {
      {"Example.COM", "example.com"},
      {"localhost", "localhost"},
      {"123.com", "123.com"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"[192.0.2.1]", "[192.0.2.1]"},
      {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
      {x(63) + ".test", x(63) + ".test"},
      {domain_of(255), domain_of(255)},
  };
  for (const auto& [input, want] : rows) {
    const Result<Domain> domain = Domain::parse(input);
    ASSERT_TRUE(domain) << input;
    EXPECT_EQ(domain->text(), want);
    EXPECT_EQ(domain->is_literal(), input.front() == '[');
  }
}

TEST(Domain, RefusesEverythingElse) {
  for (const std::string& bad : {std::string(),
                                 std::string("."),
                                 std::string("a..b"),
                                 std::string(".a"),
                                 std::string("a."),
                                 std::string("-a.test"),
                                 std::string("a-.test"),
                                 std::string("a_b.test"),
                                 std::string("a b.test"),
                                 std::string("a\tb"),
                                 std::string("a\r\nb"),
                                 std::string("a\0b", 3),
                                 std::string("caf\xc3.test"),
                                 std::string("[192\xe3\x80\x82"
                                             "0.2.1]"),
                                 x(64) + ".test",
                                 std::string("[192.0.2.1"),
                                 std::string("192.0.2.1]"),
                                 std::string("[]"),
                                 std::string("["),
                                 std::string("[192.0.2.256]"),
                                 std::string("[192.0.2]"),
                                 std::string("[192.0.2.1.1]"),
                                 std::string("[192.0.2.01]"),
                                 std::string("[2001:db8::1]"),
                                 std::string("[IPv6:192.0.2.1]"),
                                 std::string("[IPv6:2001:db8::g]"),
                                 std::string("[IPv6:fe80::1%eth0]"),
                                 std::string("[ 192.0.2.1]"),
                                 std::string("[192.0.2.1\0]", 12),
                                 std::string("[x:y]"),
                                 std::string("a%b"),
                                 std::string("a>b")}) {
    const Result<Domain> domain = Domain::parse(bad);
    ASSERT_FALSE(domain) << bad;
    EXPECT_EQ(domain.error().code, Error::malformed) << bad;
  }
  EXPECT_EQ(Domain::parse(domain_of(256)).error().code, Error::too_long);
}

TEST(Address, KeepsWhatTheLocalPartMeans) {
  struct Row {
    std::string input, local, text;
  };
  const Row rows[] = {
      {"user@Example.com", "user", "user@example.com"},
      {"USER@example.com", "USER", "USER@example.com"},
      {"\"a b\"@example.com", "a b", "\"a b\"@example.com"},
      {"\"a\\ b\"@example.com", "a b", "\"a b\"@example.com"},
      {"\"plain\"@example.com", "plain", "plain@example.com"},
      {"\"a\\\"b\\\\c\"@example.com", "a\"b\\c", "\"a\\\"b\\\\c\"@example.com"},
      {"\"a@b\"@example.com", "a@b", "\"a@b\"@example.com"},
      {"a.b+c@example.com", "a.b+c", "a.b+c@example.com"},
      {"a%b!c@example.com", "a%b!c", "a%b!c@example.com"},
      {"\".a\"@example.com", ".a", "\".a\"@example.com"},
      {"!#$%&'*+-/=?^_`{}|~@example.org", "!#$%&'*+-/=?^_`{}|~", "!#$%&'*+-/=?^_`{}|~@example.org"},
      {"u@[IPv6:::1]", "u", "u@[ipv6:::1]"},
      {x(64) + "@example.com", x(64), x(64) + "@example.com"},
  };
  for (const Row& row : rows) {
    const Result<Address> address = Address::parse(row.input);
    ASSERT_TRUE(address) << row.input;
    EXPECT_EQ(address->local_part(), row.local);
    EXPECT_EQ(address->text(), row.text);
    EXPECT_EQ(Address::parse(address->text()).value(), *address);
  }
}

TEST(Address, RefusesWhatIsNone) {
  for (const std::string& bad : {std::string(),
                                 std::string("user"),
                                 std::string("@example.com"),
                                 std::string("user@"),
                                 std::string(".a@example.com"),
                                 std::string("a.@example.com"),
                                 std::string("a..b@example.com"),
                                 std::string("a b@example.com"),
                                 std::string("a@b@example.com"),
                                 std::string("\"a@example.com"),
                                 std::string("\"a\"b@example.com"),
                                 std::string("a\"b\"@example.com"),
                                 std::string("\"\"@example.com"),
                                 std::string("\"a\\\"@example.com"),
                                 std::string("\"a\r\nb\"@example.com"),
                                 std::string("\"a\0b\"@example.com", 17),
                                 std::string("\"a\tb\"@example.com"),
                                 std::string("\"a\\\tb\"@example.com"),
                                 std::string("a(c)@example.com"),
                                 std::string("a@example.com "),
                                 std::string(" a@example.com"),
                                 std::string("<a@example.com>"),
                                 std::string("a@example.com>"),
                                 std::string("a@example.com\r\n"),
                                 std::string("\xa9@example.com"),
                                 std::string("\xc2\x85@example.com"),
                                 std::string("a,b@example.com"),
                                 std::string("a@[192.0.2.1]x"),
                                 std::string("@a,@b:c@example.com"),
                                 std::string("a\x7f@example.com")}) {
    const Result<Address> address = Address::parse(bad);
    ASSERT_FALSE(address) << bad;
    EXPECT_EQ(address.error().code, Error::malformed) << bad;
  }
}

TEST(Address, LimitsAreKept) {
  EXPECT_EQ(Address::parse(x(65) + "@example.com").error().code, Error::too_long);
  EXPECT_EQ(Address::parse("\"" + x(65) + "\"@example.com").error().code, Error::too_long);
  EXPECT_TRUE(Address::parse(x(64) + "@" + domain_of(189)));
  EXPECT_EQ(Address::parse(x(64) + "@" + domain_of(190)).error().code, Error::too_long);
  EXPECT_EQ(Address::make(x(65), own()).error().code, Error::too_long);
  EXPECT_EQ(Address::make(std::string(64, '"'), Domain::parse(domain_of(124)).value()).error().code, Error::too_long);
  EXPECT_TRUE(Address::make(std::string(64, '"'), Domain::parse(domain_of(123)).value()));
  for (const std::string& bad :
       {std::string(), std::string("a\nb"), std::string("a\0", 2), std::string("\xc2\x80"), std::string("\x7f")}) {
    EXPECT_EQ(Address::make(bad, own()).error().code, Error::malformed);
  }
}

TEST(Address, MalformedSaysWhere) {
  EXPECT_EQ(Address::parse("user@exa mple").error().detail, "offset 5");
  EXPECT_EQ(parse_reverse_path("<user@a.test").error().detail, "offset 12");
}

TEST(ReversePath, StripsSourceRoutes) {
  struct Row {
    std::string input, want;
    std::size_t octets;
  };
  const Row rows[] = {
      {"<>", "", 2},
      {"<> SIZE=5", "", 2},
      {"<a@b.test>", "a@b.test", 10},
      {"<a@b.test> BODY=7BIT", "a@b.test", 10},
      {"<@r.test:a@b.test>", "a@b.test", 18},
      {"<@r.test,@[192.0.2.1]:a@b.test>", "a@b.test", 31},
      {"<@[IPv6:::1]:a@b.test>", "a@b.test", 22},
      {"<\"a>b\"@c.test>", "\"a>b\"@c.test", 14},
      {"<a@[IPv6:::1]>", "a@[ipv6:::1]", 14},
  };
  for (const Row& row : rows) {
    const Result<ParsedPath> parsed = parse_reverse_path(row.input);
    ASSERT_TRUE(parsed) << row.input;
    EXPECT_EQ(parsed->path.text(), row.want);
    EXPECT_EQ(parsed->octets, row.octets);
  }
}

TEST(ReversePath, RefusesWhatIsNone) {
  for (const char* bad : {"",
                          "<",
                          ">",
                          "a@b.test",
                          "<a@b.test",
                          "a@b.test>",
                          "< a@b.test>",
                          "<a@b.test >",
                          "<a>",
                          "<@>",
                          "<@r.test>",
                          "<@r.test:>",
                          "<@r.test a@b.test>",
                          "<@r.test,:a@b.test>",
                          "<r.test:a@b.test>",
                          "<@r.test,r2.test:a@b.test>",
                          "<@r_t:a@b.test>",
                          "<<a@b.test>>",
                          "<a@b.test,c@d.test>",
                          "<Postmaster>",
                          " <a@b.test>",
                          "< >",
                          "<a@b.test\r>",
                          "<@a:@b:c@d.test>",
                          "<@a,,@b:c@d.test>"}) {
    const Result<ParsedPath> parsed = parse_reverse_path(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Error::malformed) << bad;
  }
  EXPECT_EQ(parse_reverse_path("<" + x(65) + "@b.test>").error().code, Error::too_long);
  EXPECT_EQ(parse_reverse_path("<a@" + domain_of(256) + ">").error().code, Error::too_long);
  EXPECT_TRUE(parse_reverse_path("<@" + domain_of(241) + ":a@bbb.tests>"));
  EXPECT_EQ(parse_reverse_path("<@" + domain_of(242) + ":a@bbb.tests>").error().code, Error::too_long);
}

TEST(ForwardPath, PostmasterNeedsNoDomain) {
  EXPECT_EQ(parse_forward_path("<Postmaster>", own())->address.text(), "Postmaster@own.test");
  EXPECT_EQ(parse_forward_path("<postMASTER>", own())->address.text(), "postMASTER@own.test");
  EXPECT_EQ(parse_forward_path("<postmaster@else.test>", own())->address.text(), "postmaster@else.test");
  EXPECT_EQ(parse_forward_path("<@r.test:a@b.test> X=1", own())->octets, 18U);
  for (const char* bad :
       {"<>", "<Postmasters>", "<ann>", "Postmaster", "<Postmaster", "<\"Postmaster\">", "<Postmaster >"}) {
    EXPECT_FALSE(parse_forward_path(bad, own())) << bad;
  }
}

struct Utf8Row {
  std::string input, local, domain;
  bool ascii;
};
const std::vector<Utf8Row>& utf8_rows() {
  static const std::vector<Utf8Row> rows = {
      {"j\u00f6rg@b\u00fccher.example", "j\u00f6rg", "xn--bcher-kva.example", false},
      {"a@B\u00dcCHER.example", "a", "xn--bcher-kva.example", true},
      {"a@xn--bcher-kva.b\u00fccher", "a", "xn--bcher-kva.xn--bcher-kva", true},
      {"a@xn--no-punycode-9.b\u00fccher", "a", "xn--no-punycode-9.xn--bcher-kva", true},
      {"a@fa\u00df.example", "a", "xn--fa-hia.example", true},
      {"a@x\u3002y\uff0ez\uff61w", "a", "x.y.z.w", true},
      {"\u7528\u6237@\u4f8b\u5b50.\u6d4b\u8bd5", "\u7528\u6237", "xn--fsqu00a.xn--0zwm56d", false},
      {"\"\u00e9 x\\\u00e8\"@b.test", "\u00e9 x\u00e8", "b.test", false},
      {"\U0001f40e@b.test", "\U0001f40e", "b.test", false},
      {"\u00e9@[IPv6:::1]", "\u00e9", "[ipv6:::1]", false},
  };
  return rows;
}

TEST(Utf8Address, IsReadWhereItIsAllowedAndUnsupportedWhereNot) {
  for (const Utf8Row& row : utf8_rows()) {
    const Result<Address> address = Address::parse(row.input, Utf8::yes);
    ASSERT_TRUE(address) << row.input;
    EXPECT_EQ(address->local_part(), row.local);
    EXPECT_EQ(address->domain().text(), row.domain);
    EXPECT_EQ(address->is_ascii(), row.ascii);
    EXPECT_EQ(Address::parse(address->text(), Utf8::yes).value(), *address);
    EXPECT_EQ(Address::make(row.local, Domain::parse(row.domain).value()).value(), *address);  // as records read it
    EXPECT_EQ(Address::parse(row.input).error().code, Error::unsupported) << row.input;
    const std::string path = "<" + row.input + "> X";
    EXPECT_EQ(parse_reverse_path(path, Utf8::yes)->path.address(), *address);
    EXPECT_EQ(parse_forward_path(path, own(), Utf8::yes)->octets, path.size() - 2);
    EXPECT_EQ(parse_reverse_path(path).error().code, Error::unsupported);
    EXPECT_EQ(parse_forward_path(path, own()).error().code, Error::unsupported);
  }
  EXPECT_EQ(parse_reverse_path("<@r\u00e9.test:a@b.test>", Utf8::yes)->path.text(), "a@b.test");
  EXPECT_EQ(parse_reverse_path("<@r\u00e9.test:a@b.test>").error().code, Error::unsupported);
  EXPECT_EQ(Domain::parse("caf\u00e9.test").error().code, Error::unsupported);
  EXPECT_EQ(Domain::parse("caf\u00e9.test", Utf8::yes)->text(), "xn--caf-dma.test");
}

TEST(Utf8Address, WhatIsNoneIsMalformedEitherWay) {
  for (const std::string& bad : {
           std::string("\xc3@b.test"),              // cut short
           std::string("\xc0\xaf@b.test"),          // overlong
           std::string("\xed\xa0\x80@b.test"),      // a surrogate
           std::string("\xf4\x90\x80\x80@b.test"),  // over U+10FFFF
           std::string("\u0085@b.test"),
           std::string("\"\u009f\"@b.test"),
           std::string("\u00e9\n@b.test"),
           std::string("\u00e9\x7f@b.test"),
           std::string("\u00e9..a@b.test"),
           std::string("\u00e9 a@b.test"),
           std::string("\u00e9@"),
           std::string("\"\\\xc3\\\xa9\"@b.test"),  // a backslash inside a character
           std::string("\"\u00e9@b.test"),
           std::string("a@\xc3.test"),
           std::string("a@\u2603.test"),      // a symbol (5892 §2.6)
           std::string("a@ab--\u00e9.test"),  // 5891 §4.2.3.1
           std::string("a@-\u00e9.test"),
           std::string("a@\u00e9-.test"),
           std::string("a@\u00e9_.test"),
           std::string("a@\u0301a.test"),  // begins with a combining mark
           std::string("a@a\u05d0.test"),  // 5893 §2
           std::string("a@xn--\u00e9.test"),
           std::string("a@\u3002test"),
           std::string("a@test\u3002"),
           std::string("a@\u00ad.test"),  // nothing is left of it
           std::string("a@\u00e9\u0085.test"),
           std::string("a@\u00e9 .test"),
           std::string("a@[\u00e9]"),
           "a@" + std::string(30, 'x') + "\u00e9" + std::string(40, 'x') + ".test",
       }) {
    for (const Utf8 utf8 : {Utf8::no, Utf8::yes}) {
      EXPECT_EQ(Address::parse(bad, utf8).error().code, Error::malformed) << bad;
      EXPECT_EQ(parse_reverse_path("<" + bad, utf8).error().code, Error::malformed) << bad;
    }
  }
  for (const std::string& bad : {std::string("\u0080"), std::string("\xc3"), std::string("\u00e9\r")})
    EXPECT_EQ(Address::make(bad, own()).error().code, Error::malformed);
}

TEST(Utf8Address, LimitsCountOctets) {
  const auto e = [](std::size_t n) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += "\u00e9";
    return out;
  };
  EXPECT_TRUE(Address::parse(e(32) + "@b.test", Utf8::yes));
  EXPECT_EQ(Address::parse(e(33) + "@b.test", Utf8::yes).error().code, Error::too_long);
  EXPECT_EQ(Address::make(e(33), own()).error().code, Error::too_long);
  EXPECT_EQ(Domain::parse(e(128), Utf8::yes).error().code, Error::too_long);
  EXPECT_TRUE(Domain::parse("\u00e9." + domain_of(247), Utf8::yes));
  EXPECT_EQ(Domain::parse("\u00e9." + domain_of(248), Utf8::yes).error().code, Error::too_long);
}

}  // namespace
}  // namespace postrider::mail
