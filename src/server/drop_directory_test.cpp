#include "server/drop_directory.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>

namespace postrider::server {
namespace {

namespace fs = std::filesystem;

class Drops : public testing::Test {
 protected:
  Drops() {
    std::string name = (fs::temp_directory_path() / "postrider-drop-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/drop";
    EXPECT_TRUE(prepare_drop_directory(path_));
    drops_ = open_drop_directory(path_);
  }
  ~Drops() override { fs::remove_all(folder_); }
  static std::string digits(unsigned number) { return fmt::format("{:032x}", number); }
  [[nodiscard]] std::string file(unsigned number) const { return path_ + "/m" + digits(number); }

  std::string folder_;
  std::string path_;
  std::unique_ptr<DropDirectory> drops_;
};

TEST_F(Drops, WhatIsLeftIsFoundReadAndRemoved) {
  ASSERT_TRUE(leave_in_drop_directory(path_, digits(1), "octets"));
  const Result<std::vector<std::string>> names = drops_->names();
  ASSERT_TRUE(names);
  ASSERT_EQ(*names, std::vector<std::string>{"m" + digits(1)});
  const auto dropped = drops_->read(names->front());
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->octets, "octets");
  EXPECT_EQ(dropped->user, ::geteuid());
  EXPECT_TRUE(drops_->remove(names->front()));
  EXPECT_TRUE(drops_->remove(names->front())) << "gone already is as good";
  EXPECT_TRUE(drops_->names()->empty());
  EXPECT_EQ(drops_->read(names->front()).error().code, Error::not_found);
}

TEST_F(Drops, OthersMayLeaveAndNotLook) {
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 01733U);
  EXPECT_FALSE(leave_in_drop_directory(folder_ + "/none", digits(1), "x"));
  ASSERT_TRUE(leave_in_drop_directory(path_, digits(1), "x"));
  EXPECT_TRUE(prepare_drop_directory(path_)) << "again, with what is there";
  EXPECT_EQ(drops_->names()->size(), 1U);
}

TEST_F(Drops, NamesOfOtherKindsAreNobodys) {
  for (const char* const name : {"m", "x", "m123", "refused"}) EXPECT_FALSE(is_drop_name(name)) << name;
  EXPECT_FALSE(is_drop_name("m" + std::string(32, 'G')));
  EXPECT_FALSE(is_drop_name("t" + digits(1)));
  EXPECT_FALSE(is_drop_name("m" + digits(1) + "0"));
  EXPECT_TRUE(is_drop_name("m" + digits(0xabcdef)));
  std::ofstream(path_ + "/t" + digits(1)) << "half";
  EXPECT_TRUE(drops_->names()->empty());
  fs::last_write_time(path_ + "/t" + digits(1), fs::file_time_type::clock::now() - std::chrono::hours(25));
  EXPECT_TRUE(drops_->names()->empty());
  EXPECT_FALSE(fs::exists(path_ + "/t" + digits(1))) << "left over for a day";
}

TEST_F(Drops, RefusesLinksPipesAndWhatIsTooLarge) {
  std::ofstream(folder_ + "/secret") << "secret";
  fs::create_symlink(folder_ + "/secret", file(1));
  fs::create_hard_link(folder_ + "/secret", file(2));
  ASSERT_EQ(::mkfifo(file(3).c_str(), S_IRUSR), 0);
  for (const unsigned number : {1U, 2U, 3U}) {
    EXPECT_EQ(drops_->read("m" + digits(number)).error().code, Error::denied) << number;
    EXPECT_TRUE(drops_->put_aside("m" + digits(number)));
  }
  EXPECT_TRUE(fs::exists(folder_ + "/secret"));
  std::ofstream(file(4)) << "x";
  fs::resize_file(file(4), kDropFileOctetsMax + 1);
  EXPECT_EQ(drops_->read("m" + digits(4)).error().code, Error::too_long);
  fs::resize_file(file(4), 1);
  EXPECT_TRUE(drops_->read("m" + digits(4)));
}

TEST_F(Drops, ShowsSoManyNamesAtOnce) {
  for (unsigned number = 0; number <= kDropNamesMax; ++number) std::ofstream(file(number)) << "x";
  EXPECT_EQ(drops_->names()->size(), kDropNamesMax);
}

// Files that stay, as those that cannot be taken now, must not keep others from being seen.
TEST_F(Drops, EachLookGoesOnWhereTheLastOneEnded) {
  constexpr unsigned kFiles = 2 * kDropNamesMax + 1;
  for (unsigned number = 0; number < kFiles; ++number) std::ofstream(file(number)) << "x";
  std::set<std::string> seen;
  for (int look = 0; look < 3; ++look) {
    for (const std::string& name : *drops_->names()) seen.insert(name);
  }
  EXPECT_EQ(seen.size(), kFiles);
}

TEST_F(Drops, FoldersAreNobodys) {
  fs::create_directory(file(1));
  fs::create_directory_symlink(folder_, file(2));
  EXPECT_EQ(*drops_->names(), std::vector<std::string>{"m" + digits(2)}) << "a link is put aside";
}

}  // namespace
}  // namespace postrider::server
