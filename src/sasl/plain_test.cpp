#include "sasl/plain.hpp"

#include "sasl/password.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace postrider::sasl {
namespace {

using namespace std::string_literals;

TEST(Plain, TakesWhatTheGrammarAllows) {  // 4616 §2
  struct Row {
    std::string message;
    std::string authzid;
    std::string authcid;
    std::string password;
  };
  const Row rows[] = {
      {"\0ann@example.test\0secret"s, "", "ann@example.test", "secret"},
      {"ann\0ann\0secret"s, "ann", "ann", "secret"},
      {"\0ann\0 with blanks "s, "", "ann", " with blanks "},
      {"\0"s + std::string(255, 'a') + "\0"s + std::string(kPasswordOctetsMax, 'p'), "", std::string(255, 'a'),
       std::string(kPasswordOctetsMax, 'p')},
  };
  for (const Row& row : rows) {
    const Result<PlainCredentials> got = parse_plain(row.message);
    ASSERT_TRUE(got) << row.authcid;
    EXPECT_EQ(got->authzid, row.authzid);
    EXPECT_EQ(got->authcid, row.authcid);
    EXPECT_EQ(got->password.reveal(), row.password);
  }
}

TEST(Plain, RefusesTheRest) {
  struct Row {
    std::string message;
    Error::Code want;
  };
  const Row rows[] = {
      {""s, Error::malformed},
      {"ann"s, Error::malformed},
      {"\0ann"s, Error::malformed},
      {"ann\0secret"s, Error::malformed},
      {"\0\0"s, Error::malformed},
      {"\0\0secret"s, Error::malformed},
      {"\0ann\0"s, Error::malformed},
      {"\0ann\0secret\0"s, Error::malformed},
      {"\0ann\0sec\0ret"s, Error::malformed},
      {"\0"s + std::string(256, 'a') + "\0x"s, Error::too_long},
      {std::string(256, 'a') + "\0ann\0x"s, Error::too_long},
      {"\0ann\0"s + std::string(kPasswordOctetsMax + 1, 'p'), Error::too_long},
      {"bob\0ann\0secret"s, Error::denied},
      {"Ann\0ann\0secret"s, Error::denied},
  };
  for (const Row& row : rows) {
    const Result<PlainCredentials> got = parse_plain(row.message);
    ASSERT_FALSE(got) << row.message.size();
    EXPECT_EQ(got.error().code, row.want) << row.message.size();
  }
}

}  // namespace
}  // namespace postrider::sasl
