// Who may log in, and until when.
#include "core/shard.hpp"
#include "core/test_run.hpp"
#include "core/text.hpp"
#include "directory/app_password.hpp"
#include "directory/bounded_workers.hpp"
#include "directory/login_cache.hpp"
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

TEST(LogIn, DeniesAllAlikeAtTheCostOfOneHash) {
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
      {"ann@here.test", "PW", "denied"},
      {"ann@here.test", "", "denied"},
      {"ann@here.test", std::string(sasl::kPasswordOctetsMax + 1, 'x'), "denied"},
      {"off@here.test", "pw", "denied"},
      {"bob@here.test", "pw", "denied"},
      {"ann+x@here.test", "pw", "denied"},
      {"ann@elsewhere.test", "pw", "denied"},
      {"ann@here.test", "pw", "ok"},
      {"ann", "PW", "denied"},  // there is one domain only
      {"bob", "pw", "denied"},
      {"", "pw", "denied"},
      {std::string("ann@here.test\0", 14), "pw", "denied"},
  };
  for (const Row& row : rows) {
    rig.workers.jobs = 0;
    const std::uint64_t before = rig.store.calls();
    EXPECT_EQ(rig.log_in(row.login, row.password), row.want) << row.login;
    EXPECT_EQ(rig.workers.jobs, 1U) << row.login;
    if (row.want == "ok") continue;
    const bool has_domain = row.login.find('@') != std::string::npos && !row.login.contains('\0');
    EXPECT_EQ(rig.store.calls() - before, has_domain ? 2U : 3U) << row.login;
  }
  EXPECT_EQ(rig.log_in("ann", "pw"), "ok");
  EXPECT_EQ(rig.log_in("ANN@Here.Test", "pw"), "ok");
}

TEST(LogIn, WantsTheDomainWhereThereAreSeveral) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  EXPECT_EQ(rig.log_in("ann", "pw"), "ok");
  ASSERT_EQ(rig.add_domain(domain_record("second.test")), "ok");
  EXPECT_EQ(rig.log_in("ann", "pw"), "denied");
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "ok");
}

TEST(LogIn, FollowsTheAccount) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.set_password("Ann@here.test", "new"), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "denied");
  const auto grant = rig.grant_of("ann@here.test", "new");
  ASSERT_TRUE(grant);
  EXPECT_EQ((*grant)->account().id, mail::AccountId{1});
  EXPECT_EQ((*grant)->account().address, address("ann@here.test"));
  EXPECT_EQ((*grant)->credential(), "");
  ASSERT_EQ(rig.remove_account("ann@here.test"), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", "new"), "denied");
  rig.store.fail_call(1, Error::exhausted);
  EXPECT_EQ(rig.log_in("ann@here.test", "new"), "exhausted");  // a sick store is no wrong password
}

TEST(LogIn, WhatSucceededAMomentAgoCostsNoHashUntilTheAccountChanges) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  const auto hashes = [&](std::string password) {
    rig.workers.jobs = 0;
    const std::string got = rig.log_in("ann@here.test", std::move(password));
    return got + " " + std::to_string(rig.workers.jobs);
  };
  EXPECT_EQ(hashes("pw"), "ok 1");
  EXPECT_EQ(hashes("pw"), "ok 0");
  EXPECT_EQ(hashes("PW"), "denied 1");
  EXPECT_EQ(hashes("PW"), "denied 1");  // failures are not kept
  rig.world.clock.advance(kLoginCacheKept - std::chrono::seconds(1));
  EXPECT_EQ(hashes("pw"), "ok 0");
  rig.world.clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(hashes("pw"), "ok 1");
  ASSERT_EQ(rig.set_enabled("ann@here.test", false), "ok");
  EXPECT_EQ(hashes("pw"), "denied 1");
  ASSERT_EQ(rig.set_enabled("ann@here.test", true), "ok");
  EXPECT_EQ(hashes("pw"), "ok 1");
  EXPECT_EQ(hashes("pw"), "ok 0");
  ASSERT_EQ(rig.set_password("ann@here.test", "new"), "ok");
  EXPECT_EQ(hashes("pw"), "denied 1");
}

