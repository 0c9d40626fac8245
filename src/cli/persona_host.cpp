#include "cli/persona_host.hpp"

#include "core/events.hpp"
#include "core/shard.hpp"
#include "net/asio_network.hpp"
#include "server/persona_service.hpp"

#include <unistd.h>

#include <thread>

namespace postrider::cli {

struct PersonaHost::Inside {
  // In the order of their lives: what is below uses what is above.
  SystemClock clock;
  std::unique_ptr<LogOutput> output = make_descriptor_output(STDERR_FILENO);
  Events events{&clock, LogFormat::text, Level::warn, output.get()};
  std::unique_ptr<net::Network> network = net::make_asio_network(&events);
  std::unique_ptr<Shard> shard = std::make_unique<Shard>(&clock, &events, Shard::Mode::real);
  server::PersonaService service{network.get(), shard.get()};
  std::vector<Listening> listening;
  std::jthread thread;
};

PersonaHost::PersonaHost() : inside_(std::make_unique<Inside>()) {}

PersonaHost::~PersonaHost() {
  inside_->service.drain();
  inside_->shard->stop();
  if (inside_->thread.joinable()) inside_->thread.join();
  inside_->shard.reset();  // what is left of its tasks uses the service
}

Result<std::unique_ptr<PersonaHost>> PersonaHost::start() {
  std::unique_ptr<PersonaHost> host(new PersonaHost());
  Inside& inside = *host->inside_;
  const net::Endpoint any_port{.address = net::Address::v4({127, 0, 0, 1}), .port = 0, .unix_path = {}};
  for (const smtp::PersonaBehaviour& row : smtp::persona_behaviours()) {
    if (row.by != smtp::PersonaBy::profile) continue;
    const Result<net::Endpoint> at = inside.service.listen(row.name, any_port);
    if (!at) return fail(at);
    inside.listening.push_back(
        {.profile = std::string(row.name), .port = at->port, .lmtp = smtp::persona_profile(row.name).lmtp});
  }
  inside.thread = std::jthread([shard = inside.shard.get()] { shard->run(); });
  return host;
}

const std::vector<PersonaHost::Listening>& PersonaHost::listening() const { return inside_->listening; }

}  // namespace postrider::cli
