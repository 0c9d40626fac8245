#include "server/server.hpp"

#include "core/await.hpp"
#include "core/check.hpp"
#include "net/connector.hpp"
#include "net/proxy_header.hpp"
#include "server/counted_tls.hpp"
#include "server/drop_pickup.hpp"
#include "server/events.hpp"
#include "server/recipient_probe.hpp"
#include "server/service.hpp"
#include "server/signing.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>

namespace postrider::server {

namespace {

constexpr Duration kRefusalWrite = std::chrono::seconds(5);
constexpr Duration kProxyHeaderWait = std::chrono::seconds(10);
constexpr Duration kHandshakeWait = std::chrono::seconds(60);
constexpr Duration kAcceptAgain = std::chrono::milliseconds(50);  // after a failure that may pass

delivery::Settings with_doors(delivery::Settings settings, const std::string& hostname, Random* random) {
  settings.hostname = hostname;
  settings.relay.hostname = hostname;
  settings.relay.random = random;
  return settings;
}

mail::Domain domain_of(const std::string& hostname) {
  Result<mail::Domain> domain = mail::Domain::parse(hostname);
  return domain ? std::move(*domain) : mail::Domain::parse("localhost").value();
}

/// An address of ours that `allow_private` names may be connected to: another server listens there.
route::Settings with_own(const Settings& all, const net::Network& network) {
  route::Settings settings = all.route;
  settings.hostname = all.hostname;
  for (const net::Address& address : network.own_addresses()) {
    const bool allowed =
        std::ranges::any_of(all.allow_private, [&](const net::Network4Or6& named) { return named.contains(address); });
    if (!allowed) settings.own_addresses.push_back(address.octets());
  }
  return settings;
}

}  // namespace

struct Server::Inside {
  Inside(Doors the_doors, Settings the_settings)
      : doors(the_doors),
        settings(std::move(the_settings)),
        connector(doors.network, settings.allow_private),
        directory(doors.store, doors.workers, doors.random, doors.clock, settings.directory),
        dkim_keys(doors.store),
        signing(&dkim_keys, doors.workers, doors.clock),
        mailboxes(doors.store, doors.clock, doors.random),
        ids(doors.clock, doors.random),
        queue(doors.store, doors.clock, doors.random, settings.queue, doors.events),
        budget(doors.store, doors.clock, settings.sending),
        submission{.store = doors.store,
                   .clock = doors.clock,
                   .events = doors.events,
                   .queue = &queue,
                   .ids = &ids,
                   .directory = &directory,
                   .budget = &budget,
                   .signing = &signing,
                   .hostname = domain_of(settings.hostname),
                   .postmaster = settings.delivery.postmaster},
        router(doors.resolver, doors.random, with_own(settings, *doors.network)),
        probe(&connector, &router, with_doors(settings.delivery, settings.hostname, doors.random).relay),
        gate(&directory, doors.store, &router, &probe, doors.clock, settings.gate),
        counts(settings.gate),
        login_guard(doors.clock, settings.login_guard),
        tls(settings.tls, doors.events, doors.metrics),
        deliverer({doors.store, doors.clock, doors.random, doors.events, doors.metrics, &connector},
                  {&queue, &ids, &directory, &mailboxes, &router},
                  with_doors(settings.delivery, settings.hostname, doors.random)),
        limits(doors.metrics),
        smtp_metrics{
            doors.metrics->counter("postrider_sessions_total", "Sessions begun", "service=\"smtp\""),
            doors.metrics->counter("postrider_messages_accepted_total", "Messages answered with 250 after the data"),
            doors.metrics->counter("postrider_recipients_refused_total", "Refused RCPT commands"),
            doors.metrics->counter("postrider_messages_refused_total", "Messages refused after the data"), &limits},
        pop3_sessions(doors.metrics->counter("postrider_sessions_total", "Sessions begun", "service=\"pop3\"")) {}

