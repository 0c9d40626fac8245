// The running server: rooms, listeners, sessions, delivery, and their orderly end.
#pragma once

#include "core/clock.hpp"
#include "core/events.hpp"
#include "core/metrics.hpp"
#include "core/random.hpp"
#include "core/server_control.hpp"
#include "core/shard.hpp"
#include "core/signal.hpp"
#include "core/workers.hpp"
#include "delivery/deliverer.hpp"
#include "directory/directory.hpp"
#include "directory/dkim_keys.hpp"
#include "dns/resolver.hpp"
#include "gate/gate.hpp"
#include "gate/login_guard.hpp"
#include "gate/sending_budget.hpp"
#include "mailbox/mailbox.hpp"
#include "net/net.hpp"
#include "net/scratch.hpp"
#include "net/tls.hpp"
#include "queue/queue.hpp"
#include "route/route.hpp"
#include "server/drop_directory.hpp"
#include "server/maildrop.hpp"
#include "server/reception.hpp"
#include "server/service.hpp"
#include "smtp/server_session.hpp"
#include "store/store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postrider::server {

/// Everything outside; all outlive the server.
struct Doors {
  store::Store* store;
  Clock* clock;
  Random* random;  ///< thread-safe
  Workers* workers;
  Events* events;
  Metrics* metrics;
  net::Network* network;
  dns::Resolver* resolver;
};

/// Serves a connection of a service that comes from above (web). Runs on the connection's shard.
using Handler =
    std::function<Task<void>(std::unique_ptr<net::Stream> stream, net::ScratchPool* scratch, Signal* drain)>;

struct Listen {
  Service service = Service::smtp;
  net::Endpoint at;
  std::optional<smtp::ServerSettings> smtp;                    ///< of an smtp or lmtp listener
  std::vector<net::Network4Or6> relay_from;                    ///< of an smtp listener
  std::vector<net::Network4Or6> proxy_protocol_from;           ///< connections from there begin with a PROXY header
  std::vector<net::Network4Or6> xclient_from;                  ///< of an smtp or lmtp listener
  smtp::BareNewline bare_newline = smtp::BareNewline::reject;  ///< of who may relay on an smtp listener
  Duration greeting_delay{};                                   ///< of an smtp listener
  pop3::Cleartext cleartext = pop3::Cleartext::refused;        ///< of a submission or pop3 listener
  bool scram_sha_1 = false;                                    ///< of a submission or pop3 listener: it is offered
  bool scram_plus = false;  ///< of a submission or pop3 listener: so are the -PLUS mechanisms
  Handler handler;          ///< of an http listener
};

struct Settings {
  std::string hostname;
  std::vector<Listen> listen;
  net::TlsServer* tls =
      nullptr;  ///< outlives the server; null: none of `listen` may want it (submissions, pop3s, https)
  SmtpTimeouts smtp_timeouts;
  Duration last_call = std::chrono::seconds(7);  ///< after the drain begins, whoever is still there gets 421
  gate::Settings gate;
  gate::LoginGuardSettings login_guard = {};
  gate::SendingLimits sending = {};
  directory::Settings directory;
  queue::Settings queue;
  route::Settings route;
  std::vector<net::Network4Or6> allow_private;
  delivery::Settings delivery;
  /// What users of this host left while no server ran; taken in beside a `submit` listener. Null: nothing.
  std::shared_ptr<DropDirectory> drops = nullptr;
};

struct Listening {
  Service service;
  net::Endpoint at;  ///< with the port that was really taken
};

class Server final : public core::ServerControl {
 public:
  Server(Doors doors, Settings settings);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Opens every listener. Errors  as net::Network::listen, with the endpoint in the detail; nothing is left open then.
  [[nodiscard]] Result<void> listen(std::vector<Shard*> shards);
  /// Starts accepting and delivering on the shards given to `listen`. Each is called once, on the first shard:
  /// `draining` when the drain begins, `ended` when the last session and job have ended after it.
  void start(std::move_only_function<void()> draining, std::move_only_function<void()> ended);
  /// For http listeners made after the rooms: replaces the handler of all of them. Before `start`.
  void set_http_handlers(const std::function<Handler(const Listen&)>& make);

  /// What `reload` does, from any thread, one call at a time. Before `start`; without it nothing can be reloaded.
  void set_reload(std::move_only_function<core::ReloadReport()> reload);

  /// Before the drain.
  [[nodiscard]] std::vector<Listening> listening() const;
  [[nodiscard]] directory::Directory* directory();
  [[nodiscard]] directory::DkimKeys* dkim_keys();
  [[nodiscard]] mailbox::Mailboxes* mailboxes();
  [[nodiscard]] queue::Queue* queue();
  [[nodiscard]] gate::LoginGuard* login_guard();

  // core::ServerControl
  [[nodiscard]] bool ready() const override;
  void drain() override;
  [[nodiscard]] core::ReloadReport reload() override;
  [[nodiscard]] std::string metrics() const override;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace postrider::server
