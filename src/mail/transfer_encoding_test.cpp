#include "mail/transfer_encoding.hpp"

#include "core/random.hpp"
#include "core/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace postrider::mail {
namespace {

TEST(TransferEncoding, IsNamedInAnyCaseWithComments) {
  const std::pair<std::string_view, TransferEncoding> rows[] = {
      {"", TransferEncoding::identity},
      {"7bit", TransferEncoding::identity},
      {"8BIT", TransferEncoding::identity},
      {"Binary", TransferEncoding::identity},
      {" (so (they) say) 7bit", TransferEncoding::identity},
      {"base64", TransferEncoding::base64},
      {" BASE64 \r\n", TransferEncoding::base64},
      {"base64 (really)", TransferEncoding::base64},
      {"\"base64\"", TransferEncoding::base64},
      {"base64;", TransferEncoding::base64},
      {"Quoted-Printable", TransferEncoding::quoted_printable},
      {"x-uuencode", TransferEncoding::uuencode},
      {"X-UUE", TransferEncoding::uuencode},
      {"quoted", TransferEncoding::unknown},
      {"base-64", TransferEncoding::unknown},
      {"x-yenc", TransferEncoding::unknown},
  };
  for (const auto& [value, encoding] : rows) EXPECT_EQ(transfer_encoding_of(value), encoding) << value;
}

struct Decoded {
  std::string_view encoded;
  std::string_view octets;
  bool damaged;
};

void expect_decoded(TransferEncoding encoding, std::initializer_list<Decoded> rows) {
  for (const Decoded& row : rows) {
    const DecodedOctets out = decode_transfer(row.encoded, encoding);
    EXPECT_EQ(out.octets, row.octets) << row.encoded;
    EXPECT_EQ(out.damaged, row.damaged) << row.encoded;
  }
}

TEST(TransferEncoding, DecodesBase64AndSkipsWhatIsNone) {
  expect_decoded(TransferEncoding::base64, {
                                               {"", "", false},
                                               {"YWJj", "abc", false},
                                               {"YWJjZA==", "abcd", false},
                                               {"YWJjZGU=\r\n", "abcde", false},
                                               {"YW\r\nJj\n \tZA==", "abcd", false},
                                               {"YWJjZA", "abcd", false},          // no padding
                                               {"YWJjZA=", "abcd", false},         // half of it
                                               {"YWJjZA==YWJj", "abcdabc", true},  // two, joined
                                               {"YWJj====", "abc", false},
                                               {"YW*Jj", "abc", true},
                                               {"YWJj\xff", "abc", true},
                                               {"YWJjZ", "abc", true},
                                               {"=", "", false},
                                               {"-_", "", true},
                                               {"Z", "", true},
                                           });
}

TEST(TransferEncoding, DecodesQuotedPrintableAndKeepsWhatIsNone) {
  expect_decoded(TransferEncoding::quoted_printable, {
                                                         {"", "", false},
                                                         {"a=3Db", "a=b", false},
                                                         {"a=3db=c3=A9", "a=b\u00e9", false},
                                                         {"a=\r\nb", "ab", false},
                                                         {"a=\nb", "ab", false},
                                                         {"a= \t\r\nb", "ab", false},
                                                         {"a  \r\nb\t\n", "a\r\nb\n", false},
                                                         {"a =20\r\n", "a  \r\n", false},
                                                         {"a =\r\n", "a ", false},
                                                         {"a=", "a", false},
                                                         {"a  ", "a", false},
                                                         {"a=4", "a=4", true},
                                                         {"a=zz", "a=zz", true},
                                                         {"a==3D", "a==", true},
                                                         {"=\r\n=\r\n", "", false},
                                                         {"\xc3\xa9", "\u00e9", false},
                                                         {"a\rb", "a\rb", false},
                                                     });
}

TEST(TransferEncoding, DecodesUuencode) {
  expect_decoded(TransferEncoding::uuencode,
                 {
                     {"begin 644 a.txt\r\n#86)C\r\n`\r\nend\r\n", "abc", false},
                     {"text before\nbegin 644 a\n$86)C9```\n \nend\ntext behind", "abcd", false},
                     {"begin 644 a\n$86)C9`\n`\nend", "abcd", false},  // the last group is cut
                     {"begin 644 a\n#86)C\n", "abc", true},            // no end
                     {"begin 644 a\n%86)C\n`\nend", std::string_view("abc"), true},
                     {"begin 644 a\n\nend\n", "", false},
                     {"begin again\nbegin 644 a\n#86)C\nend", "abc", false},
                     {"no file", "no file", true},
                     {"", "", true},
                 });
}

TEST(TransferEncoding, LeavesTheOthersAsTheyAre) {
  for (const TransferEncoding encoding : {TransferEncoding::identity, TransferEncoding::unknown}) {
    const DecodedOctets out = decode_transfer("a=3D \r\n", encoding);
    EXPECT_EQ(out.octets, "a=3D \r\n");
    EXPECT_FALSE(out.damaged);
  }
}

TEST(TransferEncoding, EncodesQuotedPrintable) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"a=b", "a=3Db"},
      {"a\r\nb", "a\r\nb"},
      {"a\nb\rc", "a=0Ab=0Dc"},
      {"a \r\nb\t", "a=20\r\nb=09"},
      {"a b", "a b"},
      {"\u00e9", "=C3=A9"},
      {std::string("\0\x7f", 2), "=00=7F"},
      {std::string(76, 'x'), std::string(76, 'x')},
      {std::string(77, 'x'), std::string(75, 'x') + "=\r\nxx"},
      {std::string(75, 'x') + "=", std::string(75, 'x') + "=\r\n=3D"},
      {std::string(73, 'x') + "=", std::string(73, 'x') + "=3D"},
      {std::string(75, 'x') + " \r\n", std::string(75, 'x') + "=\r\n=20\r\n"},
  };
  for (const auto& [octets, encoded] : rows) EXPECT_EQ(encode_quoted_printable(octets), encoded) << octets;
}

TEST(TransferEncoding, EncodesBase64InLinesOf76Octets) {
  EXPECT_EQ(encode_base64_lines(""), "");
  EXPECT_EQ(encode_base64_lines("abcd"), "YWJjZA==\r\n");
  EXPECT_EQ(encode_base64_lines(std::string(57, '\0')), std::string(76, 'A') + "\r\n");
  EXPECT_EQ(encode_base64_lines(std::string(58, '\0')), std::string(76, 'A') + "\r\nAA==\r\n");
}

TEST(TransferEncoding, GivesBackWhatWasEncoded) {
  SeededRandom random(1);
  for (std::size_t size = 0; size < 300; ++size) {
    std::string octets;
    for (std::size_t i = 0; i < size; ++i) octets += static_cast<char>(random.below(size % 2 == 0 ? 256 : 40));
    const DecodedOctets base64 = decode_transfer(encode_base64_lines(octets), TransferEncoding::base64);
    EXPECT_EQ(base64.octets, octets);
    EXPECT_FALSE(base64.damaged);
    const std::string encoded = encode_quoted_printable(octets);
    const DecodedOctets quoted = decode_transfer(encoded, TransferEncoding::quoted_printable);
    EXPECT_EQ(quoted.octets, octets);
    EXPECT_FALSE(quoted.damaged);
    for (const std::string_view line : split(encoded, '\n')) EXPECT_LE(line.size(), 77U);  // with its CR
  }
}

}  // namespace
}  // namespace postrider::mail
