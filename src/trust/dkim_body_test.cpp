#include "trust/dkim_body.hpp"

#include "core/text.hpp"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>

namespace postrider::trust {
namespace {

std::string sha256(std::string_view octets) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(octets.data()), octets.size(),
           reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string body_hash(std::string_view body, std::size_t chunk) {
  DkimBodyHash hash;
  for (std::size_t at = 0; at < body.size(); at += chunk) hash.append(body.substr(at, chunk));
  return std::move(hash).finish();
}

struct Case {
  std::string_view name;
  std::string body;
  std::string canonical;
};

std::vector<Case> cases() {
  using namespace std::string_literals;
  return {
      {"RFC 6376 section 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
      {"no body", "", ""},
      {"one empty line", "\r\n", ""},
      {"empty lines only", "\r\n\r\n\r\n", ""},
      {"lines of blanks only", " \r\n\t \t\r\n", ""},
      {"blanks without an end of line", "  \t", ""},
      {"no end of line", "a", "a\r\n"},
      {"blanks at the end, no end of line", "a \t", "a\r\n"},
      {"blanks and empty lines at the end", "a\r\n \r\n\t\r\n", "a\r\n"},
      {"empty lines inside stay", "a\r\n\r\n \r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
      {"a run of blanks is one", "a \t\t  b\r\n", "a b\r\n"},
      {"blanks at the beginning are one", "\t\ta\r\n", " a\r\n"},
      {"empty lines at the beginning stay", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
      {"a CR alone is an octet", "a\rb\r\n", "a\rb\r\n"},
      {"a CR alone at the end", "a\r", "a\r\r\n"},
      {"two CRs and a LF", "a\r\r\n", "a\r\r\n"},
      {"a CR behind blanks", "a \rb\r\n", "a \rb\r\n"},
      {"a LF alone is an octet", "a\nb \nc\r\n", "a\nb \nc\r\n"},
      {"NUL and eight bits", "\0\x80 \xFF\r\n"s, "\0\x80 \xFF\r\n"s},
      {"a line over any buffer", std::string(20'000, 'x') + " \r\n", std::string(20'000, 'x') + "\r\n"},
      {"many empty lines",
       "a" +
           [] {
             std::string lines;
             for (int i = 0; i < 10'000; ++i) lines += "\r\n";
             return lines;
           }() +
           "b",
       "a" +
           [] {
             std::string lines;
             for (int i = 0; i < 10'000; ++i) lines += "\r\n";
             return lines;
           }() +
           "b\r\n"},
  };
}

TEST(DkimBodyHash, HashesTheRelaxedBodyHoweverItIsCut) {
  for (const Case& one : cases()) {
    for (const std::size_t chunk : std::to_array<std::size_t>({1, 2, 3, 7, 4096, 8191, 1'000'000})) {
      EXPECT_EQ(to_hex(body_hash(one.body, chunk)), to_hex(sha256(one.canonical)))
          << one.name << ", chunks of " << chunk;
    }
  }
}

TEST(DkimBodyHash, IsThatOfTheExamples) {
  // 6376 §3.4.4: the relaxed hash of the empty body. 8463 §A.3: bh= of its message.
  EXPECT_EQ(to_base64(body_hash("", 1)), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  EXPECT_EQ(to_base64(body_hash("Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n", 5)),
            "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

TEST(DkimBodyHash, CanBeMoved) {
  DkimBodyHash first;
  first.append("a");
  DkimBodyHash second = std::move(first);
  second.append("b\r\n");
  EXPECT_EQ(std::move(second).finish(), sha256("ab\r\n"));
}

}  // namespace
}  // namespace postrider::trust
