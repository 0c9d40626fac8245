#include "net/sim_network.hpp"

#include "core/await.hpp"
#include "core/shard.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>

namespace postrider::net {

namespace {

constexpr std::uint16_t kFirstFreePort = 49'152;  // 6335 §6
constexpr std::size_t kSegmentOctetsMax = 1'448;  // what a random cut leaves at most
constexpr std::uint32_t kSimUser = 1'000;         // the user behind every Unix socket

bool is_unspecified(const Address& address) { return address == Address() || address == Address::v4({0, 0, 0, 0}); }

/// Whether a listener at one of the two takes what is meant for the other.
bool overlap(const Endpoint& a, const Endpoint& b) {
  if (a.unix_path != b.unix_path || a.port != b.port) return false;
  if (a.address == b.address) return true;
  return a.address.is_v4() == b.address.is_v4() && (is_unspecified(a.address) || is_unspecified(b.address));
}

struct Segment {
  std::string octets;
  SteadyTime arrives;
};

/// One direction. The reader learns of arrivals by their time, of everything else by `changed` of its end.
struct Pipe {
  std::deque<Segment> segments;
  std::size_t octets = 0;  // written and not yet read
  std::optional<SteadyTime> ends;
  SteadyTime last_arrival{};
};

/// What one end of a connection owns: the pipe it reads from, and its wake-up.
struct End {
  Endpoint local;
  Pipe in;
  Signal changed;
  bool open = true;
};

}  // namespace

struct SimNetwork::Inside {
  struct Host;
  struct Connection;
  class View;
  class SimStream;
  class SimListener;

  /// A place where a host listens; one per shard share a port.
  struct Port {
    std::vector<SimListener*> listeners;
    std::size_t next = 0;
  };

  Host& host_at(const Address& address);
  Host* find(const Address& address);
  [[nodiscard]] Duration latency();
  [[nodiscard]] bool happens(std::uint32_t per_1000) { return per_1000 > 0 && random->below(1000) < per_1000; }
  [[nodiscard]] bool parted(const Host* a, const Host* b) const;
  void wake_all();
  void forget_closed();

  Random* random;
  SimWeather weather;
  std::vector<std::unique_ptr<Host>> hosts;  // in the order of their making: a host's number orders it
  std::map<Address, Host*> by_address;
  std::vector<std::weak_ptr<Connection>> connections;
  std::set<std::pair<std::size_t, std::size_t>> parted_pairs;
};

/// Both ends of a connection; shared by its streams, of which either may die first.
struct SimNetwork::Inside::Connection {
  std::array<End, 2> ends;  // 0 dialled, 1 accepts
  std::array<Host*, 2> hosts{};
  std::optional<std::uint64_t> octets_left;
  bool broken = false;

  void break_now() {
    broken = true;
    for (End& end : ends) end.changed.set();
  }
};

struct SimNetwork::Inside::Host {
  Host(Inside* the_inside, std::size_t the_number);
  std::size_t number;
  std::vector<Address> addresses;
  SimAnswer answer = SimAnswer::listens;
  bool is_up = true;
  std::optional<std::uint64_t> break_next;
  std::uint16_t last_port = kFirstFreePort - 1;
  std::map<Endpoint, Port> ports;
  std::unique_ptr<View> view;

  /// The port that takes what is meant for `at`, or stands in the way of listening there.
  [[nodiscard]] Port* find_port(const Endpoint& at) {
    const auto taken = std::ranges::find_if(ports, [&at](const auto& each) { return overlap(each.first, at); });
    return taken == ports.end() ? nullptr : &taken->second;
  }
  [[nodiscard]] std::uint16_t free_port() {
    do {
      last_port = last_port == 65'535 ? kFirstFreePort : static_cast<std::uint16_t>(last_port + 1);
    } while (std::ranges::any_of(ports, [this](const auto& each) { return each.first.port == last_port; }));
    return last_port;
  }
};

class SimNetwork::Inside::SimStream final : public Stream {
 public:
  SimStream(Inside* inside, std::shared_ptr<Connection> connection, std::size_t side, Shard* shard)
      : inside_(inside), connection_(std::move(connection)), side_(side), shard_(shard) {}
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;
  ~SimStream() override { close(); }

