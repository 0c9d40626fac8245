#include "mail/parameters.hpp"

#include "core/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace postrider::mail {
namespace {

using Words = std::vector<std::string>;

struct Row {
  std::string_view field;
  std::string_view value;
  std::vector<Parameter> parameters;
  Words defects;
};

void expect_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const ParameterizedValue out = parse_parameterized(row.field);
    EXPECT_EQ(out.value, row.value) << row.field;
    EXPECT_EQ(out.defects, row.defects) << row.field;
    ASSERT_EQ(out.parameters.size(), row.parameters.size()) << row.field;
    for (std::size_t i = 0; i < row.parameters.size(); ++i) {
      EXPECT_EQ(out.parameters[i].name, row.parameters[i].name) << row.field;
      EXPECT_EQ(out.parameters[i].value, row.parameters[i].value) << row.field;
    }
  }
}

TEST(Parameters, AreReadAsTheStandardsWriteThem) {
  expect_rows({
      {"", "", {}, {}},
      {"text/plain", "text/plain", {}, {}},
      {" Text/HTML ; Charset=UTF-8", "text/html", {{"charset", "UTF-8"}}, {}},
      {"text/plain; charset=us-ascii (Plain text)", "text/plain", {{"charset", "us-ascii"}}, {}},  // 2045 §5.1
      {"text/plain; charset=\"us-ascii\"", "text/plain", {{"charset", "us-ascii"}}, {}},
      {"(a)text(b (c) \\) )/(d)plain(e) ; (f) charset (g) = (h) \"x\" (i) ; a=b",
       "text/plain",
       {{"charset", "x"}, {"a", "b"}},
       {}},
      {"text / plain", "text/plain", {}, {}},
      {"multipart/mixed;\r\n\tboundary=\"a; b=c \\\"d\\\\ (e)\"",
       "multipart/mixed",
       {{"boundary", "a; b=c \"d\\ (e)"}},
       {}},
      {"attachment; filename=\"a\r\n b\"", "attachment", {{"filename", "a b"}}, {}},
      {"a/b; x=\"\"; y=", "a/b", {{"x", ""}, {"y", ""}}, {}},
      // 2231 §3, §4, §4.1
      {"message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/x.tar\"",
       "message/external-body",
       {{"access-type", "URL"}, {"url", "ftp://cs.utk.edu/pub/moore/bulk-mailer/x.tar"}},
       {}},
      {"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
       "application/x-stuff",
       {{"title", "This is ***fun***"}},
       {}},
      {"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; "
       "title*2=\"isn't it!\"",
       "application/x-stuff",
       {{"title", "This is even more ***fun*** isn't it!"}},
       {}},
      {"attachment; filename*=utf-8''caf%C3%A9.txt", "attachment", {{"filename", "caf\u00e9.txt"}}, {}},
      {"attachment; filename*=iso-8859-1''caf%e9", "attachment", {{"filename", "caf\u00e9"}}, {}},
      // a character over two segments, and segments out of order
      {"a/b; n*1*=%A9; n*0*=utf-8''%C3", "a/b", {{"n", "\u00e9"}}, {}},
      {"a/b; n*2=c; m=x; n*0=a; n*1=b", "a/b", {{"n", "abc"}, {"m", "x"}}, {}},
      // the form of 2231 counts, in any order; 6266 §4.3
      {"attachment; filename=\"cafe\"; filename*=utf-8''caf%C3%A9", "attachment", {{"filename", "caf\u00e9"}}, {}},
      {"attachment; filename*=utf-8''caf%C3%A9; filename=\"cafe\"", "attachment", {{"filename", "caf\u00e9"}}, {}},
      {"a/b; n=x; n*0=y; n*1=z", "a/b", {{"n", "yz"}}, {}},
      {"a/b; n*0=y; n*=us-ascii''x", "a/b", {{"n", "x"}}, {}},
  });
}