TEST(LogIn, WithAnAppPasswordForWhatItIsFor) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_account("bob@here.test"), "ok");
  const Directory::NewAppPassword made = rig.add_app_password("ann@here.test", "phone", {Scope::submission});
  const std::string password(made.password.reveal());
  rig.workers.jobs = 0;
  const auto grant = rig.grant_of("ann@here.test", password, Scope::submission);
  ASSERT_TRUE(grant);
  EXPECT_EQ((*grant)->credential(), "phone");
  EXPECT_EQ((*grant)->account().id, mail::AccountId{1});
  EXPECT_EQ(rig.workers.jobs, 0U);
  std::string plain = password;
  std::erase(plain, '-');
  EXPECT_EQ(rig.log_in("ann@here.test", plain, Scope::submission), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", password + "a", Scope::submission), "denied");
  EXPECT_EQ(rig.log_in("bob@here.test", password, Scope::submission), "denied");
  rig.workers.jobs = 0;
  EXPECT_EQ(rig.log_in("ann@here.test", password, Scope::pop3), "denied");
  EXPECT_EQ(rig.workers.jobs, 1U);
  EXPECT_EQ(rig.log_in("ann@here.test", "pw", Scope::submission), "ok");
  ASSERT_EQ(rig.set_enabled("ann@here.test", false), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", password, Scope::submission), "denied");
  ASSERT_EQ(rig.set_enabled("ann@here.test", true), "ok");
  ASSERT_EQ(rig.revoke("ann@here.test", made.record.id), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", password, Scope::submission), "denied");
}

TEST(LogIn, NotesTheHourInWhichAnAppPasswordWasUsed) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  const Directory::NewAppPassword made = rig.add_app_password("ann@here.test", "phone", {Scope::pop3});
  const auto used = [&] {
    return run(rig.world, rig.directory.list_app_passwords(address("ann@here.test"))).value().front().last_used;
  };
  const auto log_in = [&] { return rig.log_in("ann@here.test", std::string(made.password.reveal())); };
  const auto hour = [&] { return std::chrono::floor<std::chrono::hours>(rig.world.clock.wall()); };
  EXPECT_EQ(used(), std::nullopt);
  EXPECT_EQ(log_in(), "ok");
  EXPECT_EQ(used(), hour());
  const std::uint64_t before = rig.store.calls();
  EXPECT_EQ(log_in(), "ok");
  EXPECT_EQ(rig.store.calls() - before, 4U);  // no commit
  rig.world.clock.advance(std::chrono::hours(1));
  EXPECT_EQ(log_in(), "ok");
  EXPECT_EQ(used(), hour());
}

std::string keys_of(Rig& rig, std::string login, sasl::ScramHash hash = sasl::ScramHash::sha1) {
  const auto got = run(rig.world, rig.directory.scram_keys(std::move(login), hash));
  return got ? (got->known ? "" : "fake ") + to_hex(got->keys.salt) + " " + to_hex(got->keys.stored_key) : "failed";
}

TEST(Scram, KeysAreOfThePasswordAndFakesAreSteady) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  for (const sasl::ScramHash hash : {sasl::ScramHash::sha1, sasl::ScramHash::sha256}) {
    const auto got = run(rig.world, rig.directory.scram_keys("Ann@here.test", hash));
    ASSERT_TRUE(got);
    EXPECT_TRUE(got->known);
    EXPECT_EQ(outcome_of(sasl::verify_scram_keys(hash, got->keys, Secret("pw"))), "ok");
    EXPECT_EQ(outcome_of(sasl::verify_scram_keys(hash, got->keys, Secret("PW"))), "denied");
    const auto fake = run(rig.world, rig.directory.scram_keys("bob@here.test", hash));
    ASSERT_TRUE(fake);
    EXPECT_FALSE(fake->known);
    EXPECT_EQ(fake->keys.salt.size(), got->keys.salt.size());
    EXPECT_EQ(fake->keys.iterations, got->keys.iterations);
    EXPECT_EQ(fake->keys.stored_key.size(), got->keys.stored_key.size());
    EXPECT_EQ(fake->keys.server_key.size(), got->keys.server_key.size());
  }
  const std::string bob = keys_of(rig, "bob@here.test");
  EXPECT_TRUE(bob.starts_with("fake "));
  EXPECT_EQ(keys_of(rig, "BOB@here.test"), bob);
  EXPECT_EQ(keys_of(rig, "bob"), bob);
  EXPECT_NE(keys_of(rig, "bob2"), bob);
  EXPECT_NE(keys_of(rig, "bob", sasl::ScramHash::sha256), bob);
  Directory again(&rig.store, &rig.workers, &rig.random, &rig.world.clock, {});  // as after a restart
  const auto fake = run(rig.world, again.scram_keys("bob", sasl::ScramHash::sha1));
  EXPECT_EQ("fake " + to_hex(fake->keys.salt) + " " + to_hex(fake->keys.stored_key), bob);
  // A disabled account keeps its salt and does not get in.
  const std::string ann = keys_of(rig, "ann");
  ASSERT_EQ(rig.set_enabled("ann@here.test", false), "ok");
  EXPECT_EQ(keys_of(rig, "ann"), "fake " + ann);
}

