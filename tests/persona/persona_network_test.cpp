// Every behaviour of the remote of every temper over the simulated network, through its service.
#include "core/await.hpp"
#include "core/overloaded.hpp"
#include "core/test_run.hpp"
#include "tests/persona/persona_remote.hpp"
#include "tests/persona/persona_rows.hpp"

#include <gtest/gtest.h>

namespace postrider::persona {
namespace {

using smtp::PersonaBehaviour;
using smtp::PersonaHow;

constexpr Duration kPatience = std::chrono::minutes(5);

struct Scene {
  test::World world;
  SeededRandom random{7};
  net::SimNetwork network{&random};
  net::Network* own = network.host(net::Address::v4({10, 9, 9, 9}));
};

/// One session with one transaction; gives the outcomes of three recipients.
class Sender {
 public:
  Sender(net::Stream* stream, Clock* clock, smtp::ClientSettings settings)
      : stream_(stream), clock_(clock), client_(std::move(settings)) {}

  /// TLS did not come about: to be tried once more in the clear.
  [[nodiscard]] bool wants_clear() const { return wants_clear_; }

  Task<std::vector<std::string>> run(smtp::ClientTransaction transaction) {
    client_.start(todo_);
    while (!client_.closed() || !todo_.empty()) {
      if (!todo_.empty()) {
        smtp::ClientAction action = std::move(todo_.front());
        todo_.pop_front();
        co_await perform(std::move(action));
      } else if (client_.ready() && outcomes_.empty()) {
        client_.begin(std::move(transaction), todo_);
      } else if (client_.ready()) {
        client_.quit(todo_);
      } else {
        co_await read();
      }
    }
    stream_->close();
    co_return outcomes_;
  }

 private:
  Task<void> perform(smtp::ClientAction action) {
    if (auto* const send = std::get_if<smtp::Send>(&action)) {
      const Result<void> written = co_await stream_->write(send->octets, clock_->steady() + kPatience);
      if (!written) client_.step(smtp::PeerClosed{}, todo_);
    } else if (std::holds_alternative<smtp::WantContent>(action)) {
      client_.step(smtp::Content{.octets = kContent, .last = true}, todo_);
    } else if (auto* const done = std::get_if<smtp::TransactionDone>(&action)) {
      for (const smtp::RecipientOutcome& outcome : done->outcomes) outcomes_.push_back(shown(outcome));
    } else if (auto* const refused = std::get_if<smtp::SessionRefused>(&action)) {
      outcomes_.assign(3, shown(refused->outcome));
      wants_clear_ = may_go_in_the_clear(refused->outcome);
    } else if (auto* const secret = std::get_if<smtp::SendSecret>(&action)) {
      const Result<void> written = co_await stream_->write(secret->octets.reveal(), clock_->steady() + kPatience);
      if (!written) client_.step(smtp::PeerClosed{}, todo_);
    } else if (auto* const auth = std::get_if<smtp::WantAuth>(&action)) {
      client_.step(begin_login(auth->mechanisms), todo_);
    } else if (std::holds_alternative<smtp::WantAuthResponse>(action)) {
      client_.step(smtp::AuthResponse{.response = Secret("y"), .may_succeed = false}, todo_);
    } else if (std::holds_alternative<smtp::Handshake>(action)) {
      wants_clear_ = true;  // nobody here speaks TLS
    }
  }
  Task<void> read() {
    const Result<net::Ready> ready = co_await stream_->wait_readable(clock_->steady() + kPatience, nullptr);
    step(ready);
  }
  void step(const Result<net::Ready>& ready) {
    if (!ready && ready.error().code == Error::timeout) return client_.step(smtp::TimedOut{}, todo_);
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = stream_->read_some(buffer);
    if (!ready || !got) return client_.step(smtp::PeerClosed{}, todo_);
    client_.step(smtp::Received{std::string_view(buffer.data(), *got)}, todo_);
  }

