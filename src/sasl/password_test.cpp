#include "sasl/password.hpp"

#include <gtest/gtest.h>

namespace postrider::sasl {
namespace {

TEST(Password, VerifiesWhatItHashedAndNothingElse) {
  const Secret password(std::string("correct horse\0battery", 21));
  const Result<std::string> hash = hash_password(password);
  ASSERT_TRUE(hash);
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=3,p=1$")) << *hash;
  EXPECT_TRUE(verify_password(*hash, password));
  for (const std::string& other :
       {std::string("correct horse"), std::string("Correct horse\0battery", 21), std::string()}) {
    const Result<void> verified = verify_password(*hash, Secret(other));
    ASSERT_FALSE(verified) << other;
    EXPECT_EQ(verified.error().code, Error::denied);
  }
}

TEST(Password, SaltsEachHash) {
  const Result<std::string> first = hash_password(Secret("same"));
  const Result<std::string> second = hash_password(Secret("same"));
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
}

TEST(Password, RefusesHashesThatAreNotOurs) {
  const Result<std::string> good = hash_password(Secret("x"));
  ASSERT_TRUE(good);
  const std::string rows[] = {"",
                              "plain",
                              "$argon2id$",
                              "$argon2i$v=19$m=19456,t=3,p=1$c29tZXNhbHQ$aGFzaA",
                              "$2b$12$abcdefghijklmnopqrstuv",
                              good->substr(0, 40),
                              *good + std::string(200, 'A'),
                              *good + std::string(1, '\0')};
  for (const std::string& row : rows) {
    const Result<void> verified = verify_password(row, Secret("x"));
    ASSERT_FALSE(verified) << row;
    EXPECT_EQ(verified.error().code, Error::malformed) << row;
  }
}

TEST(Password, DummyIsAlwaysDenied) {
  for (const std::string& password : {std::string(), std::string("x"), std::string(kPasswordOctetsMax, 'a')}) {
    const Result<void> verified = verify_dummy(Secret(password));
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Error::denied);
  }
}

TEST(Password, LongerThanTheLimitIsTooLong) {
  const Secret password(std::string(kPasswordOctetsMax + 1, 'a'));
  EXPECT_EQ(hash_password(password).error().code, Error::too_long);
  EXPECT_EQ(verify_dummy(password).error().code, Error::too_long);
  EXPECT_EQ(verify_password("anything", password).error().code, Error::too_long);
}

}  // namespace
}  // namespace postrider::sasl
