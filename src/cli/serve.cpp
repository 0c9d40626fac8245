// The server process: doors, shards, signals, and an orderly end.
#include "cli/autoconfig.hpp"
#include "cli/config_secret.hpp"
#include "cli/dns_desk.hpp"
#include "cli/instance.hpp"
#include "cli/print.hpp"
#include "cli/privileges.hpp"
#include "cli/reload.hpp"
#include "cli/run_task.hpp"
#include "cli/submit_door.hpp"
#include "core/await.hpp"
#include "core/workers.hpp"
#include "dns/file_resolver.hpp"
#include "dns/unbound_resolver.hpp"
#include "net/asio_network.hpp"
#include "net/tls.hpp"
#include "store/rocks_store.hpp"
#include "web/http.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

namespace postrider::cli {

namespace {

namespace asio = boost::asio;

constexpr std::size_t kWorkersMax = 4;  // LIMITS.md "Accounts": hashing on at most 4

struct ServerStarted {
  static constexpr std::string_view kName = "server.started";
  static constexpr Level kLevel = Level::info;
  std::string hostname;
  std::size_t shards;
  void fields(FieldSink& sink) const {
    sink.add("hostname", hostname);
    sink.add("shards", shards);
  }
};

struct ServerStopped {
  static constexpr std::string_view kName = "server.stopped";
  static constexpr Level kLevel = Level::info;
  std::string_view how;
  void fields(FieldSink& sink) const { sink.add("how", how); }
};

struct ServesAsRoot {
  static constexpr std::string_view kName = "server.root";
  static constexpr Level kLevel = Level::warn;
  void fields(FieldSink& sink) const { sink.add("what", "serving as root; set user in the configuration"); }
};

constexpr std::uint64_t kDescriptorsReservedMax = 512;

/// How many sessions there are descriptors for. A session may hold two: its connection and the file of a large content;
/// some stay for the store, DNS, relaying and the control socket.
std::uint64_t sessions_for(std::uint64_t descriptors) {
  return (descriptors - std::min(kDescriptorsReservedMax, descriptors / 4)) / 2;
}

struct SessionsCut {
  static constexpr std::string_view kName = "limits.descriptors";
  static constexpr Level kLevel = Level::warn;
  std::uint64_t descriptors;
  std::size_t sessions;
  void fields(FieldSink& sink) const {
    sink.add("descriptors", descriptors);
    sink.add("max_connections", sessions);
  }
};

/// READY=1 to the service manager that started us, where there is one.
void notify_ready() {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const std::string_view name(path);
  if (name.size() >= sizeof to.sun_path) return;
  name.copy(to.sun_path, name.size());
  if (name.front() == '@') to.sun_path[0] = '\0';  // an abstract name
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  constexpr std::string_view kReady = "READY=1";
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  (void)::sendto(socket, kReady.data(), kReady.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                 length);  // nobody to tell: nothing lost
  ::close(socket);
}

Result<std::unique_ptr<dns::Resolver>> make_resolver(const Config& config, const ServeOptions& options) {
  if (options.dns_file.empty())
    return dns::make_unbound_resolver({.servers = config.dns_servers, .trust_anchor = config.dns_trust_anchor});
  std::ifstream in(options.dns_file);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  if (!in.good() && text.empty()) return error(Error::not_found, "dns.file", options.dns_file + " cannot be read");
  return dns::make_file_resolver(text);
}

/// Watches for SIGHUP.
class Hangup {
 public:
  Hangup(asio::io_context& context, std::function<void()> reload)
      : signals_(context, SIGHUP), reload_(std::move(reload)) {
    wait();
  }

 private:
  void wait() {
    signals_.async_wait([this](const boost::system::error_code& failed, int) {
      if (failed) return;
      reload_();
      wait();
    });
  }

  asio::signal_set signals_;
  std::function<void()> reload_;
};

/// Watches for the signals that end us, and for the end of stdin.
class Ending {
 public:
  Ending(asio::io_context& context, bool with_stdin, std::function<void()> drain)
      : signals_(context, SIGTERM, SIGINT), input_(context), drain_(std::move(drain)) {
    signals_.async_wait([this](const boost::system::error_code& failed, int) {
      if (!failed) drain_();
    });
    if (!with_stdin) return;
    boost::system::error_code failed;
    input_.assign(::dup(STDIN_FILENO), failed);
    if (!failed) read();
  }

 private:
  void read() {
    input_.async_read_some(asio::buffer(buffer_), [this](const boost::system::error_code& failed, std::size_t) {
      if (!failed) return read();
      if (failed != asio::error::operation_aborted) drain_();
    });
  }