  /// One listener's connections, on one shard.
  struct Door {
    const Listen* listen;
    const SmtpService* smtp = nullptr;
    const Pop3Service* pop3 = nullptr;
    std::unique_ptr<net::Listener> listener;
    Shard* shard = nullptr;
    net::ScratchPool* scratch = nullptr;
    std::optional<SmtpDrive> smtp_drive = {};
    std::optional<Pop3Drive> pop3_drive = {};
  };

  /// nullptr: nobody logs in there (SECURITY R10: no AUTH on port 25).
  const LoginService* open_logins(const Listen& listen) {
    const std::optional<directory::Scope> scope = scope_of(listen.service);
    if (!scope) return nullptr;
    return login_services
        .emplace_back(
            std::make_unique<LoginService>(LoginService{.directory = &directory,
                                                        .guard = &login_guard,
                                                        .events = doors.events,
                                                        .clock = doors.clock,
                                                        .random = doors.random,
                                                        .service = name_of(listen.service),
                                                        .scope = *scope,
                                                        .plaintext_auth = listen.cleartext == pop3::Cleartext::allowed,
                                                        .scram_sha_1 = listen.scram_sha_1,
                                                        .scram_plus = listen.scram_plus,
                                                        .metrics = LoginMetrics(doors.metrics, name_of(listen.service)),
                                                        .drain = &draining}))
        .get();
  }

  void open(const Listen& listen, std::vector<std::unique_ptr<net::Listener>> listeners) {
    const SmtpService* smtp = nullptr;
    const Pop3Service* pop3 = nullptr;
    if (brings_mail(listen.service)) {
      smtp = smtp_services
                 .emplace_back(std::make_unique<SmtpService>(SmtpService{.store = doors.store,
                                                                         .clock = doors.clock,
                                                                         .events = doors.events,
                                                                         .queue = &queue,
                                                                         .ids = &ids,
                                                                         .gate = &gate,
                                                                         .engine = *listen.smtp,
                                                                         .role = role_of(listen.service),
                                                                         .relay_from = listen.relay_from,
                                                                         .xclient_from = listen.xclient_from,
                                                                         .bare_newline = listen.bare_newline,
                                                                         .metrics = smtp_metrics,
                                                                         .submission = &submission,
                                                                         .name = name_of(listen.service),
                                                                         .login = open_logins(listen)}))
                 .get();
    } else if (without_tls(listen.service) == Service::pop3) {
      pop3 = pop3_services
                 .emplace_back(std::make_unique<Pop3Service>(
                     Pop3Service{.store = doors.store,
                                 .events = doors.events,
                                 .login = open_logins(listen),
                                 .mailboxes = &mailboxes,
                                 .engine = {.hostname = settings.hostname, .cleartext = listen.cleartext},
                                 .sessions = pop3_sessions}))
                 .get();
    }
    net::TlsServer* const starttls = settings.tls != nullptr && offers_starttls(listen.service) ? &tls : nullptr;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
      Door door{.listen = &listen, .smtp = smtp, .pop3 = pop3, .listener = std::move(listeners[i]), .shard = shards[i]};
      door.scratch = &scratch.at(shards[i]);
      if (smtp != nullptr) {
        door.smtp_drive = SmtpDrive{.engine = smtp->engine,
                                    .timeouts = settings.smtp_timeouts,
                                    .clock = doors.clock,
                                    .counts = &counts,
                                    .scratch = door.scratch,
                                    .drain = &draining,
                                    .greeting_delay = listen.greeting_delay,
                                    .last_call = settings.last_call};
        door.smtp_drive->tls = starttls;
        door.smtp_drive->engine.starttls = starttls != nullptr;
        door.smtp_drive->engine.submission = without_tls(listen.service) == Service::submission;
      }
      if (pop3 != nullptr) {
        door.pop3_drive = Pop3Drive{
            .engine = pop3->engine, .timeouts = {}, .clock = doors.clock, .scratch = door.scratch, .drain = &draining};
        door.pop3_drive->tls = starttls;
        door.pop3_drive->engine.stls = starttls != nullptr;
      }
      doors_open.push_back(std::move(door));
    }
  }

