#include "cli/sendmail.hpp"

#include "cli/instance.hpp"
#include "cli/print.hpp"
#include "cli/run_task.hpp"
#include "cli/submit_door.hpp"
#include "cli/text_content.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "delivery/relay.hpp"
#include "mail/local_message.hpp"
#include "net/asio_network.hpp"
#include "server/drop_directory.hpp"
#include "server/drop_file.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iostream>

namespace postrider::cli {

namespace {

constexpr std::string_view kDefaultDataDir = "/var/lib/postrider";
constexpr Duration kConnectWait = std::chrono::seconds(5);

int fail_with(int exit_code, std::string_view what) {
  print_error(what);
  return exit_code;
}

int exit_of(const Error& why) {
  switch (why.code) {
    case Error::malformed:
    case Error::too_long:
    case Error::unsupported: return kSendmailData;
    case Error::denied: return kSendmailNotPermitted;
    case Error::not_found: return kSendmailUnavailable;
    case Error::corrupt: return kSendmailSoftware;
    case Error::conflict:
    case Error::transient:
    case Error::timeout:
    case Error::cancelled:
    case Error::closed:
    case Error::exhausted: break;
  }
  return kSendmailTryAgain;
}

/// Who calls, and where mail goes in.
struct Place {
  std::string data_dir;
  mail::Domain origin;
  std::string user;
  std::string full_name;
};

std::string first_line_of(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return std::string(trimmed(line));
}

/// The domain that bare names are in: the server has left word; else what the host calls its mail.
Result<mail::Domain> find_origin(const std::string& data_dir, const std::string& hostname) {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);  // empty where it fails, and then not looked at
  for (const std::string& name : {first_line_of(data_dir + "/" + std::string(kOriginFile)), hostname,
                                  first_line_of("/etc/mailname"), std::string(host.data())}) {
    Result<mail::Domain> domain = mail::Domain::parse(name);
    if (domain) return domain;
  }
  return mail::Domain::parse("localhost");
}

Result<Place> find_place(const std::string& config_file) {
  std::string data_dir(kDefaultDataDir);
  std::string hostname;
  if (std::ifstream(config_file)) {
    const LoadedConfig loaded = load_config(config_file);  // its mistakes are the server's: files that we may not read
    if (!loaded.config.data_dir.empty()) data_dir = loaded.config.data_dir;
    hostname = loaded.config.hostname;
  }
  Result<mail::Domain> origin = find_origin(data_dir, hostname);
  if (!origin) return fail(origin);
  Place place{.data_dir = std::move(data_dir), .origin = std::move(*origin), .user = {}, .full_name = {}};
  if (const passwd* const entry = ::getpwuid(::getuid()); entry != nullptr) {
    place.user = entry->pw_name;
    const std::string gecos = entry->pw_gecos == nullptr ? "" : entry->pw_gecos;
    place.full_name = split_once(gecos, ',').first;
  } else {
    place.user = fmt::format("uid{}", ::getuid());
  }
  return place;
}

Result<mail::Path> sender_of(const SendmailCall& call, const Place& place) {
  const std::string text = call.from.value_or(place.user);
  if (text.empty() || text == "<>") return mail::Path::null();
  const Result<std::vector<mail::Address>> parsed = mail::parse_recipients(text, place.origin);
  if (!parsed) return fail(parsed);
  if (parsed->size() != 1) return error(Error::malformed, "sendmail", "-f wants one address");
  return mail::Path(parsed->front());
}

/// Those of the command line, each once.
Result<std::vector<mail::Address>> recipients_of(const SendmailCall& call, const Place& place) {
  std::vector<mail::Address> all;
  for (const std::string& text : call.recipients) {
    const Result<std::vector<mail::Address>> parsed = mail::parse_recipients(text, place.origin);
    if (!parsed) return fail(parsed);
    for (const mail::Address& address : *parsed) {
      if (std::ranges::find(all, address) == all.end()) all.push_back(address);
    }
  }
  return all;
}

Result<std::string> read_input() {
  std::string text;
  std::array<char, 65'536> buffer{};
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error(Error::transient, "sendmail", "stdin: " + std::generic_category().message(errno));
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > mail::kLocalMessageOctetsMax)
      return error(Error::too_long, "sendmail", "the message is over 64 MiB");
  }
}

/// The message as it goes to the server.
struct Letter {
  mail::Path reverse_path;
  std::vector<mail::Address> recipients;
  mail::LocalMessage message;
};