TEST(Scram, IsOfferedWhenAllWhoCanLogInHaveKeys) {
  Rig rig;
  const auto offered = [&] {
    return std::pair(run(rig.world, rig.directory.offers_scram(sasl::ScramHash::sha256)).value(),
                     run(rig.world, rig.directory.offers_scram(sasl::ScramHash::sha1)).value());
  };
  constexpr std::pair kYes{true, true};
  constexpr std::pair kNo{false, false};
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  EXPECT_EQ(offered(), kNo);  // there is nobody
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  EXPECT_EQ(offered(), kYes);
  const std::uint64_t before = rig.store.calls();
  EXPECT_EQ(offered(), kYes);
  EXPECT_EQ(rig.store.calls(), before);  // it is known
  ASSERT_EQ(rig.import_account("bob@here.test", "{SSHA}YWJjZGVmZ2hpamtsbW5vcHFyc3RhYmNk"), "ok");
  EXPECT_EQ(offered(), kNo);
  ASSERT_EQ(rig.set_enabled("bob@here.test", false), "ok");
  EXPECT_EQ(offered(), kYes);
  ASSERT_EQ(rig.set_enabled("bob@here.test", true), "ok");
  EXPECT_EQ(offered(), kNo);
  ASSERT_EQ(rig.set_password("bob@here.test", "pw"), "ok");
  EXPECT_EQ(offered(), kYes);
  ASSERT_EQ(rig.set_password("bob@here.test", "pw\x01"), "ok");  // no password by SASLprep
  EXPECT_EQ(offered(), kNo);
  ASSERT_EQ(rig.remove_account("bob@here.test"), "ok");
  EXPECT_EQ(offered(), kYes);
  ASSERT_EQ(rig.remove_account("ann@here.test"), "ok");
  EXPECT_EQ(offered(), kNo);
}

TEST(LogIn, ReplacesAnImportedHashByOurs) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  EXPECT_EQ(rig.import_account("ann@here.test", "{PLAIN}pw"), "unsupported");
  EXPECT_EQ(rig.import_account("ann@here.test", "pw"), "malformed");
  // "pw" with the salt "salt".
  ASSERT_EQ(rig.import_account("ann@here.test", "{SSHA}K/qCHdTzr1rftXNEV4Ob7XsySBlzYWx0"), "ok");
  const auto facts = [&] { return run(rig.world, rig.directory.describe_accounts()).value().front(); };
  EXPECT_TRUE(facts().imported);
  EXPECT_FALSE(facts().scram_sha256);
  EXPECT_EQ(rig.log_in("ann@here.test", "PW"), "denied");
  EXPECT_TRUE(facts().imported);
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "ok");
  EXPECT_FALSE(facts().imported);
  EXPECT_TRUE(facts().scram_sha256);
  EXPECT_TRUE(facts().scram_sha1);
  EXPECT_EQ(rig.log_in("ann@here.test", "PW"), "denied");
  rig.workers.jobs = 0;
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "ok");
  EXPECT_EQ(rig.workers.jobs, 0U);
}

TEST(LogIn, TwoAtOnceWithAnImportedHashAreBothLetIn) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.import_account("ann@here.test", "{SSHA}K/qCHdTzr1rftXNEV4Ob7XsySBlzYWx0"), "ok");
  std::optional<Result<std::shared_ptr<const Grant>>> first;
  std::optional<Result<std::shared_ptr<const Grant>>> second;
  spawn(&rig.world.shard, "first",
        postrider::test::keep(rig.directory.log_in("ann@here.test", Secret("pw"), Scope::pop3), &first));
  spawn(&rig.world.shard, "second",
        postrider::test::keep(rig.directory.log_in("ann@here.test", Secret("pw"), Scope::pop3), &second));
  rig.world.run_until_still();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(outcome_of(*first), "ok");
  EXPECT_EQ(outcome_of(*second), "ok");
  EXPECT_EQ(rig.log_in("ann@here.test", "pw"), "ok");
}