  /// What runs: it counts until it ends, however that is.
  class Running {
   public:
    explicit Running(Inside* inside) : inside_(inside) { inside->active.fetch_add(1); }
    Running(Running&& other) noexcept : inside_(std::exchange(other.inside_, nullptr)) {}
    Running& operator=(Running&&) = delete;
    ~Running() {
      if (inside_ != nullptr && inside_->active.fetch_sub(1) == 1) inside_->idle.set();
    }

   private:
    Inside* inside_;
  };

  /// What a session holds while it lasts.
  struct Held {
    Running running;
    gate::SessionCounts::Place place;
  };

  static Task<void> accept(Inside* inside, Door* door, Running running) {
    const Running held = std::move(running);
    const Listen& listen = *door->listen;
    bool failing = false;
    for (;;) {
      Result<std::unique_ptr<net::Stream>> stream = co_await door->listener->accept(&inside->draining);
      if (!stream && stream.error().code == Error::cancelled) break;
      if (!stream) {  // whatever it is, it may pass; said once for a row of failures
        if (!std::exchange(failing, true))
          inside->doors.events->emit(
              AcceptFailed{.service = name_of(listen.service), .error = describe(stream.error())});
        const Result<void> waited = co_await inside->draining.wait(inside->doors.clock->steady() + kAcceptAgain);
        (void)waited;  // the drain is seen by accept
        continue;
      }
      failing = false;
      try {
        inside->admit(door, std::move(*stream));
      } catch (const std::exception& failure) {  // no memory: that connection is gone, the next may have better luck
        inside->doors.events->emit(AcceptFailed{.service = name_of(listen.service), .error = failure.what()});
      }
    }
    door->listener.reset();  // who connects from now on is refused by the kernel
  }

  [[nodiscard]] static bool is_local(const net::Stream& stream) {
    return !stream.peer().unix_path.empty() || !stream.local().unix_path.empty();
  }
  [[nodiscard]] static bool is_from(const std::vector<net::Network4Or6>& networks, const net::Stream& stream) {
    return !is_local(stream) &&
           std::ranges::any_of(networks, [&](const net::Network4Or6& n) { return n.contains(stream.peer().address); });
  }

  /// Where a user of this host is counted, as an address that nobody has (100::/64, 6666): so many sessions each.
  static route::AddressOctets place_of_user(std::uint32_t user) {
    route::AddressOctets place{1};
    for (std::size_t i = 0; i < sizeof user; ++i) place.at(2 + i) = static_cast<std::uint8_t>(user >> (8 * i));
    return place;
  }

  /// A proxy's connection is nobody's until the client is named; the control socket is never full.
  [[nodiscard]] Result<gate::SessionCounts::Place> place_for(const Listen& listen, const net::Stream& stream) {
    const bool for_mail = brings_mail(listen.service);
    if (is_local(stream) && !for_mail) return gate::SessionCounts::Place();
    const std::size_t beyond = for_mail ? 0 : gate::kSessionsBeyond;
    const std::optional<std::uint32_t> user =
        listen.service == Service::submit ? stream.peer_user() : std::optional<std::uint32_t>();
    if (user) return counts.enter(place_of_user(*user));
    if (is_local(stream) || is_from(listen.proxy_protocol_from, stream) || is_from(listen.xclient_from, stream))
      return counts.enter(std::nullopt, beyond);
    return counts.enter(stream.peer().address.octets(), beyond);
  }

  void admit(const Door* door, std::unique_ptr<net::Stream> stream) {
    Running running(this);
    net::Endpoint peer = stream->peer();
    Result<gate::SessionCounts::Place> place = place_for(*door->listen, *stream);
    if (!place) {
      const Error::Code why = place.error().code;
      return spawn(door->shard, "session.refuse",
                   refuse(this, door, std::move(stream), std::move(peer), why, std::move(running)));
    }
    auto held = std::make_shared<Held>(Held{.running = std::move(running), .place = std::move(*place)});
    if (is_from(door->listen->proxy_protocol_from, *stream))
      return spawn(door->shard, "session.proxy", meet(this, door, std::move(stream), std::move(held)));
    Peer known{.real = std::move(peer), .client = {}, .place = &held->place, .held = held};
    if (door->listen->service == Service::submit) known.local_user = stream->peer_user();
    begin(door, std::move(stream), std::move(known));
  }