  asio::signal_set signals_;
  asio::posix::stream_descriptor input_;
  std::array<char, 256> buffer_{};
  std::function<void()> drain_;
};

class ServerProcess {
 public:
  ServerProcess(const Config& config, const ServeOptions& options) : config_(config), options_(options) {}

  int run() {
    std::signal(SIGPIPE, SIG_IGN);
    descriptors_ = raise_descriptor_limit();
    LoadedLogins logins = load_logins(config_);  // as who starts us, who may read more
    for (const ConfigMistake& mistake : logins.mistakes) print_error(to_text(mistake));
    if (!logins.mistakes.empty()) return kExitFailed;
    logins_ = std::make_shared<const delivery::Logins>(std::move(logins.logins));
    Result<void> step = become_user(config_.user);
    if (step) step = open_doors();
    if (!step) return report(step.error());
    step = become_root_again(config_.user);
    if (step) step = server_->listen(shard_pointers());
    mail_settings_ = to_mail_settings(config_, server_->listening(),
                                      config_.certificates.empty() ? StartTls::no : StartTls::offered);
    if (step) step = drop_to_user(config_.user, control_socket_of(config_));
    if (!step) {
      server_.reset();
      return report(step.error());
    }
    if (::geteuid() == 0) events_.emit(ServesAsRoot{});
    return serve();
  }

 private:
  Result<void> open_doors() {
    std::error_code failed;
    const bool made = std::filesystem::create_directories(config_.data_dir, failed);
    if (made && !failed) std::filesystem::permissions(config_.data_dir, std::filesystem::perms::owner_all, failed);
    if (failed) return error(Error::denied, "serve", config_.data_dir + ": " + failed.message());
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    workers_ = make_thread_workers(std::min(cores + 1, kWorkersMax));
    Result<std::unique_ptr<store::Store>> store = store::open_rocks_store({.directory = store_directory_of(config_),
                                                                           .workers = workers_.get(),
                                                                           .random = &random_,
                                                                           .events = &events_,
                                                                           .min_free_octets = config_.min_free});
    if (!store && store.error().code == Error::conflict) {
      return error(Error::transient, "serve",
                   config_.data_dir + " is in use by another server (stop it, or use another data_dir)");
    }
    if (!store) return fail(store);
    store_ = std::move(*store);
    Result<std::unique_ptr<dns::Resolver>> resolver = make_resolver(config_, options_);
    if (!resolver) return fail(resolver);
    resolver_ = std::move(*resolver);
    network_ = net::make_asio_network(&events_);
    for (std::size_t i = 0; i < cores; ++i)
      shards_.push_back(std::make_unique<Shard>(&clock_, &events_, Shard::Mode::real));
    const Result<void> certified = open_certificates();
    if (!certified) return certified;
    const Result<void> prepared = prepare_submit_door(config_);
    if (!prepared) return fail(prepared);
    server::Settings settings = to_server_settings(config_);
    settings.tls = tls_.get();
    settings.delivery.relay.logins = logins_;
    settings.delivery.relay.tls = tls_client_.get();
    settings.drops = server::open_drop_directory(drop_directory_in(config_.data_dir));
    const std::uint64_t sessions = sessions_for(descriptors_);
    if (sessions < settings.gate.max_connections) {
      settings.gate.max_connections = static_cast<std::size_t>(sessions);
      events_.emit(SessionsCut{.descriptors = descriptors_, .sessions = settings.gate.max_connections});
    }
    server_ = std::make_unique<server::Server>(server::Doors{store_.get(), &clock_, &random_, workers_.get(), &events_,
                                                             &metrics_, network_.get(), resolver_.get()},
                                               std::move(settings));
    dns_desk_ = std::make_unique<ConfigDnsDesk>(&config_, resolver_.get(), tls_.get());
    const Result<std::vector<directory::DomainRecord>> domains = local_domains();
    if (!domains) return fail(domains);
    const Result<void> written = write_origin(config_, *domains);
    if (!written) return fail(written);
    admin_ = std::make_unique<web::Admin>(web::AdminRooms{.directory = server_->directory(),
                                                          .mailboxes = server_->mailboxes(),
                                                          .queue = server_->queue(),
                                                          .clock = &clock_,
                                                          .login_guard = server_->login_guard(),
                                                          .dkim_keys = server_->dkim_keys(),
                                                          .workers = workers_.get(),
                                                          .dns_desk = dns_desk_.get(),
                                                          .server = server_.get()});
    server_->set_reload([this] { return Reloader(&config_, tls_.get(), &events_).run(); });
    server_->set_http_handlers([this](const server::Listen& listen) { return http_handler(listen); });
    return {};
  }

