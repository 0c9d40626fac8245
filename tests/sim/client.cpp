#include "client.hpp"

#include "core/await.hpp"
#include "delivery/relay.hpp"
#include "net/connector.hpp"

namespace postrider::sim {

namespace {

class Text final : public delivery::ContentSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  void rewind() override { offset_ = 0; }
  Task<Result<std::string>> next(std::size_t octets_max) override {
    std::string chunk = text_.substr(offset_, octets_max);
    offset_ += chunk.size();
    co_return chunk;
  }

 private:
  std::string text_;
  std::size_t offset_ = 0;
};

mail::Address address(std::string_view user, const std::string& domain) {
  return *mail::Address::make(std::string(user), *mail::Domain::parse(domain));
}

struct Plan {
  delivery::RelayMessage message;
  std::vector<Sent> sent;  // one a recipient
  std::string text;
};

/// A message with one to three recipients; some with a body that becomes a file.
Plan make_plan(World* world, std::size_t index, int number, std::size_t host) {
  SeededRandom& random = world->random;
  const std::string token = fmt::format("token-{}-{}", index, number);
  const std::string& here = world->hosts[host]->domain();
  const std::string& there = world->hosts[1 - host]->domain();
  Plan plan;
  if (random.below(8) != 0) plan.message.reverse_path = mail::Path(address("postmaster", here));
  const std::uint64_t count = 1 + random.below(3);
  for (std::uint64_t i = 0; i < count; ++i) {
    Sent sent{.token = token,
              .host = host,
              .sender = plan.message.reverse_path,
              .mailboxes = {},
              .want = Want::local,
              .acknowledged = false};
    mail::Address to = address(i % 2 == 0 ? "one" : "two", here);
    switch (random.below(5)) {
      case 0:
        sent.want = Want::elsewhere;
        to = address(i % 2 == 0 ? "one" : "two", there);
        sent.mailboxes = {to};
        break;
      case 1:
        sent.want = Want::nobody_else;
        to = address(fmt::format("nobody{}", i), there);
        break;
      case 2:
        if (i == 0 && count == 1) {
          to = address("all", here);
          sent.mailboxes = {address("one", here), address("two", here)};
          break;
        }
        [[fallthrough]];
      default: sent.mailboxes = {to};
    }
    plan.message.recipients.push_back(to);
    plan.sent.push_back(std::move(sent));
  }
  const std::size_t lines = random.below(12) == 0 ? 1500 : random.below(40);
  plan.text = fmt::format("Message-ID: <{}@sender.test>\r\nSubject: {}\r\n\r\n", token, token);
  for (std::size_t i = 0; i < lines; ++i)
    plan.text += fmt::format("{} line {} of the body, and a few words more\r\n", i % 7 == 0 ? "." : "", i);
  plan.message.size_octets = plan.text.size();
  return plan;
}

Task<void> pause(World* world, Duration for_up_to) {
  Signal nothing;
  const Result<void> paused = co_await nothing.wait(
      world->base.clock.steady() + std::chrono::milliseconds(world->random.below(
                                       static_cast<std::uint64_t>(for_up_to / std::chrono::milliseconds(1)))));
  (void)paused;  // always timeout
}

}  // namespace

Task<void> send_messages(World* world, std::size_t index, int count, std::vector<Sent>* ledger, int* running) {
  net::Connector connector(world->network.host(sender_address(index)), {});
  for (int number = 0; number < count; ++number) {
    co_await pause(world, std::chrono::seconds(20));
    const std::size_t host = world->random.below(world->hosts.size());
    Plan plan = make_plan(world, index, number, host);
    const net::Endpoint to{.address = world->hosts[host]->address(), .port = 25, .unix_path = {}};
    Result<std::unique_ptr<net::Stream>> stream = co_await connector.connect(
        to, net::FoundBy::configuration, std::nullopt, world->base.clock.steady() + std::chrono::seconds(30));
    std::vector<smtp::RecipientOutcome> outcomes;
    if (stream) {
      Text text(plan.text);
      delivery::RelaySettings settings{.hostname = "sender.test", .timeouts = {}};
      delivery::SessionPlan in_clear;
      delivery::RelayMessage outgoing = plan.message;
      delivery::SessionResult result = co_await delivery::send_over(
          std::move(*stream), std::move(settings), std::move(in_clear), std::move(outgoing), &text, {});
      outcomes = std::move(result.outcomes);
    } else {
      ++(*world->marks)["sender could not connect"];
    }
    for (std::size_t i = 0; i < plan.sent.size(); ++i) {
      Sent sent = std::move(plan.sent[i]);
      sent.acknowledged = i < outcomes.size() && smtp::is_positive(outcomes[i].reply);
      if (i < outcomes.size() && outcomes[i].reply.code == 452) ++(*world->marks)["452"];
      ledger->push_back(std::move(sent));
    }
  }
  --*running;
}

}  // namespace postrider::sim