TEST(Grants, HoldUntilTheyAreTakenBack) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_account("bob@here.test"), "ok");
  const Directory::NewAppPassword phone = rig.add_app_password("ann@here.test", "phone", {Scope::pop3});
  const Directory::NewAppPassword tablet = rig.add_app_password("ann@here.test", "tablet", {Scope::pop3});
  const auto own = [&] { return rig.grant_of("ann@here.test", "pw").value(); };
  const auto by = [&](const Directory::NewAppPassword& one) {
    return rig.grant_of("ann@here.test", std::string(one.password.reveal())).value();
  };
  const std::shared_ptr<const Grant> bob = rig.grant_of("bob@here.test", "pw").value();
  std::shared_ptr<const Grant> first = own();
  std::shared_ptr<const Grant> second = by(phone);
  std::shared_ptr<const Grant> third = by(tablet);
  ASSERT_EQ(rig.revoke("ann@here.test", phone.record.id), "ok");
  EXPECT_TRUE(first->holds());
  EXPECT_FALSE(second->holds());
  EXPECT_TRUE(third->holds());
  ASSERT_EQ(rig.set_enabled("ann@here.test", true), "ok");  // as it was
  EXPECT_TRUE(first->holds());
  ASSERT_EQ(rig.set_enabled("ann@here.test", false), "ok");
  EXPECT_FALSE(first->holds());
  EXPECT_FALSE(third->holds());
  ASSERT_EQ(rig.set_enabled("ann@here.test", true), "ok");
  EXPECT_FALSE(first->holds());  // back is another grant
  first = own();
  third = by(tablet);
  ASSERT_EQ(rig.set_password("ann@here.test", "pw"), "ok");
  EXPECT_FALSE(first->holds());
  EXPECT_FALSE(third->holds());
  first = own();
  ASSERT_TRUE(run(rig.world, rig.directory.set_class(address("ann@here.test"), AccountClass::app)));
  EXPECT_FALSE(first->holds()) << "it says what class the account was of";
  first = own();
  EXPECT_EQ(first->account().kind, AccountClass::app);
  ASSERT_EQ(rig.remove_account("ann@here.test"), "ok");
  EXPECT_FALSE(first->holds());
  EXPECT_TRUE(bob->holds());
}

TEST(Grants, AreForWhomAMechanismHasProved) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  const auto proved = [&](std::string login, std::optional<std::uint64_t> password = std::nullopt) {
    return run(rig.world, rig.directory.grant(std::move(login), password));
  };
  EXPECT_EQ(outcome_of(proved("bob@here.test")), "denied");
  const auto keys = run(rig.world, rig.directory.scram_keys("ann", sasl::ScramHash::sha256));
  const auto grant = proved("ann", keys->password);
  ASSERT_TRUE(grant);
  ASSERT_EQ(rig.set_password("ann@here.test", "new"), "ok");
  EXPECT_FALSE((*grant)->holds());
  EXPECT_EQ(outcome_of(proved("ann@here.test", keys->password)), "denied");  // what was proved is of before
  EXPECT_EQ(outcome_of(proved("ann@here.test")), "ok");
  ASSERT_EQ(rig.set_enabled("ann@here.test", false), "ok");
  EXPECT_EQ(outcome_of(proved("ann@here.test")), "denied");
}

TEST(Grants, AreNotForAnotherAccountThatHasTheAddressByNow) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  const auto keys = run(rig.world, rig.directory.scram_keys("ann", sasl::ScramHash::sha256));
  ASSERT_TRUE(keys);
  ASSERT_EQ(rig.remove_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.grant("ann@here.test", keys->password))), "denied");
  const auto now = run(rig.world, rig.directory.scram_keys("ann", sasl::ScramHash::sha256));
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.grant("ann@here.test", now->password))), "ok");
}

