// One simulated world: hosts with a server each, senders, names, weather, and one clock.
#pragma once

#include "core/metrics.hpp"
#include "core/test_run.hpp"
#include "core/workers.hpp"
#include "delivery/deliverer.hpp"
#include "dns/sim_resolver.hpp"
#include "net/sim_network.hpp"
#include "server/server.hpp"
#include "store/sim_store.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace postrider::sim {

/// Rare paths that were really taken, counted over all seeds.
using Marks = std::map<std::string, std::uint64_t>;

struct Planted {
  store::Planted store = store::Planted::none;
  delivery::Planted delivery = delivery::Planted::nothing;
};

/// Keeps the log of a run, to compare two runs of one seed, and to show on failure.
class KeptLog final : public LogOutput {
 public:
  void write_line(std::string_view line) override {
    text += line;
    text += '\n';
    if (echo) fmt::print(stderr, "{}\n", line);
  }
  std::string text;
  bool echo = false;  ///< one seed is looked at
};

class World;

/// A host with a disk that survives, and a server that may die and come back.
class Host {
 public:
  Host(World* world, std::string domain, net::Address address, std::uint64_t seed);

  void start();
  /// What the host's process does when its store has met the crash: everything ends, nothing is said any more. A
  /// retired host stays away.
  [[nodiscard]] static Task<void> die_and_return(Host* host);
  /// Dies for good.
  void retire() {
    retired_ = true;
    store_->crash();
  }
  [[nodiscard]] bool retired() const { return retired_; }
  [[nodiscard]] bool up() const { return server_ != nullptr && !dying_; }

  [[nodiscard]] server::Server* server() { return server_.get(); }
  [[nodiscard]] store::SimStore* store() { return store_.get(); }
  [[nodiscard]] store::SimDisk* disk() { return &disk_; }
  [[nodiscard]] const net::Address& address() const { return address_; }
  [[nodiscard]] const std::string& domain() const { return domain_; }

 private:
  friend class World;
  World* world_;
  std::string domain_;
  net::Address address_;
  SeededRandom random_;
  store::SimDisk disk_;
  InlineWorkers workers_;
  Metrics metrics_;
  net::Network* network_;
  std::unique_ptr<store::SimStore> store_;
  std::unique_ptr<server::Server> server_;
  Signal ended_;
  bool dying_ = false;
  bool retired_ = false;
};

class World {
 public:
  World(std::uint64_t seed, Planted planted, Marks* marks);

  /// Runs until `done` says so. False: the world stood still, or more than `limit` passed, before that.
  [[nodiscard]] bool run_until(const std::function<bool()>& done, Duration limit);

  /// Lets time go by.
  void pass(Duration duration);

  test::World base;
  KeptLog log;
  Events events{&base.clock, LogFormat::text, Level::info, &log};
  SeededRandom random;
  Planted planted;
  Marks* marks;
  net::SimNetwork network{&random};
  dns::SimResolver resolver{&random};
  std::vector<std::unique_ptr<Host>> hosts;  ///< a.test, b.test
};

inline constexpr std::string_view kSenderNetwork = "10.1.0.0/16";  ///< may relay through a.test
[[nodiscard]] net::Address host_address(std::size_t index);
[[nodiscard]] net::Address sender_address(std::size_t index);

}  // namespace postrider::sim
