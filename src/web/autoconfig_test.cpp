#include "core/random.hpp"
#include "queue/test_bench.hpp"
#include "web/http_answer.hpp"
#include "web/test_bench.hpp"

#include <gtest/gtest.h>

namespace postrider::web {
namespace {

class Autoconfig : public testing::Test {
 protected:
  Autoconfig() {
    service_.autoconfig = &settings_;
    service_.directory = &directory_;
  }
  HttpReply run(Task<HttpReply> (*answer)(const HttpService*, HttpRequest), std::string query, std::string host,
                std::string body = {}) {
    HttpRequest request{.method = body.empty() ? "GET" : "POST",
                        .path = "/",
                        .query = std::move(query),
                        .host = std::move(host),
                        .body = std::move(body)};
    return bench_.run(answer(&service_, std::move(request)));
  }
  static std::string outlook(std::string_view address) {
    return fmt::format("<Autodiscover><Request><EMailAddress>{}</EMailAddress></Request></Autodiscover>", address);
  }

  queue::test::Bench bench_;
  SeededRandom random_{3};
  InlineWorkers workers_;
  directory::Directory directory_{bench_.store.get(), &workers_, &random_, &bench_.world.clock, test::file_settings()};
  MailSettings settings_{.hostname = "mx.file.test",
                         .services = {{MailService::Kind::pop3, MailService::Tls::implicit, 995}},
                         .autodiscover_url = {}};
  HttpService service_;
};

TEST_F(Autoconfig, AnswersForLocalDomainsOnly) {
  for (const auto& [query, host, status] :
       {std::tuple{"emailaddress=nobody%40file.test", "autoconfig.file.test", 200U},
        std::tuple{"", "autoconfig.file.test", 200U}, std::tuple{"", "file.test:8080", 200U},
        std::tuple{"emailaddress=ann%40other.test", "autoconfig.file.test", 404U},
        std::tuple{"", "autoconfig.other.test", 404U}, std::tuple{"emailaddress=ann", "file.test", 404U},
        std::tuple{"", "", 404U}}) {
    EXPECT_EQ(run(&answer_client_config, query, host).status, status) << query << " " << host;
  }
  EXPECT_EQ(run(&answer_autodiscover, "", "", outlook("nobody@file.test")).status, 200U);
  EXPECT_EQ(run(&answer_autodiscover, "Email=nobody@file.test", "").status, 200U);
  EXPECT_EQ(run(&answer_autodiscover, "", "", outlook("ann@other.test")).status, 404U);
}

TEST_F(Autoconfig, OutlookIsToldWhatIsNoRequest) {
  for (const HttpReply& reply :
       {run(&answer_autodiscover, "", "", "<x/>"), run(&answer_autodiscover, "", "file.test")}) {
    EXPECT_EQ(reply.status, 200U);
    EXPECT_EQ(reply.body, autodiscover_error());
  }
  EXPECT_EQ(run(&answer_autodiscover, "", "", std::string(kAutodiscoverOctetsMax + 1, ' ')).status, 413U);
}

TEST_F(Autoconfig, TheSecondVersionNamesTheFirst) {
  EXPECT_EQ(run(&answer_autodiscover_json, "Email=ann%40file.test&Protocol=AutodiscoverV1", "").status, 404U);
  settings_.autodiscover_url = "https://mx.file.test/autodiscover/autodiscover.xml";
  const HttpReply reply = run(&answer_autodiscover_json, "Email=ann%40file.test&Protocol=AutodiscoverV1", "");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(run(&answer_autodiscover_json, "Protocol=EWS", "").status, 404U);
}

}  // namespace
}  // namespace postrider::web