  /// TLS from the start, then the session.
  static Task<void> secure(Inside* inside, const Door* door, std::unique_ptr<net::Stream> stream, Peer peer) {
    std::string alpn(alpn_of(door->listen->service));
    Result<std::unique_ptr<net::Stream>> secured = co_await inside->tls.accept(
        std::move(stream), std::move(alpn), inside->doors.clock->steady() + kHandshakeWait, &inside->draining);
    if (secured) inside->begin(door, std::move(*secured), std::move(peer));
  }

  /// The answers own what the session holds, and no frame of ours lies under the driver's: idle sessions are small.
  void begin(const Door* door, std::unique_ptr<net::Stream> stream, Peer peer) {
    const bool from_start = without_tls(door->listen->service) != door->listen->service;
    if (from_start && !stream->tls())
      return spawn(door->shard, "session.handshake", secure(this, door, std::move(stream), std::move(peer)));
    switch (without_tls(door->listen->service)) {
      case Service::smtp:
      case Service::submission:
      case Service::submissions:
      case Service::submit:
      case Service::lmtp: {
        std::unique_ptr<SmtpAnswers> reception = make_reception(door->smtp, std::move(peer));
        return spawn(door->shard, "session", serve_smtp(&*door->smtp_drive, std::move(stream), std::move(reception)));
      }
      case Service::pop3:
      case Service::pop3s: {
        std::unique_ptr<Pop3Answers> maildrop = make_maildrop(door->pop3, peer.shown(), std::move(peer.held));
        return spawn(door->shard, "session", serve_pop3(&*door->pop3_drive, std::move(stream), std::move(maildrop)));
      }
      case Service::http:
      case Service::https:
        return spawn(door->shard, "session", serve_http(this, door, std::move(stream), std::move(peer.held)));
    }
  }

  static Task<void> serve_http(Inside* inside, const Door* door, std::unique_ptr<net::Stream> stream,
                               std::shared_ptr<void> held) {
    const std::shared_ptr<void> kept = std::move(held);
    co_await door->listen->handler(std::move(stream), door->scratch, &inside->draining);
  }

  void tell_refused(const Door* door, const net::Endpoint& peer, Error::Code why) {
    doors.events->emit(SessionRefused{.ip = peer.unix_path.empty() ? peer.address.to_text() : std::string("local"),
                                      .service = name_of(door->listen->service),
                                      .why = postrider::name_of(why)});
  }

  static Task<void> refuse(Inside* inside, const Door* door, std::unique_ptr<net::Stream> stream, net::Endpoint peer,
                           Error::Code why, Running running) {
    const Running held = std::move(running);
    inside->limits.reached(why == Error::denied ? "connections_per_ip" : "connections");
    inside->tell_refused(door, peer, why);
    const Result<void> written =
        co_await stream->write(refusal_of(door->listen->service, why), inside->doors.clock->steady() + kRefusalWrite);
    (void)written;  // the peer gets no session either way
    stream->close();
  }

  /// Reads the header that a connection from a proxy begins with, and nothing behind it.
  /// Errors  malformed, too_long: there is none; timeout, closed, cancelled.
  static Task<Result<std::optional<net::Endpoint>>> read_proxy_header(Inside* inside, net::Stream* stream) {
    const SteadyTime until = inside->doors.clock->steady() + kProxyHeaderWait;
    net::ProxyHeaderReader reader;
    std::array<char, 64> buffer{};
    while (reader.wanted() > 0) {
      const std::size_t most = std::min(reader.wanted(), buffer.size());
      const Result<std::size_t> got = stream->read_some(std::span(buffer.data(), most));
      if (!got) co_return fail(got);
      if (*got == 0) {
        const Result<net::Ready> ready = co_await stream->wait_readable(until, &inside->draining);
        if (!ready) co_return fail(ready);
        if (*ready == net::Ready::signalled) co_return error(Error::cancelled, "server.proxy_header");
        continue;
      }
      const Result<void> taken = reader.append(std::string_view(buffer.data(), *got));
      if (!taken) co_return fail(taken);
    }
    co_return reader.client();
  }