TEST(Grants, AreNotGivenForWhatChangedDuringTheLogin) {
  const std::string changes[] = {"disable", "password", "remove", "revoke", "class"};
  for (const std::string& change : changes) {
    const bool is_app = change == "revoke";
    for (std::size_t steps = 0;; ++steps) {  // the change comes in after so many steps of the login
      Rig rig;
      ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
      ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
      const Directory::NewAppPassword phone = rig.add_app_password("ann@here.test", "phone", {Scope::pop3});
      std::optional<Result<std::shared_ptr<const Grant>>> got;
      Secret password = is_app ? phone.password : Secret("pw");
      auto login = rig.directory.log_in("ann@here.test", std::move(password), Scope::pop3);
      spawn(&rig.world.shard, "login", postrider::test::keep(std::move(login), &got));
      for (std::size_t step = 0; step < steps && !got; ++step) {
        if (rig.world.shard.context().poll_one() == 0) rig.world.step();
      }
      const bool was_done = got.has_value();
      std::string changed;
      if (change == "disable") changed = rig.set_enabled("ann@here.test", false);
      if (change == "password") changed = rig.set_password("ann@here.test", "new");
      if (change == "remove") changed = rig.remove_account("ann@here.test");
      if (change == "revoke") changed = rig.revoke("ann@here.test", phone.record.id);
      if (change == "class")
        changed = outcome_of(run(rig.world, rig.directory.set_class(address("ann@here.test"), AccountClass::app)));
      ASSERT_EQ(changed, "ok");
      rig.world.run_until_still();
      ASSERT_TRUE(got);
      const bool is_of_now = *got && change == "class" && (**got)->account().kind == AccountClass::app;
      EXPECT_FALSE(*got && (**got)->holds() && !is_of_now) << change << " after " << steps;
      if (was_done) break;
    }
  }
}

