// The commands on DKIM keys and DNS records, over a simulated store and a simulated DNS.
#include "core/text.hpp"
#include "dns/sim_resolver.hpp"
#include "web/dns_records.hpp"
#include "web/test_bench.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <algorithm>

namespace postrider::web {
namespace {

class Desk final : public DnsDesk {
 public:
  explicit Desk(dns::Resolver* resolver) : resolver_(resolver) {}
  DnsFacts facts() override { return known; }
  Result<dns::Resolver*> resolver() override { return resolver_; }
  DnsFacts known{.hostname = mail::Domain::parse("mx.b.test").value(),
                 .ports = {{"submissions", 465}, {"pop3s", 2995}},
                 .spki_sha256 = {std::string(64, 'a')}};

 private:
  dns::Resolver* resolver_;
};

class DkimCommands : public test::AdminCommands {
 protected:
  AdminReply ask(std::string name, std::vector<std::string> words,
                 std::vector<std::pair<std::string, std::string>> options = {},
                 OutputFormat format = OutputFormat::text) {
    AdminRequest request;
    request.name = std::move(name);
    request.words = std::move(words);
    request.options = std::move(options);
    request.format = format;
    return bench_.run(admin_.run(std::move(request)));
  }
  std::vector<boost::json::object> rows(std::string name, std::vector<std::string> words,
                                        std::vector<std::pair<std::string, std::string>> options = {}) {
    const AdminReply reply = ask(std::move(name), std::move(words), std::move(options), OutputFormat::json);
    std::vector<boost::json::object> out;
    for (const std::string& line : reply.lines) out.push_back(boost::json::parse(line).as_object());
    return out;
  }
  /// "20260528a-rsa rsa on, …"
  std::string keys() {
    std::string out;
    for (const boost::json::object& row : rows("domain.dkim", {"b.test"})) {
      if (!out.empty()) out += ", ";
      out += std::string(row.at("selector").as_string()) + (row.at("active").as_bool() ? " on" : " off");
    }
    return out;
  }
  /// Publishes what `domain dns` says, but for what `leave_out` matches.
  void publish(std::string_view leave_out = "\n") {
    for (const std::string& line : ask("domain.dns", {"b.test"}).lines) {
      if (line.starts_with(";") || line.find(leave_out) != std::string::npos) continue;
      std::string record = line;
      record.erase(record.find(" 3600 IN"), 8);
      EXPECT_TRUE(resolver_.add(record)) << record;
    }
  }
  std::map<std::string, std::string> statuses() {
    std::map<std::string, std::string> out;
    for (const boost::json::object& row : rows("domain.dns", {"b.test"}, {{"check", ""}}))
      out[std::string(row.at("name").as_string()) + " " + std::string(row.at("purpose").as_string())] =
          std::string(row.at("status").as_string());
    return out;
  }

  SeededRandom dns_random_{5};
  dns::SimResolver resolver_{&dns_random_};
  Desk desk_{&resolver_};
  directory::DkimKeys keys_{bench_.store.get()};
  Admin admin_{AdminRooms{.directory = &directory_,
                          .mailboxes = &mailboxes_,
                          .queue = bench_.queue.get(),
                          .clock = &bench_.world.clock,
                          .dkim_keys = &keys_,
                          .workers = &workers_,
                          .dns_desk = &desk_}};
};

TEST_F(DkimCommands, ANewDomainHasTwoKeysAndIsToldWhatToPublish) {
  const AdminReply reply = ask("domain.add", {"b.test"});
  expect_exit(reply, 0);
  EXPECT_EQ(reply.lines.front(), "domain b.test: added");
  EXPECT_EQ(keys(), "20260528a-rsa on, 20260528a-ed on");
  const std::vector<std::string> shown = ask("domain.dns", {"b.test"}).lines;
  EXPECT_TRUE(std::ranges::equal(shown, std::span(reply.lines).subspan(1)));
  const std::string text = lines(reply);
  EXPECT_EQ(text.find("PRIVATE"), std::string::npos);
  for (const std::string_view want :
       {"b.test. 3600 IN MX 10 mx.b.test.", "b.test. 3600 IN TXT \"v=spf1 mx -all\"",
        "20260528a-rsa._domainkey.b.test. 3600 IN TXT \"v=DKIM1; k=rsa; p=MII",
        "20260528a-ed._domainkey.b.test. 3600 IN TXT \"v=DKIM1; k=ed25519; p=",
        "_dmarc.b.test. 3600 IN TXT \"v=DMARC1; p=quarantine; rua=mailto:postmaster@b.test\"",
        "_smtp._tls.b.test. 3600 IN TXT \"v=TLSRPTv1; rua=mailto:postmaster@b.test\"",
        "_submissions._tcp.b.test. 3600 IN SRV 0 1 465 mx.b.test.", "_imaps._tcp.b.test. 3600 IN SRV 0 0 0 .",
        "_25._tcp.mx.b.test. 3600 IN TLSA 3 1 1 aaaa", "_465._tcp.mx.b.test. 3600 IN TLSA 3 1 1 aaaa",
        "_2995._tcp.mx.b.test. 3600 IN TLSA 3 1 1 aaaa"})
    EXPECT_NE(text.find(want), std::string::npos) << want;
}

TEST_F(DkimCommands, KeysAreAskedForAndKeptWithTheKindOfTheDomain) {
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "ed25519"}}), 0);
  EXPECT_EQ(keys(), "20260528a-ed on");
  expect_exit(ask("domain.remove", {"b.test"}), 0);
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "none"}}), 0);
  EXPECT_EQ(keys(), "") << "the keys went with the domain";
  EXPECT_NE(lines(ask("domain.dns", {"b.test"})).find("no DKIM keys"), std::string::npos);
  expect_exit(ask("domain.add", {"r.test"}, {{"kind", "relay"}}), 0);
  EXPECT_EQ(rows("domain.dkim", {"r.test"}).size(), 0U);
  EXPECT_EQ(lines(ask("domain.dns", {"r.test"})).find("TXT"), std::string::npos) << "its owner's";
  expect_exit(ask("domain.add", {"s.test"}, {{"kind", "relay"}, {"dkim", "rsa"}}), 2);
  expect_exit(ask("domain.add", {"s.test"}, {{"dkim", "dsa"}}), 2);
  EXPECT_EQ(ask("domain.add", {"c.test"}, {{"dkim", "none"}}, OutputFormat::json).lines.size(), 1U);
}

