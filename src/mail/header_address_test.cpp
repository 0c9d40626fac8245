#include "mail/header_address.hpp"

#include "core/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {
namespace {

using namespace std::literals;

HeaderMailbox box(std::string name, std::string local, std::string domain, std::string route = {}) {
  return {.name = std::move(name), .local = std::move(local), .domain = std::move(domain), .route = std::move(route)};
}
std::string show(const AddressList& list) {
  std::string out;
  for (const HeaderMailbox& mailbox : list.mailboxes())
    out += "[" + mailbox.name + "|" + mailbox.local + "|" + mailbox.domain + "|" + mailbox.route + "] ";
  for (const std::string& what : list.errors) out += what + "; ";
  return out;
}

struct Row {
  std::string input;
  std::vector<HeaderMailbox> want;
};

TEST(AddressList, ReadsWhatIsWellFormed) {
  const Row rows[] = {
      {"", {}},
      {" \t\r\n ", {}},
      {"(only a comment)", {}},
      {"a@b.test", {box("", "a", "b.test")}},
      {"<a@b.test>", {box("", "a", "b.test")}},
      {"a@B.Test, C@d.test", {box("", "a", "b.test"), box("", "C", "d.test")}},
      {",, a@b.test,,\r\n c@d.test,", {box("", "a", "b.test"), box("", "c", "d.test")}},
      {"Ann Example <a@b.test>", {box("Ann Example", "a", "b.test")}},
      {"\"Example, Ann \\\"A\\\"\" <a@b.test>", {box("Example, Ann \"A\"", "a", "b.test")}},
      {"Ann Q. Example <a@b.test>", {box("Ann Q. Example", "a", "b.test")}},
      {"Ann \"The\" Example<a@b.test>", {box("Ann The Example", "a", "b.test")}},
      {"a@b.test (Ann Example)", {box("Ann Example", "a", "b.test")}},
      {"a@b.test (Ann (A) Example)", {box("Ann (A) Example", "a", "b.test")}},
      {"a@b.test (Ann\\) E)", {box("Ann) E", "a", "b.test")}},
      {"<a@b.test> (Ann)", {box("Ann", "a", "b.test")}},
      {"(x) Ann (y) <(z)a(z)@(z)b(z).(z)test(z)> (w)", {box("Ann", "a", "b.test")}},
      {"(x) a@b.test", {box("x", "a", "b.test")}},
      {"a@b.test (A), c@d.test (C)", {box("A", "a", "b.test"), box("C", "c", "d.test")}},
      {"\"a b\"@c.test", {box("", "a b", "c.test")}},
      {"\"a,b@x\" . c @ d . test", {box("", "a,b@x.c", "d.test")}},
      {"\"a\r\n b\"@c.test", {box("", "a b", "c.test")}},
      {"Ann\r\n\t<a@b.test>", {box("Ann", "a", "b.test")}},
      {"a@[192.0.2.1], <b@[IPv6:2001:DB8::1]>", {box("", "a", "[192.0.2.1]"), box("", "b", "[ipv6:2001:db8::1]")}},
      {"<@r.test,@s.test:a@b.test>", {box("", "a", "b.test", "@r.test,@s.test")}},
      {"Ann <@r.test:\"x y\"@b.test>", {box("Ann", "x y", "b.test", "@r.test")}},
      {"J\u00f6rg <j\u00f6rg@b\u00fccher.test>", {box("J\u00f6rg", "j\u00f6rg", "b\u00fccher.test")}},
      {"a@b.test <a@b.test>", {box("a@b.test", "a", "b.test")}},
      {"[list] Ann <a@b.test>", {box("[list] Ann", "a", "b.test")}},
      {"a@b.test; c@d.test", {box("", "a", "b.test"), box("", "c", "d.test")}},
      {"Ann <a@b.test>; C <c@d.test>;", {box("Ann", "a", "b.test"), box("C", "c", "d.test")}},
  };
  for (const Row& row : rows) {
    const AddressList list = parse_address_list(row.input);
    EXPECT_EQ(list.mailboxes(), row.want) << row.input << " gives " << show(list);
    EXPECT_TRUE(list.errors.empty()) << row.input << " gives " << show(list);
  }
}

TEST(AddressList, GoesOnBehindWhatItCannotRead) {
  const Row rows[] = {
      {"ann", {box("", "ann", "")}},
      {"Ann Example", {box("Ann Example", "", "")}},
      {"<>", {box("", "", "")}},
      {"MAILER-DAEMON <>", {box("MAILER-DAEMON", "", "")}},
      {"<ann>", {box("", "ann", "")}},
      {"a@", {box("", "a", "")}},
      {"@b.test", {box("", "", "b.test")}},
      {"@", {}},
      {".", {}},
      {"a@b.test c@d.test", {box("", "a", "b.test"), box("", "c", "d.test")}},
      {"a@b.test (A) c@d.test (C)", {box("A", "a", "b.test"), box("C", "c", "d.test")}},
      {"<a@b.test> <c@d.test>", {box("", "a", "b.test"), box("", "c", "d.test")}},
      {"A <a@b.test> C <c@d.test>", {box("A", "a", "b.test"), box("C", "c", "d.test")}},
      {"<a@b.test> c@d.test", {box("", "a", "b.test"), box("", "c", "d.test")}},
      {"Ann a@b.test", {box("Ann", "a", "b.test")}},
      {"\"Ann\" a@b.test", {box("Ann", "a", "b.test")}},
      {"<a@b.test> Ann", {box("", "a", "b.test")}},
      {"a@b.test Ann", {box("", "a", "b.test")}},
      {"a@b@c.test", {box("", "a@b", "c.test")}},
      {"<a@b@c.test>", {box("", "a@b", "c.test")}},
      {"a@b.test.", {box("", "a", "b.test")}},
      {"Ann <a@b.test", {box("Ann", "a", "b.test")}},
      {"Ann <a@b.test, c@d.test", {box("Ann", "a", "b.test"), box("", "c", "d.test")}},
      {"Ann a@b.test>", {box("Ann", "a", "b.test")}},
      {"<<a@b.test>>", {box("", "a", "b.test")}},
      {"\"a@b.test\"", {box("", "a", "b.test")}},
      {"<\"a@b.test\">", {box("", "a", "b.test")}},
      {"'a@b.test'", {box("", "a", "b.test")}},
      {"<'a@b.test'>", {box("", "a", "b.test")}},
      {"\"not @ one\"", {box("", "not @ one", "")}},
      {"<mailto:a@b.test>", {box("", "a", "b.test")}},
      {"Ann \"E <a@b.test>", {box("Ann E", "a", "b.test")}},
      {"Ann (E <a@b.test>, c@d.test", {box("Ann E", "a", "b.test"), box("", "c", "d.test")}},
      {"a@b.test)", {box("", "a", "b.test")}},
      {"Ann \\\"A\\\" <a@b.test>", {box("Ann \"A\"", "a", "b.test")}},
      {"a@[192.0.2.1, c@d.test", {box("", "a", "[192.0.2.1"), box("", "c", "d.test")}},
      {"a@b.test: c@d.test", {box("", "a", "b.test"), box("", "c", "d.test")}},
      {"A: B: a@b.test;;", {box("", "a", "b.test")}},
      {": a@b.test;", {box("", "a", "b.test")}},
      {"A: a@b.test", {box("", "a", "b.test")}},
      {"<a b@c.test>", {box("", "a b", "c.test")}},
      {"<a@b.test c>", {box("", "a", "b.test")}},
  };
  for (const Row& row : rows) {
    const AddressList list = parse_address_list(row.input);
    EXPECT_EQ(list.mailboxes(), row.want) << row.input << " gives " << show(list);
    EXPECT_FALSE(list.errors.empty()) << row.input << " gives " << show(list);
  }
  EXPECT_EQ(parse_address_list("a@b.test, Ann").errors.at(0), "offset 10: no domain");
}

TEST(AddressList, KeepsGroups) {
  const AddressList list =
      parse_address_list("undisclosed-recipients:;, My \"Team\": A <a@b.test>, c@d.test (C); e@f.test, (c) X:,;");
  EXPECT_TRUE(list.errors.empty()) << show(list);
  ASSERT_EQ(list.entries.size(), 4U);
  const auto* hidden = std::get_if<HeaderGroup>(&list.entries[0]);
  ASSERT_TRUE(hidden);
  EXPECT_EQ(hidden->name, "undisclosed-recipients");
  EXPECT_TRUE(hidden->mailboxes.empty());
  const auto* team = std::get_if<HeaderGroup>(&list.entries[1]);
  ASSERT_TRUE(team);
  EXPECT_EQ(team->name, "My Team");
  EXPECT_EQ(team->mailboxes, (std::vector{box("A", "a", "b.test"), box("C", "c", "d.test")}));
  EXPECT_TRUE(std::holds_alternative<HeaderMailbox>(list.entries[2]));
  EXPECT_EQ(std::get<HeaderGroup>(list.entries[3]).name, "X");
  EXPECT_EQ(list.mailboxes().size(), 3U);
}

TEST(AddressList, DecodesNames) {
  const Row rows[] = {
      {"=?utf-8?Q?J=C3=B6rg?= <a@b.test>", {box("J\u00f6rg", "a", "b.test")}},
      {"=?utf-8?Q?Smith,_John_(x)_@_y?= <a@b.test>, c@d.test",
       {box("Smith, John (x) @ y", "a", "b.test"), box("", "c", "d.test")}},
      {"\"=?utf-8?B?SsO2cmc=?=\" <a@b.test>", {box("J\u00f6rg", "a", "b.test")}},
      {"a@b.test (=?utf-8?Q?J=C3=B6rg?=)", {box("J\u00f6rg", "a", "b.test")}},
      {"=?utf-8?Q?a?= =?utf-8?Q?b?= <a@b.test>", {box("ab", "a", "b.test")}},
  };
  for (const Row& row : rows) {
    const AddressList list = parse_address_list(row.input);
    EXPECT_EQ(list.mailboxes(), row.want) << row.input << " gives " << show(list);
    EXPECT_TRUE(list.errors.empty()) << row.input << " gives " << show(list);
  }
  EXPECT_EQ(std::get<HeaderGroup>(parse_address_list("=?utf-8?Q?=C3=A9?=:;").entries.at(0)).name, "\u00e9");
}

TEST(AddressList, HoldsNoControlsAndOnlyUtf8) {
  const std::string inputs[] = {
      "A\0nn \"x\0\a\x7fy\" <a\0\"b\0\r\n\ac\"@d\0.te\ast>"s,
      "\"\\\0\\\r\\\n\"@b (\0\a\\\0)"s,
      "a\u0085@b\u009f.test (\u0080x)",
      "\xff <\xc3@\xe2\x82.test>",
      "=?utf-8?Q?=00=0D=0A=07=7F?= <a@b>",
      "<@r\a\0:a@b>"s,
  };
  for (const std::string& input : inputs) {
    for (const HeaderMailbox& mailbox : parse_address_list(input).mailboxes()) {
      for (const std::string& part : {mailbox.name, mailbox.local, mailbox.domain, mailbox.route}) {
        EXPECT_TRUE(is_utf8(part)) << part;
        EXPECT_FALSE(part.contains('\0') || part.contains('\r') || part.contains('\n') || part.contains('\a') ||
                     part.contains('\x7f') || part.contains("\u0085") || part.contains("\u009f"))
            << part;
      }
    }
  }
  EXPECT_EQ(parse_address_list(inputs[0]).mailboxes().at(0), box("Ann xy", "abc", "d.test"));
}

std::string repeated(std::string_view piece, std::size_t octets) {
  std::string out;
  while (out.size() < octets) out += piece;
  return out;
}

void expect_bounded(std::string_view piece, std::size_t octets) {
  const AddressList list = parse_address_list(repeated(piece, octets));
  EXPECT_LE(list.mailboxes().size(), kAddressListMax) << piece;
  EXPECT_LE(list.entries.size(), kAddressListMax) << piece;
  EXPECT_LE(list.errors.size(), 100U) << piece;
}

/// Nothing here may take more than linear time; what is quadratic takes minutes, and the test's timeout finds it.
TEST(AddressList, LongAndHostileListsAreBounded) {
  for (const std::string_view piece : {"(", "<", "a,", "\"", "\"a\"", "a@", "=?a?Q?b?="})
    expect_bounded(piece, 1024 * 1024);
  const std::vector<std::string_view> pieces = {
      ")",    ">",       "\\",         "(a",      "<a",    "\"a",     "@",    "[",    "@[",   "a@[b",
      ":",    ";",       "a:",         "a:;",     ".",     "a.",      "a ",   "a@b ", "a@b,", "<a@b>",
      "\\(",  "\"\\",    "=?",         "=?a",     "=?a?",  "?=",      "()",   "(a)@", "@(a)", "=?a?Q?",
      "<@a,", "<@a:",    "=?a?Q?b?= ", "\n",      "\0"sv,  "\u00e9",  "\xff", "(\\",  "a@\\", "'a@b'",
      "<a@",  "a@b(c) ", "<\"a@b\">",  "a\"b\"@", "a@b\"", "a@b.c(d)"};
  for (const std::string_view piece : pieces) expect_bounded(piece, 128 * 1024);
}

TEST(AddressList, OneOverTheLimitIsOneError) {
  EXPECT_TRUE(parse_address_list(repeated("a@b,", 4 * kAddressListMax)).errors.empty());
  const AddressList over = parse_address_list(repeated("a@b,", 4 * (kAddressListMax + 1)));
  EXPECT_EQ(over.mailboxes().size(), kAddressListMax);
  EXPECT_EQ(over.errors, std::vector{"offset 4003: more than 1000 addresses, the rest is not read"s});
  const AddressList grouped = parse_address_list("x:" + repeated("a@b,", 4 * (kAddressListMax + 1)));
  EXPECT_EQ(grouped.mailboxes().size(), kAddressListMax - 1);  // a group counts as well
  EXPECT_EQ(grouped.errors.size(), 1U);
  const AddressList wrong = parse_address_list(repeated("a,", 4000));
  EXPECT_EQ(wrong.errors.size(), 100U);
  EXPECT_TRUE(wrong.errors.back().contains("more than"));
}

}  // namespace
}  // namespace postrider::mail
