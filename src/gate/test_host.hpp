// For tests: a gate with a directory on a simulated store: the domain here.test, the alias list@here.test to
// far@away.test, the relay domains any.test and asked.test (verified by `probe`).
#pragma once

#include "core/test_run.hpp"
#include "dns/sim_resolver.hpp"
#include "gate/gate.hpp"
#include "store/sim_store.hpp"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::gate::test {

inline mail::Domain domain(std::string_view text) { return mail::Domain::parse(text).value(); }
inline mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }

/// Says what it is told, and counts.
struct FakeProbe final : RecipientProbe {
  Task<Answer> ask(mail::Address recipient, SteadyTime until) override {
    asked.push_back(recipient);
    last_until = until;
    co_return answer;
  }
  std::vector<mail::Address> asked;
  SteadyTime last_until{};
  Answer answer;
};

struct Host {
  explicit Host(std::vector<route::StaticRoute> routes = {})
      : router(&resolver, &random, route::Settings{.routes = std::move(routes), .hostname = {}, .own_addresses = {}}) {
    using By = directory::RelayRecipients::By;
    directory::Settings settings;
    settings.domains.push_back({.name = domain("here.test"), .catch_all = std::nullopt, .postmaster = std::nullopt});
    for (const auto& [name, by] : {std::pair("any.test", By::any), std::pair("asked.test", By::verify)}) {
      settings.domains.push_back({.name = domain(name),
                                  .kind = directory::DomainKind::relay,
                                  .recipients = {.by = by},
                                  .catch_all = std::nullopt,
                                  .postmaster = std::nullopt});
    }
    settings.aliases.push_back({.address = address("list@here.test"), .targets = {address("far@away.test")}});
    directory.emplace(&store, &workers, &random, &world.clock, std::move(settings));
    gate.emplace(&*directory, &store, &router, &probe, &world.clock, Settings{.max_message_size = 1000});
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { world.run_until_still(); }  // look-ups that nobody waits for any more

  static Task<bool> keep(Task<RecipientVerdict> task, std::optional<RecipientVerdict>* out) {
    RecipientVerdict verdict = co_await std::move(task);
    out->emplace(std::move(verdict));
    co_return true;
  }
  RecipientVerdict check(mail::Address recipient, SessionIdentity identity = {},
                         ListenerRole role = ListenerRole::relay_in, mail::Path sender = {}) {
    std::optional<RecipientVerdict> out;
    postrider::test::run(world, keep(gate->check_recipient(std::move(recipient), identity, role,
                                                           mail::BodyType::seven_bit, std::move(sender)),
                                     &out));
    return std::move(*out);
  }
  postrider::test::World world;
  SeededRandom random{1};
  InlineWorkers workers;
  store::SimDisk disk;
  store::SimStore store{store::SimStoreOptions{.disk = &disk, .random = &random}};
  dns::SimResolver resolver{&random};
  route::Router router;
  FakeProbe probe;
  std::optional<directory::Directory> directory;
  std::optional<Gate> gate;
};

}  // namespace postrider::gate::test
