// The commands `ban list` and `ban lift`.
#include "gate/peer_network.hpp"
#include "route/via.hpp"
#include "web/test_bench.hpp"

namespace postrider::web {
namespace {

using test::AdminCommands;

class BanCommands : public AdminCommands {
 protected:
  void fail(const std::string& login, std::string_view peer, int times) {
    for (int i = 0; i < times; ++i) (void)login_guard_.failed(login, route::parse_address(peer).value());
  }
};

TEST_F(BanCommands, ListShowsWhoIsSlowedAndBanned) {
  EXPECT_TRUE(ask("ban.list").lines.empty());
  for (int i = 0; i < 100; ++i) fail(fmt::format("user{}", i), "192.0.2.7", 1);
  fail("ann\x1b[31m", "2001:db8::1", 3);
  const AdminReply text = ask("ban.list");
  expect_exit(text, 0);
  ASSERT_EQ(text.lines.size(), 2U);
  EXPECT_TRUE(text.lines[0].starts_with("192.0.2.0/24")) << lines(text);
  EXPECT_TRUE(text.lines[0].contains("all logins")) << lines(text);
  EXPECT_TRUE(text.lines[0].contains("100 failed  banned until 20")) << lines(text);
  EXPECT_TRUE(text.lines[1].starts_with("2001:db8::/64  ann?[31m")) << lines(text);
  EXPECT_TRUE(text.lines[1].contains("3 failed    slowed until")) << lines(text);
  const AdminReply json = ask("ban.list", {}, {}, OutputFormat::json);
  EXPECT_TRUE(json.lines.at(0).starts_with(
      R"({"v":1,"network":"192.0.2.0/24","login":null,"failures":100,"state":"banned","until":"20)"))
      << lines(json);
}

TEST_F(BanCommands, LiftTakesAddressesNetworksAndLogins) {
  fail("ann@here.test", "192.0.2.7", 3);
  fail("bob@here.test", "198.51.100.7", 3);
  fail("cid@here.test", "203.0.113.7", 3);
  expect_exit(ask("ban.lift", {"192.0.2.9", "198.51.100.0/24", "Cid@here.test"}), 0);
  EXPECT_TRUE(ask("ban.list").lines.empty());
  const AdminReply none = ask("ban.lift", {"192.0.2.9"});
  expect_exit(none, 3);
  EXPECT_TRUE(none.error.contains("neither slowed nor banned (ban list shows what there is)")) << none.error;
}

TEST_F(BanCommands, LongListsComeInPages) {
  for (int i = 0; i < 2500; ++i) fail("ann", fmt::format("10.{}.{}.1", i / 250, i % 250), 3);
  EXPECT_EQ(ask_all("ban.list").lines.size(), 2501U);  // and the login itself
  EXPECT_EQ(pages_, 3);
}

TEST_F(BanCommands, WithoutAServerThereAreNone) {
  Admin admin(AdminRooms{
      .directory = &directory_, .mailboxes = &mailboxes_, .queue = bench_.queue.get(), .clock = &bench_.world.clock});
  AdminRequest request;
  request.name = "ban.list";
  const AdminReply reply = bench_.run(admin.run(std::move(request)));
  EXPECT_EQ(reply.exit_code, 69);
  EXPECT_TRUE(reply.error.contains("no server runs")) << reply.error;
}

}  // namespace
}  // namespace postrider::web
