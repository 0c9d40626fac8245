// The door to sockets, simulated: many hosts in one world, one thread, everything decided by a seed and the shards'
// clock.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "net/net.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace postrider::net {

inline constexpr std::size_t kSimPipeOctets = 64 * 1024;  // each way; over it a write waits for the reader
inline constexpr std::size_t kSimBacklog = 128;  // connections that wait to be accepted; over it they are refused

/// What the whole world does to traffic. All values 0: a perfect network without latency.
struct SimWeather {
  Duration latency_min{};
  Duration latency_max{};
  bool cuts_segments = false;          ///< writes arrive in pieces of random size
  std::uint32_t refused_per_1000 = 0;  ///< dials that are refused
  std::uint32_t silent_per_1000 = 0;   ///< dials that nobody answers
  std::uint32_t broken_per_1000 = 0;   ///< connections that break after a random number of octets
  std::uint64_t broken_after_max = 16 * 1024;
};

/// How a host answers to dials. Connections that stand are not touched.
enum class SimAnswer : std::uint8_t { listens, refuses, silent };

class SimNetwork {
 public:
  /// `random` outlives the network.
  explicit SimNetwork(Random* random);
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;
  ~SimNetwork();

  /// The network as the host with `address` sees it; the host is made when asked for first. Loopback and Unix sockets
  /// are each host's own. Outlived by this object; outlives every stream and listener made from it.
  [[nodiscard]] Network* host(const Address& address);
  /// Gives the host `address` another address.
  void add_address(const Address& address, const Address& another);

  void set_weather(const SimWeather& weather);
  void set_answer(const Address& address, SimAnswer answer);
  /// The next connection to `address` breaks when `octets` have been written on it, both ways together: those arrive,
  /// then both ends find it closed. The write that crosses the limit still succeeds, as TCP's would.
  void break_next(const Address& address, std::uint64_t octets);
  /// Breaks all streams of the host now, drops what is under way, and refuses dials to and from it until `set_up`.
  void set_down(const Address& address);
  void set_up(const Address& address);
  /// Nothing passes between the two until `heal`: dials find silence; what was written arrives after healing.
  void partition(const Address& a, const Address& b);
  void heal(const Address& a, const Address& b);

  /// Connections that at least one end holds open.
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace postrider::net