  /// Hears from the proxy who the client is, and begins its session.
  static Task<void> meet(Inside* inside, const Door* door, std::unique_ptr<net::Stream> stream,
                         std::shared_ptr<Held> held) {
    Peer peer{.real = stream->peer(), .client = {}, .place = &held->place, .held = held};
    const Result<std::optional<net::Endpoint>> client = co_await read_proxy_header(inside, stream.get());
    if (!client) {
      inside->limits.reached("proxy_header");
      inside->tell_refused(door, peer.real, client.error().code);
      stream->close();
      co_return;
    }
    peer.client = *client;
    net::Endpoint counted = peer.shown();
    if (held->place.move_to(counted.address.octets())) {
      inside->begin(door, std::move(stream), std::move(peer));
    } else {
      co_await refuse(inside, door, std::move(stream), std::move(counted), Error::denied, Running(inside));
    }
  }

  static Task<void> take_drops(Inside* inside, const SmtpService* service, Running running) {
    const Running held = std::move(running);
    co_await pick_up_drops(service, inside->settings.drops.get(), inside->doors.workers, &inside->draining);
  }

  static Task<void> deliver(Inside* inside, Running running) {
    const Running held = std::move(running);
    co_await inside->deliverer.run(inside->shards, &inside->draining);
  }

  /// Waits for the drain and then for everything to end.
  static Task<void> supervise(Inside* inside) {
    const Result<void> asked = co_await inside->draining.wait(SteadyTime::never());
    log_if_failed(*inside->doors.events, asked, "waits without a deadline");
    inside->drain_began();
    while (inside->active.load() > 0) {
      inside->idle.clear();
      if (inside->active.load() == 0) break;
      const Result<void> idle = co_await inside->idle.wait(SteadyTime::never());
      log_if_failed(*inside->doors.events, idle, "waits without a deadline");
    }
    inside->ended();
  }

  Doors doors;
  Settings settings;
  net::Connector connector;
  directory::Directory directory;
  directory::DkimKeys dkim_keys;
  Signing signing;
  mailbox::Mailboxes mailboxes;
  queue::QueueIds ids;
  queue::Queue queue;
  gate::SendingBudget budget;
  SubmissionService submission;
  route::Router router;
  NextHopProbe probe;
  gate::Gate gate;
  gate::SessionCounts counts;
  gate::LoginGuard login_guard;
  CountedTls tls;  // where settings.tls is not null
  delivery::Deliverer deliverer;
  LimitMetrics limits;
  SmtpMetrics smtp_metrics;
  Metric* pop3_sessions;
  std::vector<Shard*> shards;
  std::map<Shard*, net::ScratchPool> scratch;
  std::vector<std::unique_ptr<LoginService>> login_services;
  std::vector<std::unique_ptr<SmtpService>> smtp_services;
  std::vector<std::unique_ptr<Pop3Service>> pop3_services;
  std::vector<Door> doors_open;
  Signal draining;
  Signal idle;
  std::atomic<std::size_t> active = 0;  // accept loops, sessions and the deliverer
  std::atomic<bool> serving = false;
  Signal::Watch store_failed;
  std::move_only_function<void()> drain_began;
  std::mutex reloading;
  std::move_only_function<core::ReloadReport()> reload;
  std::move_only_function<void()> ended;
};

Server::Server(Doors doors, Settings settings) : inside_(std::make_unique<Inside>(doors, std::move(settings))) {}
Server::~Server() = default;

