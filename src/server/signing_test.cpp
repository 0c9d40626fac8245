#include "server/signing.hpp"

#include "core/test_run.hpp"
#include "core/text.hpp"
#include "mail/header_section.hpp"
#include "store/sim_store.hpp"
#include "trust/dkim_body.hpp"
#include "trust/dkim_sign.hpp"

#include <gtest/gtest.h>

namespace postrider::server {
namespace {

using test::run;
using test::World;

class CountingWorkers final : public Workers {
 public:
  Result<void> post(std::move_only_function<void()> job) override {
    if (full) return error(Error::exhausted, "workers");
    ++jobs;
    job();
    return {};
  }
  std::size_t jobs = 0;
  bool full = false;
};

struct Rig {
  /// Gives the key that was added.
  trust::DkimPrivateKey add(std::string selector, trust::DkimAlgorithm algorithm, bool active = true) {
    trust::NewDkimKey made = trust::make_dkim_key(algorithm).value();
    trust::DkimPrivateKey key = trust::DkimPrivateKey::parse(made.private_key).value();
    directory::DkimKey record{.selector = std::move(selector),
                              .algorithm = static_cast<directory::DkimAlgorithm>(algorithm),
                              .private_key = std::move(made.private_key),
                              .public_key = std::move(made.public_key),
                              .active = active,
                              .created = world.clock.wall()};
    EXPECT_TRUE(run(world, keys.add(domain, std::move(record))));
    return key;
  }
  Result<std::string> sign(const std::string& header) { return run(world, signing.sign(domain, header, body_hash)); }

  World world;
  SeededRandom random{1};
  store::SimDisk disk;
  store::SimStore store{store::SimStoreOptions{.disk = &disk, .random = &random}};
  CountingWorkers workers;
  directory::DkimKeys keys{&store};
  Signing signing{&keys, &workers, &world.clock};
  mail::Domain domain = mail::Domain::parse("a.test").value();
  std::string body_hash = std::string(32, 'x');
};

constexpr std::string_view kHeader = "From: a@a.test\r\nSubject: hello\r\n";

/// The signatures among `fields`, as "selector algorithm".
std::vector<std::string> signatures(std::string_view fields) {
  mail::HeaderCollector collector;
  EXPECT_TRUE(collector.append(fields));
  const mail::HeaderSection section = std::move(collector).finish().value();
  EXPECT_EQ(section.size_octets, fields.size());
  std::vector<std::string> out;
  for (const mail::HeaderField& field : section.fields) {
    EXPECT_EQ(field.name, "DKIM-Signature");
    std::string selector;
    std::string algorithm;
    for (const std::string_view tag : split(field.value, ';')) {
      if (trimmed(tag).starts_with("s=")) selector = trimmed(tag).substr(2);
      if (trimmed(tag).starts_with("a=")) algorithm = trimmed(tag).substr(2);
    }
    out.push_back(selector + " " + algorithm);
  }
  return out;
}

TEST(Signing, SignsByEveryKeyThatIsInUseOnAWorker) {
  Rig rig;
  const std::string header(kHeader);
  EXPECT_EQ(rig.sign(header).value(), "") << "no key, no signature";
  EXPECT_EQ(rig.workers.jobs, 0U);
  rig.add("one", trust::DkimAlgorithm::rsa_sha256);
  rig.add("off", trust::DkimAlgorithm::ed25519_sha256, false);
  const trust::DkimPrivateKey ed25519 = rig.add("two", trust::DkimAlgorithm::ed25519_sha256);
  const Result<std::string> fields = rig.sign(header);
  ASSERT_TRUE(fields) << describe(fields.error());
  EXPECT_EQ(rig.workers.jobs, 1U);
  EXPECT_EQ(signatures(*fields), (std::vector<std::string>{"one rsa-sha256", "two ed25519-sha256"}));
  // Deterministic: what it made is what the key makes.
  const trust::DkimSigning what{.domain = rig.domain, .selector = "two", .at = rig.world.clock.wall()};
  const std::string want =
      trust::sign_dkim(trust::DkimHeader::choose(kHeader).value(), rig.body_hash, what, ed25519).value();
  EXPECT_TRUE(fields->ends_with(want));
  EXPECT_EQ(rig.sign(header).value(), *fields) << "from the cache too";
}

TEST(Signing, WhatComesByAgainIsNotSignedAgain) {
  Rig rig;
  rig.add("one", trust::DkimAlgorithm::ed25519_sha256);
  const std::string header(kHeader);
  const std::string once = rig.sign(header).value();
  ASSERT_EQ(signatures(once).size(), 1U);
  EXPECT_EQ(rig.sign(once + header).value(), "") << "a circle does not grow";
  rig.add("two", trust::DkimAlgorithm::ed25519_sha256);
  EXPECT_EQ(signatures(rig.sign(once + header).value()).size(), 1U) << "by the other key only";
  const std::string foreign = "DKIM-Signature: v=1; d=away.test; s=one; b=x\r\n";
  EXPECT_EQ(signatures(rig.sign(foreign + header).value()).size(), 2U) << "another domain's is no signature of ours";
}

TEST(Signing, SeesAChangeAtOnce) {
  Rig rig;
  const std::string header(kHeader);
  rig.add("one", trust::DkimAlgorithm::ed25519_sha256);
  const std::string before = rig.sign(header).value();
  EXPECT_TRUE(run(rig.world, rig.keys.set_active(rig.domain, "one", false)));
  EXPECT_EQ(rig.sign(header).value(), "");
  EXPECT_TRUE(run(rig.world, rig.keys.remove(rig.domain, "one")));
  rig.add("one", trust::DkimAlgorithm::ed25519_sha256);
  const std::string after = rig.sign(header).value();
  EXPECT_EQ(signatures(after), std::vector<std::string>{"one ed25519-sha256"});
  EXPECT_NE(after, before) << "by the new key of the same selector";
}

TEST(Signing, SaysWhyNot) {
  Rig rig;
  rig.add("one", trust::DkimAlgorithm::ed25519_sha256);
  const Result<std::string> no_from = rig.sign("Subject: x\r\n");
  ASSERT_FALSE(no_from);
  EXPECT_EQ(no_from.error().code, Error::malformed);
  rig.workers.full = true;
  const Result<std::string> full = rig.sign(std::string(kHeader));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Error::exhausted);
}

TEST(Signing, KeepsSigningWithMoreKeysThanItHoldsParsed) {
  Rig rig;
  const std::string header(kHeader);
  for (int i = 0; i < 300; ++i) {
    rig.domain = mail::Domain::parse("d" + std::to_string(i) + ".test").value();
    rig.add("s", trust::DkimAlgorithm::ed25519_sha256);
    EXPECT_EQ(signatures(rig.sign(header).value()).size(), 1U);
  }
  rig.domain = mail::Domain::parse("d0.test").value();
  EXPECT_EQ(signatures(rig.sign(header).value()).size(), 1U);
}

}  // namespace
}  // namespace postrider::server
