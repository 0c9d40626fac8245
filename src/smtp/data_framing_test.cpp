// BareNewline::normalize: against a model that looks at the whole input at once. What is rejected: smtp_test.cpp.
#include "smtp/data_framing.hpp"

#include "core/random.hpp"

#include <gtest/gtest.h>

namespace postrider::smtp {
namespace {

struct Framed {
  std::string content;
  std::size_t taken = 0;
  bool ended = false;
  friend bool operator==(const Framed&, const Framed&) = default;
};

/// Lines one after the other: how each ended decides about the dot of the next.
Framed model(std::string_view octets) {
  Framed out;
  bool after_crlf = true;
  while (out.taken < octets.size()) {
    const std::string_view rest = octets.substr(out.taken);
    const std::size_t end = rest.find_first_of("\r\n");
    if (end == std::string_view::npos || (rest[end] == '\r' && end + 1 == rest.size())) break;  // no whole line
    const bool is_crlf = rest.substr(end, 2) == "\r\n";
    std::string_view line = rest.substr(0, end);
    out.taken += end + (is_crlf ? 2 : 1);
    if (line == "." && after_crlf && is_crlf) {
      out.ended = true;
      return out;
    }
    if (line.size() > 1 && line.front() == '.') line.remove_prefix(1);
    out.content.append(line).append("\r\n");
    after_crlf = is_crlf;
  }
  return out;
}

Framed frame(std::string_view octets, SeededRandom* cuts) {
  DataFraming framing(BareNewline::normalize);
  Framed out;
  while (out.taken < octets.size() && !framing.ended()) {
    const std::size_t size = cuts == nullptr ? octets.size() : 1 + cuts->below(4);
    std::string piece;
    const std::size_t taken = framing.take_data(octets.substr(out.taken, size), piece);
    EXPECT_LE(taken, framing.in_octets_max(2 * size + 3));
    EXPECT_LE(piece.size(), 2 * size + 3);
    out.taken += taken;
    out.content += piece;
  }
  out.ended = framing.ended();
  EXPECT_FALSE(framing.faults().any());
  return out;
}

TEST(DataFraming, NormalizedIsAsTheModelHasItHoweverItIsCut) {
  const std::string pieces[] = {"\r\n", ".", "a", "\r", "\n", "..", "\r\n.\r\n", "bb"};
  std::size_t ended = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    SeededRandom random(seed);
    std::string octets;
    for (std::uint64_t i = random.below(14); i > 0; --i) octets += pieces[random.below(std::size(pieces))];
    octets += "z\r\n.\r\n";  // an end, so that all lines are whole
    const Framed want = model(octets);
    ended += want.ended ? 1 : 0;
    ASSERT_EQ(frame(octets, nullptr), want) << "seed " << seed;
    ASSERT_EQ(frame(octets, &random), want) << "seed " << seed;
  }
  EXPECT_EQ(ended, 20'000U);
}

TEST(DataFraming, NormalizedChunksHaveNoOtherNewlines) {
  const std::string pieces[] = {"\r\n", ".", "a", "\r", "\n", "\r\n.\r\n"};
  for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
    SeededRandom random(seed);
    std::string octets;
    for (std::uint64_t i = random.below(14); i > 0; --i) octets += pieces[random.below(std::size(pieces))];
    std::string want;
    for (std::size_t at = 0; at < octets.size(); ++at) {
      const bool is_crlf = octets[at] == '\r' && octets.substr(at, 2) == "\r\n";
      const bool is_newline = octets[at] == '\r' || octets[at] == '\n';
      if (is_newline)
        want += "\r\n";
      else
        want += octets[at];
      at += is_crlf ? 1 : 0;
    }
    DataFraming framing(BareNewline::normalize);
    std::string got;
    std::string_view rest = octets;
    while (!rest.empty()) {
      const std::string_view piece = rest.substr(0, 1 + random.below(4));
      framing.take_chunk(piece, got);
      rest.remove_prefix(piece.size());
    }
    framing.finish_chunks(got);
    ASSERT_EQ(got, want) << "seed " << seed;
  }
}

TEST(DataFraming, NormalizedLinesAreLimitedAsOthers) {
  const auto is_long = [](const std::string& octets) {
    DataFraming framing(BareNewline::normalize);
    std::string out;
    EXPECT_EQ(framing.take_data(octets, out), octets.size());
    return framing.faults().long_line;
  };
  for (const char* newline : {"\n", "\r\n", "\ra"}) {
    EXPECT_FALSE(is_long(std::string(kDataLineOctetsMax - 2, 'x') + newline)) << newline;
    EXPECT_TRUE(is_long(std::string(kDataLineOctetsMax - 1, 'x') + newline)) << newline;
  }
}

}  // namespace
}  // namespace postrider::smtp
