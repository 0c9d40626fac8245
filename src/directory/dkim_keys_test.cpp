#include "directory/dkim_keys.hpp"

#include "directory/test_rig.hpp"

#include <gtest/gtest.h>

namespace postrider::directory {
namespace {

using postrider::test::run;
using test::domain;
using test::domain_record;
using test::outcome_of;
using test::Rig;

struct KeysRig : Rig {
  std::string add(std::string_view name, std::string selector, bool active = true) {
    DkimKey key{.selector = std::move(selector),
                .algorithm = DkimAlgorithm::ed25519_sha256,
                .private_key = Secret("PEM"),
                .public_key = "cA==",
                .active = active,
                .created = world.clock.wall()};
    return outcome_of(run(world, keys.add(domain(name), std::move(key))));
  }
  std::string set_active(std::string_view name, std::string selector, bool active) {
    return outcome_of(run(world, keys.set_active(domain(name), std::move(selector), active)));
  }
  std::string remove(std::string_view name, std::string selector) {
    return outcome_of(run(world, keys.remove(domain(name), std::move(selector))));
  }
  /// "a b(off)"
  std::string list(std::string_view name) {
    const Result<std::vector<DkimKey>> all = run(world, keys.of(domain(name)));
    if (!all) return outcome_of(all);
    std::string out;
    for (const DkimKey& key : *all) out += (out.empty() ? "" : " ") + key.selector + (key.active ? "" : "(off)");
    return out;
  }
  DkimKeys keys{&store};
};

TEST(DkimKeys, AreKeptInTheirOrderAndComeBackWhole) {
  KeysRig rig;
  EXPECT_EQ(rig.list("a.test"), "");
  const WallTime made = rig.world.clock.wall();
  EXPECT_EQ(rig.add("a.test", "two"), "ok");
  EXPECT_EQ(rig.add("a.test", "one", false), "ok");
  EXPECT_EQ(rig.add("b.test", "two"), "ok");
  EXPECT_EQ(rig.add("a.test", "one"), "conflict");
  EXPECT_EQ(rig.list("a.test"), "two one(off)");
  const Result<std::vector<DkimKey>> keys = run(rig.world, rig.keys.of(domain("a.test")));
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->front().algorithm, DkimAlgorithm::ed25519_sha256);
  EXPECT_EQ(keys->front().private_key.reveal(), "PEM");
  EXPECT_EQ(keys->front().public_key, "cA==");
  EXPECT_EQ(keys->front().created, made);
}

TEST(DkimKeys, AreSwitchedAndRemoved) {
  KeysRig rig;
  EXPECT_EQ(rig.add("a.test", "one"), "ok");
  EXPECT_EQ(rig.add("a.test", "two", false), "ok");
  EXPECT_EQ(rig.set_active("a.test", "two", true), "ok");
  EXPECT_EQ(rig.set_active("a.test", "one", false), "ok");
  EXPECT_EQ(rig.list("a.test"), "one(off) two");
  EXPECT_EQ(rig.set_active("a.test", "three", true), "not_found");
  EXPECT_EQ(rig.set_active("b.test", "one", true), "not_found");
  EXPECT_EQ(rig.remove("a.test", "one"), "ok");
  EXPECT_EQ(rig.remove("a.test", "one"), "not_found");
  EXPECT_EQ(rig.list("a.test"), "two");
  EXPECT_EQ(outcome_of(run(rig.world, rig.keys.remove_all(domain("a.test")))), "ok");
  EXPECT_EQ(outcome_of(run(rig.world, rig.keys.remove_all(domain("a.test")))), "ok");
  EXPECT_EQ(rig.list("a.test"), "");
}

TEST(DkimKeys, AreNoMoreThanTheirLimit) {
  KeysRig rig;
  for (std::size_t i = 0; i < kDkimKeysMax; ++i) EXPECT_EQ(rig.add("a.test", "s" + std::to_string(i)), "ok");
  EXPECT_EQ(rig.add("a.test", "more"), "exhausted");
  EXPECT_EQ(rig.remove("a.test", "s0"), "ok");
  EXPECT_EQ(rig.add("a.test", "more"), "ok");
}

TEST(DkimKeys, GoWithTheirDomain) {
  KeysRig rig;
  EXPECT_EQ(rig.add_domain(domain_record("a.test")), "ok");
  EXPECT_EQ(rig.add("a.test", "one"), "ok");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.remove_domain(domain("a.test")))), "ok");
  EXPECT_EQ(rig.list("a.test"), "");
}

}  // namespace
}  // namespace postrider::directory
