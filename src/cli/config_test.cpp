#include "cli/config.hpp"

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

 private:
  std::filesystem::path path_;
};

constexpr std::string_view kGood = "hostname = \"mx.example.test\"\ndata_dir = \"data\"\n";

TEST(Config, TakesEveryKey) {
  const Folder folder;
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
[[listen]]
service = "http"
address = "127.0.0.1:8025"
serve = ["health"]
[[domain]]
name = "Example.Test"
kind = "local"
catch_all = "alice@example.test"
subaddress = "-"
postmaster = "bob@example.test"
[[alias]]
address = "team@example.test"
targets = ["alice@example.test", "carol@remote.test"]
[[route]]
domain = "*.remote.test"
via = "127.0.0.1:2600"
[outbound]
allow_private = ["10.0.0.0/8"]
port = 2526
[queue]
retry = ["1s", "2m"]
expire_after = "1d"
expire_after_bounce = "12h"
[dns]
servers = ["127.0.0.1:5353"]
trust_anchor = ""
[log]
format = "json"
level = "warn"
output = "stderr"
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
  EXPECT_TRUE(config.listen[3].serve_health);
  EXPECT_FALSE(config.listen[3].serve_metrics);
  ASSERT_EQ(config.domains.size(), 1U);
  EXPECT_EQ(config.domains[0].name.text(), "example.test");
  EXPECT_EQ(config.domains[0].subaddress, "-");
  EXPECT_EQ(config.aliases.at(0).targets.size(), 2U);
  EXPECT_EQ(config.routes.at(0).via, std::vector<std::string>{"127.0.0.1:2600"});
  EXPECT_EQ(config.outbound_port, 2526);
  EXPECT_EQ(config.queue.retry.size(), 2U);
  EXPECT_EQ(config.queue.expire_after, std::chrono::hours(24));
  EXPECT_EQ(config.min_free, 1ULL << 30U);

  const LoadedConfig again = load_config(folder.write("shown.toml", show_config(config)));
  for (const ConfigMistake& mistake : again.mistakes) ADD_FAILURE() << "shown: " << to_text(mistake);
  EXPECT_EQ(again.config.queue.retry, config.queue.retry);
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
      {"[[listen]]\nservice = \"http\"\naddress = \"127.0.0.1:1\"\nserve = [\"admin\"]\n", 6, "health and metrics"},
      {"[listen]\nservice = \"smtp\"\n", 3, "[[listen]]"},
      {"[[domain]]\nkind = \"local\"\n", 3, "wants a name"},
      {"[[domain]]\nname = \"exa mple\"\n", 4, "a domain name"},
      {"[[domain]]\nname = \"[192.0.2.1]\"\n", 4, "address literal"},
      {"[[domain]]\nname = \"a.test\"\nkind = \"relay\"\n", 5, "\"local\" only"},
      {"[[domain]]\nname = \"a.test\"\npostmaster = \"nobody\"\n", 5, "an address such as"},
      {"[[alias]]\naddress = \"a@b.test\"\n", 3, "address and targets"},
      {"[[route]]\ndomain = \"*\"\n", 3, "domain and via"},
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
    const LoadedConfig loaded = load_config(folder.write("postrider.toml", std::string(kGood) + row.text));
    ASSERT_FALSE(loaded.mistakes.empty()) << row.text;
    const ConfigMistake& mistake = loaded.mistakes.front();
    EXPECT_EQ(mistake.line, static_cast<std::size_t>(row.line)) << row.text << to_text(mistake);
    EXPECT_NE(mistake.what.find(row.says), std::string::npos) << row.text << to_text(mistake);
  }
}

TEST(Config, AllMistakesAreShownAtOnce) {
  const Folder folder;
  const LoadedConfig loaded =
      load_config(folder.write("postrider.toml", "hostname = 1\ndata_dir = 2\nfoo = 3\n[smtp]\nbar = 4\n"));
  EXPECT_EQ(loaded.mistakes.size(), 4U);
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