  Task<Result<Ready>> wait_readable(SteadyTime until, Signal* signal) override {
    Signal::Watch watch;
    if (signal != nullptr) watch = signal->watch(shard_, [this] { mine().changed.set(); });
    for (;;) {
      mine().changed.clear();
      if (signal != nullptr && signal->is_set()) co_return Ready::signalled;
      if (!mine().open) co_return error(Error::closed, "net.wait");
      if (readable()) co_return Ready::readable;
      const SteadyTime now = shard_->clock().steady();
      if (until <= now) co_return error(Error::timeout, "net.wait");
      const SteadyTime wake = std::min(until, next_arrival());
      [[maybe_unused]] const Result<void> woken = co_await mine().changed.wait(wake);  // either way: look again
    }
  }

  Result<std::size_t> read_some(std::span<char> into) override {
    if (!mine().open) return error(Error::closed, "net.read");
    Pipe& in = mine().in;
    if (!readable() || into.empty()) return 0;
    if (in.segments.empty())
      return error(Error::closed, "net.read", connection_->broken ? "broken" : "the peer ended the connection");
    std::size_t done = 0;
    while (done < into.size() && has_arrived()) {
      Segment& first = in.segments.front();
      const std::size_t taken = std::min(into.size() - done, first.octets.size());
      std::copy_n(first.octets.begin(), taken, into.begin() + static_cast<std::ptrdiff_t>(done));
      done += taken;
      first.octets.erase(0, taken);
      if (first.octets.empty()) in.segments.pop_front();
      if (inside_->weather.cuts_segments) break;  // the next piece comes with the next read
    }
    in.octets -= done;
    theirs().changed.set();  // room to write
    return done;
  }

  Task<Result<void>> write(std::string_view octets, SteadyTime until) override {
    for (;;) {
      mine().changed.clear();
      if (!mine().open || connection_->broken || !theirs().open) co_return error(Error::closed, "net.write");
      octets.remove_prefix(push(octets));
      if (octets.empty()) co_return Result<void>{};
      if (until <= shard_->clock().steady()) co_return error(Error::timeout, "net.write");
      [[maybe_unused]] const Result<void> woken = co_await mine().changed.wait(until);  // either way: look again
    }
  }

  Result<std::size_t> write_some(std::string_view octets) override {
    if (!mine().open || connection_->broken || !theirs().open) return error(Error::closed, "net.write");
    return push(octets);
  }

  Task<Result<void>> wait_writable(SteadyTime until) override {
    for (;;) {
      mine().changed.clear();
      if (!mine().open || connection_->broken || !theirs().open) co_return error(Error::closed, "net.write");
      if (theirs().in.octets < kSimPipeOctets) co_return Result<void>{};
      if (until <= shard_->clock().steady()) co_return error(Error::timeout, "net.write");
      [[maybe_unused]] const Result<void> woken = co_await mine().changed.wait(until);  // either way: look again
    }
  }

  void close() override {
    if (!std::exchange(mine().open, false)) return;
    Pipe& out = theirs().in;
    out.last_arrival = std::max(out.last_arrival, shard_->clock().steady() + inside_->latency());
    if (!out.ends) out.ends = out.last_arrival;
    for (End& end : connection_->ends) end.changed.set();
  }

  const Endpoint& local() const override { return connection_->ends[side_].local; }
  const Endpoint& peer() const override { return connection_->ends[1 - side_].local; }
  std::optional<std::uint32_t> peer_user() const override {
    if (connection_->ends[1].local.unix_path.empty()) return std::nullopt;
    return kSimUser;
  }