TEST(Parameters, AreReadAsTheWildWritesThem) {
  expect_rows({
      {"a/b;", "a/b", {}, {}},
      {"a/b; ; x=y;; ", "a/b", {{"x", "y"}}, {}},
      {";x=y", "", {{"x", "y"}}, {}},
      {"\"text/plain\"", "text/plain", {}, {}},
      {"text/plain charset=utf-8", "text/plain", {{"charset", "utf-8"}}, {"missing_semicolon"}},
      {"charset=utf-8", "", {{"charset", "utf-8"}}, {"missing_semicolon"}},
      {"a/b; x=\"y\" z=w", "a/b", {{"x", "y"}, {"z", "w"}}, {"missing_semicolon"}},
      {"a/b; x=\"y\" junk; z=w", "a/b", {{"x", "y"}, {"z", "w"}}, {"missing_semicolon", "missing_equals_sign"}},
      {"a/b; x=y\r\n z=\"w\"; v=u", "a/b", {{"x", "y"}, {"z", "w"}, {"v", "u"}}, {"missing_semicolon"}},
      {"a/b; x=y  z=w", "a/b", {{"x", "y  z=w"}}, {"unquoted_blank"}},
      {"a/b; =x; y=z", "a/b", {{"y", "z"}}, {"missing_name"}},
      {"a/b; *=x; y=z", "a/b", {{"y", "z"}}, {"missing_name"}},
      {"a/b; foo; y=z", "a/b", {{"y", "z"}}, {"missing_equals_sign"}},
      {"a/b; foo y=z", "a/b", {{"y", "z"}}, {"bad_name"}},
      {"a/b; y=1; Y=2", "a/b", {{"y", "1"}}, {"duplicate_parameter"}},
      {"a/b; name=my file.pdf; x=y", "a/b", {{"name", "my file.pdf"}, {"x", "y"}}, {"unquoted_blank"}},
      {"a/b; name=my file (1).pdf (old)", "a/b", {{"name", "my file (1).pdf"}}, {"unquoted_blank"}},
      {"a/b; name=a:(.pdf; x=(y", "a/b", {{"name", "a:(.pdf"}, {"x", "(y"}}, {"unterminated_comment"}},
      {"a/b; name=\"my file.pdf; x=y",
       "a/b",
       {{"name", "my file.pdf"}, {"x", "y"}},
       {"unterminated_quote", "unquoted_blank"}},
      {"a/b; name=file.pdf\"; x=y", "a/b", {{"name", "file.pdf"}, {"x", "y"}}, {"unterminated_quote"}},
      {"a/b; name=\"C:\\temp\\a.txt\"", "a/b", {{"name", "C:\\temp\\a.txt"}}, {}},
      {"a/b; name=\"a\\(b\\)\"", "a/b", {{"name", "a(b)"}}, {}},
      {"a/b; name='x'", "a/b", {{"name", "'x'"}}, {}},
      {"a/b; name=\"=?utf-8?Q?caf=C3=A9?=\"", "a/b", {{"name", "caf\u00e9"}}, {"encoded_word"}},
      {"a/b; name==?utf-8?B?w6k=?=; x=y", "a/b", {{"name", "\u00e9"}, {"x", "y"}}, {"encoded_word"}},
      {"a/b; name=\"=?utf-8?q?a?=\r\n =?utf-8?q?b?=\"", "a/b", {{"name", "ab"}}, {"encoded_word"}},
      {"a/b; name*0=\"=?utf-8?q?a\"; name*1=\"b?=\"", "a/b", {{"name", "ab"}}, {"encoded_word"}},
      {"a/b; name=\"=?klingon?q?a?=\"", "a/b", {{"name", "a"}}, {"encoded_word", "unknown_charset"}},
      {"a/b; name=\"=?\"", "a/b", {{"name", "=?"}}, {}},
      {"a/b; name=\"caf\xe9\"", "a/b", {{"name", "caf\u00e9"}}, {"raw_8bit"}},
      {"a/b; name=\"caf\xc3\xa9\"", "a/b", {{"name", "caf\u00e9"}}, {}},
      {"a/b; x=\"a\tb\x01\xc2\x85"
       "c\"",
       "a/b",
       {{"x", "a bc"}},
       {}},
      {"a/b; n*=utf-8''%0D%0Aa%00b", "a/b", {{"n", "ab"}}, {}},
      {"a/b; n*=x%20y", "a/b", {{"n", "x y"}}, {"missing_charset"}},
      {"a/b; n*=it's%20y", "a/b", {{"n", "it's y"}}, {"missing_charset"}},
      {"a/b; n*=\"utf-8''%C3%A9\"", "a/b", {{"n", "\u00e9"}}, {}},
      {"a/b; n*=''%C3%A9", "a/b", {{"n", "\u00e9"}}, {}},
      {"a/b; n*=klingon''%E9", "a/b", {{"n", "\u00e9"}}, {"unknown_charset"}},
      {"a/b; n*=utf-8''%E9", "a/b", {{"n", "\uFFFD"}}, {"bad_characters"}},
      {"a/b; n*=utf-8''%zz%4", "a/b", {{"n", "%zz%4"}}, {"bad_percent"}},
      {"a/b; n*0=a; n*2=c", "a/b", {{"n", "a"}}, {"missing_segment"}},
      {"a/b; n*1=b; x=y", "a/b", {{"x", "y"}}, {"missing_segment"}},
      {"a/b; n*1=b; n=a", "a/b", {{"n", "a"}}, {"missing_segment"}},
      {"a/b; n*0=a; n*0=b; n*1=c", "a/b", {{"n", "ac"}}, {"duplicate_segment"}},
      {"a/b; n*x=a", "a/b", {{"n*x", "a"}}, {}},
      {"a/b; n*99999999999999999999999=a", "a/b", {{"n*99999999999999999999999", "a"}}, {}},
  });
}