TEST(MaySendAs, ItsOwnAddressItsAliasesAndWhatItWasGiven) {
  Settings settings;
  settings.aliases.push_back({.address = address("filed@here.test"), .targets = addresses({"ann@here.test"})});
  Rig rig(settings);
  DomainRecord record = domain_record("here.test");
  record.catch_all = address("ann@here.test");
  ASSERT_EQ(rig.add_domain(record), "ok");
  ASSERT_EQ(rig.add_domain(domain_record("other.test")), "ok");
  DomainRecord second_name = domain_record("name.test");
  second_name.kind = DomainKind::alias;
  second_name.alias_of = domain("here.test");
  ASSERT_EQ(rig.add_domain(second_name), "ok");
  for (const std::string_view name : {"ann@here.test", "bob@here.test", "ann+bob@here.test"})
    ASSERT_EQ(rig.add_account(name), "ok");
  ASSERT_EQ(rig.add_alias("info@here.test", {"ann@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("deep@here.test", {"info@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("info@other.test", {"ann+tag@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("both@here.test", {"ann@here.test", "bob@here.test"}), "ok");
  ASSERT_EQ(rig.add_alias("more@here.test", {"ann@here.test", "far@away.test"}), "ok");
  ASSERT_EQ(rig.add_alias("far@here.test", {"far@away.test"}), "ok");
  const std::shared_ptr<const Grant> ann = rig.grant_of("ann@here.test", "pw").value();
  struct Row {
    std::string_view text;
    bool want;
  };
  const Row rows[] = {
      {"ann@here.test", true},         {"ANN@here.test", true},      {"ann+shop@here.test", true},
      {"ann@name.test", true},         {"ann+shop@name.test", true}, {"info@here.test", true},
      {"Info+x@here.test", true},      {"deep@here.test", true},     {"info@other.test", true},
      {"filed@here.test", true},       {"info@name.test", true},     {"ann+bob@here.test", false},
      {"bob@here.test", false},        {"both@here.test", false},    {"more@here.test", false},
      {"far@here.test", false},        {"far@away.test", false},     {"nobody@here.test", false},
      {"postmaster@here.test", false}, {"ann@other.test", false},    {"annx@here.test", false},
      {"sales@partner.test", false},   {"any@brand.test", false},    {"+ann@here.test", false},
  };
  for (const Row& row : rows) EXPECT_EQ(rig.may_send_as(ann, row.text), row.want) << row.text;
  const auto give = [&](std::string local_part, std::string_view name) {
    return outcome_of(
        run(rig.world, rig.directory.add_send_as(address("ann@here.test"),
                                                 {.local_part = std::move(local_part), .domain = domain(name)})));
  };
  const auto take = [&](std::string local_part, std::string_view name) {
    return outcome_of(
        run(rig.world, rig.directory.remove_send_as(address("ann@here.test"),
                                                    {.local_part = std::move(local_part), .domain = domain(name)})));
  };
  EXPECT_EQ(give("Sales", "partner.test"), "ok");
  EXPECT_EQ(give("", "brand.test"), "ok");
  EXPECT_EQ(give("SALES", "partner.test"), "conflict");
  EXPECT_TRUE(ann->holds());
  EXPECT_TRUE(rig.may_send_as(ann, "sales@partner.test"));
  EXPECT_FALSE(rig.may_send_as(ann, "bob@partner.test"));
  EXPECT_TRUE(rig.may_send_as(ann, "any@brand.test"));
  EXPECT_FALSE(rig.may_send_as(ann, "any@sub.brand.test"));
  EXPECT_EQ(take("sales", "partner.test"), "ok");
  EXPECT_EQ(take("sales", "partner.test"), "not_found");
  EXPECT_FALSE(rig.may_send_as(ann, "sales@partner.test"));  // at once
}

TEST(Limits, OfAnAccount) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  const auto app_password = [&](std::string name) {
    return outcome_of(run(rig.world, rig.directory.add_app_password(address("ann@here.test"), std::move(name),
                                                                    std::vector<Scope>{Scope::pop3})));
  };
  EXPECT_EQ(app_password(""), "malformed");
  EXPECT_EQ(app_password("a\nb"), "malformed");
  EXPECT_EQ(app_password(std::string(kAppPasswordNameOctetsMax + 1, 'n')), "malformed");
  EXPECT_EQ(app_password(std::string(kAppPasswordNameOctetsMax, 'n')), "ok");
  EXPECT_EQ(app_password(std::string(kAppPasswordNameOctetsMax, 'n')), "conflict");
  for (std::size_t i = 1; i < kAppPasswordsMax; ++i) ASSERT_EQ(app_password("p" + std::to_string(i)), "ok");
  EXPECT_EQ(app_password("more"), "exhausted");
  const auto right = [&](std::string local_part) {
    return outcome_of(run(
        rig.world, rig.directory.add_send_as(address("ann@here.test"),
                                             {.local_part = std::move(local_part), .domain = domain("away.test")})));
  };
  for (std::size_t i = 0; i < kSendAsMax; ++i) ASSERT_EQ(right("r" + std::to_string(i)), "ok");
  EXPECT_EQ(right("more"), "exhausted");
}

TEST(LoginCache, HoldsSoManyAndDropsTheOldest) {
  SimClock clock{WallTime{}};
  SeededRandom random{1};
  LoginCache cache(&clock, &random);
  const auto key = [&](std::size_t i) { return cache.key_of("ann", Secret(std::to_string(i))); };
  for (std::size_t i = 0; i < kLoginCacheMax; ++i) cache.put(key(i), i);
  EXPECT_TRUE(cache.has(key(0), 0));
  EXPECT_FALSE(cache.has(key(0), 1));
  cache.put(key(kLoginCacheMax), 7);
  EXPECT_FALSE(cache.has(key(0), 0));
  EXPECT_TRUE(cache.has(key(1), 1));
  EXPECT_TRUE(cache.has(key(kLoginCacheMax), 7));
  EXPECT_NE(cache.key_of("ann", Secret("1")), cache.key_of("bob", Secret("1")));
}

/// Keeps its jobs until it is told to do one.
class HeldWorkers final : public Workers {
 public:
  Result<void> post(std::move_only_function<void()> job) override {
    if (full) return error(Error::exhausted, "workers");
    jobs.push_back(std::move(job));
    return {};
  }
  void do_one() {
    std::move_only_function<void()> job = std::move(jobs.front());
    jobs.erase(jobs.begin());
    job();
  }
  std::vector<std::move_only_function<void()>> jobs;
  bool full = false;
};

TEST(BoundedWorkers, RunSoManyAtOnceAndLetSoManyWait) {
  HeldWorkers held;
  BoundedWorkers bounded(&held, 2, 3);
  std::vector<int> done;
  const auto post = [&](int number) { return outcome_of(bounded.post([&done, number] { done.push_back(number); })); };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(post(i), "ok");
  EXPECT_EQ(held.jobs.size(), 2U);
  EXPECT_EQ(post(5), "exhausted");
  held.do_one();
  EXPECT_EQ(held.jobs.size(), 2U);
  EXPECT_EQ(post(6), "ok");
  held.full = true;
  held.do_one();  // cannot be handed on, so the rest is done here
  EXPECT_EQ(done, (std::vector<int>{0, 1, 3, 4, 6}));
  held.full = false;
  while (!held.jobs.empty()) held.do_one();
  EXPECT_EQ(done.size(), 6U);
  EXPECT_EQ(post(7), "ok");
  EXPECT_EQ(held.jobs.size(), 1U);
  held.full = true;
  EXPECT_EQ(post(8), "exhausted");
}

}  // namespace
}  // namespace postrider::directory
