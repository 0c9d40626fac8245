// Domains of each kind, lists with an owner, and what alias files add.
#include "core/record.hpp"
#include "directory/recipient_list.hpp"
#include "directory/records.hpp"
#include "directory/test_rig.hpp"

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

DomainRecord alias_domain(std::string_view name, std::string_view of) {
  DomainRecord record = domain_record(name);
  record.kind = DomainKind::alias;
  record.alias_of = domain(of);
  return record;
}

DomainRecord relay_domain(std::string_view name, RelayRecipients::By by) {
  DomainRecord record = domain_record(name);
  record.kind = DomainKind::relay;
  record.recipients.by = by;
  return record;
}

TEST(Resolve, KnowsTheKindsOfDomains) {
  Settings settings;
  settings.domains = {domain_record("here.test"),
                      alias_domain("other.test", "here.test"),
                      relay_domain("listed.test", RelayRecipients::By::file),
                      relay_domain("unread.test", RelayRecipients::By::file),
                      alias_domain("lost.test", "gone.test"),
                      alias_domain("wrong.test", "any.test")};
  std::vector<FileMistake> mistakes;
  settings.recipient_lists[domain("listed.test")] = std::make_shared<const RecipientList>(
      RecipientList::parse("Ann@listed.test\nbob\n", domain("listed.test"), "list", mistakes));
  ASSERT_TRUE(mistakes.empty());
  settings.aliases.push_back({.address = address("sales@other.test"), .targets = addresses({"bob@here.test"})});
  settings.aliases.push_back({.address = address("web@any.test"), .targets = addresses({"ann@here.test"})});
  settings.aliases.push_back(
      {.address = address("mix@here.test"),
       .targets = addresses({"x@any.test", "nobody@listed.test", "ann@listed.test", "ann@other.test"})});
  Rig rig(settings);
  ASSERT_EQ(rig.add_domain(relay_domain("any.test", RelayRecipients::By::any)), "ok");
  ASSERT_EQ(rig.add_domain(relay_domain("asked.test", RelayRecipients::By::verify)), "ok");
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");  // 1
  ASSERT_EQ(rig.add_account("bob@here.test"), "ok");  // 2
  struct Row {
    std::string_view recipient;
    std::string_view want;
  };
  const Row rows[] = {
      {"ann@other.test", "ann@here.test(1)"},
      {"ANN@Other.test", "ann@here.test(1)"},
      {"ann+tag@other.test", "ann+tag@here.test(1)"},
      {"sales@other.test", "bob@here.test(2)"},
      {"sales@here.test", "no such user"},
      {"nobody@other.test", "no such user"},
      {"postmaster@other.test", "ann@here.test(1)"},
      {"ann@sub.other.test", "not ours"},
      {"ann@lost.test", "the domain stands for one that is not local"},
      {"ann@wrong.test", "the domain stands for one that is not local"},
      {"whoever@any.test", "relayed any"},
      {"postmaster@any.test", "relayed any"},
      {"web@any.test", "ann@here.test(1)"},
      {"whoever@sub.any.test", "not ours"},
      {"whoever@asked.test", "relayed verify"},
      {"ann@listed.test", "relayed file"},
      {"ANN@listed.test", "relayed file"},
      {"bob@listed.test", "relayed file"},
      {"bob+tag@listed.test", "relayed file"},
      {"bobb@listed.test", "not in the list of the domain's recipients"},
      {"bo@listed.test", "not in the list of the domain's recipients"},
      {"PostMaster@listed.test", "relayed file"},
      {"ann@unread.test", "not in the list of the domain's recipients"},
      {"mix@here.test", "x@any.test ann@listed.test ann@here.test(1)"},
  };
  for (const Row& row : rows) EXPECT_EQ(rig.resolve(row.recipient), row.want) << row.recipient;
}

