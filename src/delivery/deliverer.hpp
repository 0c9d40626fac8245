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

/// Entries, and recipients of them, in hand at once. One takes 10 KiB to 20 KiB with its coroutines and records, so all
/// of them up to 100 MiB, a third of what a large queue may have (LIMITS.md). What is remote may have four fifths of
/// it, what is cold half (destinations.hpp), so that local delivery never waits behind others.
inline constexpr std::size_t kJobsMax = 5'000;
inline constexpr std::size_t kRecipientsInHandMax = 20'000;

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
  /// Who gets the notices about held recipients; when unset, postmaster of the recipient's domain where it is ours,
  /// else of this host.
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
