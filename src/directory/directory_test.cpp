#include "directory/directory.hpp"

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

TEST(Resolve, FollowsTheOrderOfItsComment) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  DomainRecord caught = domain_record("caught.test");
  caught.catch_all = address("Ann@here.test");
  caught.subaddress = "--";
  ASSERT_EQ(rig.add_domain(caught), "ok");
  ASSERT_EQ(rig.add_domain(domain_record("empty.test")), "ok");
  DomainRecord plain = domain_record("plain.test");
  plain.subaddress = "";
  ASSERT_EQ(rig.add_domain(plain), "ok");
  ASSERT_EQ(rig.add_account("Ann@here.test"), "ok");    // 1
  ASSERT_EQ(rig.add_account("bob@here.test"), "ok");    // 2
  ASSERT_EQ(rig.add_account("bob+x@here.test"), "ok");  // 3
  ASSERT_EQ(rig.add_account("off@here.test"), "ok");    // 4
  ASSERT_EQ(rig.add_account("ann@plain.test"), "ok");   // 5
  ASSERT_EQ(rig.set_enabled("off@here.test", false), "ok");
  ASSERT_EQ(rig.add_alias("Team@here.test", {"ann@here.test", "BOB@here.test", "far@elsewhere.test"}), "ok");
  ASSERT_EQ(rig.add_alias("all@here.test", {"team@here.test", "bob+list@here.test", "far@elsewhere.test"}), "ok");
  ASSERT_EQ(rig.add_alias("gone@here.test", {"nobody@here.test", "off@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("some@here.test", {"nobody@here.test", "bob@here.test"}), "ok");
  struct Row {
    std::string_view recipient;
    std::string_view want;
  };
  const Row rows[] = {
      {"ann@here.test", "Ann@here.test(1)"},
      {"ANN@HERE.test", "Ann@here.test(1)"},
      {"ann+shop@here.test", "ann+shop@here.test(1)"},
      {"ann+a+b@here.test", "ann+a+b@here.test(1)"},
      {"bob+x@here.test", "bob+x@here.test(3)"},
      {"bob+y@here.test", "bob+y@here.test(2)"},
      {"+x@here.test", "no such user"},
      {"an@here.test", "no such user"},
      {"off@here.test", "account is disabled"},
      {"off+x@here.test", "account is disabled"},
      {"team@here.test", "Ann@here.test(1) bob@here.test(2) far@elsewhere.test"},
      {"team+x@here.test", "Ann@here.test(1) bob@here.test(2) far@elsewhere.test"},
      {"all@here.test", "Ann@here.test(1) bob@here.test(2) far@elsewhere.test"},
      {"gone@here.test", "no target of the alias exists"},
      {"some@here.test", "bob@here.test(2)"},
      {"postmaster@here.test", "Ann@here.test(1)"},
      {"PostMaster@here.test", "Ann@here.test(1)"},
      {"postmaster+x@here.test", "Ann@here.test(1)"},
      {"postmaster@empty.test", "no such user"},
      {"postmaster@caught.test", "Ann@here.test(1)"},
      {"anything@caught.test", "Ann@here.test(1)"},
      {"x@empty.test", "no such user"},
      {"ann+x@plain.test", "no such user"},
      {"x@elsewhere.test", "not ours"},
      {"x@sub.here.test", "not ours"},
      {"x@[192.0.2.1]", "not ours"},
  };
  for (const Row& row : rows) EXPECT_EQ(rig.resolve(row.recipient), row.want) << row.recipient;
  // The first account that is enabled stands in for a postmaster.
  ASSERT_EQ(rig.set_enabled("ann@here.test", false), "ok");
  EXPECT_EQ(rig.resolve("postmaster@here.test"), "bob@here.test(2)");
}

TEST(Resolve, PostmasterOfTheDomainComesFirstAndNeverLeadsNowhere) {
  struct Row {
    std::string_view postmaster;
    std::string_view want;
  };
  const Row rows[] = {
      {"admin@elsewhere.test", "admin@elsewhere.test"}, {"bob@here.test", "bob@here.test(2)"},
      {"nobody@here.test", "ann@here.test(1)"},         {"postmaster@here.test", "ann@here.test(1)"},
      {"loop@here.test", "ann@here.test(1)"},
  };
  for (const Row& row : rows) {
    Rig rig;
    DomainRecord record = domain_record("here.test");
    record.postmaster = address(row.postmaster);
    ASSERT_EQ(rig.add_domain(record), "ok");
    ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
    ASSERT_EQ(rig.add_account("bob@here.test"), "ok");
    ASSERT_EQ(rig.add_alias("loop@here.test", {"loop2@here.test"}), "ok");
    ASSERT_EQ(rig.add_alias("loop2@here.test", {"loop@here.test"}), "ok");
    EXPECT_EQ(rig.resolve("postmaster@here.test"), row.want) << row.postmaster;
  }
}

TEST(Resolve, AnAliasPostmasterThatLeadsNowhereIsNoEnd) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_alias("postmaster@here.test", {"root@here.test"}), "ok");  // Debian's /etc/aliases
  EXPECT_EQ(rig.resolve("postmaster@here.test"), "ann@here.test(1)");
  EXPECT_EQ(rig.resolve("Postmaster+x@here.test"), "ann@here.test(1)");
  EXPECT_EQ(rig.resolve("root@here.test"), "no such user");
  ASSERT_EQ(rig.add_alias("root@here.test", {"postmaster@here.test"}), "ok");  // a loop
  EXPECT_EQ(rig.resolve("postmaster@here.test"), "ann@here.test(1)");
  ASSERT_EQ(rig.remove_alias("root@here.test", {}), "ok");
  ASSERT_EQ(rig.add_alias("root@here.test", {"far@away.test"}), "ok");
  EXPECT_EQ(rig.resolve("postmaster@here.test"), "far@away.test");
  ASSERT_EQ(rig.add_alias("x@here.test", {"x2@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("x2@here.test", {"x@here.test"}), "ok");
  EXPECT_EQ(rig.resolve("x@here.test"), "alias loop");
}

TEST(Resolve, TakesThePostmasterOfTheHostNameAndWhatTheSandboxCatches) {
  Settings settings;
  settings.hostname = domain("mx.test");
  Rig rig(settings);
  EXPECT_EQ(rig.resolve("postmaster@mx.test"), "not ours");  // no domain yet
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  EXPECT_EQ(rig.resolve("Postmaster@mx.test"), "ann@here.test(1)");
  EXPECT_EQ(rig.resolve("x@mx.test"), "not ours");

  settings.catch_everything = address("all@here.test");
  Rig sandbox(settings);
  ASSERT_EQ(sandbox.add_domain(domain_record("here.test")), "ok");
  EXPECT_EQ(sandbox.resolve("x@far.test"), "not ours");  // no such account yet
  ASSERT_EQ(sandbox.add_account("all@here.test"), "ok");
  EXPECT_EQ(sandbox.resolve("x@far.test"), "x@far.test(1)");
  EXPECT_EQ(sandbox.resolve("nobody@here.test"), "nobody@here.test(1)");
}

TEST(Resolve, StopsAtLoopsAndLimits) {
  Rig rig;
  DomainRecord record = domain_record("here.test");
  record.catch_all = address("ghost@here.test");
  ASSERT_EQ(rig.add_domain(record), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_alias("a@here.test", {"ann@here.test", "b@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("b@here.test", {"A@here.test"}), "ok");
  EXPECT_EQ(rig.resolve("a@here.test"), "alias loop");
  EXPECT_EQ(rig.resolve("b+x@here.test"), "alias loop");
  EXPECT_EQ(rig.resolve("nobody@here.test"), "alias loop");  // the catch-all leads to itself
  // A chain as long as the limit, and one longer.
  for (std::size_t i = 0; i <= kAliasDepthMax; ++i) {
    const std::string to = i == kAliasDepthMax ? "ann@here.test" : "c" + std::to_string(i + 1) + "@here.test";
    ASSERT_EQ(rig.add_alias("c" + std::to_string(i) + "@here.test", {to}), "ok");
  }
  EXPECT_EQ(rig.resolve("c1@here.test"), "ann@here.test(1)");
  EXPECT_EQ(rig.resolve("c0@here.test"), "aliases nested too deep");
}

TEST(Resolve, TakesAsManyTargetsAsTheLimitAndNoMore) {
  Settings settings;
  settings.domains.push_back(domain_record("here.test"));
  AliasRecord full{.address = address("full@here.test"), .targets = {}, .source = Source::file};
  for (std::size_t i = 0; i < kFileAliasTargetsMax; ++i)
    full.targets.push_back(address("u" + std::to_string(i) + "@far.test"));
  AliasRecord over{.address = address("over@here.test"), .targets = full.targets, .source = Source::file};
  over.targets.push_back(address("one@far.test"));
  settings.aliases = {full, over};
  Rig rig(settings);
  const Result<Resolution> got = run(rig.world, rig.directory.resolve(address("full@here.test")));
  ASSERT_TRUE(got);
  EXPECT_EQ(std::get<Deliverable>(*got).targets.size(), kFileAliasTargetsMax);
  EXPECT_EQ(rig.resolve("over@here.test"), "alias has too many targets");
  // Those of the store have fewer, also several of them together.
  for (const char* const name : {"a", "b"}) {
    std::vector<mail::Address> targets;
    for (std::size_t i = 0; i < kAliasTargetsMax; ++i)
      targets.push_back(address(name + std::to_string(i) + "@far.test"));
    mail::Address alias = address(std::string(name) + "@here.test");
    ASSERT_EQ(outcome_of(run(rig.world, rig.directory.add_alias(alias, targets))), "ok");
    EXPECT_EQ(outcome_of(run(rig.world, rig.directory.add_alias(alias, addresses({"more@far.test"})))), "malformed");
  }
  ASSERT_EQ(rig.add_alias("both@here.test", {"a@here.test", "b@here.test"}), "ok");
  EXPECT_EQ(rig.resolve("both@here.test"), "alias has too many targets");
}

TEST(Authenticate, DeniesAllAlikeAtTheCostOfOneHash) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_account("off@here.test"), "ok");
  ASSERT_EQ(rig.set_enabled("off@here.test", false), "ok");
  struct Row {
    std::string login;
    std::string password;
    std::string_view want;
  };
  const Row rows[] = {
      {"ann@here.test", "pw", "ok"},
      {"ANN@Here.Test", "pw", "ok"},
      {"ann@here.test", "PW", "denied"},
      {"ann@here.test", "", "denied"},
      {"ann@here.test", std::string(sasl::kPasswordOctetsMax + 1, 'x'), "denied"},
      {"off@here.test", "pw", "denied"},
      {"bob@here.test", "pw", "denied"},
      {"ann+x@here.test", "pw", "denied"},
      {"ann@elsewhere.test", "pw", "denied"},
      {"ann", "pw", "ok"},  // there is one domain only
      {"ann", "PW", "denied"},
      {"bob", "pw", "denied"},
      {"", "pw", "denied"},
      {std::string("ann@here.test\0", 14), "pw", "denied"},
  };
  for (const Row& row : rows) {
    rig.workers.jobs = 0;
    EXPECT_EQ(rig.log_in(row.login, row.password), row.want) << row.login;
    EXPECT_EQ(rig.workers.jobs, 1U) << row.login;
  }
}

TEST(Authenticate, WantsTheDomainWhereThereAreSeveral) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  EXPECT_EQ(rig.log_in("ann", "pw"), "ok");
  ASSERT_EQ(rig.add_domain(domain_record("second.test")), "ok");
  EXPECT_EQ(rig.log_in("ann", "pw"), "denied");
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "ok");
}

TEST(Authenticate, FollowsTheAccount) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(outcome_of(run(rig.world, rig.directory.set_password(address("Ann@here.test"), Secret("new")))), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "denied");
  const Result<Account> account = run(rig.world, rig.directory.authenticate("ann@here.test", Secret("new")));
  ASSERT_TRUE(account);
  EXPECT_EQ(account->id, mail::AccountId{1});
  EXPECT_EQ(account->address, address("ann@here.test"));
  ASSERT_EQ(outcome_of(run(rig.world, rig.directory.remove_account(address("ann@here.test")))), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", "new"), "denied");
  rig.store.fail_call(1, Error::exhausted);
  EXPECT_EQ(rig.log_in("ann@here.test", "new"), "exhausted");  // a sick store is no wrong password
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