TEST_F(DkimCommands, KeysAreRotated) {
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "ed25519"}}), 0);
  const AdminReply added = ask("domain.dkim", {"b.test", "add"}, {{"algorithm", "ed25519"}});
  expect_exit(added, 0);
  EXPECT_EQ(keys(), "20260528a-ed on, 20260528b-ed off");
  EXPECT_TRUE(added.lines.back().starts_with("20260528b-ed._domainkey.b.test. 3600 IN TXT "));
  expect_exit(ask("domain.dkim", {"b.test", "activate", "20260528b-ed"}), 0);
  expect_exit(ask("domain.dkim", {"b.test", "retire", "20260528a-ed"}), 0);
  EXPECT_EQ(keys(), "20260528a-ed off, 20260528b-ed on");
  expect_exit(ask("domain.dkim", {"b.test", "remove", "20260528a-ed"}), 0);
  EXPECT_EQ(keys(), "20260528b-ed on");
  const std::vector<boost::json::object> json = rows("domain.dkim", {"b.test", "retire", "20260528b-ed"});
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0].at("selector"), "20260528b-ed");
  EXPECT_EQ(json[0].at("done"), "does not sign any more");
  expect_exit(ask("domain.dkim", {"file.test", "add"}, {{"algorithm", "ed25519"}}), 0);
}

TEST_F(DkimCommands, SayWhatIsWrong) {
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "none"}}), 0);
  struct Row {
    std::vector<std::string> words;
    std::vector<std::pair<std::string, std::string>> options;
    int exit;
  };
  for (const Row& row : std::vector<Row>{{{"nowhere.test"}, {}, 3},
                                         {{"["}, {}, 2},
                                         {{"b.test", "make"}, {}, 2},
                                         {{"b.test", "retire"}, {}, 2},
                                         {{"b.test", "list", "x"}, {}, 2},
                                         {{"b.test", "add", "x"}, {}, 2},
                                         {{"b.test", "retire", "x"}, {}, 3},
                                         {{"b.test", "add"}, {{"algorithm", "none"}}, 2},
                                         {{"b.test", "add"}, {{"algorithm", "dsa"}}, 2},
                                         {{"b.test", "list"}, {{"algorithm", "rsa"}}, 2}})
    expect_exit(ask("domain.dkim", row.words, row.options), row.exit);
  for (std::size_t i = 0; i < directory::kDkimKeysMax; ++i)
    expect_exit(ask("domain.dkim", {"b.test", "add"}, {{"algorithm", "ed25519"}}), 0);
  const AdminReply full = ask("domain.dkim", {"b.test", "add"}, {{"algorithm", "ed25519"}});
  EXPECT_NE(full.exit_code, 0);
  EXPECT_NE(full.error.find("8 keys"), std::string::npos) << full.error;
  expect_exit(ask("domain.dns", {"nowhere.test"}), 3);
}

TEST_F(DkimCommands, WhatIsPublishedIsFound) {
  expect_exit(ask("domain.add", {"b.test"}), 0);
  publish();
  EXPECT_TRUE(resolver_.add("mx.b.test A 192.0.2.1"));
  const AdminReply reply = ask("domain.dns", {"b.test"}, {{"check", ""}});
  expect_exit(reply, 0);
  for (const auto& [name, status] : statuses()) EXPECT_EQ(status, "ok") << name;
  EXPECT_EQ(statuses().size(), 16U);
}

