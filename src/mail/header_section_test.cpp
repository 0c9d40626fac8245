#include "mail/header_section.hpp"

#include <gtest/gtest.h>

namespace postrider::mail {
namespace {

Result<HeaderSection> collect(std::string_view content, std::size_t chunk_octets) {
  HeaderCollector collector;
  while (!content.empty()) {
    if (const Result<void> added = collector.append(content.substr(0, chunk_octets)); !added) return fail(added);
    content.remove_prefix(std::min(chunk_octets, content.size()));
  }
  return std::move(collector).finish();
}

std::string shown(const HeaderSection& section) {
  std::string out;
  for (const HeaderField& field : section.fields) {
    out += field.name + "=" + field.value + "@" + std::to_string(field.range.offset) + "+" +
           std::to_string(field.range.size_octets) + ";";
  }
  return out + std::to_string(section.size_octets);
}

TEST(HeaderSection, IsTheSameHoweverItIsCut) {
  const std::pair<std::string, std::string> rows[] = {
      {"", "0"},
      {"\r\nbody\r\n", "0"},
      {"body only\r\nA: b\r\n", "0"},
      {"A: b\r\n\r\nC: d\r\n", "A=b@0+6;6"},
      {"A: b\r\nC:d\r\n", "A=b@0+6;C=d@6+5;11"},
      {"A: b\r\n c\r\n\td \r\n\r\n", "A=b c\td@0+15;15"},
      {"A: b\r\nno field\r\nC: d\r\n\r\n", "A=b@0+6;6"},
      {" fold first\r\nA: b\r\n\r\n", "0"},
      {"A : b\r\n\r\n", "A=b@0+7;7"},
      {": b\r\n\r\n", "0"},
      {"A b: c\r\n\r\n", "0"},
      {"From x@y Mon May  4 07:11:04 2026\r\nA: b\r\n\r\n", "0"},
      {"A:\r\n\r\nx", "A=@0+4;4"},
      {"A: b", "A=b@0+4;4"},
      {"A: b\r\nC", "A=b@0+6;6"},
      {"A: b\r\n c", "A=b c@0+8;8"},
      {"A: b\nC: d\r\n\r\n", "A=b\nC: d@0+11;11"},
      {"\xc3\xa9: b\r\n\r\n", "0"},
      {"A: \xc3\xa9\r\n\r\n", "A=\xc3\xa9@0+7;7"},
  };
  for (const auto& [content, want] : rows) {
    for (std::size_t chunk = 1; chunk <= content.size() + 1; ++chunk) {
      const Result<HeaderSection> section = collect(content, chunk);
      ASSERT_TRUE(section) << content;
      EXPECT_EQ(shown(*section), want) << content << " in chunks of " << chunk;
    }
  }
}

TEST(HeaderSection, LooksUpNamesWithoutCase) {
  const Result<HeaderSection> section = collect("Received: 1\r\nsubject: s\r\nRECEIVED: 2\r\n\r\n", 99);
  ASSERT_TRUE(section);
  EXPECT_EQ(section->first("received"), "1");
  EXPECT_EQ(section->first("Subject"), "s");
  EXPECT_EQ(section->first("Sub"), "");
  EXPECT_EQ(section->count("Received"), 2U);
  EXPECT_EQ(section->count("X"), 0U);
}

TEST(HeaderSection, SaysWhatEndedItAndKeepsItsOctets) {
  struct Row {
    std::string_view content;
    bool is_ended;
    std::string_view octets;
  };
  for (const Row& row : {
           Row{"A: b\r\n c\r\n\r\nbody", true, "A: b\r\n c\r\n"},
           Row{"A: b\r\n", true, "A: b\r\n"},
           Row{"A: b", true, "A: b"},
           Row{"\r\nA: b\r\n", true, ""},
           Row{"", true, ""},
           Row{"A: b\r\njunk\r\nFrom: c\r\n\r\n", false, "A: b\r\n"},
           Row{"A: b\r\n: junk\r\n\r\n", false, "A: b\r\n"},
           Row{"A: b\r\njunk", false, "A: b\r\n"},
           Row{"junk\r\n", false, ""},
       }) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{3}, std::size_t{99}}) {
      const Result<HeaderSection> section = collect(std::string(row.content), chunk);
      ASSERT_TRUE(section);
      EXPECT_EQ(section->is_ended, row.is_ended) << row.content;
      EXPECT_EQ(section->octets, row.octets);
      EXPECT_EQ(section->size_octets, row.octets.size());
    }
  }
}

TEST(HeaderSection, OctetsAreLimited) {
  const std::string most = "A: " + std::string(kHeaderSectionOctetsMax - 5, 'x') + "\r\n";
  for (const std::size_t chunk : {std::size_t{1000}, most.size() + 10}) {
    EXPECT_TRUE(collect(most + "\r\nbody", chunk));
    EXPECT_EQ(collect("B" + most + "\r\nbody", chunk).error().code, Error::too_long);
    EXPECT_EQ(collect(std::string(kHeaderSectionOctetsMax + 2, 'x'), chunk).error().code, Error::too_long);
  }
  HeaderCollector collector;
  EXPECT_FALSE(collector.append(std::string(kHeaderSectionOctetsMax + 2, 'x')));
  EXPECT_FALSE(collector.append("\r\n\r\n"));  // sticky
  EXPECT_FALSE(std::move(collector).finish());
}

TEST(HeaderSection, FieldsAreLimited) {
  std::string most;
  for (std::size_t i = 0; i < kHeaderFieldsMax; ++i) most += "A: b\r\n";
  EXPECT_EQ(collect(most + "\r\n", 7)->fields.size(), kHeaderFieldsMax);
  EXPECT_EQ(collect(most + "A: b\r\n\r\n", 7).error().code, Error::too_long);
  EXPECT_EQ(collect(most + "A: b", 7).error().code, Error::too_long);
}

TEST(HeaderSection, ABodyOfAnySizePassesBy) {
  HeaderCollector collector;
  ASSERT_TRUE(collector.append("A: b\r\n\r\n"));
  EXPECT_TRUE(collector.complete());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(collector.append(std::string(65'536, 'x')));
  EXPECT_EQ(std::move(collector).finish()->size_octets, 6U);
}

}  // namespace
}  // namespace postrider::mail
