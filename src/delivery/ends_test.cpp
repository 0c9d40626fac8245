// What becomes of recipients beside delivery: held, returned, expanded, late; and that one report tells of all.
#include "delivery/test_scene.hpp"

namespace postrider::delivery {
namespace {

using mail::NotifyOn;
using std::chrono::hours;
using std::chrono::minutes;

std::vector<queue::Recipient> left(Scene& scene, const queue::QueueId& id) {
  const Result<queue::Listed> listed = test::run(scene.world, scene.queue.show(id));
  return listed ? listed->recipients : std::vector<queue::Recipient>();
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(Ends, ARouteHoldsUntilItIsReleased) {
  Scene scene("", {{.domain = "*", .via = {"hold"}}});
  const queue::NewEntry entry = scene.entry("eve@away.test");
  scene.carry(entry, "Subject: x\r\n\r\n", hours(24 * 7));
  const std::vector<queue::Recipient> held = left(scene, entry.id);
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].state, queue::RecipientState::held);
  EXPECT_EQ(held[0].held_why, queue::HeldWhy::route);
  EXPECT_EQ(scene.report(), "");
}

TEST(Ends, WhatTheAdministratorReturnsIsReportedAndNotSent) {
  Scene scene("");
  queue::NewEntry entry = scene.entry("eve@away.test");
  entry.recipients[0].ordered = queue::Ordered::bounce;
  scene.carry(entry);
  EXPECT_TRUE(has_all(scene.report(), {"Action: failed\r\n", "Status: 5.7.1\r\n", "returned by the administrator"}));
  EXPECT_EQ(scene.hop.commands, "");
  EXPECT_TRUE(left(scene, entry.id).empty());
}

TEST(Ends, AnExpansionIsSaidToWhomAskedForSuccesses) {
  for (const bool asked : {true, false}) {
    Scene scene("");
    queue::NewEntry entry = scene.entry("list@here.test");
    entry.recipients[0].ordered = queue::Ordered::expand;
    if (asked) entry.recipients[0].request.notify = NotifyOn{.success = true, .failure = true, .delay = false};
    scene.carry(entry);
    if (asked) {
      EXPECT_TRUE(has_all(scene.report(), {"Action: expanded\r\n", "list@here.test"}));
    } else {
      EXPECT_EQ(scene.report(), "");
    }
    EXPECT_TRUE(left(scene, entry.id).empty());
  }
}

TEST(Ends, ASenderHearsOnceThatItsMessageIsLate) {
  Scene scene("");
  const queue::NewEntry entry = scene.entry("later@away.test");
  scene.carry(entry, "Subject: x\r\n\r\n", hours(20));
  EXPECT_TRUE(has_all(scene.report(), {"Action: delayed\r\n", "Will-Retry-Until: ", "451 4.2.1 later"}));
  ASSERT_EQ(left(scene, entry.id).size(), 1U);
  EXPECT_TRUE(left(scene, entry.id)[0].delay_reported);
}

TEST(Ends, NobodyAnswersAReport) {
  Scene scene("");
  queue::NewEntry entry = scene.entry("gone@away.test");
  entry.reverse_path = mail::Path::null();
  entry.report_to = queue::ReportTo::nobody;
  scene.carry(entry);
  EXPECT_TRUE(left(scene, entry.id).empty());
  EXPECT_EQ(scene.report(), "");
}

TEST(Ends, AThousandFailuresAtOnceAreOneReport) {
  Scene scene("250-PIPELINING\r\n250-CHUNKING\r\n", {{.domain = "*", .via = {"error:5.1.2 no such way"}}});
  queue::NewEntry entry = scene.entry("r0@away.test");
  for (int i = 1; i < 1000; ++i)
    entry.recipients.push_back({.address = address("r" + std::to_string(i) + "@away.test"),
                                .original = std::nullopt,
                                .account = std::nullopt,
                                .request = {}});
  scene.carry(entry);
  const std::string report = scene.report();  // one message
  EXPECT_EQ(count_of(report, "Final-Recipient: "), 1000U);
  EXPECT_TRUE(left(scene, entry.id).empty());
}

TEST(Ends, FailuresAtSeveralDestinationsAreOneReport) {
  Scene scene("250-PIPELINING\r\n", {{.domain = "closed.test", .via = {"error:5.7.1 closed"}},
                                     {.domain = "gone.test", .via = {"mx"}},
                                     {.domain = "lost.test", .via = {"mx"}},
                                     {.domain = "*", .via = {"10.0.0.1:25"}}});
  queue::NewEntry entry = scene.entry("r@closed.test");
  for (const char* const one : {"r@gone.test", "r@lost.test", "taken@away.test", "later@away.test"})
    entry.recipients.push_back(
        {.address = address(one), .original = std::nullopt, .account = std::nullopt, .request = {}});
  scene.carry(entry, "Subject: x\r\n\r\nx\r\n", minutes(1));
  const std::string report = scene.report();  // one message
  for (const char* const one : {"r@closed.test", "r@gone.test", "r@lost.test"})
    EXPECT_EQ(count_of(report, fmt::format("rfc822;{}\r\n", one)), 1U) << report;
  EXPECT_EQ(count_of(report, "Final-Recipient: "), 3U);
  EXPECT_EQ(left(scene, entry.id).size(), 1U);
}

TEST(Ends, AReportDoesNotWaitForASlowDestination) {
  Scene scene("", {{.domain = "gone.test", .via = {"mx"}}, {.domain = "*", .via = {"10.0.0.1:25"}}});
  scene.hop.greeting = "";  // waited for: 300 s
  queue::NewEntry entry = scene.entry("r@gone.test");
  entry.recipients.push_back(
      {.address = address("a@slow.test"), .original = std::nullopt, .account = std::nullopt, .request = {}});
  scene.carry(entry, "Subject: x\r\n\r\nx\r\n", std::chrono::seconds(40));
  EXPECT_EQ(count_of(scene.report(), "rfc822;r@gone.test\r\n"), 1U);
}

TEST(Ends, WhoseTimeIsOverIsNotPutOffAnyLonger) {
  Scene scene("");
  scene.hop.greeting = "";  // whoever is let through waits
  std::vector<queue::NewEntry> entries;
  for (std::size_t i = 0; i <= kColdGroupsMax; ++i) {
    entries.push_back(scene.entry("r@slow.test"));
    entries.back().arrival = scene.world.clock.wall() - hours(5 * 24);
    EXPECT_TRUE(test::run(scene.world, Scene::accept(&scene, entries.back(), "Subject: x\r\n\r\nx\r\n")));
  }
  scene.again(minutes(1));
  EXPECT_GT(scene.inbox(scene.ann).size(), 0U);
  EXPECT_TRUE(left(scene, entries.back().id).empty());  // it would have been put off
}

TEST(Ends, LongRepliesOfManyStillFitTransactions) {
  Scene scene("", {{.domain = "*", .via = {"error:5.1.2 " + std::string(480, 'x')}}});
  const std::string domain =
      "@" + std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + ".test";
  queue::NewEntry entry = scene.entry("r0" + domain);
  for (int i = 1; i < 1000; ++i)
    entry.recipients.push_back({.address = address(std::string(50, 'r') + std::to_string(i) + domain),
                                .original = std::nullopt,
                                .account = std::nullopt,
                                .request = {}});
  scene.carry(entry);
  std::size_t told = 0;
  const std::vector<std::string> reports = scene.inbox(scene.ann);
  for (const std::string& report : reports) told += count_of(report, "Final-Recipient: ");
  EXPECT_EQ(told, 1000U);
  EXPECT_LE(reports.size(), 3U);
  EXPECT_TRUE(left(scene, entry.id).empty());
}

TEST(Ends, AListsOwnerIsItsSenderInEveryWay) {
  Scene scene("250-PIPELINING\r\n");
  queue::NewEntry entry = scene.entry("gone@away.test");
  entry.reverse_path = mail::Path(address("stranger@far.test"));
  entry.report_to = queue::ReportTo::postmaster;
  entry.recipients[0].reverse_path = mail::Path(address("ann@here.test"));
  entry.recipients.push_back(
      {.address = address("eve@away.test"), .original = std::nullopt, .account = std::nullopt, .request = {}});
  scene.carry(entry);
  EXPECT_TRUE(scene.hop.commands.contains("MAIL FROM:<ann@here.test>\nRCPT TO:<gone@away.test>")) << scene.hop.commands;
  EXPECT_TRUE(scene.hop.commands.contains("MAIL FROM:<stranger@far.test>\nRCPT TO:<eve@away.test>"));
  EXPECT_TRUE(has_all(scene.report(), {"Action: failed\r\n", "gone@away.test"}));
}

TEST(Ends, PostmasterHereHearsOfAStrangersFailureInAnotherDomain) {
  Scene scene("250-PIPELINING\r\n");
  queue::NewEntry entry = scene.entry("gone@away.test");  // in a relay domain, or by an alias
  entry.reverse_path = mail::Path(address("stranger@far.test"));
  entry.report_to = queue::ReportTo::postmaster;
  scene.carry(entry);
  EXPECT_TRUE(has_all(scene.report(), {"To: <postmaster@mx.here.test>\r\n", "Action: failed\r\n", "gone@away.test"}));
  EXPECT_EQ(left(scene, entry.id).size(), 1U);  // held
  EXPECT_FALSE(scene.hop.commands.contains("RCPT TO:<postmaster@")) << scene.hop.commands;
}

TEST(Ends, EachOfManyReadersHearsOnce) {
  Scene scene("", {{.domain = "away.test", .via = {"error:5.1.2 no such way"}}});
  queue::NewEntry entry = scene.entry("r0@away.test");
  const auto sender = [](int number) {
    return mail::Path(address(number % 9 == 0 ? "bob@here.test" : "ann+" + std::to_string(number % 9) + "@here.test"));
  };
  entry.recipients[0].reverse_path = sender(0);
  for (int i = 1; i < 180; ++i)
    entry.recipients.push_back({.address = address("r" + std::to_string(i) + "@away.test"),
                                .original = std::nullopt,
                                .account = std::nullopt,
                                .request = {},
                                .reverse_path = sender(i)});
  scene.carry(entry);
  EXPECT_EQ(scene.inbox(scene.bob).size(), 1U);
  const std::vector<std::string> reports = scene.inbox(scene.ann);
  EXPECT_EQ(reports.size(), 8U);
  for (const std::string& report : reports) EXPECT_EQ(count_of(report, "Final-Recipient: "), 20U);
}

TEST(Ends, ARouteTakesALocalRecipientAway) {
  Scene scene("", {{.domain = "here.test", .via = {"10.0.0.1:25"}, .match_local = true}});
  const queue::NewEntry entry = scene.entry("bob@here.test");
  scene.carry(entry);
  EXPECT_EQ(scene.hop.messages, 1);
  EXPECT_TRUE(scene.inbox(scene.bob).empty());
}

TEST(Ends, ALocalRecipientWithoutAMailboxIsLookedUpAgain) {
  Scene scene("", {});
  queue::NewEntry entry = scene.entry("bob@here.test");
  entry.recipients[0].account.reset();
  scene.carry(entry);
  EXPECT_EQ(scene.inbox(scene.bob).size(), 1U);
  queue::NewEntry unknown = scene.entry("nobody@here.test");
  scene.carry(unknown);
  EXPECT_TRUE(has_all(scene.report(), {"Status: 5.1.1\r\n", "nobody@here.test"}));
}

TEST(Ends, ARoutesOwnRetryTableCounts) {
  Scene scene("", {{.domain = "*", .via = {"10.0.0.1:25"}, .retry = {minutes(60)}}});
  const queue::NewEntry entry = scene.entry("later@away.test");
  const WallTime sent = scene.world.clock.wall();
  scene.carry(entry, "Subject: x\r\n\r\n", minutes(45));
  EXPECT_EQ(count_of(scene.hop.commands, "RCPT TO:<later@"), 1U);
  ASSERT_EQ(left(scene, entry.id).size(), 1U);
  EXPECT_GE(left(scene, entry.id)[0].due - sent, minutes(48));
  EXPECT_LE(left(scene, entry.id)[0].due - sent, minutes(73));
}

TEST(Ends, MessagesForOneDestinationShareConnections) {
  Scene scene("250-PIPELINING\r\n250-CHUNKING\r\n");
  for (int i = 0; i < 250; ++i)
    EXPECT_TRUE(test::run(scene.world, Scene::accept(&scene, scene.entry("eve@away.test"), "Subject: x\r\n\r\nb\r\n")));
  scene.again(minutes(10));
  EXPECT_EQ(scene.hop.messages, 250);
  EXPECT_LE(scene.hop.sessions, 25);
  EXPECT_LE(scene.hop.at_once_most, static_cast<int>(kConnectionsMax));
  EXPECT_EQ(count_of(scene.hop.commands, "QUIT\n"), static_cast<std::size_t>(scene.hop.sessions));
}

TEST(Ends, ADeadDestinationIsNotTriedForEach) {
  Scene scene("", {{.domain = "*", .via = {"10.0.0.7:25"}}});
  scene.network.set_answer(net::Address::v4({10, 0, 0, 7}), net::SimAnswer::silent);
  std::vector<queue::QueueId> ids;
  for (int i = 0; i < 100; ++i) {
    queue::NewEntry entry = scene.entry("eve@away.test");
    ids.push_back(entry.id);
    EXPECT_TRUE(test::run(scene.world, Scene::accept(&scene, std::move(entry), "Subject: x\r\n\r\nb\r\n")));
  }
  scene.again(minutes(10));
  std::size_t not_tried = 0;
  for (const queue::QueueId& id : ids) {
    const std::vector<queue::Recipient> recipients = left(scene, id);
    ASSERT_EQ(recipients.size(), 1U);
    if (recipients[0].last_reply.contains("(not tried: 10.0.0.7:25 is not reachable since ")) ++not_tried;
  }
  EXPECT_GE(not_tried, 80U);
}

/// Another job of the same entry, or a command: it changes the entry's record over and over.
Task<void> compete(Scene* scene, queue::QueueId id) {
  for (;;) {
    const Result<queue::Listed> listed = co_await scene->queue.show(id);
    if (!listed) co_return;
    store::Transaction transaction;
    scene->queue.stage_entry(transaction, listed->entry);
    const Result<store::Version> done =
        co_await scene->store.commit(std::move(transaction), store::Durability::durable);
    if (!done && done.error().code != Error::conflict) co_return;
  }
}

// Who was relayed and could not be settled would get its message again.
TEST(Ends, ManyGroupsAreAllSettledThoughOthersChangeTheEntry) {
  constexpr int kGroups = 60;
  Scene scene("", {});
  queue::NewEntry entry = scene.entry("r@d0.test");
  entry.recipients.clear();
  for (int i = 0; i < kGroups; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    ASSERT_TRUE(scene.resolver.add(domain + " A " + kHop.to_text()));
    entry.recipients.push_back(
        {.address = address("r@" + domain), .original = std::nullopt, .account = std::nullopt, .request = {}});
  }
  const queue::QueueId id = entry.id;
  ASSERT_TRUE(test::run(scene.world, Scene::accept(&scene, std::move(entry), "Subject: x\r\n\r\n")));
  for (int i = 0; i < 2; ++i) spawn(&scene.world.shard, "compete", compete(&scene, id));
  scene.again(hours(1));
  EXPECT_TRUE(left(scene, id).empty());
  EXPECT_EQ(scene.hop.messages, kGroups);
}

// Not the postmaster of the domain where the recipient is, to whom the message is none of its business.
TEST(Ends, AFailureOfASenderHereWhoIsGoneIsOurPostmasters) {
  Scene scene("", {{.domain = "*", .via = {"10.0.0.1:25"}}}, std::chrono::milliseconds(3),
              {{address("postmaster@here.test"), {address("ann@here.test")}, directory::Source::file}});
  queue::NewEntry entry = scene.entry("gone@away.test");
  entry.reverse_path = mail::Path(address("nobody@here.test"));
  scene.carry(std::move(entry));
  EXPECT_FALSE(scene.hop.commands.contains("postmaster@away.test"));
  EXPECT_TRUE(has_all(scene.report(), {"Action: failed\r\n", "gone@away.test"}));
}

// What a stranger sent to an alias here is held for our postmaster, though the target is elsewhere.
TEST(Ends, AStrangersFailureBehindAnAliasIsNoticedByOurPostmaster) {
  Scene scene("", {{.domain = "*", .via = {"10.0.0.1:25"}}}, std::chrono::milliseconds(3),
              {{address("postmaster@here.test"), {address("ann@here.test")}, directory::Source::file}});
  queue::NewEntry entry = scene.entry("gone@away.test");
  entry.recipients[0].original = address("eve@here.test");
  entry.reverse_path = mail::Path(address("stranger@far.test"));
  entry.report_to = queue::ReportTo::postmaster;
  const queue::QueueId id = entry.id;
  scene.carry(std::move(entry));
  EXPECT_EQ(left(scene, id).size(), 1U);
  EXPECT_TRUE(has_all(scene.report(), {"gone@away.test", "550 5.1.1"}));
}

// Else nothing of the message could be settled, and what was relayed would go out again every minute.
TEST(Ends, AFailureOfASenderThatStandsForMoreThanAnEntryHoldsIsPostmasters) {
  directory::AliasRecord staff{.address = address("staff@here.test"), .targets = {}, .source = directory::Source::file};
  for (std::size_t i = 0; i <= queue::kRecipientsMax; ++i)
    staff.targets.push_back(address("s" + std::to_string(i) + "@away.test"));
  Scene scene("", {{.domain = "*", .via = {"10.0.0.1:25"}}}, std::chrono::milliseconds(3),
              {staff, {address("postmaster@here.test"), {address("ann@here.test")}, directory::Source::file}});
  queue::NewEntry entry = scene.entry("eve@away.test");
  entry.reverse_path = mail::Path(address("staff@here.test"));
  entry.recipients[0].request.notify = NotifyOn{.success = true, .failure = true, .delay = false};
  entry.recipients.push_back(
      {.address = address("gone@away.test"), .original = std::nullopt, .account = std::nullopt, .request = {}});
  const queue::QueueId id = entry.id;
  scene.carry(std::move(entry));
  EXPECT_EQ(scene.hop.messages, 1);
  EXPECT_TRUE(left(scene, id).empty());
  EXPECT_TRUE(has_all(scene.report(), {"Action: failed\r\n", "gone@away.test"}));
}

}  // namespace
}  // namespace postrider::delivery