TEST_F(DkimCommands, WhatIsMissingOrDifferentIsSaid) {
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "ed25519"}}), 0);
  for (const std::string_view line :
       {"b.test MX 5 other.test.", "b.test TXT \"v=spf1 a -all\"", "b.test TXT \"something else\"",
        "20260528a-ed._domainkey.b.test TXT \"v=DKIM1; k=ed25519; p=AAAA\"", "_dmarc.b.test TXT \"v=DMARC1; p=none\"",
        "_imaps._tcp.b.test SRV 0 1 993 mx.b.test.", "_submissions._tcp.b.test SRV 5 9 465 mx.b.test.",
        "_25._tcp.mx.b.test TLSA 3 1 1 bbbb", "_465._tcp.mx.b.test TLSA !SERVFAIL"})
    EXPECT_TRUE(resolver_.add(line)) << line;
  const AdminReply reply = ask("domain.dns", {"b.test"}, {{"check", ""}});
  EXPECT_EQ(reply.exit_code, 1);
  const std::map<std::string, std::string> want{{"mx.b.test address", "missing"},
                                                {"b.test mx", "different"},
                                                {"b.test spf", "different"},
                                                {"20260528a-ed._domainkey.b.test dkim", "different"},
                                                {"_dmarc.b.test dmarc", "ok"},
                                                {"_smtp._tls.b.test tlsrpt", "missing"},
                                                {"_submissions._tcp.b.test srv", "ok"},
                                                {"_submission._tcp.b.test srv", "missing"},
                                                {"_imaps._tcp.b.test srv", "different"},
                                                {"_imap._tcp.b.test srv", "missing"},
                                                {"_pop3s._tcp.b.test srv", "missing"},
                                                {"_pop3._tcp.b.test srv", "missing"},
                                                {"_25._tcp.mx.b.test tlsa", "different"},
                                                {"_465._tcp.mx.b.test tlsa", "unknown"},
                                                {"_2995._tcp.mx.b.test tlsa", "missing"}};
  EXPECT_EQ(statuses(), want);
  EXPECT_NE(lines(reply).find("there is 5 other.test."), std::string::npos);
  EXPECT_NE(lines(reply).find("want     10 mx.b.test."), std::string::npos);
}

/// What only helps may be missing; what is needed may not.
TEST_F(DkimCommands, OnlyWhatIsNeededIsAFault) {
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "ed25519"}}), 0);
  EXPECT_TRUE(resolver_.add("mx.b.test AAAA 2001:db8::1"));
  publish("_t");  // _tcp and _tls
  EXPECT_EQ(ask("domain.dns", {"b.test"}, {{"check", ""}}).exit_code, 0);
  expect_exit(ask("domain.dkim", {"b.test", "add"}, {{"algorithm", "ed25519"}}), 0);
  EXPECT_EQ(ask("domain.dns", {"b.test"}, {{"check", ""}}).exit_code, 0) << "it does not sign yet";
  expect_exit(ask("domain.dkim", {"b.test", "activate", "20260528b-ed"}), 0);
  EXPECT_EQ(ask("domain.dns", {"b.test"}, {{"check", ""}}).exit_code, 1);
}

TEST_F(DkimCommands, TheDnsCanBeAFile) {
  expect_exit(ask("domain.add", {"b.test"}, {{"dkim", "none"}}), 0);
  const std::string file =
      "mx.b.test A 192.0.2.1\nb.test MX 10 mx.b.test.\nb.test TXT \"v=spf1 +mx ~all\"\n_dmarc.b.test TXT \"v=DMARC1; "
      "p=reject\"\n";
  expect_exit(ask("domain.dns", {"b.test"}, {{"check", ""}, {"dns", file}}), 0);
  const AdminReply two =
      ask("domain.dns", {"b.test"}, {{"check", ""}, {"dns", file + "b.test TXT \"v=spf1 mx -all\"\n"}});
  EXPECT_EQ(two.exit_code, 1) << "two SPF records are none";
  EXPECT_EQ(ask("domain.dns", {"b.test"}, {{"check", ""}, {"dns", "b.test MX\n"}}).exit_code, 2);
  EXPECT_EQ(resolver_.questions(), 0U);
}

TEST(DnsRecords, LongTextsAreSeveralStrings) {
  const mail::Domain domain = mail::Domain::parse("b.test").value();
  const directory::DkimKey key{.selector = "s", .private_key = {}, .public_key = std::string(600, 'A'), .created = {}};
  const DnsRecord record = make_dkim_record(domain, key);
  EXPECT_EQ(record.text, "v=DKIM1; k=rsa; p=" + std::string(600, 'A'));
  const std::vector<std::string_view> strings = split(record.data, '"');
  ASSERT_EQ(strings.size(), 7U);
  EXPECT_EQ(strings[1].size(), 255U);
  EXPECT_EQ(strings[3].size(), 255U);
  EXPECT_EQ(std::string(strings[1]) + std::string(strings[3]) + std::string(strings[5]), record.text);
}

}  // namespace
}  // namespace postrider::web
