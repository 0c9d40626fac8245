#include "cli/send.hpp"

#include "cli/config_secret.hpp"
#include "cli/message_file.hpp"
#include "cli/print.hpp"
#include "cli/run_task.hpp"
#include "cli/text_content.hpp"
#include "core/await.hpp"
#include "core/events.hpp"
#include "core/numbers.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "delivery/relay.hpp"
#include "dns/unbound_resolver.hpp"
#include "mail/local_message.hpp"
#include "net/asio_network.hpp"
#include "net/connector.hpp"
#include "net/tls.hpp"
#include "route/via.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

namespace postrider::cli {

namespace {

constexpr std::size_t kConnectionsMax = 1000;

Result<std::string> read_message(const SendOptions& options, const mail::Path& from,
                                 const std::vector<mail::Address>& to) {
  if (!options.file.empty()) {
    const Result<std::string> text = read_message_file(options.file);
    if (!text) return fail(text);
    return mail::with_crlf(*text);
  }
  const SystemClock clock;
  SystemRandom random;
  const std::string sender = from.is_null() ? "postmaster@localhost" : from.text();
  return fmt::format(
      "From: <{}>\r\nTo: <{}>\r\nDate: {}\r\nMessage-ID: <{:016x}@postrider.invalid>\r\nSubject: A test by postrider "
      "send\r\n"
      "\r\nThis is a test message.\r\n",
      sender, to.front().text(), to_rfc5322_date(clock.wall()), random.u64());
}

/// What one connection has to do, and what came of it.
struct Work {
  net::Connector* connector;
  std::string host;  // to be looked up; empty: `server` is whole
  net::Endpoint server;
  delivery::RelaySettings settings;
  delivery::SessionPlan plan;
  delivery::RelayMessage message;
  const std::string* content;
  bool verbose;
  std::size_t left;  // messages to send, shared by all connections
  std::size_t running = 0;
  std::size_t accepted = 0;  // recipients
  std::size_t refused_for_now = 0;
  std::size_t refused = 0;
  std::vector<std::string> replies;  // of the last message
  std::string tls = {};              // of the last connection
};

void note(Work* work, const std::vector<smtp::RecipientOutcome>& outcomes) {
  work->replies.clear();
  for (const smtp::RecipientOutcome& outcome : outcomes) {
    work->replies.push_back(smtp::to_line(outcome.reply));
    if (smtp::is_positive(outcome.reply))
      ++work->accepted;
    else if (smtp::is_permanent(outcome.reply))
      ++work->refused;
    else
      ++work->refused_for_now;
  }
}

Task<void> send_messages(Work* work) {
  Shard* const shard = co_await this_shard();
  while (work->left > 0) {
    --work->left;
    const SteadyTime until = shard->clock().steady() + work->settings.timeouts.connect;
    Result<std::unique_ptr<net::Stream>> stream =
        co_await work->connector->connect(work->server, net::FoundBy::configuration, std::nullopt, until);
    if (!stream) {
      const std::vector<smtp::RecipientOutcome> none(
          work->message.recipients.size(),
          {.reply = {.code = 451, .enhanced = "4.4.1", .text = "connect failed: " + describe(stream.error())},
           .phase = smtp::Phase::connect});
      note(work, none);
      continue;
    }
    TextContent content(work->content);
    delivery::Observe observe;
    if (work->verbose) {
      observe = [](char direction, std::string_view octets) {
        for (const std::string_view line :
             split(octets.ends_with("\r\n") ? octets.substr(0, octets.size() - 2) : octets, '\n')) {
          print_line(fmt::format("{} {}", direction, line.ends_with('\r') ? line.substr(0, line.size() - 1) : line));
        }
      };
    }
    const delivery::SessionResult result = co_await delivery::send_over(std::move(*stream), work->settings, work->plan,
                                                                        work->message, &content, std::move(observe));
    work->tls = delivery::to_text(result.tls);
    note(work, result.outcomes);
  }
  if (--work->running == 0) shard->stop();
}

int finish(const SendOptions& options, const Work& work) {
  if (options.json) {
    std::string replies;
    for (const std::string& reply : work.replies) replies += (replies.empty() ? "" : ",") + json_quoted(reply);
    print_line(fmt::format(R"({{"v":1,"accepted":{},"deferred":{},"refused":{},"replies":[{}],"tls":{}}})",
                           work.accepted, work.refused_for_now, work.refused, replies, json_quoted(work.tls)));
  } else if (options.count == 1) {
    for (std::size_t i = 0; i < work.replies.size(); ++i) {
      print_line(fmt::format("{}: {}", work.message.recipients[i].text(), printable_ascii(work.replies[i], 1000)));
    }
  } else {
    print_line(fmt::format("recipients: {} accepted, {} refused for now, {} refused", work.accepted,
                           work.refused_for_now, work.refused));
  }
  if (work.refused > 0) return kExitFailed;
  return work.refused_for_now > 0 ? kExitTryAgain : kExitDone;
}

/// Gives false where the host has no address.
Task<bool> find_server(Work* work, dns::Resolver* resolver) {
  const Result<dns::Name> name = dns::Name::parse(work->host);
  if (!name) co_return false;
  dns::Name four = *name;
  dns::Name six = *name;
  const Result<dns::AddressAnswer> a = co_await resolver->a(std::move(four));
  const Result<dns::AddressAnswer> aaaa = co_await resolver->aaaa(std::move(six));
  for (const Result<dns::AddressAnswer>* const answer : {&a, &aaaa}) {
    if (!*answer || (*answer)->addresses.empty()) continue;
    work->server.address = net::Address::v6((*answer)->addresses.front());
    co_return true;
  }
  co_return false;
}

Task<void> start_sending(Work* work, dns::Resolver* resolver) {
  Shard* const shard = co_await this_shard();
  bool found = true;
  if (!work->host.empty()) found = co_await find_server(work, resolver);
  if (!found) {
    const std::vector<smtp::RecipientOutcome> none(
        work->message.recipients.size(),
        {.reply = {.code = 451, .enhanced = "4.4.4", .text = work->host + " has no address"},
         .phase = smtp::Phase::connect});
    for (; work->left > 0; --work->left) note(work, none);
  }
  const std::size_t connections = work->running;
  for (std::size_t i = 0; i < connections; ++i) spawn(shard, "send", send_messages(work));
}

/// Into host, address and port. Errors  malformed.
Result<void> parse_server(const std::string& text, Work* work) {
  Result<net::Endpoint> endpoint = net::Endpoint::parse(text);
  if (endpoint) {
    work->server = std::move(*endpoint);
    return {};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || !dns::Name::parse(text.substr(0, colon))) return fail(endpoint);
  const Result<std::uint16_t> port = parse_number<std::uint16_t>(text.substr(colon + 1), {.min = 1, .max = 65'535});
  if (!port) return fail(port);
  work->host = text.substr(0, colon);
  work->server.port = *port;
  if (work->host != "localhost") return {};
  work->server.address = net::Address::v4({127, 0, 0, 1});
  work->host.clear();
  return {};
}

/// Errors  malformed: options that do not go together; of the password's file.
Result<delivery::SessionPlan> plan_of(const SendOptions& options, const Work& work) {
  delivery::SessionPlan plan;
  const std::string host = options.server.substr(0, options.server.rfind(':'));
  const bool has_name = !net::Endpoint::parse(options.server);
  plan.tls_from_start = options.tls == "implicit";
  plan.begin_tls = options.tls == "starttls" ? smtp::BeginTls::required : smtp::BeginTls::never;
  plan.ask = {.name = !options.tls_name.empty() ? options.tls_name
                      : has_name                ? host
                                                : std::string(),
              .verify = options.verify ? net::TlsVerify::name : net::TlsVerify::nothing,
              .authorities = options.ca};
  if (options.tls == "none" && (options.verify || !options.ca.empty()))
    return error(Error::malformed, "send", "--verify and --ca go with --tls starttls or implicit");
  if (options.verify && plan.ask.name.empty())
    return error(Error::malformed, "send", "--verify wants a name (in --server, or --tls-name)");
  if (options.auth.empty()) return plan;
  Result<Secret> password = read_password_file(options.password_file);
  if (!password) return fail(password);
  plan.login = delivery::Login{.name = options.auth, .password = std::move(*password)};
  plan.passwords_in_clear =
      work.host.empty() && (!work.server.unix_path.empty() || route::is_loopback(work.server.address.octets()));
  return plan;
}

}  // namespace

int run_send(const SendOptions& options) {
  mail::Path from;
  if (!options.from.empty() && options.from != "<>") {
    const Result<mail::Address> parsed = mail::Address::parse(options.from);
    if (!parsed) {
      print_error("send: --from wants an address: " + describe(parsed.error()));
      return kExitUsage;
    }
    from = mail::Path(*parsed);
  }
  std::vector<mail::Address> to;
  for (const std::string& text : options.to) {
    const Result<mail::Address> parsed = mail::Address::parse(text);
    if (!parsed) {
      print_error("send: --to wants an address: " + describe(parsed.error()));
      return kExitUsage;
    }
    to.push_back(*parsed);
  }
  const Result<std::string> content = read_message(options, from, to);
  if (!content) return report(content.error());

  SystemClock clock;
  SystemRandom random;
  const std::unique_ptr<LogOutput> output = make_descriptor_output(STDERR_FILENO);
  Events events(&clock, LogFormat::text, Level::warn, output.get());
  Shard shard(&clock, &events, Shard::Mode::real);
  const std::unique_ptr<net::Network> network = net::make_asio_network(&events);
  const std::unique_ptr<net::TlsClient> tls = net::TlsClient::make(&clock);
  net::Connector connector(network.get(), {});
  Work work{.connector = &connector,
            .host = {},
            .server = {},
            .settings = {.hostname = options.hello.empty() ? "localhost" : options.hello,
                         .timeouts = {},
                         .tls = tls.get(),
                         .random = &random},
            .plan = {},
            .message = {.reverse_path = std::move(from),
                        .recipients = std::move(to),
                        .size_octets = content->size(),
                        .has_eight_bit = std::ranges::any_of(
                            *content, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })},
            .content = &*content,
            .verbose = options.verbose,
            .left = options.count,
            .running = std::min({options.connections, options.count, kConnectionsMax}),
            .replies = {}};
  if (!parse_server(options.server, &work)) {
    print_error("send: --server wants a host or address and a port such as 127.0.0.1:25");
    return kExitUsage;
  }
  Result<delivery::SessionPlan> plan = plan_of(options, work);
  if (!plan) {
    print_error("send: " + plan.error().detail);
    return kExitUsage;
  }
  work.plan = std::move(*plan);
  std::unique_ptr<dns::Resolver> resolver;
  if (!work.host.empty()) {
    Result<std::unique_ptr<dns::Resolver>> made = dns::make_unbound_resolver({});
    if (!made) return report(made.error());
    resolver = std::move(*made);
  }
  spawn(&shard, "send.start", start_sending(&work, resolver.get()));
  shard.run();
  return finish(options, work);
}

}  // namespace postrider::cli
