#include "cli/config.hpp"

#include "cli/config_mail.hpp"
#include "directory/recipient_list.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace postrider::cli {
namespace {

/// A directory that is gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/postrider-config-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }

  [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

constexpr std::string_view kGood = "hostname = \"mx.example.test\"\ndata_dir = \"data\"\n";

TEST(Config, TakesEveryKey) {
  const Folder folder;
  folder.write("aliases", "root: alice\nlist: :include:lists/members\n");
  folder.write("lists/members", "alice\nbob@remote.test\n");
  folder.write("lists/listed", "ann\nBob@listed.test\n");
  folder.write("virtual", "info@other.test alice\nother.test x\n");
  const std::string file = folder.write("postrider.toml", std::string(kGood) + R"(
user = ""
drain_timeout = "3s"
[smtp]
max_message_size = "10 MiB"
max_recipients = 100
relay_from = ["192.0.2.0/24", "2001:db8::/32"]
max_connections = 500
max_connections_per_ip = 20
bare_newline = "normalize"
binarymime = true
greeting_delay = "2s"
[[listen]]
service = "smtp"
address = ["127.0.0.1:2525", "[::1]:2525"]
max_message_size = "1MB"
relay_from = []
proxy_protocol_from = ["192.0.2.7"]
xclient_from = ["192.0.2.8", "192.0.2.9"]
bare_newline = "reject"
[[listen]]
service = "lmtp"
address = "unix:lmtp.sock"
[[listen]]
service = "pop3"
address = "127.0.0.1:2110"
plaintext_auth = true
scram_sha_1 = true
scram_plus = true
[[listen]]
service = "http"
address = "127.0.0.1:8025"
serve = ["health", "autoconfig"]
[[domain]]
name = "Example.Test"
kind = "local"
catch_all = "alice@example.test"
subaddress = "-"
postmaster = "bob@example.test"
[[alias]]
address = "team@example.test"
targets = ["alice@example.test", "carol@remote.test"]
[[domain]]
name = "other.test"
kind = "alias"
of = "example.test"
[[domain]]
name = "inner.test"
kind = "relay"
[[domain]]
name = "any.test"
kind = "relay"
recipients = "any"
[[domain]]
name = "listed.test"
kind = "relay"
recipients = "file:lists/listed"
subaddress = ""
[[alias_file]]
path = "aliases"
[[alias_file]]
path = "virtual"
format = "postfix-virtual"
domain = "example.test"
[[route]]
domain = "*.remote.test"
via = "127.0.0.1:2600"
[[route]]
domain = "inner.test"
sender = "@remote.test"
match_local = true
via = ["lmtp+unix:run/lmtp", "lmtp://127.0.0.1:24", "mx"]
source = "192.0.2.1"
helo = "out.example.test"
retry = ["1s", "5m"]
[[route]]
sender = "<>"
via = "hold"
[[route]]
domain = "smart.test"
via = ["smtps://smart.test", "smart.test:587"]
tls = "verified"
tls_name = "mx.smart.test"
tls_ca = "ca.pem"
client_certificate = "client.pem"
client_key = "client.key"
auth = "smart"
[secret.smart]
username = "us"
password_file = "smart.password"
[secret.other]
username = "them"
credential = "mail"
[outbound]
allow_private = ["10.0.0.0/8"]
port = 2526
[queue]
retry = ["1s", "2m"]
warn_after = "3h"
expire_after = "1d"
expire_after_bounce = "12h"
[dns]
servers = ["127.0.0.1:5353"]
trust_anchor = ""
[log]
format = "json"
level = "warn"
output = "stderr"
[submit]
origin = "Example.Test"
[store]
min_free = "1GiB"
)");
  const LoadedConfig loaded = load_config(file);
  for (const ConfigMistake& mistake : loaded.mistakes) ADD_FAILURE() << to_text(mistake);
  const Config& config = loaded.config;
  EXPECT_EQ(config.hostname, "mx.example.test");
  EXPECT_TRUE(config.data_dir.starts_with('/') && config.data_dir.ends_with("/data")) << config.data_dir;
  EXPECT_EQ(config.drain_timeout, std::chrono::seconds(3));
  ASSERT_EQ(config.listen.size(), 4U);
  EXPECT_EQ(config.listen[0].smtp.max_message_size, 1'000'000U);  // the listener's own key wins
  EXPECT_TRUE(config.listen[0].smtp.relay_from.empty());
  EXPECT_EQ(config.listen[0].smtp.max_recipients, 100U);
  EXPECT_EQ(config.listen[0].address.size(), 2U);
  EXPECT_EQ(config.listen[0].proxy_protocol_from.size(), 1U);
  EXPECT_EQ(config.listen[0].xclient_from.size(), 2U);
  EXPECT_EQ(config.listen[0].smtp.bare_newline, smtp::BareNewline::reject);
  EXPECT_EQ(config.listen[0].smtp.greeting_delay, std::chrono::seconds(2));
  EXPECT_EQ(config.listen[1].service, server::Service::lmtp);
  EXPECT_EQ(config.listen[1].smtp.bare_newline, smtp::BareNewline::normalize);
  EXPECT_TRUE(config.listen[1].smtp.binarymime);
  EXPECT_EQ(config.listen[1].address.at(0).unix_path, std::filesystem::path(file).parent_path() / "lmtp.sock");
  EXPECT_TRUE(config.listen[2].smtp.plaintext_auth);
  EXPECT_TRUE(config.listen[2].smtp.scram_sha_1);
  EXPECT_FALSE(config.listen[0].smtp.scram_sha_1);
  EXPECT_TRUE(config.listen[2].smtp.scram_plus);
  EXPECT_FALSE(config.listen[0].smtp.scram_plus);
  EXPECT_TRUE(config.listen[3].serve_health);
  EXPECT_FALSE(config.listen[3].serve_metrics);
  EXPECT_TRUE(config.listen[3].serve_autoconfig);
  EXPECT_EQ(config.queue.warn_after, std::chrono::hours(3));
  ASSERT_EQ(config.domains.size(), 5U);
  EXPECT_EQ(config.domains[1].kind, directory::DomainKind::alias);
  EXPECT_EQ(config.domains[1].alias_of, mail::Domain::parse("example.test").value());
  EXPECT_EQ(config.domains[2].recipients.by, directory::RelayRecipients::By::verify);
  EXPECT_EQ(config.domains[3].recipients.by, directory::RelayRecipients::By::any);
  EXPECT_EQ(config.domains[4].recipients.path, folder.path("lists/listed"));
  EXPECT_TRUE(config.recipient_lists.at(config.domains[4].name)->contains("BOB"));
  ASSERT_EQ(config.file_aliases.size(), 3U);
  EXPECT_EQ(config.file_aliases[1].targets.size(), 2U);
  ASSERT_EQ(config.routes.size(), 4U);
  EXPECT_EQ(config.routes[0].tls, route::TlsPolicy::automatic);
  EXPECT_EQ(config.routes[3].tls, route::TlsPolicy::verified);
  EXPECT_EQ(config.routes[3].credentials, (route::Credentials{.tls_name = "mx.smart.test",
                                                              .tls_authorities = folder.path("ca.pem"),
                                                              .client_certificate = folder.path("client.pem"),
                                                              .client_key = folder.path("client.key"),
                                                              .secret = "smart"}));
  ASSERT_EQ(config.secrets.size(), 2U);
  EXPECT_EQ(config.secrets.at("smart").username, "us");
  EXPECT_EQ(config.secrets.at("smart").password_file, folder.path("smart.password"));
  EXPECT_EQ(config.secrets.at("other").credential, "mail");
  EXPECT_EQ(config.routes[1].via.front(), "lmtp+unix:" + folder.path("run/lmtp"));
  EXPECT_EQ(config.routes[1].sender, "@remote.test");
  EXPECT_TRUE(config.routes[1].match_local);
  EXPECT_EQ(config.routes[1].source, "192.0.2.1");
  EXPECT_EQ(config.routes[1].hello, "out.example.test");
  EXPECT_EQ(config.routes[1].retry.size(), 2U);
  EXPECT_EQ(config.routes[2].domain, "*");
  ASSERT_EQ(loaded.notes.size(), 1U);
  EXPECT_NE(to_text(loaded.notes[0]).find("virtual:2:1: "), std::string::npos) << to_text(loaded.notes[0]);
  EXPECT_EQ(config.domains[0].name.text(), "example.test");
  EXPECT_EQ(config.domains[0].subaddress, "-");
  EXPECT_EQ(config.aliases.at(0).targets.size(), 2U);
  EXPECT_EQ(config.routes.at(0).via, std::vector<std::string>{"127.0.0.1:2600"});
  EXPECT_EQ(config.submit_origin, "example.test");
  EXPECT_EQ(config.outbound_port, 2526);
  EXPECT_EQ(config.queue.retry.size(), 2U);
  EXPECT_EQ(config.queue.expire_after, std::chrono::hours(24));
  EXPECT_EQ(config.min_free, 1ULL << 30U);

  const LoadedConfig again = load_config(folder.write("shown.toml", show_config(config)));
  for (const ConfigMistake& mistake : again.mistakes) ADD_FAILURE() << "shown: " << to_text(mistake);
  EXPECT_EQ(again.config.queue.retry, config.queue.retry);
  EXPECT_EQ(again.config.routes.back().credentials, config.routes.back().credentials);
  EXPECT_EQ(again.config.routes.back().tls, config.routes.back().tls);
  EXPECT_EQ(again.config.secrets.at("smart").password_file, config.secrets.at("smart").password_file);
  EXPECT_EQ(again.config.secrets.at("other").credential, "mail");
  EXPECT_EQ(again.config.queue.warn_after, config.queue.warn_after);
  ASSERT_EQ(again.config.domains.size(), config.domains.size());
  for (std::size_t i = 0; i < config.domains.size(); ++i) {
    EXPECT_EQ(again.config.domains[i].kind, config.domains[i].kind) << i;
    EXPECT_EQ(again.config.domains[i].alias_of, config.domains[i].alias_of) << i;
    EXPECT_EQ(again.config.domains[i].recipients.by, config.domains[i].recipients.by) << i;
    EXPECT_EQ(again.config.domains[i].recipients.path, config.domains[i].recipients.path) << i;
  }
  EXPECT_EQ(again.config.file_aliases.size(), config.file_aliases.size());
  ASSERT_EQ(again.config.routes.size(), config.routes.size());
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    EXPECT_EQ(again.config.routes[i].via, config.routes[i].via) << i;
    EXPECT_EQ(again.config.routes[i].sender, config.routes[i].sender) << i;
    EXPECT_EQ(again.config.routes[i].match_local, config.routes[i].match_local) << i;
    EXPECT_EQ(again.config.routes[i].source, config.routes[i].source) << i;
    EXPECT_EQ(again.config.routes[i].hello, config.routes[i].hello) << i;
    EXPECT_EQ(again.config.routes[i].retry, config.routes[i].retry) << i;
  }
  ASSERT_EQ(again.config.listen.size(), 4U);
  EXPECT_EQ(again.config.listen[0].proxy_protocol_from, config.listen[0].proxy_protocol_from);
  EXPECT_EQ(again.config.listen[0].xclient_from, config.listen[0].xclient_from);
  EXPECT_EQ(again.config.listen[1].smtp.bare_newline, config.listen[1].smtp.bare_newline);
  EXPECT_EQ(again.config.listen[1].smtp.greeting_delay, config.listen[1].smtp.greeting_delay);
}

struct BadRow {
  const char* text;
  int line;
  const char* says;
};

TEST(Config, EachMistakeHasItsPlaceAndSaysWhatIsWanted) {
  const BadRow rows[] = {
      {"hostnam = \"x\"\n", 3, "did you mean \"hostname\"?"},
      {"[queue]\nexpire_afer = \"5d\"\n", 4, "did you mean \"expire_after\"?"},
      {"[[account]]\naddress = \"ann@x.test\"\npassword_hash = \"$6$x\"\nsend_as = [\"@y.test\"]\n", 3, "account add"},
      {"[nonsense]\n", 3, "unknown key \"nonsense\""},
      {"drain_timeout = 8\n", 3, "wants a duration"},
      {"drain_timeout = \"8 parsecs\"\n", 3, "wants a duration"},
      {"drain_timeout = \"99999999999999999999d\"\n", 3, "wants a duration"},
      {"[smtp]\nmax_message_size = \"50 MoB\"\n", 4, "wants a size"},
      {"[smtp]\nmax_recipients = 0\n", 4, "whole number"},
      {"[smtp]\nmax_recipients = 1001\n", 4, "whole number"},
      {"[smtp]\nmax_recipients = \"many\"\n", 4, "whole number"},
      {"[smtp]\nrelay_from = [\"0.0.0.0/0\"]\n", 4, "open relay"},
      {"[smtp]\nrelay_from = [\"::/0\"]\n", 4, "open relay"},
      {"[smtp]\nrelay_from = [\"192.0.2.1/24\"]\n", 4, "networks such as"},
      {"[smtp]\nbare_newline = \"lf\"\n", 4, "reject"},
      {"[smtp]\nbinarymime = \"on\"\n", 4, "true or false"},
      {"[smtp]\ngreeting_delay = \"31s\"\n", 4, "at most 30s"},
      {"[smtp]\nproxy_protocol_from = [\"192.0.2.1\"]\n", 4, "unknown key"},
      {"[[listen]]\naddress = \"127.0.0.1:1\"\nproxy_protocol_from = [\"0.0.0.0/0\"]\n", 5, "anyone"},
      {"[[listen]]\naddress = \"127.0.0.1:1\"\nxclient_from = [\"::/0\"]\n", 5, "anyone"},
      {"[[listen]]\naddress = \"127.0.0.1:1\"\nxclient_from = \"localhost\"\n", 5, "networks such as"},
      {"[[listen]]\nservice = \"pop3\"\naddress = \"127.0.0.1:1\"\nxclient_from = \"192.0.2.1\"\n", 6, "smtp and lmtp"},
      {"[smtp]\nplaintext_auth = 1\n", 4, "true or false"},
      {"[[listen]]\nservice = \"imap\"\naddress = \"127.0.0.1:1\"\n", 4, "this version serves"},
      {"[[listen]]\nservice = \"smtp\"\n", 3, "wants an address"},
      {"[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1\"\n", 5, "an address such as"},
      {"[[listen]]\nservice = \"smtp\"\naddress = \"127.0.0.1:99999\"\n", 5, "an address such as"},
      {"[[listen]]\nservice = \"pop3\"\naddress = \"0.0.0.0:110\"\nplaintext_auth = true\n", 3, "in the clear"},
      {"[[listen]]\nservice = \"http\"\naddress = \"127.0.0.1:1\"\nserve = [\"admin\"]\n", 6,
       "health, metrics and autoconfig"},
      {"[listen]\nservice = \"smtp\"\n", 3, "[[listen]]"},
      {"[[domain]]\nkind = \"local\"\n", 3, "wants a name"},
      {"[[domain]]\nname = \"exa mple\"\n", 4, "a domain name"},
      {"[[domain]]\nname = \"[192.0.2.1]\"\n", 4, "address literal"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"remote\"\n", 5, "local, relay or alias"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"alias\"\n", 3, "wants of"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"alias\"\nof = \"a.test\"\n", 6, "alias of itself"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"alias\"\nof = \"[192.0.2.1]\"\n", 6, "address literal"},
      {"[[domain]]\nname = \"a.test\"\nof = \"b.test\"\n", 5, "kind = \"alias\""},
      {"[[domain]]\nname = \"a.test\"\nrecipients = \"any\"\n", 5, "kind = \"relay\""},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\nrecipients = \"some\"\n", 6, "file:PATH"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\nrecipients = \"file:\"\n", 6, "file:PATH"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\nrecipients = \"file:missing\"\n", 3, "no such file"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\nrecipients = \"file:.\"\n", 3, "not a regular file"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\nrecipients = \"file:list\"\n", 2, "not an address in a.test"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\ncatch_all = \"x@b.test\"\n", 6, "kind = \"local\""},
      {"[[domain]]\nname = \"a.test\"\nkind = \"alias\"\nof = \"b.test\"\npostmaster = \"x@b.test\"\n", 7,
       "kind = \"local\""},
      {"[[domain]]\nname = \"r.test\"\nkind = \"relay\"\n[[domain]]\nname = \"a.test\"\nkind = \"alias\"\nof = "
       "\"r.test\"\n",
       6, "which is not local"},
      {"[[domain]]\nname = \"a.test\"\n[[domain]]\nname = \"A.test\"\n", 5, "is there already"},
      {"[[domain]]\nname = \"a.test\"\npostmaster = \"nobody\"\n", 5, "an address such as"},
      {"[[alias]]\naddress = \"a@b.test\"\n", 3, "address and targets"},
      {"[[alias]]\naddress = \"a@b.test\"\ntargets = \"A@b.test\"\n", 3, "its own target"},
      {"[[alias]]\naddress = \"a@b.test\"\ntargets = \"c@b.test\"\n[[alias]]\naddress = \"A@B.test\"\ntargets = "
       "\"d@b.test\"\n",
       6, "is an alias already"},
      {"[[alias_file]]\n", 3, "wants a path"},
      {"[[alias_file]]\npath = \"bad\"\nformat = \"sendmail\"\n", 5, "postfix-virtual"},
      {"[[alias_file]]\npath = \"bad\"\n", 3, "wants domain"},
      {"[[alias_file]]\npath = \"missing\"\ndomain = \"b.test\"\n", 3, "no such file"},
      {"[[alias_file]]\npath = \"bad\"\ndomain = \"b test\"\n", 5, "a domain name"},
      {"[[alias_file]]\npath = \"bad\"\ndomain = \"b.test\"\n", 1, "runs a program"},
      {"[[alias]]\naddress = \"x@b.test\"\ntargets = \"c@b.test\"\n[[alias_file]]\npath = \"good\"\ndomain = "
       "\"b.test\"\n",
       6, "x@b.test is an alias already"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\n[[alias_file]]\npath = \"all\"\ndomain = \"b.test\"\nformat = "
       "\"postfix-virtual\"\n",
       6, "not local"},
      {"[[domain]]\nname = \"a.test\"\ncatch_all = \"x@a.test\"\n[[alias_file]]\npath = \"all\"\nformat = "
       "\"postfix-virtual\"\n",
       6, "a catch-all already"},
      {"[[route]]\ndomain = \"*\"\n", 3, "domain and via"},
      {"[[route]]\nvia = \"mx\"\n", 3, "domain and via"},
      {"[[route]]\ndomain = \"\"\nvia = \"mx\"\n", 3, "domain and via"},
      {"[[route]]\ndomain = \"a b\"\nvia = \"mx\"\n", 4, "not a domain"},
      {"[[route]]\ndomain = \"*\"\nvia = [\"hold\", \"mx\"]\n", 5, "never tried"},
      {"[[route]]\ndomain = \"*\"\nvia = \"smtps://a.test:465\"\ntls = \"none\"\n", 6, "TLS from the start"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\ntls = \"yes\"\n", 6, "\"opportunistic\""},
      {"[[route]]\ndomain = \"*\"\nvia = \"192.0.2.1:25\"\ntls = \"verified\"\n", 6, "set tls_name"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nauth = \"x\"\n", 6, "everybody's mail exchanger"},
      {"[[route]]\ndomain = \"*\"\nvia = \"a.test:587\"\nauth = \"x\"\n", 6, "no [secret.x]"},
      {"[[route]]\ndomain = \"*\"\nvia = \"a.test:587\"\ntls = \"none\"\nauth = \"x\"\n", 7, "would show the password"},
      {"[[route]]\ndomain = \"*\"\nvia = \"a.test:587\"\ntls = \"opportunistic\"\nauth = \"x\"\n", 7, "may be none"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nclient_key = \"x\"\n", 6, "client_certificate"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\ntls_name = \"a b\"\n", 6, "not a host name"},
      {"[secret.x]\nusername = \"u\"\n", 3, "wants password_file"},
      {"[secret.x]\nusername = \"u\"\npassword_file = \"a\"\ncredential = \"b\"\n", 3, "wants password_file"},
      {"[secret.x]\npassword_file = \"a\"\n", 3, "wants a username"},
      {"[secret.x]\nusername = \"u\"\ncredential = \"../a\"\n", 5, "wants a name"},
      {"[secret.x]\nusername = \"u\"\npassword = \"a\"\ncredential = \"b\"\n", 5, "did you mean"},
      {"[secret]\nx = 1\n", 4, "is a section"},
      {"secret = 1\n", 3, "[secret.NAME]"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\naccount = \"b.test\"\n", 6, "\"@domain\""},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nsender = \"b.test\"\n", 6, "\"@domain\""},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nmatch_local = \"yes\"\n", 6, "true or false"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nsource = \"eth0\"\n", 6, "IPv4 or IPv6"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nhelo = \"a b\"\n", 6, "host name"},
      {"[[route]]\ndomain = \"*\"\nvia = \"mx\"\nretry = [\"0s\"]\n", 6, "at least 1s"},
      {"[queue]\nwarn_after = \"6d\"\n", 4, "before expire_after"},
      {"[[route]]\ndomain = \"*\"\nvia = \"127.0.0.1:x\"\n", 5, "[[route]]"},
      {"[outbound]\nport = 70000\n", 4, "from 1 to 65535"},
      {"[queue]\nretry = [\"0s\"]\n", 4, "at least 1s"},
      {"[queue]\nretry = \"soon\"\n", 4, "durations such as"},
      {"[dns]\nservers = [\"localhost\"]\n", 4, "name servers"},
      {"[log]\nlevel = \"loud\"\n", 4, "\"debug\", \"info\""},
      {"[log]\noutput = \"journal\"\n", 4, "stderr"},
      {"hostname = \"twice\"\n", 3, ""},
      {"x = = 1\n", 3, ""},
  };
  for (const BadRow& row : rows) {
    const Folder folder;
    folder.write("bad", "\"|/bin/sh\": \"|/bin/sh\"\nx@b.test y z\n");
    folder.write("list", "ann\nx@b.test\n");
    folder.write("good", "x: y\n");
    folder.write("all", "@a.test y@b.test\n");
    const LoadedConfig loaded = load_config(folder.write("postrider.toml", std::string(kGood) + row.text));
    ASSERT_FALSE(loaded.mistakes.empty()) << row.text;
    const ConfigMistake& mistake = loaded.mistakes.front();
    EXPECT_EQ(mistake.line, static_cast<std::size_t>(row.line)) << row.text << to_text(mistake);
    EXPECT_NE(mistake.what.find(row.says), std::string::npos) << row.text << to_text(mistake);
  }
}

