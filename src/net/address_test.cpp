#include "net/net.hpp"

#include <gtest/gtest.h>

namespace postrider::net {
namespace {

TEST(Address, ParsesAndPrints) {
  struct Row {
    std::string_view text;
    std::string_view printed;
    std::string_view literal;
  };
  for (const Row& row : std::to_array<Row>({{"192.0.2.1", "192.0.2.1", "[192.0.2.1]"},
                                            {"0.0.0.0", "0.0.0.0", "[0.0.0.0]"},
                                            {"255.255.255.255", "255.255.255.255", "[255.255.255.255]"},
                                            {"2001:DB8:0:0::1", "2001:db8::1", "[IPv6:2001:db8::1]"},
                                            {"::", "::", "[IPv6:::]"},
                                            {"::1", "::1", "[IPv6:::1]"},
                                            {"::ffff:192.0.2.1", "192.0.2.1", "[192.0.2.1]"}})) {
    const Result<Address> address = Address::parse(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->to_text(), row.printed);
    EXPECT_EQ(address->to_literal(), row.literal);
    EXPECT_EQ(Address::parse(address->to_text()).value(), *address);
  }
  for (const std::string_view bad :
       {"", " ", "192.0.2", "192.0.2.256", "192.0.2.01", "192.0.2.1 ", "0x7f.0.0.1", "2130706433", "127.1", "[::1]",
        "fe80::1%eth0", ":::", "1::2::3", "12345::", "example.com", "192.0.2.1.", "::1/128"}) {
    const Result<Address> address = Address::parse(bad);
    EXPECT_TRUE(!address && address.error().code == Error::malformed) << bad;
  }
  EXPECT_FALSE(Address::parse(std::string_view("192.0.2.1\0x", 11)));
}

TEST(Network4Or6, ContainsItsAddresses) {
  struct Row {
    std::string_view network;
    std::string_view inside;
    std::string_view outside;
  };
  for (const Row& row : std::to_array<Row>({{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
                                            {"10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
                                            {"172.16.0.0/12", "172.31.255.255", "172.32.0.0"},
                                            {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
                                            {"0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
                                            {"::/0", "2001:db8::1", "192.0.2.1"},
                                            {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
                                            {"2001:db8::1", "2001:db8::1", "2001:db8::2"}})) {
    const Result<Network4Or6> network = Network4Or6::parse(row.network);
    ASSERT_TRUE(network) << row.network;
    EXPECT_TRUE(network->contains(Address::parse(row.inside).value())) << row.network;
    EXPECT_FALSE(network->contains(Address::parse(row.outside).value())) << row.network;
    EXPECT_EQ(Network4Or6::parse(network->to_text()).value(), *network);
  }
  for (const std::string_view bad : {"", "/8", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 ",
                                     "::/129", "::1/64", "10.0.0.0/08x", "10/8", "example.com/8"}) {
    const Result<Network4Or6> network = Network4Or6::parse(bad);
    EXPECT_TRUE(!network && network.error().code == Error::malformed) << bad;
  }
  EXPECT_TRUE(Network4Or6::parse("0.0.0.0/0").value().is_everything());
  EXPECT_TRUE(Network4Or6::parse("::/0").value().is_everything());
  EXPECT_FALSE(Network4Or6::parse("::/96").value().is_everything());
  EXPECT_FALSE(Network4Or6::parse("0.0.0.0/1").value().is_everything());
}

TEST(Endpoint, ParsesAndPrints) {
  for (const std::string_view good :
       {"127.0.0.1:25", "[::1]:25", "0.0.0.0:0", "[2001:db8::1]:65535", "unix:/run/postrider/control"}) {
    const Result<Endpoint> endpoint = Endpoint::parse(good);
    ASSERT_TRUE(endpoint) << good;
    EXPECT_EQ(endpoint->to_text(), good);
  }
  for (const std::string_view bad : {"", "127.0.0.1", ":25", "::1:25", "[::1]", "[127.0.0.1]:25", "127.0.0.1:",
                                     "127.0.0.1:65536", "127.0.0.1:+25", "localhost:25", "[::1:25", "unix:"}) {
    const Result<Endpoint> endpoint = Endpoint::parse(bad);
    EXPECT_TRUE(!endpoint && endpoint.error().code == Error::malformed) << bad;
  }
  EXPECT_FALSE(Endpoint::parse("unix:/" + std::string(107, 'x')));
  EXPECT_TRUE(Endpoint::parse("unix:/" + std::string(106, 'x')));
}

}  // namespace
}  // namespace postrider::net
