// The commands on domains, accounts and aliases over a simulated store.
#include "web/admin.hpp"

#include "web/test_bench.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace postrider::web {
namespace {

class AdminCommands : public test::AdminCommands {
 protected:
  boost::json::object ask_json(std::string name, std::vector<std::string> words = {}) {
    const AdminReply reply = ask(std::move(name), std::move(words), {}, OutputFormat::json);
    EXPECT_EQ(reply.lines.size(), 1U) << reply.error;
    return reply.lines.empty() ? boost::json::object() : boost::json::parse(reply.lines.front()).as_object();
  }
};

TEST_F(AdminCommands, SaysHowACommandIsUsed) {
  struct Row {
    std::string_view name;
    std::vector<std::string> words;
    std::vector<std::pair<std::string, std::string>> options;
    std::string_view error;
  };
  for (const Row& row : std::vector<Row>{
           {"", {}, {}, ": no such command (there are domain, account, alias, ban and queue)"},
           {"queue.lst",
            {},
            {},
            "queue lst: no such command (there are queue list, queue show, queue summary, queue retry, queue hold, "
            "queue "
            "release, queue remove, queue bounce, queue redirect, queue freeze, queue thaw)"},
           {"domain.add",
            {},
            {},
            "domain add: a word is missing (usage: domain add DOMAIN [--kind local|relay|alias] [--of DOMAIN] "
            "[--recipients verify|any] [--catch-all ADDRESS] [--postmaster ADDRESS] [--dkim both|rsa|ed25519|none])"},
           {"domain.add",
            {"a.test"},
            {{"kind", "remote"}},
            "domain a.test: --kind is local, relay or alias (correct it)"},
           {"domain.add",
            {"a.test"},
            {{"kind", "alias"}, {"of", "["}},
            "domain a.test: --of is not a domain name of the form example.com (correct it)"},
           {"domain.add",
            {"a.test"},
            {{"recipients", "any"}},
            "domain a.test: --recipients belongs to --kind relay (correct it)"},
           {"domain.add",
            {"a.test"},
            {{"kind", "relay"}, {"recipients", "some"}},
            "domain a.test: --recipients is verify or any (correct it)"},
           {"domain.add",
            {"a.test"},
            {{"kind", "relay"}, {"recipients", "file:x"}},
            "domain a.test: a file of recipients belongs into the configuration file (correct it)"},
           {"domain.add",
            {"a.test"},
            {{"kind", "alias"}},
            "domain a.test: an alias domain, and only that, is of another domain (correct it)"},
           {"domain.list", {"x"}, {}, "domain list: too many words (usage: domain list)"},
           {"domain.list", {}, {{"", "x"}}, "domain list: unknown option -- (usage: domain list)"},
           {"domain.remove",
            {"a.test"},
            {{"force", ""}},
            "domain remove: unknown option --force (usage: domain remove DOMAIN)"},
           {"queue.list",
            {},
            {{"limit", "1"}, {"limit", "2"}},
            "queue list: option --limit is given twice (usage: queue list [ID...] [--login A] [--from A] [--to A] "
            "[--domain D] "
            "[--mx "
            "HOST] [--status S] [--older-than T] [--reply REGEX] [--limit N] [--after ID])"},
           {"queue.list", {}, {{"limit", "0"}}, "--limit 0: not a number (give 1 or more)"},
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

TEST_F(AdminCommands, KeepsDomainsOfEachKind) {
  expect_exit(ask("domain.add", {"a.test"}), 0);
  expect_exit(ask("domain.add", {"b.test"}, {{"kind", "alias"}, {"of", "A.test"}}), 0);
  expect_exit(ask("domain.add", {"c.test"}, {{"kind", "relay"}}), 0);
  expect_exit(ask("domain.add", {"d.test"}, {{"kind", "relay"}, {"recipients", "any"}}), 0);
  expect_exit(ask("domain.add", {"e.test"}, {{"kind", "alias"}, {"of", "nowhere.test"}}), 3);
  expect_exit(ask("domain.remove", {"a.test"}), 1);
  const std::string shown = lines(ask("domain.list"));
  for (const char* const row : {"alias of a.test", "relay, recipients verify", "relay, recipients any"})
    EXPECT_NE(shown.find(row), std::string::npos) << shown;
  expect_exit(ask("domain.remove", {"b.test"}), 0);
  expect_exit(ask("domain.remove", {"a.test"}), 0);
}

TEST_F(AdminCommands, KeepsAppPasswordsClassesAndSendAsRights) {
  expect_exit(ask("domain.add", {"example.test"}), 0);
  expect_exit(ask("account.add", {"ann@example.test"}, {{"class", "app"}}), 0);
  expect_exit(ask("account.add", {"bob@example.test"}, {{"class", "robot"}}), 2);
  EXPECT_EQ(ask_json("account.list").at("class"), "app");
  expect_exit(ask("account.class", {"ann@example.test", "person"}), 0);
  expect_exit(ask("account.class", {"bob@example.test", "person"}), 3);
  expect_exit(ask("account.class", {"ann@example.test", "robot"}), 2);

  expect_exit(ask("account.app-password.add", {"ann@example.test"}), 2);  // for what?
  expect_exit(ask("account.app-password.add", {"ann@example.test"}, {{"name", "x"}, {"scope", "smtp"}}), 2);
  const AdminReply made = ask("account.app-password.add", {"Ann@example.test"}, {{"name", "phone"}, {"scope", "pop3"}});
  expect_exit(made, 0);
  ASSERT_EQ(made.lines.size(), 1U);
  EXPECT_TRUE(made.lines.front().starts_with("account Ann@example.test app-password ")) << made.lines.front();
  expect_exit(ask("account.app-password.add", {"ann@example.test"}, {{"name", "phone"}}), 1);
  const boost::json::object listed = ask_json("account.app-password.list", {"ann@example.test"});
  EXPECT_EQ(listed.at("name"), "phone");
  EXPECT_EQ(listed.at("scopes"), (boost::json::array{"pop3"}));
  EXPECT_TRUE(listed.at("last_used").is_null());
  EXPECT_FALSE(listed.contains("password"));
  const std::string id(listed.at("id").as_string());
  expect_exit(ask("account.app-password.revoke", {"ann@example.test", "nothing"}), 3);
  expect_exit(ask("account.app-password.revoke", {"ann@example.test", id}), 0);
  expect_exit(ask("account.app-password.revoke", {"ann@example.test", id}), 3);

  expect_exit(ask("account.send-as.add", {"ann@example.test", "sales@partner.test"}), 0);
  expect_exit(ask("account.send-as.add", {"ann@example.test", "@brand.test"}), 0);
  expect_exit(ask("account.send-as.add", {"ann@example.test", "@brand.test"}), 1);
  expect_exit(ask("account.send-as.add", {"ann@example.test", "brand"}), 2);
  EXPECT_EQ(ask("account.send-as.list", {"ann@example.test"}).lines,
            (std::vector<std::string>{"sales@partner.test", "@brand.test"}));
  expect_exit(ask("account.send-as.remove", {"ann@example.test", "sales@partner.test"}), 0);
  expect_exit(ask("account.send-as.remove", {"ann@example.test", "sales@partner.test"}), 3);
  expect_exit(ask("account.send-as.list", {"bob@example.test"}), 3);
}

TEST_F(AdminCommands, WantsAPassword) {
  AdminRequest request;
  request.name = "account.add";
  request.words = {"ann@example.test"};
  const AdminReply reply = bench_.run(admin_.run(std::move(request)));
  expect_exit(reply, 2);
  EXPECT_EQ(reply.error,
            "account add: the password is empty (usage: account add ADDRESS "
            "[--class person|app] [--password-hash-stdin], the password on stdin)");
}

TEST_F(AdminCommands, SaysTryAgainWhenTheStoreFailsForNow) {
  bench_.store->fail_call(1, Error::transient);
  const AdminReply reply = ask("account.list");
  expect_exit(reply, 75);
  EXPECT_NE(reply.error.find("try again"), std::string::npos) << reply.error;
}

}  // namespace
}  // namespace postrider::web
