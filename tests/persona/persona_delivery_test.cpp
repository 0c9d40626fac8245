// Every behaviour of the remote of every temper, through the relay transport over the simulated network.
#include "core/await.hpp"
#include "core/test_run.hpp"
#include "delivery/relay.hpp"
#include "delivery/test_tls.hpp"
#include "tests/persona/persona_remote.hpp"
#include "tests/persona/persona_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace postrider::persona {
namespace {

using smtp::PersonaBehaviour;
using smtp::PersonaHow;
using smtp::PersonaNeeds;

/// Content in pieces, as the store gives it: what was put before it, then the rest.
class Text final : public delivery::ContentSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  void rewind() override { offset_ = 0; }
  Task<Result<std::string>> next(std::size_t octets_max) override {
    std::string chunk = text_.substr(offset_, offset_ == 0 ? 5 : octets_max);
    offset_ += chunk.size();
    co_return chunk;
  }

 private:
  std::string text_;
  std::size_t offset_ = 0;
};

struct Scene {
  test::World world;
  SeededRandom random{11};
  net::SimNetwork network{&random};
  net::Network* own = network.host(net::Address::v4({10, 9, 9, 9}));
  net::Connector connector{own, {}};
  PersonaRemote remote{own, &world.shard};
  delivery::FakeTls tls;
};

delivery::RelayMessage message_of(const PersonaBehaviour& row, std::size_t content_octets) {
  smtp::ClientTransaction transaction = transaction_of(row);
  return {.reverse_path = std::move(transaction.reverse_path),
          .recipients = std::move(transaction.recipients),
          .size_octets = std::max<std::uint64_t>(transaction.size_octets, content_octets),
          .has_eight_bit = row.needs == PersonaNeeds::eight_bit,
          .request = transaction.request};
}

/// The outcomes of three recipients.
Task<std::vector<std::string>> relay(Scene* scene, const PersonaBehaviour* row, std::string_view profile,
                                     delivery::RelayMessage message, std::string content) {
  Text text(std::move(content));
  route::Relay route;
  route.hops.push_back(
      {.host = std::string(row->name),
       .addresses = {scene->remote.address(profile).octets()},
       .port = 25,
       .from_dns = false,
       .protocol = smtp::persona_profile(profile).lmtp ? route::HopProtocol::lmtp : route::HopProtocol::smtp});
  route.destination = "persona.test";
  delivery::RelaySettings settings{
      .hostname = "client.example", .timeouts = {}, .tls = &scene->tls, .random = &scene->random};
  if (row->needs == PersonaNeeds::login) {
    const delivery::Logins logins{{"us", {.name = "postrider", .password = Secret("secret")}}};
    settings.logins = std::make_shared<const delivery::Logins>(logins);
    route.credentials.secret = "us";
    route.hops.front().tls = route::TlsPolicy::none;
  }
  delivery::RelayResult result =
      co_await delivery::relay(&scene->connector, std::move(settings), std::move(route), std::move(message), &text);
  if (result.connection) co_await result.connection->quit();
  std::vector<std::string> outcomes;
  for (const smtp::RecipientOutcome& outcome : result.outcomes) outcomes.push_back(shown(outcome));
  co_return outcomes;
}

/// Copies of the message that the persona took for the recipient at `place`.
std::size_t copies(const std::vector<smtp::PersonaMessage>& taken, std::size_t from, const std::string& recipient,
                   const std::string& content) {
  std::size_t count = 0;
  for (std::size_t i = from; i < taken.size(); ++i) {
    count += static_cast<std::size_t>(std::ranges::count(taken[i].recipients, recipient));
    EXPECT_EQ(taken[i].content, content);
  }
  return count;
}

void expect_row(Scene& scene, const PersonaBehaviour& row, const std::string& content) {
  const std::string_view profile = profile_of(row);
  const std::size_t before = scene.remote.service(profile).messages().size();
  delivery::RelayMessage message = message_of(row, content.size());
  const std::vector<mail::Address> recipients = message.recipients;
  const std::vector<std::string> outcomes =
      test::run(scene.world, relay(&scene, &row, profile, std::move(message), content));
  const std::vector<std::string> want = wanted(row);
  EXPECT_EQ(without_phase(outcomes), without_phase(want));
  if (row.how == PersonaHow::mute) scene.world.run_until_still();
  const std::vector<smtp::PersonaMessage> taken = scene.remote.service(profile).messages();
  const bool doubtful = row.how == PersonaHow::take_and_drop || row.says.starts_with('2');
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const bool relayed = outcomes[i].starts_with('2');
    const std::size_t count = copies(taken, before, recipients[i].text(), content);
    if (relayed || !doubtful) EXPECT_EQ(count, relayed ? 1U : 0U) << i;
  }
}

TEST(PersonaDelivery, EveryRecipientHasTheOutcomeOfItsRow) {
  Scene scene;
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    SCOPED_TRACE(row.name);
    expect_row(scene, row, kContent);
  }
  scene.remote.drain();
  scene.world.run_until_still();
  EXPECT_EQ(scene.network.connections(), 0U);
}

/// More than goes out with MAIL, over a network that cuts and delays.
TEST(PersonaDelivery, AlsoWithALargeMessageOverASlowNetwork) {
  Scene scene;
  scene.network.set_weather({.latency_min = std::chrono::milliseconds(1),
                             .latency_max = std::chrono::milliseconds(80),
                             .cuts_segments = true});
  std::string content = kContent;
  while (content.size() < 300'000) content += "..a line of a larger message\r\n.\r\n";
  for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
    if (row.needs != PersonaNeeds::nothing) continue;
    SCOPED_TRACE(row.name);
    expect_row(scene, row, content);
  }
  scene.remote.drain();
  scene.world.run_until_still();
}

}  // namespace
}  // namespace postrider::persona
