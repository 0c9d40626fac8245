// Takes jobs from the queue, finds the next hop of each recipient, carries it there, and commits what came of it.
#pragma once

#include "core/clock.hpp"
#include "core/events.hpp"
#include "core/metrics.hpp"
#include "core/random.hpp"
#include "core/shard.hpp"
#include "core/signal.hpp"
#include "delivery/relay.hpp"
#include "directory/directory.hpp"
#include "mailbox/mailbox.hpp"
#include "net/connector.hpp"
#include "queue/queue.hpp"
#include "route/route.hpp"
#include "store/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::delivery {

inline constexpr std::size_t kJobsMax = 2000;  // in hand at once, of all destinations

/// Faults that the simulation plants to show that it would find them. Nothing else sets them.
enum class Planted : std::uint8_t { nothing, double_local_delivery };

struct Doors {
  store::Store* store;
  Clock* clock;
  Random* random;
  Events* events;
  Metrics* metrics;
  net::Connector* connector;
};

struct Rooms {
  queue::Queue* queue;
  queue::QueueIds* ids;
  directory::Directory* directory;
  mailbox::Mailboxes* mailboxes;
  route::Router* router;
};

struct Settings {
  RelaySettings relay;
  std::string hostname;
  /// Who gets the notices about held recipients; when unset, postmaster of the recipient's domain where it is ours.
  std::optional<mail::Address> postmaster;
  Planted planted = Planted::nothing;
};

class Deliverer {
 public:
  Deliverer(Doors doors, Rooms rooms, Settings settings);
  ~Deliverer();

  /// Takes jobs until `stop` is set and spreads them over `shards`; gives when the last one has ended. Runs on
  /// shards[0].
  [[nodiscard]] Task<void> run(std::vector<Shard*> shards, Signal* stop);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace postrider::delivery
