#include "web/mail_settings.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::web {
namespace {

using Service = MailService;

MailSettings all() {
  return {.hostname = "mx.example.test",
          .services = {{Service::Kind::submission, Service::Tls::implicit, 465},
                       {Service::Kind::submission, Service::Tls::starttls, 587},
                       {Service::Kind::pop3, Service::Tls::implicit, 995},
                       {Service::Kind::pop3, Service::Tls::starttls, 110}},
          .autodiscover_url = "https://mx.example.test/autodiscover/autodiscover.xml"};
}

mail::Address address(std::string_view text) { return *mail::Address::parse(text, mail::Utf8::yes); }

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(MailSettings, TheDomainIsInTheAddressOrTheHost) {
  struct Row {
    std::string query, host, domain, address;
  };
  const Row rows[] = {
      {"emailaddress=ann%40example.test", "autoconfig.other.test", "example.test", "ann@example.test"},
      {"x=y&EMailAddress=ann@Example.TEST", "a", "example.test", "ann@example.test"},
      {"Email=ann%2Bx%40example.test&Protocol=AutodiscoverV1", "a", "example.test", "ann+x@example.test"},
      {"emailaddress=ann+x@example.test", "a", "example.test", "ann+x@example.test"},
      {"emailaddress=j%C3%B6rg@b%C3%BCcher.example", "a", "xn--bcher-kva.example", "j\xC3\xB6rg@xn--bcher-kva.example"},
      {"", "autoconfig.Example.test", "example.test", ""},
      {"", "autodiscover.example.test:8443", "example.test", ""},
      {"emailaddress=", "example.test", "example.test", ""},
      {"", "autoconfig.autodiscover.test", "autodiscover.test", ""},
  };
  for (const Row& row : rows) {
    const Result<SettingsWanted> got = parse_settings_wanted(row.query, row.host);
    ASSERT_TRUE(got) << row.query << row.host;
    EXPECT_EQ(got->domain.text(), row.domain);
    EXPECT_EQ(got->address ? got->address->text() : "", row.address);
  }
  for (const Row& row : std::vector<Row>{{"", "", "", ""},
                                         {"", "autoconfig.", "", ""},
                                         {"", "a_b.test", "", ""},
                                         {"", "[::1]:80", "", ""},
                                         {"emailaddress=ann", "example.test", "", ""},
                                         {"emailaddress=ann%00@example.test", "example.test", "", ""},
                                         {"emailaddress=%FF@example.test", "example.test", "", ""},
                                         {"emailaddress=a%0d%0ab@example.test", "example.test", "", ""}}) {
    const Result<SettingsWanted> got = parse_settings_wanted(row.query, row.host);
    EXPECT_FALSE(got) << row.query << " " << row.host;
  }
}

TEST(MailSettings, EscapesOfAQueryAreResolvedOnce) {
  EXPECT_EQ(query_value("a=1&b=%41%2541&b=2", "b"), "A%41");
  EXPECT_EQ(query_value("%61=x", "a"), "x");
  EXPECT_EQ(query_value("a=%4", "a"), "%4");
  EXPECT_EQ(query_value("a=%zz%", "a"), "%zz%");
  EXPECT_EQ(query_value("a", "a"), "");
  EXPECT_EQ(query_value("ab=1", "a"), std::nullopt);
  EXPECT_EQ(query_value("", "a"), std::nullopt);
}

TEST(MailSettings, TheClientConfigNamesWhatIsThere) {
  const SettingsWanted wanted{.domain = *mail::Domain::parse("example.test"), .address = std::nullopt};
  const std::string config = to_client_config(all(), wanted, false);
  EXPECT_EQ(count(config, "<incomingServer type=\"pop3\">"), 2U);
  EXPECT_EQ(count(config, "<outgoingServer type=\"smtp\">"), 2U);
  EXPECT_EQ(count(config, "<username>%EMAILADDRESS%</username>"), 4U);
  EXPECT_LT(config.find("<port>995</port>\n      <socketType>SSL<"), config.find("<port>110</port>\n"));
  EXPECT_LT(config.find("<port>465</port>\n      <socketType>SSL<"),
            config.find("<port>587</port>\n      <socketType>STARTTLS<"));
  EXPECT_EQ(count(config, "password-cleartext"), 4U);
  EXPECT_EQ(count(config, "password-encrypted"), 0U);
  const std::string scram = to_client_config(all(), wanted, true);
  EXPECT_EQ(count(scram, "password-encrypted"), 4U);
  EXPECT_LT(scram.find("password-cleartext"), scram.find("password-encrypted"));
  const std::string nothing =
      to_client_config({.hostname = "mx", .services = {}, .autodiscover_url = {}}, wanted, true);
  EXPECT_EQ(count(nothing, "Server"), 0U);
}

TEST(MailSettings, WhatCameWithTheRequestIsEscaped) {
  const SettingsWanted wanted{.domain = *mail::Domain::parse("example.test"),
                              .address = address("\"<b>&'\"@example.test")};
  for (const std::string& text : {to_client_config(all(), wanted, true), to_autodiscover(all(), *wanted.address)}) {
    EXPECT_NE(text.find("&quot;&lt;b&gt;&amp;&apos;&quot;@example.test"), std::string::npos) << text;
    EXPECT_EQ(text.find("<b>"), std::string::npos);
  }
}

TEST(MailSettings, AutodiscoverTakesTheFirstOfEachKind) {
  const std::string text = to_autodiscover(all(), address("ann@example.test"));
  EXPECT_EQ(count(text, "<Protocol>"), 2U);
  EXPECT_NE(text.find("<Type>POP3</Type>\n        <Server>mx.example.test</Server>\n        <Port>995</Port>\n"
                      "        <LoginName>ann@example.test</LoginName>"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("<Type>SMTP</Type>\n        <Server>mx.example.test</Server>\n        <Port>465</Port>"),
            std::string::npos);
  MailSettings starttls = all();
  starttls.services.erase(starttls.services.begin());
  EXPECT_NE(to_autodiscover(starttls, address("ann@example.test")).find("<Encryption>TLS</Encryption>"),
            std::string::npos);
}

TEST(MailSettings, AutodiscoverJsonSaysWhereTheDocumentIs) {
  EXPECT_EQ(*to_autodiscover_json(all(), "autodiscoverv1"),
            "{\"Protocol\":\"AutodiscoverV1\",\"Url\":\"https://mx.example.test/autodiscover/autodiscover.xml\"}\n");
  EXPECT_EQ(to_autodiscover_json(all(), "ActiveSync").error().code, Error::unsupported);
  EXPECT_EQ(
      to_autodiscover_json({.hostname = "mx", .services = {}, .autodiscover_url = {}}, "AutodiscoverV1").error().code,
      Error::unsupported);
}

std::string request(std::string_view inside) {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Autodiscover "
      "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\r\n"
      "  <Request>{}<AcceptableResponseSchema>x</AcceptableResponseSchema></Request>\r\n</Autodiscover>\r\n",
      inside);
}

TEST(AutodiscoverRequest, GivesTheAddress) {
  for (const auto& [inside, want] :
       {std::pair<std::string, std::string>{"<EMailAddress>ann@example.test</EMailAddress>", "ann@example.test"},
        {"<EMailAddress>\r\n ann@example.test </EMailAddress>", "ann@example.test"},
        {"<EMailAddress>a&amp;b@example.test</EMailAddress>", "a&b@example.test"},
        {"<EMailAddress>ann<!-- -->&#64;<![CDATA[example.test]]></EMailAddress>", "ann@example.test"},
        {"<x:EMailAddress xmlns:x=\"y\">ann@example.test</x:EMailAddress>", "ann@example.test"},
        {"<EMailAddress>j\xC3\xB6rg@example.test</EMailAddress>", "j\xC3\xB6rg@example.test"}}) {
    const Result<mail::Address> got = parse_autodiscover_request(request(inside));
    ASSERT_TRUE(got) << inside << describe(got.error());
    EXPECT_EQ(got->text(), want);
  }
  EXPECT_TRUE(parse_autodiscover_request("\xEF\xBB\xBF" + request("<EMailAddress>a@b.test</EMailAddress>")));
}

TEST(AutodiscoverRequest, RefusesTheRest) {
  const std::string good = request("<EMailAddress>ann@example.test</EMailAddress>");
  std::string deep;
  for (int i = 0; i < 400; ++i) deep += "<a>";
  const std::string rows[] = {
      "",
      "ann@example.test",
      "<EMailAddress>ann@example.test</EMailAddress>",  // not where it belongs
      request(""),
      request("<EMailAddress/>"),
      request("<EMailAddress>ann</EMailAddress>"),
      request("<EMailAddress>a@b.test</EMailAddress><EMailAddress>c@d.test</EMailAddress>"),
      request("<EMailAddress>ann@example.test"),
      request("<x><EMailAddress>ann@example.test</EMailAddress></x>"),
      request("<EMailAddress>&x;ann@example.test</EMailAddress>"),
      request("<EMailAddress>ann@example.test</EMailAddress>") + "<more/>",
      good.substr(0, good.size() - 5),
      "<!DOCTYPE a [<!ENTITY x \"ann@example.test\">]>" + request("<EMailAddress>&x;</EMailAddress>"),
      "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">" + good.substr(good.find('\n')),
      request("<EMailAddress>\xFF@example.test</EMailAddress>"),
      request(deep),
      std::string("\xFF\xFE<\0a\0/\0>\0", 10),
  };
  for (const std::string& row : rows) {
    const Result<mail::Address> got = parse_autodiscover_request(row);
    ASSERT_FALSE(got) << row;
    EXPECT_EQ(got.error().code, Error::malformed) << row;
  }
}

TEST(AutodiscoverRequest, IsLimited) {
  const std::string good = request("<EMailAddress>ann@example.test</EMailAddress>");
  EXPECT_TRUE(parse_autodiscover_request(good + std::string(kAutodiscoverOctetsMax - good.size(), ' ')));
  EXPECT_EQ(parse_autodiscover_request(good + std::string(kAutodiscoverOctetsMax + 1 - good.size(), ' ')).error().code,
            Error::too_long);
}

}  // namespace
}  // namespace postrider::web
