#include "world.hpp"

namespace postrider::sim {

namespace {

constexpr std::uint16_t kSmtpPort = 25;

/// The accounts of a domain, made once: password hashing is slow and no part of what is tested here.
const store::SimDisk& disk_with_accounts(const std::string& domain) {
  static std::map<std::string, store::SimDisk> made;
  const auto [at, is_new] = made.try_emplace(domain);
  if (!is_new) return at->second;
  test::World world;
  SeededRandom random(99);
  InlineWorkers workers;
  store::SimStore store({.disk = &at->second, .random = &random});
  directory::Directory directory(&store, &workers, &random, &world.clock, {});
  const mail::Domain name = *mail::Domain::parse(domain);
  const directory::DomainRecord record{
      .name = name, .catch_all = {}, .subaddress = "+", .postmaster = {}, .source = directory::Source::store};
  check(test::run(world, directory.add_domain(record)).has_value(), "sim: domain");
  for (const std::string user : {"postmaster", "one", "two"}) {
    const mail::Address address = *mail::Address::make(user, name);
    check(test::run(world, directory.add_account(address, Secret("secret"))).has_value(), "sim: account");
  }
  const std::vector<mail::Address> everybody = {*mail::Address::make("one", name), *mail::Address::make("two", name)};
  check(test::run(world, directory.add_alias(*mail::Address::make("all", name), everybody)).has_value(), "sim: alias");
  return at->second;
}

server::Settings settings_of(const Host& host, const Planted& planted) {
  server::Settings settings;
  settings.hostname = "mx." + host.domain();
  server::Listen& listen = settings.listen.emplace_back();
  listen.service = server::Service::smtp;
  listen.at = {.address = host.address(), .port = kSmtpPort, .unix_path = {}};
  listen.smtp = smtp::ServerSettings{.hostname = settings.hostname, .own_domain = *mail::Domain::parse(host.domain())};
  listen.relay_from = {*net::Network4Or6::parse(kSenderNetwork)};
  settings.gate.max_message_size = 50ULL * 1024 * 1024;
  settings.queue = queue::default_settings();
  settings.allow_private = {*net::Network4Or6::parse("10.0.0.0/8")};
  settings.delivery.planted = planted.delivery;
  return settings;
}

}  // namespace

net::Address host_address(std::size_t index) {
  return net::Address::v4({10, 0, 0, static_cast<std::uint8_t>(index + 1)});
}
net::Address sender_address(std::size_t index) {
  return net::Address::v4({10, 1, 0, static_cast<std::uint8_t>(index + 1)});
}

Host::Host(World* world, std::string domain, net::Address address, std::uint64_t seed)
    : world_(world),
      domain_(std::move(domain)),
      address_(address),
      random_(seed),
      disk_(disk_with_accounts(domain_)),
      network_(world->network.host(address)) {}

void Host::start() {
  store_ = std::make_unique<store::SimStore>(
      store::SimStoreOptions{.disk = &disk_, .random = &random_, .planted = world_->planted.store});
  server_ = std::make_unique<server::Server>(server::Doors{store_.get(), &world_->base.clock, &random_, &workers_,
                                                           &world_->events, &metrics_, network_, &world_->resolver},
                                             settings_of(*this, world_->planted));
  ended_.clear();
  const Result<void> listening = server_->listen({&world_->base.shard});
  check(listening.has_value(), "sim: listen");
  server_->start([] {}, [this] { ended_.set(); });
}

Task<void> Host::die_and_return(Host* host) {
  const Result<void> crashed = co_await host->store_->crash_signal().wait(SteadyTime::never());
  check(crashed.has_value(), "sim: waits without a deadline");
  host->dying_ = true;
  ++(*host->world_->marks)["crash"];
  host->world_->network.set_down(host->address_);
  host->server_->drain();
  const Result<void> ended = co_await host->ended_.wait(SteadyTime::never());
  check(ended.has_value(), "sim: waits without a deadline");
  if (host->retired_) {
    host->server_.reset();
    host->store_.reset();
    co_return;
  }
  Signal pause;
  const Result<void> down =
      co_await pause.wait(host->world_->base.clock.steady() + std::chrono::seconds(host->world_->random.below(120)));
  (void)down;  // always timeout: that is the outage
  host->server_.reset();
  host->store_.reset();
  host->world_->network.set_up(host->address_);
  host->start();
  host->dying_ = false;
}

World::World(std::uint64_t seed, Planted the_planted, Marks* the_marks)
    : random(seed), planted(the_planted), marks(the_marks) {
  for (const std::string domain : {"a.test", "b.test"}) {
    const std::size_t index = hosts.size();
    const net::Address address = host_address(index);
    for (const std::string& line : {domain + " MX 10 mx." + domain, "mx." + domain + " A " + address.to_text()}) {
      check(resolver.add(line).has_value(), "sim: record");
    }
    hosts.push_back(std::make_unique<Host>(this, domain, address, random.u64()));
    hosts.back()->start();
  }
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  const SteadyTime end = base.clock.steady() + limit;
  while (!done()) {
    if (base.clock.steady() > end || !base.step()) return false;
  }
  return true;
}

namespace {

Task<Result<void>> wait_for(SteadyTime until) {
  Signal nothing;
  co_return co_await nothing.wait(until);
}

}  // namespace

void World::pass(Duration duration) {
  check(!test::run(base, wait_for(base.clock.steady() + duration)), "sim: nothing sets this signal");
}

}  // namespace postrider::sim
