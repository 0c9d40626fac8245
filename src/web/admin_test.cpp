// The commands over a simulated store.
#include "web/admin.hpp"

#include "core/random.hpp"
#include "core/test_run.hpp"
#include "queue/test_bench.hpp"
#include "store/sim_store.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::web {
namespace {

directory::Settings file_settings() {
  directory::Settings settings;
  settings.domains.push_back({.name = mail::Domain::parse("file.test").value(),
                              .catch_all = {},
                              .postmaster = {},
                              .source = directory::Source::file});
  return settings;
}

class AdminCommands : public testing::Test {
 protected:
  AdminReply ask(std::string name, std::vector<std::string> words = {},
                 std::vector<std::pair<std::string, std::string>> options = {},
                 OutputFormat format = OutputFormat::text) {
    AdminRequest request;
    const bool wants_secret = name == "account.add" || name == "account.passwd";
    request.name = std::move(name);
    request.words = std::move(words);
    request.options = std::move(options);
    request.format = format;
    if (wants_secret) request.secret = Secret("correct horse");
    return bench_.run(admin_.run(std::move(request)));
  }
  boost::json::object ask_json(std::string name, std::vector<std::string> words = {}) {
    const AdminReply reply = ask(std::move(name), std::move(words), {}, OutputFormat::json);
    EXPECT_EQ(reply.lines.size(), 1U) << reply.error;
    return reply.lines.empty() ? boost::json::object() : boost::json::parse(reply.lines.front()).as_object();
  }
  void expect_exit(const AdminReply& reply, int exit_code) {
    EXPECT_EQ(reply.exit_code, exit_code) << reply.error;
    EXPECT_EQ(reply.error.empty(), exit_code == 0) << reply.error;
  }
  std::string lines(const AdminReply& reply) { return fmt::format("{}", fmt::join(reply.lines, "\n")); }

