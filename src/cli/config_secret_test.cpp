// Passwords for other servers: from which files they are taken, and that they are shown nowhere.
#include "cli/config_secret.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace postrider::cli {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/postrider-secret-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view text, unsigned mode = 0600) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    std::filesystem::permissions(path_ / name, static_cast<std::filesystem::perms>(mode));
    return path_ / name;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// The password, or why there is none.
std::string read(const std::string& path) {
  const Result<Secret> password = read_password_file(path);
  return password ? "is " + std::string(password->reveal())
                  : password.error().detail.substr(password.error().detail.find(": ") + 2);
}

TEST(PasswordFile, IsOneLineThatNotEverybodyReads) {
  const Folder folder;
  EXPECT_EQ(read(folder.write("a", "secret\n")), "is secret");
  EXPECT_EQ(read(folder.write("b", "secret", 0400)), "is secret");
  EXPECT_EQ(read(folder.write("c", "a b\r\n", 0640)), "is a b");
  EXPECT_EQ(read(folder.write("d", " p\xC3\xA4ss ")), "is  p\xC3\xA4ss ");
  EXPECT_EQ(read(folder.write("e", std::string(1024, 'x') + "\r\n")), "is " + std::string(1024, 'x'));
  EXPECT_EQ(read(folder.write("f", std::string(1025, 'x') + "\n")), "is over 1,024 octets");
  EXPECT_EQ(read(folder.write("g", std::string(5000, 'x'))), "is over 1,024 octets");
  EXPECT_EQ(read(folder.write("h", "")), "is empty");
  EXPECT_EQ(read(folder.write("i", "\n")), "is empty");
  EXPECT_EQ(read(folder.write("j", "secret\nmore\n")), "is more than a password on one line");
  EXPECT_EQ(read(folder.write("k", std::string_view("se\0cret", 7))), "is more than a password on one line");
  EXPECT_TRUE(read(folder.write("l", "secret\n", 0644)).starts_with("everybody may read or write it"));
  EXPECT_TRUE(read(folder.write("m", "secret\n", 0602)).starts_with("everybody may read or write it"));
  EXPECT_EQ(read(folder.path("missing")), "there is no such file");
  EXPECT_EQ(read("/tmp"), "is not a regular file");
  EXPECT_EQ(read("/dev/null"), "is not a regular file");
}

constexpr std::string_view kConfig =
    "hostname = \"mx.example.test\"\ndata_dir = \"data\"\n[secret.one]\nusername = \"us\"\npassword_file = "
    "\"password\"\n[secret.two]\nusername = \"them\"\ncredential = \"mail\"\n";

TEST(Logins, ComeFromFilesAndFromSystemd) {
  const Folder folder;
  folder.write("password", "first\n");
  folder.write("mail", "second\n");
  const LoadedConfig loaded = load_config(folder.write("postrider.toml", kConfig));
  ASSERT_TRUE(loaded.mistakes.empty());
  ::setenv("CREDENTIALS_DIRECTORY", folder.path("").c_str(), 1);
  const LoadedLogins logins = load_logins(loaded.config);
  ::unsetenv("CREDENTIALS_DIRECTORY");
  ASSERT_TRUE(logins.mistakes.empty());
  EXPECT_EQ(logins.logins.at("one").name, "us");
  EXPECT_EQ(logins.logins.at("one").password.reveal(), "first");
  EXPECT_EQ(logins.logins.at("two").password.reveal(), "second");
  const std::string shown = show_config(loaded.config);
  EXPECT_FALSE(shown.contains("first") || shown.contains("second"));
  EXPECT_TRUE(shown.contains("***"));
}

TEST(Logins, EachMistakeHasItsPlace) {
  const Folder folder;
  folder.write("password", "first\n", 0644);
  const LoadedConfig loaded = load_config(folder.write(
      "postrider.toml",
      std::string(kConfig) + "[[route]]\ndomain = \"*\"\nvia = \"a.test:25\"\ntls_ca = \"missing.pem\"\n"));
  ASSERT_TRUE(loaded.mistakes.empty());
  const LoadedLogins logins = load_logins(loaded.config);
  ASSERT_EQ(logins.mistakes.size(), 3U);
  EXPECT_TRUE(to_text(logins.mistakes[0]).contains("postrider.toml:3:1: [secret.one] ")) << to_text(logins.mistakes[0]);
  EXPECT_TRUE(to_text(logins.mistakes[0]).contains("chmod o="));
  EXPECT_TRUE(to_text(logins.mistakes[1]).contains("CREDENTIALS_DIRECTORY"));
  EXPECT_TRUE(to_text(logins.mistakes[2]).contains("missing.pem cannot be read"));
}

TEST(Logins, SecretsOfSeveralFilesAddUp) {
  const Folder folder;
  folder.write("a.conf", "[secret.one]\nusername = \"a\"\ncredential = \"a\"\n");
  folder.write("b.conf", "[secret.two]\nusername = \"b\"\ncredential = \"b\"\n");
  folder.write("c.conf", "[secret.one]\nusername = \"c\"\ncredential = \"c\"\n");
  const std::string start = "hostname = \"mx.example.test\"\ndata_dir = \"data\"\ninclude = [\"a.conf\", \"b.conf\"";
  const LoadedConfig loaded = load_config(folder.write("postrider.toml", start + "]\n"));
  EXPECT_TRUE(loaded.mistakes.empty());
  EXPECT_EQ(loaded.config.secrets.size(), 2U);
  const LoadedConfig twice = load_config(folder.write("twice.toml", start + ", \"c.conf\"]\n"));
  ASSERT_EQ(twice.mistakes.size(), 1U);
  EXPECT_TRUE(to_text(twice.mistakes[0]).contains("c.conf:1:1: [secret.one] is there already"));
}

}  // namespace
}  // namespace postrider::cli
