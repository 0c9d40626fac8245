// What the commands change, and what they refuse.
#include "core/test_run.hpp"
#include "directory/test_rig.hpp"
#include "sasl/password.hpp"

#include <gtest/gtest.h>

namespace postrider::directory {
namespace {

using postrider::test::run;
using test::address;
using test::addresses;
using test::domain;
using test::domain_record;
using test::outcome_of;
using test::Rig;

/// An addition as a task whose value has a default, as co_spawn wants it.
Task<std::string> add_account(Directory* directory, mail::Address address) {
  Secret password("pw");
  const Result<Account> made = co_await directory->add_account(std::move(address), std::move(password));
  co_return outcome_of(made);
}

TEST(Commands, SayWhyTheyRefuse) {
  Settings settings;
  settings.domains.push_back(domain_record("file.test"));
  settings.aliases.push_back(
      {.address = address("list@file.test"), .targets = addresses({"far@far.test"}), .source = Source::file});
  Rig rig(settings);
  EXPECT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  EXPECT_EQ(rig.add_domain(domain_record("Here.test")), "conflict");
  EXPECT_EQ(rig.add_domain(domain_record("file.test")), "denied");
  EXPECT_EQ(rig.add_domain(domain_record("[192.0.2.1]")), "malformed");
  DomainRecord odd = domain_record("odd.test");
  for (const std::string separator : {"@", "a", "+ ", "+++++++++", "\r"}) {
    odd.subaddress = separator;
    EXPECT_EQ(rig.add_domain(odd), "malformed") << separator;
  }
  EXPECT_EQ(rig.add_account("ann@elsewhere.test"), "not_found");
  EXPECT_EQ(rig.add_account("ann@here.test"), "ok");
  EXPECT_EQ(rig.add_account("ANN@here.test"), "conflict");
  EXPECT_EQ(rig.add_account("list@file.test"), "conflict");
  EXPECT_EQ(rig.add_account("bob@file.test"), "ok");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.add_account(address("x@here.test"), Secret()))), "malformed");
  const Secret endless(std::string(sasl::kPasswordOctetsMax + 1, 'x'));
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.set_password(address("ann@here.test"), endless))), "malformed");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.set_password(address("x@here.test"), Secret("y")))), "not_found");
  EXPECT_EQ(rig.set_enabled("x@here.test", true), "not_found");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.remove_account(address("x@here.test")))), "not_found");

  EXPECT_EQ(rig.add_alias("ann@here.test", {"x@far.test"}), "conflict");
  EXPECT_EQ(rig.add_alias("x@elsewhere.test", {"x@far.test"}), "not_found");
  EXPECT_EQ(rig.add_alias("x@here.test", {}), "malformed");
  EXPECT_EQ(rig.add_alias("x@here.test", {"X@here.test"}), "malformed");
  EXPECT_EQ(rig.add_alias("list@file.test", {"x@far.test"}), "denied");
  EXPECT_EQ(rig.remove_alias("list@file.test"), "denied");
  EXPECT_EQ(rig.remove_alias("x@here.test"), "not_found");
  EXPECT_EQ(rig.add_alias("x@here.test", {"a@far.test", "b@far.test"}), "ok");
  EXPECT_EQ(rig.add_alias("X@here.test", {"a@far.test"}), "conflict");
  EXPECT_EQ(rig.add_alias("x@here.test", {"a@far.test", "c@far.test"}), "ok");
  EXPECT_EQ(rig.resolve("x@here.test"), "a@far.test b@far.test c@far.test");
  EXPECT_EQ(rig.remove_alias("x@here.test", {"d@far.test"}), "not_found");
  EXPECT_EQ(rig.remove_alias("x@here.test", {"a@far.test"}), "ok");
  EXPECT_EQ(rig.add_account("x@here.test"), "conflict");

  const auto remove_domain = [&](std::string_view name) {
    return outcome_of(run(rig.world, rig.directory.remove_domain(domain(name))));
  };
  EXPECT_EQ(remove_domain("file.test"), "denied");
  EXPECT_EQ(remove_domain("elsewhere.test"), "not_found");
  EXPECT_EQ(remove_domain("here.test"), "conflict");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.remove_account(address("ann@here.test")))), "ok");
  EXPECT_EQ(remove_domain("here.test"), "conflict");  // the alias
  EXPECT_EQ(rig.remove_alias("x@here.test"), "ok");
  EXPECT_EQ(remove_domain("here.test"), "ok");
  EXPECT_EQ(rig.resolve("ann@here.test"), "not ours");
}