Result<Letter> make_letter(const SendmailCall& call, const Place& place) {
  Letter letter;
  Result<mail::Path> sender = sender_of(call, place);
  if (!sender) return fail(sender);
  letter.reverse_path = std::move(*sender);
  Result<std::vector<mail::Address>> recipients = recipients_of(call, place);
  if (!recipients) return fail(recipients);
  letter.recipients = std::move(*recipients);
  const Result<std::string> text = read_input();
  if (!text) return fail(text);
  const bool is_known = !letter.reverse_path.is_null() && call.from;
  Result<mail::LocalMessage> message = mail::make_local_message(
      *text, {.origin = is_known ? letter.reverse_path.address().domain() : place.origin,
              .from_user = call.is_gateway ? ""
                           : is_known      ? letter.reverse_path.address().local_part()
                                           : place.user,
              .full_name = call.full_name.empty() && !is_known ? place.full_name : call.full_name,
              .recipients_from_header = call.recipients_from_header,
              .dot_ends = !call.dots_are_text,
              .completes = !call.is_gateway});
  if (!message) return fail(message);
  letter.message = std::move(*message);
  for (const mail::Address& address : letter.message.recipients) {
    if (std::ranges::find(letter.recipients, address) == letter.recipients.end()) letter.recipients.push_back(address);
  }
  return letter;
}

mail::SenderRequest request_of(const SendmailCall& call, const Letter& letter) {
  mail::SenderRequest request = call.request;
  const auto needs_utf8 = [](const mail::Address& address) { return !address.is_ascii(); };
  const bool sender_is_utf8 = !letter.reverse_path.is_null() && needs_utf8(letter.reverse_path.address());
  const bool utf8 = std::ranges::any_of(letter.recipients, needs_utf8) || sender_is_utf8 ||
                    (letter.message.has_utf8_header && is_utf8(letter.message.content));
  if (utf8) request.utf8 = mail::Utf8::yes;
  if (letter.message.has_eight_bit) request.body = mail::BodyType::eight_bit_mime;
  return request;
}

delivery::RelayMessage message_of(const SendmailCall& call, const Letter& letter) {
  delivery::RelayMessage message{.reverse_path = letter.reverse_path,
                                 .recipients = letter.recipients,
                                 .size_octets = letter.message.content.size(),
                                 .has_eight_bit = letter.message.has_eight_bit,
                                 .request = request_of(call, letter)};
  mail::RecipientRequest asked;
  asked.notify = call.notify;
  message.recipient_requests.assign(letter.recipients.size(), asked);
  return message;
}

void show(char direction, std::string_view octets) {
  for (const std::string_view line : split(octets, '\n')) {
    const std::string_view text = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    if (!line.empty()) print_line(fmt::format("{} {}", direction, printable_ascii(text, 1000)));
  }
}

/// Says what was not taken. 0 when all were.
int judge(const std::vector<mail::Address>& recipients, const std::vector<smtp::RecipientOutcome>& outcomes) {
  int worst = kSendmailDone;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const smtp::Reply& reply = outcomes[i].reply;
    if (smtp::is_positive(reply)) continue;
    print_error(fmt::format("sendmail: {}: {}", recipients[i].text(), printable_ascii(smtp::to_line(reply), 1000)));
    const bool unknown = reply.enhanced.starts_with("5.1.");
    const int code = !smtp::is_permanent(reply) ? kSendmailTryAgain : unknown ? kSendmailNoUser : kSendmailUnavailable;
    if (worst == kSendmailDone || code != kSendmailTryAgain) worst = code;
  }
  return worst;
}

int drop(const SendmailCall& call, const Place& place, const Letter& letter) {
  if (letter.recipients.size() > server::kDropRecipientsMax)
    return fail_with(kSendmailTryAgain,
                     "sendmail: the server does not answer, and the recipients are too many to wait");
  server::DropEnvelope envelope{.reverse_path = letter.reverse_path,
                                .recipients = letter.recipients,
                                .request = request_of(call, letter),
                                .notify = call.notify};
  const std::string octets = server::encode_drop(envelope, letter.message.content);
  if (const Result<server::DropFile> taken = server::decode_drop(octets); !taken)  // later nobody would hear of it
    return fail_with(kSendmailData, "sendmail: " + describe(taken.error()));
  SystemRandom random;
  const std::string name = fmt::format("{:016x}{:016x}", random.u64(), random.u64());
  const Result<void> left = server::leave_in_drop_directory(drop_directory_in(place.data_dir), name, octets);
  if (left) return kSendmailDone;
  print_error("sendmail: the server does not answer, and the message cannot wait for it: " + describe(left.error()));
  return left.error().code == Error::denied ? kSendmailNotPermitted : kSendmailTryAgain;
}

