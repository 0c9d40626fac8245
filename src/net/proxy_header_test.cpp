#include "net/proxy_header.hpp"

#include <gtest/gtest.h>

namespace postrider::net {
namespace {

using std::string_literals::operator""s;

struct Outcome {
  std::string client;  ///< "-": complete without one; "!": refused; "?": not complete
  std::size_t taken = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Reads as a driver does, at most `cut` octets each time.
Outcome read(std::string_view octets, std::size_t cut) {
  ProxyHeaderReader reader;
  Outcome outcome;
  while (reader.wanted() > 0) {
    const std::string_view piece = octets.substr(outcome.taken, std::min(reader.wanted(), cut));
    if (piece.empty()) return {.client = "?", .taken = outcome.taken};
    outcome.taken += piece.size();
    if (!reader.append(piece)) return {.client = "!", .taken = 0};
  }
  outcome.client = reader.client() ? reader.client()->to_text() : "-";
  return outcome;
}

std::string block(char version_and_command, char family, std::string_view octets) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += version_and_command;
  out += family;
  out += static_cast<char>(octets.size() >> 8U);
  out += static_cast<char>(octets.size() & 0xFFU);
  return out + std::string(octets);
}

TEST(ProxyHeader, ReadsWhatTheProtocolHasAndNothingBehindIt) {
  const std::string four = "\xC0\x00\x02\x01\xC6\x33\x64\x01\xDC\x04\x00\x19"s;
  const std::string six =
      "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + std::string(16, '\x02') + "\x00\x50\x00\x19"s;
  const struct {
    std::string name;
    std::string header;
    std::string client;
  } rows[] = {
      {"v1 TCP4", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n", "192.0.2.1:56324"},
      {"v1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n", "[2001:db8::1]:1"},
      {"v1 UNKNOWN", "PROXY UNKNOWN\r\n", "-"},
      {"v1 UNKNOWN with more", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "-"},
      {"v2 TCP4", block('\x21', '\x11', four), "192.0.2.1:56324"},
      {"v2 TCP4 with TLVs", block('\x21', '\x11', four + "\x04\x00\x01x"s), "192.0.2.1:56324"},
      {"v2 TCP6", block('\x21', '\x21', six), "[2001:db8::1]:80"},
      {"v2 LOCAL", block('\x20', '\x00', ""), "-"},
      {"v2 LOCAL with addresses", block('\x20', '\x11', four), "-"},
      {"v2 unspecified", block('\x21', '\x00', ""), "-"},
      {"v2 Unix", block('\x21', '\x31', std::string(216, 'x')), "-"},
      {"v2 as long as may be", block('\x21', '\x11', four + std::string(kProxyBlockOctetsMax - 12, 'x')),
       "192.0.2.1:56324"},
  };
  for (const auto& row : rows) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{5000}})
      EXPECT_EQ(read(row.header + "EHLO x\r\n", cut), (Outcome{row.client, row.header.size()})) << row.name;
    EXPECT_EQ(read(std::string_view(row.header).substr(0, row.header.size() - 1), 5000).client, "?") << row.name;
  }
}

TEST(ProxyHeader, RefusesEverythingElse) {
  const std::string four = "\xC0\x00\x02\x01\xC6\x33\x64\x01\xDC\x04\x00\x19"s;
  const std::string rows[] = {
      "EHLO client.example\r\n",
      "PROXY x\r\nEHLO client\r\n",
      "GET / HTTP/1.1\r\n",
      "proxy TCP4 192.0.2.1 198.51.100.1 1 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 1 25\n",
      "PROXY  TCP4 192.0.2.1 198.51.100.1 1 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 1 25 7\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 01 25\r\n",
      "PROXY TCP4 192.0.2.256 198.51.100.1 1 25\r\n",
      "PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.1 1 25\r\n",
      "PROXY TCP4 192.0.2.1 2001:db8::2 1 25\r\n",
      "PROXY UDP4 192.0.2.1 198.51.100.1 1 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 1 25\r\r\n",
      "PROXY " + std::string(200, 'x') + "\r\n",
      block('\x11', '\x11', four),
      block('\x31', '\x11', four),
      block('\x22', '\x11', four),
      block('\x2F', '\x11', four),
      block('\x21', '\x12', four),
      block('\x21', '\x44', four),
      block('\x21', '\x11', four.substr(1)),
      block('\x21', '\x21', four),
      block('\x21', '\x11', std::string(kProxyBlockOctetsMax + 1, 'x')),
      std::string("\r\n\r\n\0\r\nQUIT\r!\x11\0\x0c", 16) + four,
  };
  for (const std::string& row : rows) {
    EXPECT_EQ(read(row, 1).client, "!") << row;
    EXPECT_EQ(read(row, 5000).client, "!") << row;
  }
}

TEST(ProxyHeader, OneOctetOverTheLineLimitIsTooLong) {
  const std::string longest = "PROXY UNKNOWN " + std::string(kProxyLineOctetsMax - 16, 'x') + "\r\n";
  EXPECT_EQ(read(longest, 5000), (Outcome{"-", kProxyLineOctetsMax}));
  EXPECT_EQ(read("PROXY UNKNOWN " + std::string(kProxyLineOctetsMax - 15, 'x') + "\r\n", 5000).client, "!");
}

}  // namespace
}  // namespace postrider::net
