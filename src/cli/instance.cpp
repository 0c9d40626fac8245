#include "cli/instance.hpp"

#include "cli/dns_desk.hpp"
#include "cli/run_task.hpp"
#include "cli/submit_door.hpp"
#include "core/workers.hpp"
#include "mail/local_message.hpp"
#include "store/rocks_store.hpp"

#include <unistd.h>

namespace postrider::cli {

namespace {

constexpr std::uint64_t kSubmitOctetsMax = mail::kLocalMessageOctetsMax;  // what sendmail takes

Task<std::vector<web::AdminReply>> run_all(web::Admin* admin, std::vector<web::AdminRequest> requests) {
  std::vector<web::AdminReply> replies;
  for (web::AdminRequest& request : requests) replies.push_back(co_await admin->run(std::move(request)));
  co_return replies;
}

}  // namespace

std::string control_socket_of(const Config& config) { return config.data_dir + "/control.sock"; }
std::string store_directory_of(const Config& config) { return config.data_dir + "/store"; }

namespace {

directory::Settings to_directory_settings(const Config& config) {
  directory::Settings settings{.domains = config.domains,
                               .aliases = config.aliases,
                               .catch_alls = config.catch_alls,
                               .recipient_lists = config.recipient_lists,
                               .hostname = mail::Domain::parse(config.hostname).value(),  // load_config has checked it
                               .catch_everything = config.catch_everything};
  settings.aliases.insert(settings.aliases.end(), config.file_aliases.begin(), config.file_aliases.end());
  return settings;
}

}  // namespace

server::Settings to_server_settings(const Config& config) {
  server::Settings settings;
  settings.hostname = config.hostname;
  settings.last_call = config.drain_timeout - std::min<Duration>(config.drain_timeout / 4, std::chrono::seconds(1));
  const mail::Domain own_domain = *mail::Domain::parse(config.hostname);  // load_config has checked it
  for (const ListenKeys& listen : config.listen) {
    for (const net::Endpoint& at : listen.address) {
      server::Listen out{.service = listen.service,
                         .at = at,
                         .smtp = {},
                         .relay_from = listen.smtp.relay_from,
                         .proxy_protocol_from = listen.proxy_protocol_from,
                         .xclient_from = listen.xclient_from,
                         .bare_newline = listen.smtp.bare_newline,
                         .greeting_delay = listen.smtp.greeting_delay,
                         .cleartext = listen.smtp.plaintext_auth ? pop3::Cleartext::allowed : pop3::Cleartext::refused,
                         .scram_sha_1 = listen.smtp.scram_sha_1,
                         .scram_plus = listen.smtp.scram_plus,
                         .handler = {}};
      const server::Service plain = server::without_tls(listen.service);
      const bool is_lmtp = plain == server::Service::lmtp;
      if (is_lmtp || plain == server::Service::smtp || plain == server::Service::submission) {
        out.smtp = smtp::ServerSettings{.hostname = config.hostname,
                                        .own_domain = own_domain,
                                        .max_message_size = listen.smtp.max_message_size,
                                        .max_recipients = static_cast<std::size_t>(listen.smtp.max_recipients),
                                        .protocol = is_lmtp ? smtp::Protocol::lmtp : smtp::Protocol::smtp,
                                        .binarymime = listen.smtp.binarymime};
        settings.gate.max_message_size = std::max(settings.gate.max_message_size, listen.smtp.max_message_size);
      }
      settings.listen.push_back(std::move(out));
    }
  }
  settings.gate.max_message_size = std::max(settings.gate.max_message_size, kSubmitOctetsMax);
  settings.listen.push_back({.service = server::Service::submit,
                             .at = {.address = {}, .port = 0, .unix_path = submit_socket_in(config.data_dir)},
                             .smtp = smtp::ServerSettings{.hostname = config.hostname,
                                                          .own_domain = own_domain,
                                                          .max_message_size = kSubmitOctetsMax,
                                                          .max_recipients = queue::kRecipientsMax,
                                                          .protocol = smtp::Protocol::smtp,
                                                          .submission = true},
                             .relay_from = {},
                             .proxy_protocol_from = {},
                             .xclient_from = {},
                             .bare_newline = smtp::BareNewline::reject,
                             .greeting_delay = {},
                             .cleartext = pop3::Cleartext::refused,
                             .handler = {}});
  settings.listen.push_back({.service = server::Service::http,
                             .at = {.address = {}, .port = 0, .unix_path = control_socket_of(config)},
                             .smtp = {},
                             .relay_from = {},
                             .proxy_protocol_from = {},
                             .xclient_from = {},
                             .bare_newline = smtp::BareNewline::reject,
                             .greeting_delay = {},
                             .cleartext = pop3::Cleartext::refused,
                             .handler = {}});
  settings.gate.max_connections = static_cast<std::size_t>(config.max_connections);
  settings.gate.max_connections_per_ip = static_cast<std::size_t>(config.max_connections_per_ip);
  settings.directory = to_directory_settings(config);
  settings.queue = config.queue;
  settings.route.routes = config.routes;
  settings.route.port = config.outbound_port;
  settings.allow_private = config.allow_private;
  return settings;
}

Result<void> with_store(const Config& config, const std::function<void(Shard*, web::Admin*)>& use) {
  SystemClock clock;
  SystemRandom random;
  const std::unique_ptr<LogOutput> output = make_descriptor_output(STDERR_FILENO);
  Events events(&clock, LogFormat::text, Level::warn, output.get());
  const std::unique_ptr<Workers> workers = make_thread_workers(1);
  const Result<std::unique_ptr<store::Store>> store = store::open_rocks_store({.directory = store_directory_of(config),
                                                                               .workers = workers.get(),
                                                                               .random = &random,
                                                                               .events = &events,
                                                                               .min_free_octets = config.min_free});
  if (!store) return fail(store);
  Shard shard(&clock, &events, Shard::Mode::real);
  directory::Directory directory(store->get(), workers.get(), &random, &clock, to_directory_settings(config));
  mailbox::Mailboxes mailboxes(store->get(), &clock, &random);
  queue::Queue queue(store->get(), &clock, &random, config.queue, &events);
  directory::DkimKeys dkim_keys(store->get());
  ConfigDnsDesk dns_desk(&config, nullptr, nullptr);
  web::Admin admin({.directory = &directory,
                    .mailboxes = &mailboxes,
                    .queue = &queue,
                    .clock = &clock,
                    .dkim_keys = &dkim_keys,
                    .workers = workers.get(),
                    .dns_desk = &dns_desk});
  use(&shard, &admin);
  return {};
}

Result<std::vector<web::AdminReply>> run_admin_on_store(const Config& config, std::vector<web::AdminRequest> requests) {
  std::vector<web::AdminReply> replies;
  const Result<void> done = with_store(
      config, [&](Shard* shard, web::Admin* admin) { replies = run_task(shard, run_all(admin, std::move(requests))); });
  if (!done) return fail(done);
  return replies;
}

}  // namespace postrider::cli
