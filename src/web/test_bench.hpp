// For tests: the commands on rooms over a simulated store.
#pragma once

#include "core/random.hpp"
#include "core/test_run.hpp"
#include "queue/test_bench.hpp"
#include "store/sim_store.hpp"
#include "web/admin.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::web::test {

inline directory::Settings file_settings() {
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
  /// All pages as one reply, each asked for as the client does.
  AdminReply ask_all(std::string name, std::vector<std::string> words = {},
                     std::vector<std::pair<std::string, std::string>> options = {},
                     OutputFormat format = OutputFormat::text) {
    AdminReply all;
    std::string cursor;
    do {
      AdminRequest request;
      request.name = name;
      request.words = words;
      request.options = options;
      request.format = format;
      request.cursor = cursor;
      AdminReply page = bench_.run(admin_.run(std::move(request)));
      EXPECT_LE(page.lines.size(), 1600U) << "a page is bounded";
      cursor = std::move(page.next);
      for (std::string& line : page.lines) all.lines.push_back(std::move(line));
      if (all.exit_code == 0) all.exit_code = page.exit_code;
      all.error += page.error;
      all.question = std::move(page.question);
      ++pages_;
    } while (!cursor.empty());
    return all;
  }
  void expect_exit(const AdminReply& reply, int exit_code) {
    EXPECT_EQ(reply.exit_code, exit_code) << reply.error;
    EXPECT_EQ(reply.error.empty(), exit_code == 0) << reply.error;
  }
  std::string lines(const AdminReply& reply) { return fmt::format("{}", fmt::join(reply.lines, "\n")); }

  int pages_ = 0;  // that ask_all has asked for
  queue::test::Bench bench_;
  SeededRandom random_{3};
  InlineWorkers workers_;
  directory::Directory directory_{bench_.store.get(), &workers_, &random_, &bench_.world.clock, file_settings()};
  mailbox::Mailboxes mailboxes_{bench_.store.get(), &bench_.world.clock, &random_};
  gate::LoginGuard login_guard_{&bench_.world.clock, {}};
  Admin admin_{AdminRooms{.directory = &directory_,
                          .mailboxes = &mailboxes_,
                          .queue = bench_.queue.get(),
                          .clock = &bench_.world.clock,
                          .login_guard = &login_guard_}};
};

}  // namespace postrider::web::test