  queue::test::Bench bench_;
  SeededRandom random_{3};
  InlineWorkers workers_;
  directory::Directory directory_{bench_.store.get(), &workers_, &random_, &bench_.world.clock, file_settings()};
  mailbox::Mailboxes mailboxes_{bench_.store.get(), &bench_.world.clock, &random_};
  Admin admin_{AdminRooms{
      .directory = &directory_, .mailboxes = &mailboxes_, .queue = bench_.queue.get(), .clock = &bench_.world.clock}};
};

TEST_F(AdminCommands, SaysHowACommandIsUsed) {
  struct Row {
    std::string_view name;
    std::vector<std::string> words;
    std::vector<std::pair<std::string, std::string>> options;
    std::string_view error;
  };
  for (const Row& row : std::vector<Row>{
           {"", {}, {}, ": no such command (there are domain, account, alias and queue)"},
           {"queue.lst",
            {},
            {},
            "queue lst: no such command (there are queue list, queue show, queue retry, queue remove)"},
           {"domain.add",
            {},
            {},
            "domain add: a word is missing (usage: domain add DOMAIN [--catch-all ADDRESS] [--postmaster ADDRESS])"},
           {"domain.list", {"x"}, {}, "domain list: too many words (usage: domain list)"},
           {"domain.list", {}, {{"", "x"}}, "domain list: unknown option -- (usage: domain list)"},
           {"domain.remove",
            {"a.test"},
            {{"force", ""}},
            "domain remove: unknown option --force (usage: domain remove DOMAIN)"},
           {"queue.list",
            {},
            {{"limit", "1"}, {"limit", "2"}},
            "queue list: option --limit is given twice (usage: queue list [--limit N] [--after ID])"},
           {"queue.list", {}, {{"limit", "0"}}, "--limit 0: not a number of entries (give 1 to 100000)"},
           {"queue.list", {}, {{"after", "x"}}, "--after x: not a queue id (give the last id of the list before)"},
           {"queue.show", {"\x1B[2J"}, {}, "queue entry ?[2J: not a queue id (correct it)"},
           {"domain.add",
            {"not a domain"},
            {},
            "domain not a domain: not a domain name of the form example.com (correct it)"},
           {"domain.add",
            {"[192.0.2.1]"},
            {},
            "domain [192.0.2.1]: not a domain name of the form example.com (correct it)"},
           {"domain.add",
            {"a.test"},
            {{"catch-all", "x"}},
            "--catch-all x: not an address of the form user@example.com (correct it)"},
           {"account.add", {"ann"}, {}, "account ann: not an address of the form user@example.com (correct it)"},
           {"alias.add", {"a@b.test", "c"}, {}, "target c: not an address of the form user@example.com (correct it)"},
       }) {
    const AdminReply reply = ask(std::string(row.name), row.words, row.options);
    expect_exit(reply, 2);
    EXPECT_EQ(reply.error, row.error);
  }
}

TEST_F(AdminCommands, KeepsDomainsAccountsAndAliases) {
  const AdminReply added = ask("domain.add", {"Example.test"}, {{"catch-all", "ann@example.test"}});
  expect_exit(added, 0);
  EXPECT_EQ(lines(added), "domain example.test: added");
  expect_exit(ask("domain.add", {"example.test"}), 1);
  expect_exit(ask("domain.remove", {"file.test"}), 1);
  expect_exit(ask("domain.remove", {"other.test"}), 3);
  EXPECT_EQ(lines(ask("domain.list")).find("ann@example.test") == std::string::npos, false);

  expect_exit(ask("account.add", {"ann@other.test"}), 3);
  expect_exit(ask("account.add", {"ann@example.test"}), 0);
  expect_exit(ask("account.add", {"Ann@example.test"}), 1);
  expect_exit(ask("account.disable", {"ann@example.test"}), 0);
  EXPECT_EQ(ask_json("account.list").at("enabled"), false);
  expect_exit(ask("account.enable", {"ann@example.test"}), 0);
  expect_exit(ask("account.passwd", {"ann@example.test"}), 0);
  expect_exit(ask("account.passwd", {"bob@example.test"}), 3);
  const boost::json::object account = ask_json("account.list");
  EXPECT_EQ(account.at("v"), 1);
  EXPECT_EQ(account.at("account"), "ann@example.test");
  EXPECT_EQ(account.at("enabled"), true);
  EXPECT_TRUE(account.at("created").as_string().ends_with("Z"));

  expect_exit(ask("alias.add", {"info@example.test", "ann@example.test", "x@away.test"}), 0);
  const boost::json::object alias = ask_json("alias.list");
  EXPECT_EQ(alias.at("alias"), "info@example.test");
  EXPECT_EQ(alias.at("targets").as_array().size(), 2U);
  expect_exit(ask("alias.remove", {"info@example.test", "x@away.test"}), 0);
  EXPECT_EQ(ask_json("alias.list").at("targets").as_array().size(), 1U);
  expect_exit(ask("domain.remove", {"example.test"}), 1);
  expect_exit(ask("alias.remove", {"info@example.test"}), 0);
  expect_exit(ask("alias.remove", {"info@example.test"}), 3);
  EXPECT_TRUE(ask("alias.list").lines.empty());

  expect_exit(ask("account.remove", {"ANN@example.test"}), 0);
  expect_exit(ask("account.remove", {"ann@example.test"}), 3);
  expect_exit(ask("domain.remove", {"example.test"}), 0);
}

TEST_F(AdminCommands, WantsAPassword) {
  AdminRequest request;
  request.name = "account.add";
  request.words = {"ann@example.test"};
  const AdminReply reply = bench_.run(admin_.run(std::move(request)));
  expect_exit(reply, 2);
  EXPECT_EQ(reply.error, "account add: the password is empty (usage: account add ADDRESS, the password on stdin)");
}

TEST_F(AdminCommands, SaysTryAgainWhenTheStoreFailsForNow) {
  bench_.store->fail_call(1, Error::transient);
  const AdminReply reply = ask("account.list");
  expect_exit(reply, 75);
  EXPECT_NE(reply.error.find("try again"), std::string::npos) << reply.error;
}

TEST_F(AdminCommands, ShowsTheQueue) {
  EXPECT_TRUE(ask("queue.list").lines.empty());
  const queue::NewEntry first = bench_.accepted({"a@away.test", "b@away.test"});
  const queue::NewEntry second = bench_.accepted({"c@away.test"});

  const AdminReply list = ask("queue.list");
  expect_exit(list, 0);
  ASSERT_EQ(list.lines.size(), 2U);
  EXPECT_TRUE(list.lines[0].starts_with(first.id.text()));
  EXPECT_NE(list.lines[0].find("<sender@away.test>"), std::string::npos);
  EXPECT_NE(list.lines[0].find("a@away.test and 1 more"), std::string::npos);
  EXPECT_EQ(ask("queue.list", {}, {{"limit", "1"}}).lines.size(), 1U);
  const AdminReply rest = ask("queue.list", {}, {{"after", first.id.text()}});
  ASSERT_EQ(rest.lines.size(), 1U);
  EXPECT_TRUE(rest.lines[0].starts_with(second.id.text()));

  const boost::json::object shown = ask_json("queue.show", {first.id.text()});
  EXPECT_EQ(shown.at("v"), 1);
  EXPECT_EQ(shown.at("id").as_string().c_str(), first.id.text());
  EXPECT_EQ(shown.at("reverse_path"), "sender@away.test");
  ASSERT_EQ(shown.at("recipients").as_array().size(), 2U);
  EXPECT_EQ(shown.at("recipients").at(0).at("state"), "due");
  EXPECT_EQ(shown.at("recipients").at(0).at("attempts"), 0);
  ASSERT_FALSE(shown.at("trace").as_array().empty());
  EXPECT_EQ(shown.at("trace").at(0).at("what"), "accepted");

  const AdminReply text = ask("queue.show", {first.id.text()});
  expect_exit(text, 0);
  for (const std::string_view wanted :
       {"from         <sender@away.test>", "to a@away.test", "  due, next attempt 20", "accepted"}) {
    EXPECT_NE(lines(text).find(wanted), std::string::npos) << wanted << " in\n" << lines(text);
  }
}

TEST_F(AdminCommands, RetriesAndRemovesEntriesAndGoesOnAfterAFailure) {
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
  expect_exit(ask("queue.show", {unknown}), queue::QueueId::parse(unknown) ? 3 : 2);
}

}  // namespace
}  // namespace postrider::web