TEST(Parameters, SegmentsAreLimited) {
  std::string all = "a/b";
  std::string want;
  for (std::size_t i = 0; i < kParameterSegmentsMax; ++i) {
    all += "; n*" + std::to_string(i) + "=x";
    want += 'x';
  }
  EXPECT_EQ(parse_parameterized(all).parameter("n"), want);
  EXPECT_EQ(parse_parameterized(all + "; ").defects, Words{});
  for (const std::string_view more : {"; n*100=x", "; n*7=x", "; m=x"}) {
    const ParameterizedValue out = parse_parameterized(all + std::string(more));
    EXPECT_EQ(out.parameter("n"), want);
    EXPECT_EQ(out.parameters.size(), 1U);
    EXPECT_EQ(out.defects, Words{"too_many_segments"});
  }
}

TEST(Parameters, AreFoundByName) {
  const ParameterizedValue out = parse_parameterized("a/b; Charset=x; y=z");
  EXPECT_EQ(out.parameter("charset"), "x");
  EXPECT_EQ(out.parameter("CHARSET"), "x");
  EXPECT_EQ(out.parameter("none"), "");
}

TEST(Parameters, AreLinearInHostileValues) {
  for (const std::string_view piece : {"(", "\"", ";", "=", "; a=\"", "; a=(", "; a", "a\\", "; a*0*=%", "(\\", " ",
                                       "; a=b\"", "; a=b    ", " a=\"b"}) {
    std::string field;
    while (field.size() < 300'000) field += piece;
    EXPECT_LE(parse_parameterized(field).parameters.size(), kParameterSegmentsMax) << piece;
  }
}

TEST(Parameters, AreWritten) {
  EXPECT_EQ(encode_parameter("name", "a b.txt"), "; name=\"a b.txt\"");
  EXPECT_EQ(encode_parameter("name", "a\"b\\c"), "; name=\"a\\\"b\\\\c\"");
  EXPECT_EQ(encode_parameter("name", ""), "; name=\"\"");
  EXPECT_EQ(encode_parameter("name", "x\r\ny: z"), "; name=\"xy: z\"");
  EXPECT_EQ(encode_parameter("name", std::string(40, 'x')), ";\r\n\tname=\"" + std::string(40, 'x') + "\"");
  EXPECT_EQ(encode_parameter("filename", "caf\u00e9 1.txt"), ";\r\n\tfilename*=utf-8''caf%C3%A9%201.txt");
  EXPECT_EQ(encode_parameter("name", "=?x"), ";\r\n\tname*=utf-8''%3D%3Fx");
  EXPECT_EQ(encode_parameter("name", std::string(80, 'x')),
            ";\r\n\tname*0*=utf-8''" + std::string(43, 'x') + ";\r\n\tname*1*=" + std::string(37, 'x'));
}

TEST(Parameters, GiveBackWhatWasWritten) {
  std::string many;
  for (int i = 0; i < 500; ++i) many += "\u00e9x\u65e5";
  for (const std::string& value : {std::string(" a "), std::string("a;b=c"), std::string("C:\\temp\\x"),
                                   std::string("\\\\\"\""), std::string("50%"), std::string("=?utf-8?q?a?="),
                                   std::string("it's"), many, std::string(3000, '"'), std::string(30'000, '%')}) {
    const std::string encoded = encode_parameter("name", value);
    const ParameterizedValue out = parse_parameterized("a/b" + encoded);
    EXPECT_EQ(out.parameter("name"), value);
    EXPECT_EQ(out.defects, Words{});
    for (const std::string_view line : split(encoded, '\n')) EXPECT_LT(line.size(), value.size() > 2000 ? 998U : 78U);
  }
  const std::string long_value = encode_parameter("name", std::string(31'000, 'x'));
  EXPECT_EQ(parse_parameterized("a/b" + long_value).parameter("name"), std::string(30'000, 'x'));  // cut
}

}  // namespace
}  // namespace postrider::mail