/// What a session with the server came to; nullopt: it is not there, or sends everybody away for now.
using Answers = std::optional<std::vector<smtp::RecipientOutcome>>;

/// `content` null: the recipients are only asked about.
Task<Answers> talk(net::Network* network, const Place* place, delivery::RelayMessage message,
                   delivery::ContentSource* content, delivery::Observe observe) {
  Shard* const shard = co_await this_shard();
  const net::Endpoint at{.address = {}, .port = 0, .unix_path = submit_socket_in(place->data_dir)};
  Result<std::unique_ptr<net::Stream>> stream =
      co_await network->dial(at, std::nullopt, shard->clock().steady() + kConnectWait);
  if (!stream) co_return std::nullopt;
  delivery::RelaySettings settings{.hostname = place->origin.text(), .timeouts = {}};
  delivery::SessionPlan plan;  // the socket is the host's own: nothing to protect it from
  delivery::SessionResult result = co_await delivery::send_over(
      std::move(*stream), std::move(settings), std::move(plan), std::move(message), content, std::move(observe));
  const bool is_absent =
      !result.began && !result.outcomes.empty() && !smtp::is_permanent(result.outcomes.front().reply);
  if (is_absent) co_return std::nullopt;
  co_return std::move(result.outcomes);
}

Answers talk_to_server(const SendmailCall& call, const Place& place, const Letter& letter,
                       delivery::ContentSource* content) {
  SystemClock clock;
  const std::unique_ptr<LogOutput> output = make_descriptor_output(STDERR_FILENO);
  Events events(&clock, LogFormat::text, Level::error, output.get());
  const std::unique_ptr<net::Network> network = net::make_asio_network(&events);
  Shard shard(&clock, &events, Shard::Mode::real);
  delivery::Observe observe;
  if (call.verbose) observe = show;
  return run_task(&shard, talk(network.get(), &place, message_of(call, letter), content, std::move(observe)));
}

int deliver(const SendmailCall& call, const Place& place) {
  const Result<Letter> letter = make_letter(call, place);
  if (!letter) return fail_with(exit_of(letter.error()), "sendmail: " + describe(letter.error()));
  if (letter->recipients.empty())
    return fail_with(kSendmailUsage, "sendmail: no recipients (name them, or give -t for those of the header section)");
  TextContent content(&letter->message.content);
  const Answers answers = talk_to_server(call, place, *letter, &content);
  return answers ? judge(letter->recipients, *answers) : drop(call, place, *letter);
}

int verify(const SendmailCall& call, const Place& place) {
  Letter letter;
  Result<mail::Path> sender = sender_of(call, place);
  if (!sender) return fail_with(kSendmailData, "sendmail: " + describe(sender.error()));
  letter.reverse_path = std::move(*sender);
  const Result<std::vector<mail::Address>> recipients = recipients_of(call, place);
  if (!recipients) return fail_with(kSendmailData, "sendmail: " + describe(recipients.error()));
  letter.recipients = *recipients;
  if (letter.recipients.empty()) return fail_with(kSendmailUsage, "sendmail: -bv wants addresses");
  const Answers answers = talk_to_server(call, place, letter, nullptr);
  if (!answers) return fail_with(kSendmailTryAgain, "sendmail: the server does not answer");
  for (std::size_t i = 0; i < answers->size(); ++i) {
    if (smtp::is_positive((*answers)[i].reply)) print_line(letter.recipients[i].text() + ": deliverable");
  }
  return judge(letter.recipients, *answers);
}

}  // namespace

int run_sendmail(const SendmailCall& call, const SendmailOthers& others) {
  const std::string config = others.find_config(call.config);
  using Mode = SendmailCall::Mode;
  if (call.mode == Mode::list) return others.list_queue(config);
  if (call.mode == Mode::flush) return others.flush_queue(config, call.flush_what);
  if (call.mode == Mode::aliases) return others.check_aliases(config);
  const Result<Place> place = find_place(config);
  if (!place) return fail_with(kSendmailSoftware, "sendmail: " + describe(place.error()));
  if (call.mode == Mode::verify) return verify(call, *place);
  if (call.mode == Mode::smtp) return bridge_to_socket(submit_socket_in(place->data_dir));
  return deliver(call, *place);
}

}  // namespace postrider::cli