  net::Stream* stream_;
  Clock* clock_;
  smtp::ClientSession client_;
  smtp::ClientActions todo_;
  std::vector<std::string> outcomes_;
  bool wants_clear_ = false;
};

Task<std::vector<std::string>> send(Scene* scene, net::Address to, std::string_view profile, smtp::PersonaNeeds needs,
                                    smtp::ClientTransaction transaction) {
  const std::string name(profile);
  for (const smtp::BeginTls begin_tls : {smtp::BeginTls::if_offered, smtp::BeginTls::never}) {
    net::Endpoint endpoint{.address = to, .port = 25, .unix_path = {}};
    Result<std::unique_ptr<net::Stream>> stream =
        co_await scene->own->dial(std::move(endpoint), std::nullopt, scene->world.clock.steady() + kPatience);
    if (!stream) co_return std::vector<std::string>();
    Sender sender(stream->get(), &scene->world.clock, settings_for(name, needs, begin_tls));
    smtp::ClientTransaction same = transaction;
    std::vector<std::string> outcomes = co_await sender.run(std::move(same));
    if (!sender.wants_clear()) co_return outcomes;
  }
  co_return std::vector<std::string>();
}

TEST(PersonaService, EveryRecipientHasTheOutcomeOfItsRowOverTheNetwork) {
  for (const bool cuts : {false, true}) {
    Scene scene;
    scene.network.set_weather({.latency_min = std::chrono::milliseconds(1),
                               .latency_max = std::chrono::milliseconds(30),
                               .cuts_segments = cuts});
    PersonaRemote remote(scene.own, &scene.world.shard);
    for (const PersonaBehaviour& row : smtp::persona_behaviours()) {
      SCOPED_TRACE(fmt::format("{} {}", row.name, cuts));
      const std::string_view profile = profile_of(row);
      const std::uint64_t before = remote.service(profile).taken();
      const SteadyTime began = scene.world.clock.steady();
      const std::vector<std::string> outcomes =
          test::run(scene.world, send(&scene, remote.address(profile), profile, row.needs, transaction_of(row)));
      EXPECT_EQ(without_phase(outcomes), without_phase(wanted(row)));
      const bool relayed = std::ranges::any_of(outcomes, [](const std::string& o) { return o.starts_with('2'); });
      if (relayed || row.how == PersonaHow::take_and_drop) EXPECT_GT(remote.service(profile).taken(), before);
      EXPECT_GE(scene.world.clock.steady() - began, row.pause);
    }
    remote.drain();
    scene.world.run_until_still();
    EXPECT_EQ(scene.network.connections(), 0U);
    EXPECT_EQ(scene.world.shard.tasks(), 0U);
  }
}

Task<bool> pour(Scene* scene, net::Address to, std::size_t messages) {
  net::Endpoint endpoint{.address = to, .port = 25, .unix_path = {}};
  Result<std::unique_ptr<net::Stream>> stream =
      co_await scene->own->dial(std::move(endpoint), std::nullopt, scene->world.clock.steady() + kPatience);
  for (std::size_t i = 0; stream && i < messages; ++i) {
    const std::string octets = fmt::format("MAIL FROM:<a{}@c.test>\r\nRCPT TO:<b@x.test>\r\nBDAT 1 LAST\r\nx", i);
    const Result<void> written = co_await (*stream)->write(octets, scene->world.clock.steady() + kPatience);
    if (!written) co_return false;
    std::string heard;
    while (!heard.ends_with("taken\r\n")) {
      const Result<net::Ready> ready =
          co_await (*stream)->wait_readable(scene->world.clock.steady() + kPatience, nullptr);
      std::array<char, 4096> replies;
      const Result<std::size_t> got = (*stream)->read_some(replies);
      if (!ready || !got) co_return false;
      heard.append(replies.data(), *got);
    }
  }
  co_return stream.has_value();
}

TEST(PersonaService, KeepsWhatItTookWithinItsLimit) {
  Scene scene;
  server::PersonaService service(scene.own, &scene.world.shard);
  ASSERT_TRUE(
      service.listen("chunking-only", {.address = net::Address::v4({10, 9, 9, 9}), .port = 25, .unix_path = {}}));
  scene.own = scene.network.host(net::Address::v4({10, 9, 9, 8}));
  const std::size_t more = 5;
  const net::Address to = net::Address::v4({10, 9, 9, 9});
  for (int i = 0; i < 11; ++i) EXPECT_TRUE(test::run(scene.world, pour(&scene, to, i < 10 ? 1000 : more)));
  scene.world.run_until_still();
  service.drain();
  scene.world.run_until_still();
  EXPECT_EQ(service.taken(), server::kPersonaMessagesMax + more);
  EXPECT_EQ(service.sessions(), 11U);
  const std::vector<smtp::PersonaMessage> messages = service.messages();
  ASSERT_EQ(messages.size(), server::kPersonaMessagesMax);
  EXPECT_EQ(messages.back().sender, "a4@c.test");
  EXPECT_EQ(messages.back().content, "x");
}

}  // namespace
}  // namespace postrider::persona
