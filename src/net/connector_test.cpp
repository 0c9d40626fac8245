#include "net/connector.hpp"

#include "core/random.hpp"
#include "core/test_run.hpp"
#include "net/sim_network.hpp"

#include <gtest/gtest.h>

namespace postrider::net {
namespace {

Address address(std::string_view text) { return Address::parse(text).value(); }

TEST(Connector, ForbidsWhatIsNotPublic) {
  for (const std::string_view text : {
           "0.0.0.0",
           "0.1.2.3",
           "10.0.0.0",
           "10.255.255.255",
           "100.64.0.0",
           "100.127.255.255",
           "127.0.0.1",
           "127.255.255.254",
           "169.254.0.1",
           "169.254.169.254",
           "172.16.0.1",
           "172.31.255.255",
           "192.0.0.1",
           "192.88.99.1",
           "192.168.0.1",
           "192.168.255.255",
           "198.18.0.1",
           "198.19.255.255",
           "224.0.0.1",
           "239.255.255.255",
           "240.0.0.1",
           "255.255.255.255",
           "::",
           "::1",
           "::2",
           "::127.0.0.1",
           "::8.8.8.8",
           "::ffff:127.0.0.1",
           "::ffff:10.0.0.1",
           "64:ff9b::10.0.0.1",
           "64:ff9b::7f00:1",
           "64:ff9b:1::1",
           "100::1",
           "2001::1",
           "2001:10::1",
           "2001:20::1",
           "2001:2f:ffff::1",
           "2002:7f00:1::",
           "2002:a00:1::1",
           "2002:c0a8:101::1",
           "2002:a9fe:a9fe::",
           "fc00::1",
           "fdff:ffff::1",
           "fe80::1",
           "febf::1",
           "fec0::1",
           "ff02::1",
           "ff0e::1",
           "4000::1",
           "1fff::1",
       }) {
    EXPECT_TRUE(is_forbidden(address(text))) << text;
  }
}

TEST(Connector, AllowsWhatIsPublic) {
  for (const std::string_view text : {
           "1.0.0.0",         "8.8.8.8",        "9.255.255.255",        "11.0.0.0",
           "100.63.255.255",  "100.128.0.0",    "126.255.255.255",      "128.0.0.1",
           "169.253.255.255", "169.255.0.0",    "172.15.255.255",       "172.32.0.0",
           "192.0.1.0",       "192.0.2.1",      "192.167.255.255",      "192.169.0.0",
           "198.17.255.255",  "198.20.0.0",     "198.51.100.1",         "203.0.113.1",
           "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",     "2001:1::1",
           "2001:30::1",      "2001:db8::1",    "2001:4860:4860::8888", "2002:808:808::1",
           "2003::1",         "2a00::1",        "3fff:ffff::1",
       }) {
    EXPECT_FALSE(is_forbidden(address(text))) << text;
  }
}

/// A client at 192.0.2.2 and 2001:db8::2, and a server at each of some addresses.
class ConnectorWorld : public testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 25;

  void serve(std::string_view at) {
    Shard* const shard = &world_.shard;
    auto listeners = network_.host(address(at))
                         ->listen({.address = address(at), .port = kPort, .unix_path = {}}, std::span(&shard, 1));
    ASSERT_TRUE(listeners);
    listeners_.push_back(std::move(listeners->front()));
  }
  std::string connect(Connector& connector, std::string_view to, FoundBy found_by) {
    Endpoint endpoint{.address = address(to), .port = kPort, .unix_path = {}};
    const SteadyTime until = world_.clock.steady() + std::chrono::seconds(30);
    const auto stream = test::run(world_, connector.connect(std::move(endpoint), found_by, std::nullopt, until));
    return stream ? "connected" : std::string(name_of(stream.error().code));
  }

  SeededRandom random_{1};
  test::World world_;
  SimNetwork network_{&random_};
  Network* client_ = network_.host(address("192.0.2.2"));
  std::vector<std::unique_ptr<Listener>> listeners_;
};

TEST_F(ConnectorWorld, JudgesAddressesFoundByDnsAlone) {
  network_.add_address(address("192.0.2.2"), address("2001:db8::2"));
  for (const std::string_view at : {"203.0.113.9", "10.1.2.3", "10.9.9.9", "192.0.2.2"}) serve(at);
  Connector strict(client_, {});
  EXPECT_EQ(connect(strict, "203.0.113.9", FoundBy::dns), "connected");
  EXPECT_EQ(connect(strict, "10.1.2.3", FoundBy::dns), "denied");
  EXPECT_EQ(connect(strict, "10.1.2.3", FoundBy::configuration), "connected");
  EXPECT_EQ(connect(strict, "192.0.2.2", FoundBy::dns), "denied") << "our own";
  EXPECT_EQ(connect(strict, "2001:db8::2", FoundBy::dns), "denied") << "our own";
  EXPECT_EQ(connect(strict, "192.0.2.2", FoundBy::configuration), "connected");
  EXPECT_EQ(connect(strict, "127.0.0.1", FoundBy::dns), "denied");
  EXPECT_EQ(connect(strict, "203.0.113.10", FoundBy::dns), "closed") << "no such host";
  EXPECT_TRUE(strict.refuses(address("10.1.2.3")));
  EXPECT_TRUE(strict.refuses(address("192.0.2.2")));
  EXPECT_FALSE(strict.refuses(address("203.0.113.9")));

  Connector lenient(client_, {Network4Or6::parse("10.1.0.0/16").value(), Network4Or6::parse("192.0.2.2").value()});
  EXPECT_EQ(connect(lenient, "10.1.2.3", FoundBy::dns), "connected");
  EXPECT_EQ(connect(lenient, "10.9.9.9", FoundBy::dns), "denied");
  EXPECT_EQ(connect(lenient, "192.0.2.2", FoundBy::dns), "connected") << "our own, but named";
}

}  // namespace
}  // namespace postrider::net
