// What is stored is read again, also what was stored by before.
#include "directory/records.hpp"

#include "core/record.hpp"
#include "directory/test_rig.hpp"

#include <gtest/gtest.h>

namespace postrider::directory {
namespace {

using test::address;
using test::domain;

TEST(Records, AnAccountOfBeforeThereWereClassesIsAPersons) {
  RecordWriter old(1);
  old.number(7).text("ann").text("here.test").flag(false).signed_number(1'780'000'000'000'000).text("$argon2id$...");
  const Result<StoredAccount> read = decode_account(std::move(old).finish());
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(read->account.id, mail::AccountId{7});
  EXPECT_EQ(read->account.address, address("ann@here.test"));
  EXPECT_FALSE(read->account.enabled);
  EXPECT_EQ(to_micros(read->account.created), 1'780'000'000'000'000);
  EXPECT_EQ(read->account.kind, AccountClass::person);
  EXPECT_EQ(read->password_hash, "$argon2id$...");
  EXPECT_EQ(read->imported_hash, "");
  EXPECT_EQ(read->passwords, 0U);
  EXPECT_EQ(read->source, Source::store);
  EXPECT_FALSE(read->scram_sha256 || read->scram_sha1);
}

TEST(Records, AnAccountIsReadAsItWasWritten) {
  StoredAccount stored{
      .account = {.id = mail::AccountId{9}, .address = address("ann@here.test"), .enabled = true, .created = {}},
      .password_hash = "hash",
      .imported_hash = "{SSHA}x"};
  stored.account.kind = AccountClass::app;
  stored.account.send_as = {{.local_part = "", .domain = domain("a.test")},
                            {.local_part = "b", .domain = domain("b.test")}};
  stored.scram_sha256 = sasl::ScramKeys{.salt = "s", .iterations = 5000, .stored_key = "k", .server_key = "v"};
  stored.passwords = 3;
  stored.source = Source::file;
  const std::string written = encode_account(stored);
  const Result<StoredAccount> read = decode_account(written);
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(read->account.kind, AccountClass::app);
  EXPECT_EQ(read->account.send_as, stored.account.send_as);
  EXPECT_EQ(read->imported_hash, "{SSHA}x");
  EXPECT_FALSE(read->scram_sha1);
  ASSERT_TRUE(read->scram_sha256);
  EXPECT_EQ(read->scram_sha256->iterations, 5000U);
  EXPECT_EQ(read->scram_sha256->server_key, "v");
  EXPECT_EQ(read->passwords, 3U);
  EXPECT_EQ(read->source, Source::file);
  EXPECT_EQ(encode_account(*read), written);
  for (std::size_t i = 0; i < written.size(); ++i) EXPECT_FALSE(decode_account(written.substr(0, i)));
}

TEST(Records, AnAppPasswordIsReadAsItWasWritten) {
  StoredAppPassword stored{.record = {.id = "abc",
                                      .name = "phone",
                                      .scopes = {Scope::submission, Scope::imap},
                                      .created = from_micros(5),
                                      .last_used = from_micros(3'600'000'000)},
                           .digest = "digest"};
  const std::string written = encode_app_password(stored);
  const Result<StoredAppPassword> read = decode_app_password(written);
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(read->record.scopes, stored.record.scopes);
  EXPECT_EQ(read->record.last_used, stored.record.last_used);
  EXPECT_EQ(read->digest, "digest");
  EXPECT_EQ(encode_app_password(*read), written);
}

}  // namespace
}  // namespace postrider::directory