 private:
  End& mine() { return connection_->ends[side_]; }
  End& theirs() { return connection_->ends[1 - side_]; }
  bool cut_off() { return inside_->parted(connection_->hosts[0], connection_->hosts[1]); }

  bool has_arrived() {
    const Pipe& in = mine().in;
    return !in.segments.empty() && in.segments.front().arrives <= shard_->clock().steady();
  }

  /// Octets, an end or a break can be seen.
  bool readable() {
    const Pipe& in = mine().in;
    if (connection_->broken && in.segments.empty()) return true;
    if (cut_off()) return false;
    if (!in.segments.empty()) return has_arrived();
    return in.ends && *in.ends <= shard_->clock().steady();
  }

  SteadyTime next_arrival() {
    const Pipe& in = mine().in;
    if (cut_off()) return SteadyTime::never();
    if (!in.segments.empty()) return in.segments.front().arrives;
    return in.ends ? *in.ends : SteadyTime::never();
  }

  /// Sends what the pipe takes now; gives how much.
  std::size_t push(std::string_view octets) {
    Pipe& out = theirs().in;
    std::size_t done = 0;
    while (done < octets.size() && out.octets < kSimPipeOctets) {
      std::size_t taken = std::min(octets.size() - done, kSimPipeOctets - out.octets);
      if (inside_->weather.cuts_segments)
        taken = std::min(taken, 1 + static_cast<std::size_t>(inside_->random->below(kSegmentOctetsMax)));
      if (connection_->octets_left && *connection_->octets_left < taken) {
        send(octets.substr(done, static_cast<std::size_t>(*connection_->octets_left)));
        connection_->break_now();
        return octets.size();
      }
      send(octets.substr(done, taken));
      if (connection_->octets_left) *connection_->octets_left -= taken;
      done += taken;
    }
    return done;
  }

  void send(std::string_view octets) {
    if (octets.empty()) return;
    Pipe& out = theirs().in;
    out.last_arrival = std::max(out.last_arrival, shard_->clock().steady() + inside_->latency());
    out.segments.push_back({std::string(octets), out.last_arrival});
    out.octets += octets.size();
    theirs().changed.set();
  }

  Inside* inside_;
  std::shared_ptr<Connection> connection_;
  std::size_t side_;
  Shard* shard_;
};

class SimNetwork::Inside::SimListener final : public Listener {
 public:
  SimListener(Inside* inside, Host* host, Endpoint at, Shard* shard)
      : inside_(inside), host_(host), local_(std::move(at)), shard_(shard) {}
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;
  ~SimListener() override {
    for (const auto& waiting : waiting_) waiting->break_now();
    const auto port = host_->ports.find(local_);
    std::erase(port->second.listeners, this);
    if (port->second.listeners.empty()) host_->ports.erase(port);
  }

  Task<Result<std::unique_ptr<Stream>>> accept(Signal* stop) override {
    Signal::Watch watch;
    if (stop != nullptr) watch = stop->watch(shard_, [this] { changed_.set(); });
    for (;;) {
      changed_.clear();
      if (stop != nullptr && stop->is_set()) co_return error(Error::cancelled, "net.accept");
      if (!waiting_.empty()) {
        std::shared_ptr<Connection> connection = std::move(waiting_.front());
        waiting_.pop_front();
        co_return std::make_unique<SimStream>(inside_, std::move(connection), 1, shard_);
      }
      [[maybe_unused]] const Result<void> woken = co_await changed_.wait(SteadyTime::never());
    }
  }

  const Endpoint& local() const override { return local_; }

  /// False when the backlog is full.
  bool offer(std::shared_ptr<Connection> connection) {
    if (waiting_.size() >= kSimBacklog) return false;
    waiting_.push_back(std::move(connection));
    changed_.set();
    return true;
  }

 private:
  Inside* inside_;
  Host* host_;
  Endpoint local_;
  Shard* shard_;
  Signal changed_;
  std::deque<std::shared_ptr<Connection>> waiting_;
};

class SimNetwork::Inside::View final : public Network {
 public:
  View(Inside* inside, Host* host) : inside_(inside), host_(host) {}

