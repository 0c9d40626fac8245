#include "cli/config.hpp"
#include "cli/reload.hpp"
#include "cli/tls_files.hpp"
#include "core/check.hpp"
#include "net/tls.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace postrider::cli {
namespace {

constexpr std::string_view kGood = "hostname = \"mx.example.test\"\ndata_dir = \"data\"\n";
constexpr std::string_view kTls = "[tls]\ncertificate = \"tls/fullchain.pem\"\nprivate_key = \"tls/key.pem\"\n";

/// A directory with a certificate in tls/, which is gone afterwards.
class Folder {
 public:
  Folder() {
    check(::mkdtemp(path_.data()) != nullptr, "test: mkdtemp");
    check(make_first_certificate(path_, {"mx.example.test"}).has_value(), "test: certificate");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] LoadedConfig load(std::string_view text) const {
    std::ofstream(path("postrider.toml")) << text;
    return load_config(path("postrider.toml"));
  }
  [[nodiscard]] LoadedConfig load_with(std::string_view more) const {
    return load(std::string(kGood) + std::string(more));
  }

 private:
  std::string path_ = testing::TempDir() + "postrider-config-tls-XXXXXX";
};

TEST(ConfigTls, TakesEveryKeyAndShowsThemAgain) {
  const Folder folder;
  const LoadedConfig loaded = folder.load_with(std::string(kTls) + R"(
[[certificate]]
names = ["mail.example.test", "*.other.test"]
certificate = ["a.pem", "b.pem"]
private_key = ["a.key", "b.key"]
[[listen]]
service = "submissions"
address = "127.0.0.1:0"
[[listen]]
service = "submission"
address = "127.0.0.1:0"
[[listen]]
service = "pop3s"
address = "127.0.0.1:0"
[[listen]]
service = "https"
address = "127.0.0.1:0"
serve = ["health"]
[[listen]]
service = "smtp"
address = "127.0.0.1:0"
)");
  for (const ConfigMistake& mistake : loaded.mistakes) ADD_FAILURE() << to_text(mistake);
  const std::vector<net::CertificateFiles> files = certificate_files(loaded.config);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_TRUE(files[0].names.empty());
  EXPECT_EQ(files[0].chains, std::vector<std::string>{folder.path("tls/fullchain.pem")});
  EXPECT_EQ(files[1].names.size(), 2U);
  EXPECT_EQ(files[1].private_keys, (std::vector<std::string>{folder.path("a.key"), folder.path("b.key")}));
  ASSERT_EQ(loaded.config.listen.size(), 5U);
  EXPECT_EQ(loaded.config.listen[0].service, server::Service::submissions);
  EXPECT_EQ(loaded.config.listen[0].smtp.max_message_size, 35ULL << 20U);
  EXPECT_EQ(loaded.config.listen[1].smtp.max_message_size, 35ULL << 20U);
  EXPECT_EQ(loaded.config.listen[3].service, server::Service::https);
  EXPECT_TRUE(loaded.config.listen[3].serve_health);
  EXPECT_EQ(loaded.config.listen[4].smtp.max_message_size, 50ULL << 20U);
  const LoadedConfig again = folder.load(show_config(loaded.config));
  for (const ConfigMistake& mistake : again.mistakes) ADD_FAILURE() << "shown: " << to_text(mistake);
  EXPECT_EQ(certificate_files(again.config)[1].chains, files[1].chains);
  EXPECT_EQ(keys_that_need_a_restart(loaded.config, again.config), std::vector<std::string>{});
}

TEST(ConfigTls, AMaxMessageSizeOfSmtpIsForSubmissionToo) {
  const Folder folder;
  const LoadedConfig loaded = folder.load_with(
      "[smtp]\nmax_message_size = \"1MB\"\n[[listen]]\nservice = \"submission\"\naddress = \"127.0.0.1:0\"\n");
  ASSERT_TRUE(loaded.mistakes.empty());
  EXPECT_EQ(loaded.config.listen[0].smtp.max_message_size, 1'000'000U);
}

TEST(ConfigTls, MistakesHaveTheirPlace) {
  const Folder folder;
  const struct {
    std::string text;
    std::size_t line;
    std::string what;
  } rows[] = {
      {"[[listen]]\nservice = \"submissions\"\naddress = \"127.0.0.1:1\"\n", 3, "submissions wants a certificate"},
      {"[[listen]]\nservice = \"pop3s\"\naddress = \"127.0.0.1:1\"\n", 3, "pop3s wants a certificate"},
      {"[[listen]]\nservice = \"https\"\naddress = \"127.0.0.1:1\"\n", 3, "https wants a certificate"},
      {"[[listen]]\nservice = \"submission\"\naddress = \"0.0.0.0:587\"\nplaintext_auth = true\n", 3, "in the clear"},
      {"[tls]\nprivate_key = \"k\"\n", 3, "[tls] wants a certificate"},
      {"[tls]\ncertificate = \"c\"\n", 3, "one private_key for each"},
      {"[tls]\ncertificate = [\"a\", \"b\"]\nprivate_key = \"k\"\n", 5, "one private_key for each"},
      {"[tls]\ncertificate = 1\nprivate_key = \"k\"\n", 4, "a file, or a list"},
      {"[tls]\ncertificate = \"c\"\nprivate_key = \"k\"\ncertificat = \"c\"\n", 6, "did you mean \"certificate\"?"},
      {"[tls]\nnames = [\"a.test\"]\ncertificate = \"c\"\nprivate_key = \"k\"\n", 4, "unknown key"},
      {"[[certificate]]\ncertificate = \"c\"\nprivate_key = \"k\"\n", 3, "wants names"},
      {"[[certificate]]\nnames = [\"*\"]\ncertificate = \"c\"\nprivate_key = \"k\"\n", 4, "names such as"},
      {"[[certificate]]\nnames = [\"[192.0.2.1]\"]\ncertificate = \"c\"\nprivate_key = \"k\"\n", 4, "names such as"},
  };
  for (const auto& row : rows) {
    const LoadedConfig loaded = folder.load_with(row.text);
    ASSERT_FALSE(loaded.mistakes.empty()) << row.text;
    EXPECT_EQ(loaded.mistakes.front().line, row.line) << row.text << to_text(loaded.mistakes.front());
    EXPECT_NE(loaded.mistakes.front().what.find(row.what), std::string::npos)
        << row.text << to_text(loaded.mistakes.front());
  }
}

TEST(ConfigTls, ListenersWhereNobodyCanLogInAreNoted) {
  const Folder folder;
  for (const std::string service : {"submission", "pop3"}) {
    const std::string listen = "[[listen]]\nservice = \"" + service + "\"\naddress = \"127.0.0.1:1\"\n";
    const LoadedConfig locked = folder.load_with(listen);
    EXPECT_TRUE(locked.mistakes.empty());
    ASSERT_EQ(locked.notes.size(), 1U) << service;
    EXPECT_EQ(locked.notes[0].line, 3U);
    EXPECT_NE(locked.notes[0].what.find("nobody can log in to " + service), std::string::npos) << locked.notes[0].what;
    EXPECT_TRUE(folder.load_with(listen + "plaintext_auth = true\n").notes.empty());
    EXPECT_TRUE(folder.load_with(listen + std::string(kTls)).notes.empty());
  }
}

TEST(ConfigTls, FilesThatAreNoGoodAreFoundByTheCheck) {
  const Folder folder;
  const LoadedConfig good = folder.load_with(kTls);
  EXPECT_TRUE(check_certificates(good.config).empty());
  struct stat status{};
  ASSERT_EQ(::stat(folder.path("tls/key.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  std::ofstream(folder.path("tls/key.pem")) << "no key\n";
  const std::vector<ConfigMistake> mistakes = check_certificates(good.config);
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_EQ(mistakes[0].line, 3U);
  EXPECT_NE(mistakes[0].what.find("holds no private key"), std::string::npos) << mistakes[0].what;
  std::filesystem::remove(folder.path("tls/key.pem"));
  EXPECT_NE(check_certificates(good.config).at(0).what.find("No such file"), std::string::npos);
}

TEST(Reload, NamesEachKeyThatNeedsARestart) {
  const Folder folder;
  const std::string base = "[[listen]]\naddress = \"127.0.0.1:1\"\n";
  const Config from = folder.load_with(base + std::string(kTls)).config;
  const struct {
    std::string text;
    std::vector<std::string> keys;
  } rows[] = {
      {base + std::string(kTls), {}},
      {base + "[tls]\ncertificate = \"other.pem\"\nprivate_key = \"other.key\"\n", {}},
      {base + std::string(kTls) + "[[certificate]]\nnames = \"a.test\"\ncertificate = \"c\"\nprivate_key = \"k\"\n",
       {}},
      {base, {"[tls] certificate"}},
      {base + "max_recipients = 5\n" + std::string(kTls), {"[[listen]] 1 max_recipients"}},
      {base + base + std::string(kTls), {"[[listen]] 2"}},
      {std::string(kTls), {"[[listen]] 1"}},
      {base + std::string(kTls) + "[queue]\nwarn_after = \"1h\"\n[log]\nlevel = \"debug\"\n",
       {"[log] level", "[queue] warn_after"}},
      {"drain_timeout = \"1s\"\n" + base + std::string(kTls), {"drain_timeout"}},
  };
  for (const auto& row : rows)
    EXPECT_EQ(keys_that_need_a_restart(from, folder.load_with(row.text).config), row.keys) << row.text;
}

}  // namespace
}  // namespace postrider::cli