TEST(Resolve, AListWithAnOwnerNamesItForItsTargets) {
  Settings settings;
  settings.domains = {domain_record("here.test")};
  const auto alias = [&](std::string_view name, std::initializer_list<std::string_view> targets) {
    settings.aliases.push_back({.address = address(name), .targets = addresses(targets)});
  };
  alias("list@here.test", {"ann@here.test", "far@away.test"});
  alias("owner-list@here.test", {"ann@here.test"});
  alias("outer@here.test", {"bob@here.test", "list@here.test", "more@away.test"});
  alias("plain@here.test", {"list@here.test", "one@away.test"});
  alias("single@here.test", {"one@away.test"});
  alias("twice@here.test", {"ann@here.test", "list@here.test"});
  Rig rig(settings);
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");          // 1
  ASSERT_EQ(rig.add_account("bob@here.test"), "ok");          // 2
  ASSERT_EQ(rig.add_account("owner-outer@here.test"), "ok");  // 3
  struct Row {
    std::string_view recipient;
    std::string_view want;
    bool is_expanded;
  };
  const Row rows[] = {
      {"list@here.test", "ann@here.test(1)<owner-list@here.test> far@away.test<owner-list@here.test>", true},
      {"LIST+x@here.test", "ann@here.test(1)<owner-list@here.test> far@away.test<owner-list@here.test>", true},
      {"owner-list@here.test", "ann@here.test(1)", false},
      {"outer@here.test",
       "bob@here.test(2)<owner-outer@here.test> ann@here.test(1)<owner-list@here.test> "
       "far@away.test<owner-list@here.test> more@away.test<owner-outer@here.test>",
       true},
      {"plain@here.test", "ann@here.test(1)<owner-list@here.test> far@away.test<owner-list@here.test> one@away.test",
       true},
      {"single@here.test", "one@away.test", false},
      {"ann@here.test", "ann@here.test(1)", false},
      {"twice@here.test", "ann@here.test(1) far@away.test<owner-list@here.test>", true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(rig.resolve(row.recipient), row.want) << row.recipient;
    const Result<Resolution> got = run(rig.world, rig.directory.resolve(address(row.recipient)));
    EXPECT_EQ(std::get<Deliverable>(*got).is_expanded, row.is_expanded) << row.recipient;
  }
}

TEST(Resolve, TheCatchAllOfAnAliasFileComesAfterTheDomainsOwn) {
  Settings settings;
  settings.domains = {domain_record("here.test"), domain_record("own.test")};
  settings.domains[1].catch_all = address("bob@here.test");
  settings.catch_alls = {{.domain = domain("here.test"), .targets = addresses({"ann@here.test", "far@away.test"})},
                         {.domain = domain("own.test"), .targets = addresses({"ann@here.test"})}};
  Rig rig(settings);
  ASSERT_EQ(rig.add_account("ann@here.test"), "ok");
  ASSERT_EQ(rig.add_account("bob@here.test"), "ok");
  EXPECT_EQ(rig.resolve("whoever@here.test"), "ann@here.test(1) far@away.test");
  EXPECT_EQ(rig.resolve("bob@here.test"), "bob@here.test(2)");
  EXPECT_EQ(rig.resolve("whoever@own.test"), "bob@here.test(2)");
}

TEST(Commands, KeepTheKindsOfDomainsApart) {
  Rig rig;
  ASSERT_EQ(rig.add_domain(domain_record("here.test")), "ok");
  ASSERT_EQ(rig.add_domain(alias_domain("other.test", "here.test")), "ok");
  ASSERT_EQ(rig.add_domain(relay_domain("inner.test", RelayRecipients::By::verify)), "ok");
  EXPECT_EQ(rig.add_domain(alias_domain("a.test", "nowhere.test")), "not_found");
  EXPECT_EQ(rig.add_domain(alias_domain("a.test", "other.test")), "malformed");
  EXPECT_EQ(rig.add_domain(alias_domain("a.test", "inner.test")), "malformed");
  EXPECT_EQ(rig.add_domain(alias_domain("a.test", "a.test")), "malformed");
  EXPECT_EQ(rig.add_domain(relay_domain("a.test", RelayRecipients::By::file)), "malformed");
  EXPECT_EQ(rig.add_domain(relay_domain("inner.test", RelayRecipients::By::any)), "conflict");
  DomainRecord caught = relay_domain("a.test", RelayRecipients::By::any);
  caught.catch_all = address("x@here.test");
  EXPECT_EQ(rig.add_domain(caught), "malformed");
  DomainRecord of_none = domain_record("a.test");
  of_none.alias_of = domain("here.test");
  EXPECT_EQ(rig.add_domain(of_none), "malformed");
  EXPECT_EQ(rig.add_account("x@other.test"), "malformed");
  EXPECT_EQ(rig.add_account("x@inner.test"), "malformed");
  EXPECT_EQ(rig.add_alias("x@inner.test", {"y@here.test"}), "ok");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.remove_domain(domain("here.test")))), "conflict");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.remove_domain(domain("other.test")))), "ok");
  EXPECT_EQ(outcome_of(run(rig.world, rig.directory.remove_domain(domain("here.test")))), "ok");
  const Result<std::vector<DomainRecord>> domains = run(rig.world, rig.directory.list_domains());
  ASSERT_EQ(domains->size(), 1U);
  EXPECT_EQ(domains->front().kind, DomainKind::relay);
  EXPECT_EQ(domains->front().recipients.by, RelayRecipients::By::verify);
  EXPECT_EQ(run(rig.world, rig.directory.is_local(domain("inner.test"))).value_or(true), false);
}

TEST(Records, ADomainOfBeforeThereWereKindsIsLocal) {
  RecordWriter old(1);
  old.text("here.test").text("+").flag(true).text("ann").text("here.test").flag(false);
  const Result<DomainRecord> read = decode_domain(std::move(old).finish());
  ASSERT_TRUE(read) << describe(read.error());
  EXPECT_EQ(read->kind, DomainKind::local);
  EXPECT_EQ(read->catch_all, address("ann@here.test"));
  DomainRecord now = alias_domain("other.test", "here.test");
  const Result<DomainRecord> again = decode_domain(encode_domain(now));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->alias_of, domain("here.test"));
  EXPECT_EQ(again->kind, DomainKind::alias);
}

}  // namespace
}  // namespace postrider::directory