Result<void> Server::listen(std::vector<Shard*> shards) {
  Inside& inside = *inside_;
  inside.shards = std::move(shards);
  for (Shard* const shard : inside.shards) inside.scratch.try_emplace(shard);
  for (const Listen& listen : inside.settings.listen) {
    check(without_tls(listen.service) == listen.service || inside.settings.tls != nullptr, "server: no certificate");
    Result<std::vector<std::unique_ptr<net::Listener>>> listeners =
        inside.doors.network->listen(listen.at, inside.shards, access_of(listen.service));
    if (!listeners) {
      inside.doors_open.clear();
      Error why = std::move(listeners.error());
      return error(why.code, "server.listen",
                   fmt::format("{} on {}: {}", name_of(listen.service), listen.at.to_text(), describe(why)));
    }
    inside.doors.events->emit(
        server::ListeningAt{.service = name_of(listen.service), .at = listeners->front()->local().to_text()});
    inside.open(listen, std::move(*listeners));
  }
  return {};
}

void Server::set_http_handlers(const std::function<Handler(const Listen&)>& make) {
  for (Listen& listen : inside_->settings.listen) {
    if (without_tls(listen.service) == Service::http) listen.handler = make(listen);
  }
}

void Server::start(std::move_only_function<void()> draining, std::move_only_function<void()> ended) {
  Inside& inside = *inside_;
  inside.drain_began = std::move(draining);
  inside.ended = std::move(ended);
  Shard* const first = inside.shards.front();
  spawn(first, "delivery", Inside::deliver(&inside, Inside::Running(&inside)));
  for (Inside::Door& door : inside.doors_open)
    spawn(door.shard, "server.accept", Inside::accept(&inside, &door, Inside::Running(&inside)));
  const auto submit =
      std::ranges::find(inside.doors_open, Service::submit, [](const Inside::Door& d) { return d.listen->service; });
  if (inside.settings.drops && submit != inside.doors_open.end())
    spawn(first, "server.drops", Inside::take_drops(&inside, submit->smtp, Inside::Running(&inside)));
  spawn(first, "server.supervise", Inside::supervise(&inside));
  inside.store_failed = inside.doors.store->failed().watch(first, [this] {
    inside_->doors.events->emit(StoreFailed{});
    drain();
  });
  inside.serving.store(true);
}

std::vector<Listening> Server::listening() const {
  std::vector<Listening> out;
  for (const Inside::Door& door : inside_->doors_open) {
    if (door.listener && door.shard == inside_->shards.front())
      out.push_back({door.listen->service, door.listener->local()});
  }
  return out;
}

directory::Directory* Server::directory() { return &inside_->directory; }
directory::DkimKeys* Server::dkim_keys() { return &inside_->dkim_keys; }
mailbox::Mailboxes* Server::mailboxes() { return &inside_->mailboxes; }
queue::Queue* Server::queue() { return &inside_->queue; }
gate::LoginGuard* Server::login_guard() { return &inside_->login_guard; }

bool Server::ready() const {
  return inside_->serving.load() && !inside_->draining.is_set() && inside_->doors.store->has_room();
}

void Server::set_reload(std::move_only_function<core::ReloadReport()> reload) { inside_->reload = std::move(reload); }

core::ReloadReport Server::reload() {
  const std::scoped_lock lock(inside_->reloading);
  if (!inside_->reload) return {.done = false, .lines = {"nothing here can be reloaded"}};
  return inside_->reload();
}

void Server::drain() { inside_->draining.set(); }

std::string Server::metrics() const {
  const Inside& inside = *inside_;
  inside.doors.metrics->gauge("postrider_sessions", "Open sessions")
      ->set(static_cast<std::int64_t>(inside.counts.sessions()));
  inside.doors.metrics->gauge("postrider_queue_recipients", "Recipients in the queue")
      ->set(static_cast<std::int64_t>(inside.queue.depth()));
  return inside.doors.metrics->render();
}

}  // namespace postrider::server