  Result<std::vector<std::unique_ptr<Listener>>> listen(const Endpoint& at, std::span<Shard* const> shards,
                                                        UnixAccess /*access*/) override {
    Endpoint taken = at;
    const bool is_unix = !at.unix_path.empty();
    if (!is_unix && !is_mine(at.address) && !is_unspecified(at.address)) {
      return error(Error::malformed, "net.listen", at.to_text() + " is not an address of this host");
    }
    if (!is_unix && at.port == 0) taken.port = host_->free_port();
    if (host_->find_port(taken) != nullptr) return error(Error::conflict, "net.listen", taken.to_text() + " is in use");
    Port& port = host_->ports[taken];
    std::vector<std::unique_ptr<Listener>> all;
    for (Shard* const shard : is_unix ? shards.first(1) : shards) {
      auto listener = std::make_unique<SimListener>(inside_, host_, taken, shard);
      port.listeners.push_back(listener.get());
      all.push_back(std::move(listener));
    }
    return all;
  }

  Task<Result<std::unique_ptr<Stream>>> dial(Endpoint to, std::optional<Address> source, SteadyTime until) override {
    Shard* const shard = co_await this_shard();
    if (source && !is_mine(*source)) co_return error(Error::denied, "net.dial", "not an address of this host");
    Host* const host = is_here(to) ? host_ : inside_->find(to.address);
    const SteadyTime answered = shard->clock().steady() + inside_->latency() + inside_->latency();
    const bool refused = inside_->happens(inside_->weather.refused_per_1000);
    const bool silent = inside_->happens(inside_->weather.silent_per_1000);
    const bool never_answers =
        silent || (host != nullptr && (host->answer == SimAnswer::silent || inside_->parted(host_, host)));
    Signal nobody;
    const SteadyTime wake = never_answers ? until : std::min(until, answered);
    [[maybe_unused]] const Result<void> waited = co_await nobody.wait(wake);
    if (never_answers || answered > until) co_return error(Error::timeout, "net.dial", to.to_text());
    if (host == nullptr) co_return error(Error::closed, "net.dial", "no such host: " + to.to_text());
    Port* const port = host->find_port(to);
    const bool refuses =
        refused || !host->is_up || !host_->is_up || host->answer == SimAnswer::refuses || port == nullptr;
    if (refuses) co_return error(Error::closed, "net.dial", "refused: " + to.to_text());
    std::shared_ptr<Connection> connection = connect(host, std::move(to), source);
    SimListener* const listener = port->listeners[port->next++ % port->listeners.size()];
    if (!listener->offer(connection)) co_return error(Error::closed, "net.dial", "refused: the backlog is full");
    co_return std::make_unique<SimStream>(inside_, std::move(connection), 0, shard);
  }

  std::vector<Address> own_addresses() const override { return host_->addresses; }

 private:
  static bool is_loopback(const Address& address) {
    static constexpr std::array<std::uint8_t, 16> kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return address.octets() == kLoopback6 || (address.is_v4() && address.octets()[12] == 127);
  }
  bool is_mine(const Address& address) const {
    return is_loopback(address) || std::ranges::count(host_->addresses, address) > 0;
  }
  bool is_here(const Endpoint& to) const { return !to.unix_path.empty() || is_mine(to.address); }

  std::shared_ptr<Connection> connect(Host* host, Endpoint to, const std::optional<Address>& source) {
    auto connection = std::make_shared<Connection>();  // shared by its two streams
    connection->hosts = {host_, host};
    connection->octets_left = std::exchange(host->break_next, std::nullopt);
    if (!connection->octets_left && inside_->happens(inside_->weather.broken_per_1000)) {
      connection->octets_left = inside_->random->below(inside_->weather.broken_after_max + 1);
    }
    Endpoint& from = connection->ends[0].local;
    if (to.unix_path.empty()) {
      from.address = source ? *source : host == host_ ? to.address : own_like(to.address);
      from.port = host_->free_port();
    }
    connection->ends[1].local = std::move(to);
    inside_->forget_closed();
    inside_->connections.push_back(connection);
    return connection;
  }

