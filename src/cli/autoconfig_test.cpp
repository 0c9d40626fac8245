#include "cli/autoconfig.hpp"

#include <gtest/gtest.h>

namespace postrider::cli {
namespace {

using server::Service;
using web::MailService;

net::Endpoint at(std::string_view text) { return *net::Endpoint::parse(text); }

std::string text_of(const web::MailSettings& settings) {
  std::string out;
  for (const MailService& service : settings.services) {
    out += service.kind == MailService::Kind::pop3 ? "pop3" : "submission";
    out += service.tls == MailService::Tls::implicit ? " tls " : " starttls ";
    out += std::to_string(service.port) + "; ";
  }
  return out;
}

TEST(Autoconfig, NamesWhatIsListenedTo) {
  Config config;
  config.hostname = "mx.example.test";
  const std::vector<server::Listening> listening = {
      {Service::smtp, at("192.0.2.1:25")},         {Service::submission, at("192.0.2.1:587")},
      {Service::submissions, at("192.0.2.1:465")}, {Service::submissions, at("[2001:db8::1]:465")},
      {Service::pop3, at("127.0.0.1:110")},        {Service::pop3s, at("192.0.2.1:995")},
      {Service::pop3s, at("192.0.2.2:1995")},      {Service::pop3s, at("unix:/run/x")},
      {Service::https, at("192.0.2.1:443")},       {Service::lmtp, at("unix:/run/y")},
  };
  EXPECT_EQ(text_of(to_mail_settings(config, listening, StartTls::offered)),
            "submission tls 465; submission starttls 587; pop3 tls 995; pop3 tls 1995; pop3 starttls 110; ");
  const web::MailSettings without = to_mail_settings(config, listening, StartTls::no);
  EXPECT_EQ(text_of(without), "submission tls 465; pop3 tls 995; pop3 tls 1995; ");
  EXPECT_EQ(without.hostname, "mx.example.test");
  EXPECT_EQ(without.autodiscover_url, "");
}

TEST(Autoconfig, TheAddressOfAutodiscoverIsThatOfTheHttpsListenerThatServesIt) {
  Config config;
  config.hostname = "mx.example.test";
  ListenKeys keys;
  keys.service = Service::https;
  keys.address = {at("192.0.2.1:443")};
  config.listen.push_back(keys);
  keys.address = {at("127.0.0.1:0")};
  keys.serve_autoconfig = true;
  config.listen.push_back(keys);
  const std::vector<server::Listening> listening = {{Service::https, at("192.0.2.1:443")},
                                                    {Service::https, at("127.0.0.1:8443")}};
  EXPECT_EQ(to_mail_settings(config, listening, StartTls::no).autodiscover_url,
            "https://mx.example.test:8443/autodiscover/autodiscover.xml");
  config.listen[0].serve_autoconfig = true;
  EXPECT_EQ(to_mail_settings(config, listening, StartTls::no).autodiscover_url,
            "https://mx.example.test/autodiscover/autodiscover.xml");
  config.listen[0].service = config.listen[1].service = Service::http;
  EXPECT_EQ(to_mail_settings(config, listening, StartTls::no).autodiscover_url, "");
}

}  // namespace
}  // namespace postrider::cli
