// Where a recipient's mail goes.
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

}  // namespace
}  // namespace postrider::directory