  /// The first own address of the family of `other`.
  Address own_like(const Address& other) const {
    const auto same_family = [&](const Address& mine) { return mine.is_v4() == other.is_v4(); };
    const auto at = std::ranges::find_if(host_->addresses, same_family);
    return at == host_->addresses.end() ? host_->addresses.front() : *at;
  }

  Inside* inside_;
  Host* host_;
};

SimNetwork::Inside::Host::Host(Inside* the_inside, std::size_t the_number)
    : number(the_number), view(std::make_unique<View>(the_inside, this)) {}

SimNetwork::Inside::Host& SimNetwork::Inside::host_at(const Address& address) {
  if (Host* const known = find(address)) return *known;
  hosts.push_back(std::make_unique<Host>(this, hosts.size()));
  hosts.back()->addresses.push_back(address);
  by_address[address] = hosts.back().get();
  return *hosts.back();
}

SimNetwork::Inside::Host* SimNetwork::Inside::find(const Address& address) {
  const auto at = by_address.find(address);
  return at == by_address.end() ? nullptr : at->second;
}

Duration SimNetwork::Inside::latency() {
  const auto spread = static_cast<std::uint64_t>((weather.latency_max - weather.latency_min).count());
  return weather.latency_min + Duration(spread == 0 ? 0 : static_cast<std::int64_t>(random->below(spread + 1)));
}

bool SimNetwork::Inside::parted(const Host* a, const Host* b) const {
  return parted_pairs.contains(std::minmax(a->number, b->number));
}

void SimNetwork::Inside::wake_all() {
  for (const auto& each : connections) {
    if (const auto connection = each.lock()) {
      for (End& end : connection->ends) end.changed.set();
    }
  }
}

void SimNetwork::Inside::forget_closed() {
  std::erase_if(connections, [](const auto& each) { return each.expired(); });
}

SimNetwork::SimNetwork(Random* random) : inside_(std::make_unique<Inside>()) { inside_->random = random; }
SimNetwork::~SimNetwork() = default;

Network* SimNetwork::host(const Address& address) { return inside_->host_at(address).view.get(); }

void SimNetwork::add_address(const Address& address, const Address& another) {
  Inside::Host& host = inside_->host_at(address);
  host.addresses.push_back(another);
  inside_->by_address[another] = &host;
}

void SimNetwork::set_weather(const SimWeather& weather) { inside_->weather = weather; }
void SimNetwork::set_answer(const Address& address, SimAnswer answer) { inside_->host_at(address).answer = answer; }
void SimNetwork::break_next(const Address& address, std::uint64_t octets) {
  inside_->host_at(address).break_next = octets;
}

void SimNetwork::set_down(const Address& address) {
  Inside::Host& host = inside_->host_at(address);
  host.is_up = false;
  for (const auto& each : inside_->connections) {
    const auto connection = each.lock();
    if (!connection || std::ranges::count(connection->hosts, &host) == 0) continue;
    for (End& end : connection->ends) end.in.segments.clear();
    connection->break_now();
  }
}

void SimNetwork::set_up(const Address& address) { inside_->host_at(address).is_up = true; }

void SimNetwork::partition(const Address& a, const Address& b) {
  inside_->parted_pairs.insert(std::minmax(inside_->host_at(a).number, inside_->host_at(b).number));
}

void SimNetwork::heal(const Address& a, const Address& b) {
  inside_->parted_pairs.erase(std::minmax(inside_->host_at(a).number, inside_->host_at(b).number));
  inside_->wake_all();
}

std::size_t SimNetwork::connections() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(inside_->connections, [](const auto& each) { return !each.expired(); }));
}

}  // namespace postrider::net
