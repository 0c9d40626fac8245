// The whole server over the simulated world: what becomes of files in the drop directory.
#include "server/drop_pickup.hpp"

#include "core/test_run.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "server/drop_file.hpp"
#include "server/server.hpp"
#include "store/sim_store.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace postrider::server {
namespace {

using std::chrono::seconds;

class KeptLog final : public LogOutput {
 public:
  void write_line(std::string_view line) override { (text += line) += '\n'; }
  std::string text;
};

class MemoryDrops final : public DropDirectory {
 public:
  Result<std::vector<std::string>> names() override {
    std::vector<std::string> all;
    for (const auto& [name, dropped] : files) all.push_back(name);
    return all;
  }
  Result<Dropped> read(const std::string& name) override {
    if (unreadable) return error(*unreadable, "test.drops");
    return files.at(name);
  }
  Result<void> remove(const std::string& name) override {
    if (removals_that_fail > 0) {
      --removals_that_fail;
      return error(Error::denied, "test.drops");
    }
    files.erase(name);
    return {};
  }
  Result<void> put_aside(const std::string& name) override {
    aside.push_back(name);
    files.erase(name);
    return {};
  }
  void leave(const std::string& letter, std::initializer_list<std::string_view> recipients,
             std::string_view content = "Subject: x\r\n\r\nhi\r\n") {
    DropEnvelope envelope;
    envelope.reverse_path = mail::Path(mail::Address::parse("cron@here.test").value());
    for (const std::string_view text : recipients) envelope.recipients.push_back(mail::Address::parse(text).value());
    files['m' + letter] = {.user = 1000, .octets = encode_drop(envelope, content)};
  }
  std::map<std::string, Dropped> files;
  std::vector<std::string> aside;
  int removals_that_fail = 0;
  std::optional<Error::Code> unreadable;
};

class Site {
 public:
  Site() {
    Settings settings;
    settings.hostname = "mx.here.test";
    settings.gate = {.max_message_size = 100'000};
    settings.directory.domains.push_back(
        {.name = *mail::Domain::parse("here.test"), .catch_all = std::nullopt, .postmaster = std::nullopt});
    settings.queue = queue::default_settings();
    settings.route.routes.push_back({.domain = "held.test", .via = {"hold"}});
    settings.drops = drops;
    settings.listen.push_back({.service = Service::submit,
                               .at = {.address = {}, .port = 0, .unix_path = "/submit.sock"},
                               .smtp = smtp::ServerSettings{.hostname = "mx.here.test",
                                                            .own_domain = *mail::Domain::parse("here.test"),
                                                            .submission = true},
                               .relay_from = {},
                               .proxy_protocol_from = {},
                               .xclient_from = {},
                               .bare_newline = smtp::BareNewline::reject,
                               .greeting_delay = {},
                               .cleartext = pop3::Cleartext::refused,
                               .handler = {}});
    server_.emplace(Doors{&store_, &world_.clock, &random_, &workers_, &events_, &metrics_,
                          network_.host(*net::Address::parse("10.0.0.1")), &resolver_},
                    std::move(settings));
    check(server_->listen({&world_.shard}).has_value(), "test: listen");
    const auto account = test::run(
        world_, server_->directory()->add_account(mail::Address::parse("cron@here.test").value(), Secret("pw")));
    check(account.has_value(), "test: account");
  }
  ~Site() {
    server_->drain();
    world_.run_until_still();
    EXPECT_FALSE(log().contains("task.failed")) << log();
  }
  void start() {
    server_->start([] {}, [] {});
  }
  /// Long enough for `looks` looks.
  void wait(int looks) {
    Signal nothing;
    const Result<void> waited = test::run(world_, nothing.wait(world_.clock.steady() + looks * kDropLook));
    (void)waited;
  }
  [[nodiscard]] std::size_t times(std::string_view text) const {
    std::size_t count = 0;
    for (std::size_t at = log().find(text); at != std::string::npos; at = log().find(text, at + 1)) ++count;
    return count;
  }
  [[nodiscard]] const std::string& log() const { return log_.text; }
  std::vector<queue::Listed> queued() {
    return test::run(world_, server_->queue()->list({}, std::nullopt, 10)).value().entries;
  }
  std::shared_ptr<MemoryDrops> drops = std::make_shared<MemoryDrops>();

 private:
  test::World world_;
  SeededRandom random_{1};
  KeptLog log_;
  Events events_{&world_.clock, LogFormat::text, Level::info, &log_};
  InlineWorkers workers_;
  Metrics metrics_;
  store::SimDisk disk_;
  store::SimStore store_{store::SimStoreOptions{.disk = &disk_, .random = &random_}};
  net::SimNetwork network_{&random_};
  dns::SimResolver resolver_{&random_};
  std::optional<Server> server_;
};

TEST(DropPickup, TakesAMessageOnceAndRemovesItsFile) {
  Site site;
  site.drops->leave("1", {"someone@held.test"});
  site.start();
  site.wait(3);
  EXPECT_TRUE(site.drops->files.empty());
  EXPECT_EQ(site.times("drop.taken user=1000"), 1U) << site.log();
  ASSERT_EQ(site.queued().size(), 1U);
  EXPECT_EQ(site.queued().front().entry.report_to, queue::ReportTo::sender);
}

TEST(DropPickup, AFileThatStaysIsNotTakenAgain) {
  Site site;
  site.drops->leave("1", {"someone@held.test"});
  site.drops->removals_that_fail = 2;  // as if the server had ended between the commit and the removal
  site.start();
  site.wait(5);
  EXPECT_TRUE(site.drops->files.empty());
  EXPECT_EQ(site.times("smtp.accepted"), 1U) << site.log();
  EXPECT_EQ(site.queued().size(), 1U);
}

TEST(DropPickup, ANameThatIsFreeAgainMayBeUsedAgain) {
  Site site;
  site.drops->leave("1", {"someone@held.test"});
  site.start();
  site.wait(2);
  site.drops->leave("1", {"other@held.test"});
  site.wait(2);
  EXPECT_EQ(site.times("smtp.accepted"), 2U);
}

TEST(DropPickup, ARefusedRecipientComesBackAsAReport) {
  Site site;
  site.drops->leave("1", {"nobody@here.test", "someone@held.test"});
  site.start();
  site.wait(4);
  EXPECT_TRUE(site.drops->files.empty());
  EXPECT_EQ(site.times("outcome=failed to=nobody@here.test remote=\"\" reply=\"550 5.1.1"), 1U) << site.log();
  EXPECT_EQ(site.times("outcome=delivered to=cron@here.test"), 1U) << site.log();  // the report
}

TEST(DropPickup, WhatIsNoMessageIsPutAside) {
  Site site;
  site.drops->files["m1"] = {.user = 1000, .octets = "rubbish"};
  site.drops->leave("2", {"someone@held.test"}, std::string(200'000, 'x') + "\r\n");  // over the size that we take
  site.drops->leave("3", {"someone@held.test"}, "Subject: x\r\n\r\nbare\nline\r\n");
  site.start();
  site.wait(2);
  EXPECT_EQ(site.drops->aside, (std::vector<std::string>{"m1", "m2", "m3"}));
  EXPECT_EQ(site.times("what=\"put aside\""), 3U) << site.log();
  EXPECT_TRUE(site.queued().empty());
}

TEST(DropPickup, WhatCannotBeReadNowIsReadLater) {
  Site site;
  site.drops->leave("1", {"someone@held.test"});
  site.drops->unreadable = Error::exhausted;
  site.start();
  site.wait(5);
  EXPECT_EQ(site.drops->files.size(), 1U);
  EXPECT_EQ(site.times("what=kept"), 1U) << "said once, however often it is looked at";
  site.drops->unreadable.reset();
  site.wait(2);
  EXPECT_EQ(site.queued().size(), 1U);
}

}  // namespace
}  // namespace postrider::server