TEST(Config, FilesThatAreTooLargeAreNotRead) {
  const Folder folder;
  folder.write("aliases", "");
  std::filesystem::resize_file(folder.path("aliases"), kNamedFileOctetsMax + 1);
  const LoadedConfig loaded = load_config(
      folder.write("postrider.toml", std::string(kGood) + "[[alias_file]]\npath = \"aliases\"\ndomain = \"a.test\"\n"));
  ASSERT_EQ(loaded.mistakes.size(), 1U);
  EXPECT_NE(loaded.mistakes[0].what.find("larger than 64 MiB"), std::string::npos);
}

TEST(Config, AllMistakesAreShownAtOnce) {
  const Folder folder;
  const LoadedConfig loaded =
      load_config(folder.write("postrider.toml", "hostname = 1\ndata_dir = 2\nfoo = 3\n[smtp]\nbar = 4\n"));
  EXPECT_EQ(loaded.mistakes.size(), 4U);
  folder.write("aliases", "a: |b\nc: /d\n");
  folder.write("list", "x@other.test\n");
  const LoadedConfig files = load_config(folder.write(
      "files.toml", std::string(kGood) + "foo = 3\n[[domain]]\nname = \"a.test\"\n[[domain]]\nname = \"b.test\"\n"
                                         "kind = \"relay\"\nrecipients = \"file:list\"\n"
                                         "[[alias_file]]\npath = \"aliases\"\n"));
  EXPECT_EQ(files.mistakes.size(), 4U);  // those of the files that it names too
}