  /// As the user that serves: who can read the files now can read them again at a reload.
  Result<void> open_certificates() {
    if (config_.certificates.empty()) return {};
    Result<std::unique_ptr<net::TlsServer>> opened =
        net::TlsServer::open(certificate_files(config_), &clock_, &random_);
    if (!opened && opened.error().code == Error::denied && !config_.user.empty())
      opened.error().detail += " (user " + config_.user + " must be able to read it)";
    if (!opened) return fail(opened);
    tls_ = std::move(*opened);
    return {};
  }

  Result<std::vector<directory::DomainRecord>> local_domains() {
    Shard once(&clock_, &events_, Shard::Mode::real);  // those of the server do not run yet
    return run_task(&once, server_->directory()->list_domains());
  }

  server::Handler http_handler(const server::Listen& listen) {
    web::HttpService service{
        .control = server_.get(), .clock = &clock_, .admin = nullptr, .health = true, .metrics = true};
    service.directory = server_->directory();
    if (listen.at.unix_path == control_socket_of(config_)) {
      service.admin = admin_.get();
    } else {
      for (const ListenKeys& keys : config_.listen) {
        if (keys.service != listen.service || std::ranges::find(keys.address, listen.at) == keys.address.end())
          continue;
        service.health = keys.serve_health;
        service.metrics = keys.serve_metrics;
        if (keys.serve_autoconfig) service.autoconfig = &mail_settings_;
      }
    }
    http_.push_back(std::make_unique<web::HttpService>(service));
    return [held = http_.back().get()](std::unique_ptr<net::Stream> stream, net::ScratchPool* scratch, Signal* drain) {
      return web::serve_http(held, std::move(stream), scratch, drain);
    };
  }

  int serve() {
    std::promise<void> draining;
    std::promise<void> ended;
    server_->start([&] { draining.set_value(); }, [&] { ended.set_value(); });
    const Ending ending(shards_.front()->context(), options_.end_with_stdin, [this] { server_->drain(); });
    const Hangup hangup(shards_.front()->context(), [this] {
      const core::ReloadReport report = server_->reload();
      (void)report;  // it is in the log
    });
    std::vector<std::jthread> threads;
    for (const std::unique_ptr<Shard>& shard : shards_) threads.emplace_back([shard = shard.get()] { shard->run(); });
    events_.emit(ServerStarted{.hostname = config_.hostname, .shards = shards_.size()});
    fmt::print(stderr, "ready\n");
    notify_ready();
    if (options_.on_ready) options_.on_ready(server_->listening());

    draining.get_future().wait();
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(config_.drain_timeout);
    const bool orderly = ended.get_future().wait_for(patience) == std::future_status::ready;
    const bool failed = store_->failed().is_set();
    events_.emit(ServerStopped{.how = orderly ? "drained" : "drain_timeout passed"});
    std::error_code left;  // a socket that stays is replaced by the next server
    std::filesystem::remove(control_socket_of(config_), left);
    std::filesystem::remove(submit_socket_in(config_.data_dir), left);
    // What has not ended by now may hold anything; all that was promised is on disk.
    if (!orderly) std::_Exit(failed ? kExitTryAgain : kExitDone);
    for (const std::unique_ptr<Shard>& shard : shards_) shard->stop();
    threads.clear();
    return failed ? kExitTryAgain : kExitDone;
  }

  std::vector<Shard*> shard_pointers() {
    std::vector<Shard*> out;
    for (const std::unique_ptr<Shard>& shard : shards_) out.push_back(shard.get());
    return out;
  }

  // In the order of their lives: what is below uses what is above.
  const Config& config_;
  const ServeOptions& options_;
  std::uint64_t descriptors_ = 0;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<LogOutput> output_ = make_descriptor_output(STDERR_FILENO);
  Events events_{&clock_, config_.log_format, config_.log_level, output_.get()};
  Metrics metrics_;
  std::unique_ptr<Workers> workers_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::unique_ptr<net::TlsServer> tls_;
  std::unique_ptr<net::TlsClient> tls_client_ = net::TlsClient::make(&clock_);
  std::shared_ptr<const delivery::Logins> logins_;
  web::MailSettings mail_settings_;  // set once all ports are open, before anything is accepted
  std::vector<std::unique_ptr<web::HttpService>> http_;
  std::unique_ptr<ConfigDnsDesk> dns_desk_;
  std::unique_ptr<web::Admin> admin_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

int run_server(const Config& config, const ServeOptions& options) { return ServerProcess(config, options).run(); }

}  // namespace postrider::cli