TEST(Commands, ListWhatThereIs) {
  Settings settings;
  settings.domains.push_back(domain_record("b.test"));
  settings.aliases.push_back(
      {.address = address("list@b.test"), .targets = addresses({"far@far.test"}), .source = Source::store});
  Rig rig(settings);
  ASSERT_EQ(rig.add_domain(domain_record("c.test")), "ok");
  ASSERT_EQ(rig.add_domain(domain_record("a.test")), "ok");
  ASSERT_EQ(rig.add_account("z@a.test"), "ok");
  ASSERT_EQ(rig.add_account("y@b.test"), "ok");
  ASSERT_EQ(rig.add_alias("all@a.test", {"z@a.test"}), "ok");
  const Result<std::vector<DomainRecord>> domains = run(rig.world, rig.directory.list_domains());
  ASSERT_TRUE(domains && domains->size() == 3);
  EXPECT_EQ((*domains)[0].name.text(), "a.test");
  EXPECT_EQ((*domains)[1].source, Source::file);
  EXPECT_EQ((*domains)[2].source, Source::store);
  const Result<std::vector<Account>> accounts = run(rig.world, rig.directory.list_accounts());
  ASSERT_TRUE(accounts && accounts->size() == 2);
  EXPECT_EQ((*accounts)[0].address.text(), "z@a.test");
  EXPECT_EQ((*accounts)[1].id, mail::AccountId{2});
  EXPECT_EQ((*accounts)[1].created, from_micros(to_micros((*accounts)[1].created)));
  const Result<std::vector<AliasRecord>> aliases = run(rig.world, rig.directory.list_aliases());
  ASSERT_TRUE(aliases && aliases->size() == 2);
  EXPECT_EQ((*aliases)[0].address.text(), "all@a.test");
  EXPECT_EQ((*aliases)[1].source, Source::file);
}

TEST(Commands, AccountsMadeAtOnceGetDifferentIdsThatAreNeverUsedAgain) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  std::vector<std::string> outcomes;
  for (int i = 0; i < 5; ++i) {
    boost::asio::co_spawn(
        rig.world.shard.context(), add_account(&rig.directory, address("u" + std::to_string(i) + "@here.test")),
        [&](const std::exception_ptr& /*thrown*/, const std::string& made) { outcomes.push_back(made); });
  }
  rig.world.run_until_still();
  EXPECT_EQ(outcomes, std::vector<std::string>(5, "ok"));
  const Result<std::vector<Account>> accounts = run(rig.world, rig.directory.list_accounts());
  std::vector<std::uint64_t> ids;
  for (const Account& account : *accounts) ids.push_back(static_cast<std::uint64_t>(account.id));
  std::ranges::sort(ids);
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  ASSERT_EQ(outcome_of(run(rig.world, rig.directory.remove_account(address("u0@here.test")))), "ok");
  const Result<Account> again = run(rig.world, rig.directory.add_account(address("u0@here.test"), Secret("pw")));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, mail::AccountId{6});
}

TEST(Commands, DomainIsNotRemovedUnderAnAccount) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rig rig;
    rig.random = SeededRandom(seed);
    ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
    bool made = false;
    bool removed = false;
    boost::asio::co_spawn(
        rig.world.shard.context(), add_account(&rig.directory, address("ann@here.test")),
        [&](const std::exception_ptr& /*thrown*/, const std::string& result) { made = result == "ok"; });
    boost::asio::co_spawn(
        rig.world.shard.context(), rig.directory.remove_domain(domain("here.test")),
        [&](const std::exception_ptr& /*thrown*/, const Result<void>& result) { removed = result.has_value(); });
    rig.world.run_until_still();
    EXPECT_NE(made, removed) << seed;
  }
}

TEST(Commands, FailCleanAtEachCallOfTheStore) {
  for (std::uint64_t k = 1;; ++k) {
    Rig rig;
    ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
    rig.store.fail_call(k, Error::exhausted);
    const std::string first = rig.add_account("ann@here.test");
    if (first == "ok") {
      EXPECT_GT(k, 3U);
      break;
    }
    EXPECT_EQ(first, "exhausted") << k;
    EXPECT_EQ(rig.resolve("ann@here.test"), "no such user") << k;
    EXPECT_EQ(rig.add_account("ann@here.test"), "ok") << k;
  }
}

}  // namespace
}  // namespace postrider::directory