TEST(Config, MissingKeysAndFilesAreMistakes) {
  const Folder folder;
  EXPECT_EQ(load_config(folder.write("empty.toml", "")).mistakes.size(), 2U);
  EXPECT_EQ(load_config("/nonexistent/postrider.toml").mistakes.size(), 1U);
  const LoadedConfig loaded =
      load_config(folder.write("a.toml", std::string(kGood) + "include = [\"not-there.toml\"]\n"));
  ASSERT_EQ(loaded.mistakes.size(), 1U);
  EXPECT_NE(to_text(loaded.mistakes[0]).find("not-there.toml"), std::string::npos);
}

TEST(Config, IncludesAreReadInNameOrderAndNothingIsSetTwice) {
  const Folder folder;
  folder.write("conf.d/20.toml", "[[domain]]\nname = \"b.test\"\n");
  folder.write("conf.d/10.toml", "[[domain]]\nname = \"a.test\"\n");
  folder.write("conf.d/readme.txt", "not read");
  const std::string file = folder.write("postrider.toml", std::string(kGood) + "include = [\"conf.d/*.toml\"]\n");
  const LoadedConfig loaded = load_config(file);
  ASSERT_TRUE(loaded.mistakes.empty()) << to_text(loaded.mistakes.front());
  ASSERT_EQ(loaded.config.domains.size(), 2U);
  EXPECT_EQ(loaded.config.domains[0].name.text(), "a.test");

  folder.write("conf.d/30.toml", "user = \"x\"\nhostname = \"other.test\"\n");
  const LoadedConfig twice = load_config(file);
  ASSERT_EQ(twice.mistakes.size(), 1U);
  EXPECT_NE(to_text(twice.mistakes[0]).find("30.toml:2"), std::string::npos) << to_text(twice.mistakes[0]);
}

TEST(Units, SizesAndDurations) {
  EXPECT_EQ(parse_size("0").value_or(9), 0U);
  EXPECT_EQ(parse_size("64 KiB").value_or(0), 65'536U);
  EXPECT_EQ(parse_size("2GB").value_or(0), 2'000'000'000U);
  EXPECT_EQ(parse_duration("300ms").value_or(Duration{}), std::chrono::milliseconds(300));
  EXPECT_EQ(parse_duration("2h").value_or(Duration{}), std::chrono::hours(2));
  for (const char* bad : {"", "KiB", "-1", "1.5MiB", "1 kib", "99999999999999999999", "18446744073709551615KiB"})
    EXPECT_FALSE(parse_size(bad)) << bad;
  for (const char* bad : {"", "s", "5", "5 weeks", "-5s", "106752d"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

}  // namespace
}  // namespace postrider::cli
