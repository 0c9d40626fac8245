// The commands on the queue over a simulated store.
#include "web/test_bench.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <set>

namespace postrider::web {
namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

class QueueCommands : public test::AdminCommands {
 protected:
  boost::json::object ask_json(std::string name, std::vector<std::string> words = {}) {
    const AdminReply reply = ask(std::move(name), std::move(words), {}, OutputFormat::json);
    EXPECT_EQ(reply.lines.size(), 1U) << reply.error;
    return reply.lines.empty() ? boost::json::object() : boost::json::parse(reply.lines.front()).as_object();
  }
  /// Recipients of the queue that `options` choose, as "address status".
  std::multiset<std::string> chosen(const Options& options = {}) {
    std::multiset<std::string> out;
    for (const std::string& line : ask_all("queue.list", {}, options, OutputFormat::json).lines) {
      const boost::json::value entry = boost::json::parse(line);
      for (const boost::json::value& one : entry.at("recipients").as_array()) {
        out.insert(fmt::format("{} {}", std::string(one.at("recipient").as_string()),
                               std::string(one.at("status").as_string())));
      }
    }
    return out;
  }
  using Chosen = std::multiset<std::string>;
};

TEST_F(QueueCommands, ListAndShowEntries) {
  EXPECT_TRUE(ask("queue.list").lines.empty());
  const queue::NewEntry first = bench_.accepted({"a@away.test", "b@away.test"});
  const queue::NewEntry second = bench_.accepted({"c@away.test"});

  const AdminReply list = ask("queue.list");
  expect_exit(list, 0);
  ASSERT_EQ(list.lines.size(), 2U);
  EXPECT_TRUE(list.lines[0].starts_with(first.id.text()));
  EXPECT_NE(list.lines[0].find("<sender@away.test>"), std::string::npos);
  EXPECT_NE(list.lines[0].find("a@away.test and 1 more"), std::string::npos);
  EXPECT_EQ(list.lines[0].find("<sender"), list.lines[1].find("<sender")) << "columns";
  EXPECT_EQ(ask("queue.list", {}, {{"limit", "1"}}).lines.size(), 1U);
  EXPECT_EQ(ask("queue.list", {}, {{"all", ""}}).lines.size(), 2U);
  const AdminReply rest = ask("queue.list", {}, {{"after", first.id.text()}});
  ASSERT_EQ(rest.lines.size(), 1U);
  EXPECT_TRUE(rest.lines[0].starts_with(second.id.text()));
  EXPECT_EQ(ask("queue.list", {second.id.text()}).lines, rest.lines);

  const boost::json::object shown = ask_json("queue.show", {first.id.text()});
  EXPECT_EQ(shown.at("v"), 1);
  EXPECT_EQ(shown.at("id").as_string().c_str(), first.id.text());
  EXPECT_EQ(shown.at("reverse_path"), "sender@away.test");
  ASSERT_EQ(shown.at("recipients").as_array().size(), 2U);
  const boost::json::object& recipient = shown.at("recipients").at(0).as_object();
  EXPECT_EQ(recipient.at("state"), "due");
  EXPECT_EQ(recipient.at("status"), "due");
  EXPECT_EQ(recipient.at("attempts"), 0);
  EXPECT_TRUE(recipient.at("held_why").is_null());
  EXPECT_EQ(recipient.at("delay_reported"), false);
  EXPECT_EQ(recipient.at("ordered"), "delivery");
  ASSERT_FALSE(shown.at("trace").as_array().empty());
  EXPECT_EQ(shown.at("trace").at(0).at("what"), "accepted");

  const AdminReply text = ask("queue.show", {first.id.text()});
  expect_exit(text, 0);
  for (const std::string_view wanted :
       {"from         <sender@away.test>", "to a@away.test", "  due, next attempt 20", "accepted"}) {
    EXPECT_NE(lines(text).find(wanted), std::string::npos) << wanted << " in\n" << lines(text);
  }
  EXPECT_EQ(ask("queue.show", {}, {{"to", "c@away.test"}}, OutputFormat::json).lines.size(), 1U);
  EXPECT_EQ(ask("queue.show", {first.id.text(), second.id.text()}, {}, OutputFormat::json).lines.size(), 2U);
}

TEST_F(QueueCommands, ShowWhyARecipientIsHeldAndWhatWasSaidLast) {
  const queue::NewEntry made = bench_.accepted({"a@away.test"});
  bench_.settled(bench_.next(), queue::Attempt::deferred);
  EXPECT_EQ(chosen(), Chosen{"a@away.test deferred"});
  expect_exit(ask("queue.hold", {made.id.text()}), 0);
  const boost::json::object shown = ask_json("queue.show", {made.id.text()});
  const boost::json::object& recipient = shown.at("recipients").at(0).as_object();
  EXPECT_EQ(recipient.at("status"), "held");
  EXPECT_EQ(recipient.at("held_why"), "command");
  EXPECT_EQ(recipient.at("last_remote"), "mx.away.test [192.0.2.9]");
  const AdminReply text = ask("queue.show", {made.id.text()});
  EXPECT_NE(lines(text).find("held (by queue hold) until it is released, 1 attempt so far"), std::string::npos)
      << lines(text);
  EXPECT_NE(lines(text).find("last asked: mx.away.test [192.0.2.9]"), std::string::npos) << lines(text);
}

TEST_F(QueueCommands, GoOnAfterAFailure) {
  const queue::NewEntry first = bench_.accepted({"a@away.test"});
  const queue::NewEntry second = bench_.accepted({"b@away.test"});
  expect_exit(ask("queue.retry", {first.id.text(), second.id.text()}), 0);

  std::string unknown = first.id.text();
  std::ranges::reverse(unknown);
  const AdminReply reply = ask("queue.remove", {first.id.text(), "nonsense", unknown, second.id.text()});
  EXPECT_EQ(reply.exit_code, 2);
  EXPECT_EQ(reply.lines.size(), 2U);
  EXPECT_TRUE(ask("queue.list").lines.empty());

  const AdminReply gone = ask("queue.show", {first.id.text()});
  expect_exit(gone, 3);
  EXPECT_NE(lines(gone).find("removed"), std::string::npos) << lines(gone);
  const int not_there = queue::QueueId::parse(unknown) ? 3 : 2;
  expect_exit(ask("queue.show", {unknown}), not_there);
  expect_exit(ask("queue.retry", {unknown}), not_there);
  expect_exit(ask("queue.list", {unknown}), not_there);
}

TEST_F(QueueCommands, NeverTakeBadIdsForEverything) {
  bench_.accepted({"a@away.test"});
  for (const std::string command : {"queue.remove", "queue.bounce", "queue.hold", "queue.list", "queue.summary"}) {
    const AdminReply reply = ask(command, {"nonsense"});
    EXPECT_EQ(reply.exit_code, 2) << command;
    EXPECT_TRUE(reply.lines.empty()) << command;
  }
  EXPECT_EQ(chosen().size(), 1U);
}

TEST_F(QueueCommands, ChooseBySelectors) {
  bench_.accepted({"a@one.test", "b@two.test"});
  bench_.settled(bench_.next(), queue::Attempt::deferred);
  bench_.world.clock.advance(std::chrono::hours(3));
  bench_.accepted({"c@two.test"});
  struct Row {
    Options options;
    Chosen want;
  };
  const std::string a = "a@one.test deferred";
  const std::string b = "b@two.test deferred";
  const std::string c = "c@two.test due";
  for (const Row& row :
       {Row{{}, {a, b, c}}, Row{{{"domain", "TWO.test"}}, {b, c}}, Row{{{"to", "A@one.test"}}, {a}},
        Row{{{"to", "@two.test"}}, {b, c}}, Row{{{"from", "sender@away.test"}}, {a, b, c}}, Row{{{"from", "<>"}}, {}},
        Row{{{"mx", "mx.away.test"}}, {a, b}}, Row{{{"mx", "192.0.2.9"}}, {a, b}},
        Row{{{"status", "deferred"}}, {a, b}}, Row{{{"status", "due"}}, {c}}, Row{{{"status", "held"}}, {}},
        Row{{{"older-than", "2h"}}, {a, b}}, Row{{{"older-than", "4h"}}, {}}, Row{{{"reply", "^451.*later"}}, {a, b}},
        Row{{{"reply", "^5"}}, {}}, Row{{{"reply", "later"}, {"domain", "two.test"}}, {b}}}) {
    EXPECT_EQ(chosen(row.options), row.want)
        << (row.options.empty() ? "" : row.options[0].first + row.options[0].second);
  }
}

TEST_F(QueueCommands, ThatChangeWantAChoiceAndAYes) {
  for (const std::string command : {"retry", "hold", "release", "remove", "bounce", "thaw"}) {
    const AdminReply none = ask("queue." + command);
    expect_exit(none, 2);
    EXPECT_NE(none.error.find("nothing is chosen"), std::string::npos) << none.error;
  }
  bench_.accepted({"a@away.test", "b@away.test"});
  bench_.accepted({"c@away.test"});

  const AdminReply dry = ask_all("queue.remove", {}, {{"all", ""}, {"dry-run", ""}});
  expect_exit(dry, 0);
  ASSERT_EQ(dry.lines.size(), 3U);
  EXPECT_TRUE(dry.lines[0].ends_with(": would be removed (a@away.test, b@away.test)")) << dry.lines[0];
  EXPECT_EQ(dry.lines[2], "3 recipients of 2 messages would be removed");

  const AdminReply asked = ask_all("queue.remove", {}, {{"all", ""}});
  expect_exit(asked, 2);
  EXPECT_EQ(asked.question, "queue remove: 3 recipients of 2 messages");
  EXPECT_EQ(asked.error,
            "queue remove: this would change 3 recipients of 2 messages (--yes does it, --dry-run shows them)");
  EXPECT_TRUE(asked.lines.empty());
  EXPECT_EQ(chosen().size(), 3U);

  const AdminReply one = ask_all("queue.remove", {}, {{"to", "c@away.test"}}, OutputFormat::json);
  expect_exit(one, 0);
  ASSERT_EQ(one.lines.size(), 1U);
  EXPECT_NE(one.lines[0].find(R"("done":"removed","recipients":["c@away.test"])"), std::string::npos) << one.lines[0];
  expect_exit(ask_all("queue.remove", {}, {{"all", ""}, {"yes", ""}}), 0);
  EXPECT_TRUE(chosen().empty());
  EXPECT_EQ(lines(ask_all("queue.remove", {}, {{"all", ""}})), "nothing to remove");
}

TEST_F(QueueCommands, ChangeAtMostSoManyRecipients) {
  for (const char* const name : {"a", "b", "c"}) {
    bench_.accepted({fmt::format("{}1@away.test", name), fmt::format("{}2@away.test", name)});
  }
  const AdminReply dry = ask_all("queue.hold", {}, {{"all", ""}, {"limit", "3"}, {"dry-run", ""}});
  EXPECT_EQ(dry.lines.back(), "3 recipients of 2 messages would be held");
  const AdminReply done = ask_all("queue.hold", {}, {{"all", ""}, {"limit", "3"}, {"yes", ""}});
  expect_exit(done, 0);
  EXPECT_EQ(done.lines.back(), "3 recipients of 2 messages held");
  EXPECT_EQ(chosen({{"status", "held:command"}}),
            (Chosen{"a1@away.test held", "a2@away.test held", "b1@away.test held"}));
  EXPECT_EQ(lines(ask_all("queue.hold", {}, {{"to", "a1@away.test"}})), "nothing to hold");
  expect_exit(ask_all("queue.release", {}, {{"all", ""}, {"limit", "1"}, {"yes", ""}}), 0);
  EXPECT_EQ(chosen({{"status", "held"}}).size(), 2U);
}

TEST_F(QueueCommands, GoPageByPageWhateverTheNumber) {
  constexpr std::size_t kEntries = 1200;
  for (std::size_t i = 0; i < kEntries; ++i) bench_.accepted({fmt::format("a{}@away.test", i)});
  EXPECT_EQ(ask_all("queue.list").lines.size(), kEntries);
  EXPECT_EQ(pages_, 2);
  EXPECT_EQ(ask_all("queue.list", {}, {{"limit", "1100"}}).lines.size(), 1100U);
  EXPECT_EQ(ask_all("queue.list", {}, {{"to", "a1199@away.test"}}).lines.size(), 1U);
  const AdminReply held = ask_all("queue.hold", {}, {{"all", ""}, {"limit", "1150"}, {"yes", ""}});
  expect_exit(held, 0);
  EXPECT_EQ(held.lines.back(), "1150 recipients of 1150 messages held");
  EXPECT_TRUE(ask_all("queue.summary")
                  .lines[0]
                  .starts_with("1200 messages for 1200 recipients (50 due, 0 deferred, 1150 held), "));
}

TEST_F(QueueCommands, LeaveAloneWhatIsInDelivery) {
  const queue::NewEntry made = bench_.accepted({"a@away.test"});
  const queue::Job job = bench_.next();
  const AdminReply reply = ask("queue.remove", {made.id.text()});
  expect_exit(reply, 75);
  EXPECT_TRUE(reply.lines.empty()) << lines(reply);
  EXPECT_EQ(chosen().size(), 1U);
  bench_.queue->give_back(job.entry.id, job.recipients[0].number);
}

TEST_F(QueueCommands, RedirectByTheDirectory) {
  expect_exit(ask("domain.add", {"example.test"}), 0);
  expect_exit(ask("account.add", {"ann@example.test"}), 0);
  expect_exit(ask("alias.add", {"team@example.test", "ann@example.test", "x@elsewhere.test"}), 0);
  const queue::NewEntry made = bench_.accepted({"a@away.test"});
  const std::string id = made.id.text();

  expect_exit(ask("queue.redirect"), 2);
  expect_exit(ask("queue.redirect", {id}), 2);
  expect_exit(ask("queue.redirect", {"b@elsewhere.test"}), 2);
  expect_exit(ask("queue.redirect", {id, "a b@c"}), 2);
  const AdminReply unknown = ask("queue.redirect", {id, "nobody@example.test"});
  expect_exit(unknown, 1);
  EXPECT_EQ(unknown.error, "queue redirect: target nobody@example.test: no such user (nothing was changed)");

  const AdminReply dry = ask("queue.redirect", {id, "team@example.test"}, {{"dry-run", ""}});
  expect_exit(dry, 0);
  EXPECT_EQ(chosen(), Chosen{"a@away.test due"});
  expect_exit(ask("queue.redirect", {id, "team@example.test"}), 0);
  EXPECT_EQ(chosen(), (Chosen{"ann@example.test due", "x@elsewhere.test due"}));
  expect_exit(ask_all("queue.redirect", {"y@elsewhere.test"}, {{"domain", "elsewhere.test"}}), 0);
  EXPECT_EQ(chosen(), (Chosen{"ann@example.test due", "y@elsewhere.test due"}));
}

TEST_F(QueueCommands, BounceAndRetryAreOrders) {
  const queue::NewEntry made = bench_.accepted({"a@away.test"});
  bench_.settled(bench_.next(), queue::Attempt::deferred);
  EXPECT_FALSE(bench_.has_job(std::chrono::seconds(1)));
  expect_exit(ask("queue.retry", {made.id.text()}), 0);
  EXPECT_TRUE(bench_.has_job(std::chrono::seconds(1)));
  expect_exit(ask("queue.bounce", {made.id.text()}), 0);
  const queue::Job job = bench_.next();
  EXPECT_EQ(job.recipients.at(0).ordered, queue::Ordered::bounce);
}

TEST_F(QueueCommands, FreezeHoldsWhatIsDueUntilTheThaw) {
  EXPECT_TRUE(ask("queue.freeze").lines.empty());
  bench_.accepted({"a@away.test", "b@other.test"});
  EXPECT_EQ(lines(ask("queue.freeze", {}, {{"domain", "away.test"}, {"dry-run", ""}})),
            "--domain away.test: would be frozen");
  EXPECT_TRUE(ask("queue.freeze").lines.empty());
  EXPECT_EQ(lines(ask("queue.freeze", {}, {{"domain", "away.test"}})), "--domain away.test: frozen");
  EXPECT_EQ(lines(ask("queue.freeze")), "--domain away.test: frozen");
  const queue::Job job = bench_.next();
  ASSERT_EQ(job.recipients.size(), 1U);
  EXPECT_EQ(job.recipients[0].address.text(), "b@other.test");
  bench_.queue->give_back(job.entry.id, job.recipients[0].number);
  EXPECT_EQ(chosen({{"status", "held:frozen"}}), Chosen{"a@away.test held"});

  expect_exit(ask_all("queue.thaw", {}, {{"domain", "other.test"}}), 3);
  EXPECT_EQ(ask_all("queue.thaw", {}, {{"domain", "away.test"}, {"dry-run", ""}}).lines.at(0),
            "--domain away.test: would be lifted");
  EXPECT_EQ(ask("queue.freeze").lines.size(), 1U);
  const AdminReply thawed = ask_all("queue.thaw", {}, {{"domain", "away.test"}});
  expect_exit(thawed, 0);
  ASSERT_EQ(thawed.lines.size(), 3U) << lines(thawed);
  EXPECT_EQ(thawed.lines[0], "--domain away.test: lifted");
  EXPECT_EQ(thawed.lines[2], "1 recipient of 1 message released");
  EXPECT_TRUE(ask("queue.freeze").lines.empty());
  EXPECT_TRUE(chosen({{"status", "held"}}).empty());
}

TEST_F(QueueCommands, ABurstIsShownAndReleasedByItsLogin) {
  queue::NewEntry made = bench_.entry({"a@away.test"});
  made.login = "ann@here.test";
  made.held = queue::HeldWhy::burst;
  ASSERT_TRUE(bench_.run(bench_.accept(&made)));
  bench_.accepted({"b@away.test"});
  const boost::json::object shown = ask_json("queue.show", {made.id.text()});
  EXPECT_EQ(shown.at("login"), "ann@here.test");
  EXPECT_EQ(shown.at("recipients").at(0).at("held_why"), "burst");
  EXPECT_EQ(shown.at("trace").at(1).at("detail"), "its login sends much in a short time");
  EXPECT_TRUE(lines(ask("queue.show", {made.id.text()})).contains("held (its login sent much in a short time)"));
  EXPECT_TRUE(lines(ask("queue.summary")).contains("burst"));
  EXPECT_EQ(chosen({{"status", "held:burst"}}), Chosen{"a@away.test held"});
  EXPECT_EQ(chosen({{"login", "@here.test"}}), Chosen{"a@away.test held"});
  EXPECT_EQ(chosen({{"login", "uid:7"}}), Chosen{});
  for (const std::string bad : {"uid:", "uid:x", "uid:-1", "ann@", ""})
    expect_exit(ask("queue.list", {}, {{"login", bad}}), 2);
  expect_exit(ask("queue.release", {}, {{"login", "ann@here.test"}, {"yes", ""}}), 0);
  EXPECT_EQ(chosen(), (Chosen{"a@away.test due", "b@away.test due"}));
}

TEST_F(QueueCommands, FreezeOfSomeIsAHoldAndThawReleasesIt) {
  const queue::NewEntry made = bench_.accepted({"a@away.test"});
  expect_exit(ask("queue.freeze", {made.id.text()}), 0);
  EXPECT_EQ(chosen({{"status", "held:command"}}).size(), 1U);
  EXPECT_TRUE(ask("queue.freeze").lines.empty());
  expect_exit(ask("queue.thaw", {made.id.text()}), 0);
  EXPECT_EQ(chosen({{"status", "due"}}).size(), 1U);
  for (const auto* const from : {"@one.test", "@two.test"}) expect_exit(ask("queue.freeze", {}, {{"from", from}}), 0);
  EXPECT_EQ(ask("queue.freeze", {}, {}, OutputFormat::json).lines.at(0),
            R"({"v":1,"freeze":"--from @one.test","from":"@one.test","to":"","domain":"","state":"frozen"})");
  expect_exit(ask_all("queue.thaw", {}, {{"all", ""}}), 0);
  EXPECT_TRUE(ask("queue.freeze").lines.empty());
}

TEST_F(QueueCommands, SummaryCountsInTextAndJson) {
  EXPECT_EQ(lines(ask("queue.summary")), "0 messages for 0 recipients (0 due, 0 deferred, 0 held), 0 octets, oldest -");
  bench_.accepted({"a@one.test", "b@two.test"});
  bench_.settled(bench_.next(), queue::Attempt::deferred);
  bench_.accepted({"c@two.test"});
  const AdminReply text = ask("queue.summary");
  expect_exit(text, 0);
  EXPECT_TRUE(text.lines[0].starts_with("2 messages for 3 recipients (1 due, 2 deferred, 0 held)")) << text.lines[0];
  EXPECT_NE(lines(text).find("two.test\n"), std::string::npos) << lines(text);
  EXPECT_NE(lines(text).find("451 4.2.1 later"), std::string::npos) << lines(text);
  std::multiset<std::string> kinds;
  for (const std::string& line : ask("queue.summary", {}, {}, OutputFormat::json).lines) {
    const boost::json::value row = boost::json::parse(line);
    EXPECT_EQ(row.at("v"), 1);
    EXPECT_TRUE(row.at("due").is_int64());
    kinds.insert(std::string(row.at("kind").as_string()));
  }
  EXPECT_EQ(kinds.count("total"), 1U);
  EXPECT_EQ(kinds.count("destination"), 2U);
  EXPECT_EQ(kinds.count("reply"), 1U);
  EXPECT_EQ(kinds.count("age"), 9U);
  const AdminReply short_one = ask("queue.summary", {}, {{"limit", "1"}});
  EXPECT_NE(lines(short_one).find("and 1 more, with 1 recipient"), std::string::npos) << lines(short_one);
  EXPECT_TRUE(ask("queue.summary", {}, {{"domain", "one.test"}}).lines[0].starts_with("1 message for 1 recipient ("));
}

TEST_F(QueueCommands, SayTryAgainWhenTheStoreFailsForNow) {
  bench_.accepted({"a@away.test"});
  for (const std::string command : {"queue.list", "queue.summary", "queue.hold", "queue.freeze"}) {
    bench_.store->fail_call(1, Error::transient);
    const AdminReply reply = ask(command, {}, {{"all", ""}});
    EXPECT_EQ(reply.exit_code, 75) << command;
    EXPECT_TRUE(reply.next.empty()) << command;
  }
}

TEST_F(QueueCommands, RefuseABadCursor) {
  AdminRequest request;
  request.name = "queue.list";
  request.cursor = "elsewhere";
  expect_exit(bench_.run(admin_.run(std::move(request))), 2);
}

}  // namespace
}  // namespace postrider::web
