#include "smtp/client_session.hpp"

#include "core/check.hpp"
#include "core/numbers.hpp"
#include "core/overloaded.hpp"
#include "core/text.hpp"
#include "mail/xtext.hpp"
#include "smtp/content_writer.hpp"
#include "smtp/reply_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace postrider::smtp {

namespace {

/// What the next reply answers, or what else is waited for.
enum class Stage : std::uint8_t {
  greeting,
  ehlo,
  helo,
  ready,
  rset,
  mail,
  rcpt,
  data,
  content,
  chunk,  ///< 3030: a chunk that is not the last was sent
  end_of_data,
  no_content,
  quit,
  closed
};

Phase phase_of(Stage stage) {
  switch (stage) {
    case Stage::greeting: return Phase::greeting;
    case Stage::ehlo:
    case Stage::helo:
    case Stage::ready: return Phase::hello;
    case Stage::rset:
    case Stage::mail: return Phase::mail;
    case Stage::rcpt: return Phase::rcpt;
    case Stage::data:
    case Stage::no_content: return Phase::data;
    case Stage::content:
    case Stage::chunk: return Phase::content;
    case Stage::end_of_data: return Phase::end_of_data;
    case Stage::quit:
    case Stage::closed: return Phase::quit;
  }
  return Phase::quit;
}

/// What the remote offered in its EHLO reply.
struct Offers {
  bool pipelining = false;            // 2920
  bool eight_bit_mime = false;        // 6152
  bool chunking = false;              // 3030
  bool binary_mime = false;           // 3030
  bool smtputf8 = false;              // 6531
  bool dsn = false;                   // 3461
  bool deliver_by = false;            // 2852
  bool priority = false;              // 6710
  std::optional<std::uint64_t> size;  // 1870; 0: no fixed limit
};

struct Offer {
  std::string_view keyword;
  bool Offers::* flag;
};
constexpr auto kOffers = std::to_array<Offer>({
    {"PIPELINING", &Offers::pipelining},
    {"8BITMIME", &Offers::eight_bit_mime},
    {"CHUNKING", &Offers::chunking},
    {"BINARYMIME", &Offers::binary_mime},
    {"SMTPUTF8", &Offers::smtputf8},
    {"DSN", &Offers::dsn},
    {"DELIVERBY", &Offers::deliver_by},
    {"MT-PRIORITY", &Offers::priority},
});

Offers parse_offers(std::string_view text) {
  Offers offers;
  const std::vector<std::string_view> lines = split(text, '\n');
  for (std::size_t i = 1; i < lines.size(); ++i) {  // the first line is the greeting (5321 §4.1.1.1)
    const auto parts = split_once(trimmed(lines[i]), ' ');
    for (const Offer& offer : kOffers) {
      if (iequals_ascii(parts.first, offer.keyword)) offers.*offer.flag = true;
    }
    if (iequals_ascii(parts.first, "SIZE")) {
      offers.size = parse_number<std::uint64_t>(trimmed(parts.second)).value_or(0);  // 1870 §4: none given, no limit
    }
  }
  return offers;
}

bool is_accepted(const Reply& reply) { return reply.code / 100 == 2; }
bool is_refused(const Reply& reply) { return reply.code >= 400; }

/// 5321 §4.5.3.1.10: 552 in answer to RCPT means "too many recipients", to be tried again.
Reply recipient_reply(Reply reply) {
  if (reply.code == 552) {
    reply.code = 452;
    if (reply.enhanced.starts_with('5')) reply.enhanced.front() = '4';
  }
  return reply;
}

bool is_ascii(const mail::Path& path) { return path.is_null() || path.address().is_ascii(); }

/// Why the remote cannot be given a transaction, whoever its recipients are; nullopt: it can.
std::optional<Reply> refusal_of(const ClientTransaction& t, const Offers& offers) {
  using Why = std::optional<Reply>;
  if (offers.size.value_or(0) != 0 && t.size_octets > *offers.size)  // 1870 §5
    return Why({.code = 552, .enhanced = "5.3.4", .text = "Message too big for the next hop"});
  if (t.request.body == BodyType::eight_bit_mime && !offers.eight_bit_mime)  // 6152 §3
    return Why({.code = 554, .enhanced = "5.6.3", .text = "The next hop takes no 8-bit content"});
  if (t.request.body == BodyType::binary_mime && !(offers.binary_mime && offers.chunking))  // 3030 §3
    return Why({.code = 554, .enhanced = "5.6.3", .text = "The next hop takes no binary content"});
  if (!offers.smtputf8 && !is_ascii(t.reverse_path))  // 6531 §3.5
    return Why(
        {.code = 553, .enhanced = "5.6.7", .text = "The next hop takes no UTF-8 in addresses, as the sender has"});
  if (!offers.smtputf8 && t.request.utf8 == mail::Utf8::yes)
    return Why({.code = 554, .enhanced = "5.6.9", .text = "The next hop takes no UTF-8 in header fields"});
  if (t.request.deliver_by && t.request.deliver_by->mode == mail::DeliverBy::Mode::return_it) {
    if (!offers.deliver_by)  // 2852 §4.1.4: nobody would see to it
      return Why({.code = 554, .enhanced = "5.3.3", .text = "The next hop does not keep times of delivery"});
    if (t.request.deliver_by->within <= std::chrono::seconds(0))
      return Why({.code = 554, .enhanced = "5.4.7", .text = "not delivered by the time that the sender set"});
  }
  return std::nullopt;
}

std::string notify_parameter(const mail::NotifyOn& on) {  // 3461 §4.1
  std::string list;
  for (const auto& [wanted, word] :
       {std::pair(on.success, "SUCCESS"), std::pair(on.failure, "FAILURE"), std::pair(on.delay, "DELAY")}) {
    if (wanted) list += (list.empty() ? "" : ",") + std::string(word);
  }
  return " NOTIFY=" + (list.empty() ? "NEVER" : list);
}

std::string original_parameter(const mail::RecipientRequest& request) {  // 3461 §4.2, 6533 §3
  const std::string value = request.original_type == "utf-8" ? mail::encode_utf8_address(request.original)
                                                             : mail::encode_xtext(request.original);
  if (request.original_type.size() + 1 + value.size() > mail::kOriginalRecipientOctetsMax) return {};
  return " ORCPT=" + request.original_type + ';' + value;
}

std::string deliver_by_parameter(const mail::DeliverBy& by) {  // 2852 §4
  const char mode = by.mode == mail::DeliverBy::Mode::notify ? 'N' : 'R';
  return fmt::format(" BY={};{}{}", by.within.count(), mode, by.trace ? "T" : "");
}

}  // namespace

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::connect: return "connect";
    case Phase::greeting: return "greeting";
    case Phase::hello: return "hello";
    case Phase::mail: return "mail";
    case Phase::rcpt: return "rcpt";
    case Phase::data: return "data";
    case Phase::content: return "content";
    case Phase::end_of_data: return "end_of_data";
    case Phase::quit: return "quit";
  }
  return "quit";
}

struct ClientSession::State {
  explicit State(std::string name) : hello_name(std::move(name)) {}
  void on_received(std::string_view octets, ClientActions& out);
  void on_reply(Reply reply, ClientActions& out);
  void on_hello_reply(Reply reply, ClientActions& out);
  void on_transaction_reply(Reply reply, ClientActions& out);
  void on_mail_reply(const Reply& reply, ClientActions& out);
  void on_rcpt_reply(Reply reply, ClientActions& out);
  void on_data_reply(const Reply& reply, ClientActions& out);
  void on_content(const Content& content, ClientActions& out);
  void on_lost(std::string text, ClientActions& out);
  void begin(ClientTransaction t, ClientActions& out);
  void send(std::string octets, ClientActions& out);
  [[nodiscard]] std::string mail_line() const;
  [[nodiscard]] std::string rcpt_line(std::size_t recipient) const;
  [[nodiscard]] bool is_binary() const { return transaction.request.body == BodyType::binary_mime; }
  void on_chunk_reply(const Reply& reply, ClientActions& out);
  void send_chunk(const Content& content, ClientActions& out);
  /// `reply` becomes the outcome of all recipients that have none yet.
  void settle(const Reply& reply, Phase phase);
  void end_transaction(ClientActions& out);
  /// The session cannot go on: `reply` stands for what has no outcome.
  void break_off(const Reply& reply, ClientActions& out);
  void break_protocol(ClientActions& out);
  void hang_up(ClientActions& out);

  std::string hello_name;
  Stage stage = Stage::greeting;
  Offers offers;
  ReplyReader reader;
  bool needs_rset = false;  ///< the remote may have a transaction open

  ClientTransaction transaction;
  std::vector<RecipientOutcome> outcomes;  ///< code 0: none yet. Empty: no transaction is open
  std::vector<std::size_t> asked;          ///< recipients that RCPT is said for: those that the remote can be told of
  std::size_t recipients_answered = 0;     ///< of `asked`
  std::size_t recipients_accepted = 0;
  bool mail_refused = false;
  ContentWriter writer;
};

ClientSession::ClientSession(std::string hello_name) : state_(new State(std::move(hello_name))) {}
void ClientSession::StateDeleter::operator()(State* state) const { delete state; }

void ClientSession::start(ClientActions& /*out*/) {}
bool ClientSession::ready() const { return state_->stage == Stage::ready; }
bool ClientSession::closed() const { return state_->stage == Stage::closed; }

ClientWait ClientSession::waits_for() const {
  switch (state_->stage) {
    case Stage::greeting: return ClientWait::greeting;
    case Stage::ehlo:
    case Stage::helo: return ClientWait::hello;
    case Stage::ready:
    case Stage::rset:
    case Stage::mail:
    case Stage::rcpt: return ClientWait::mail_rcpt;
    case Stage::data: return ClientWait::data;
    case Stage::content: return ClientWait::block;
    case Stage::no_content:
    case Stage::chunk:
    case Stage::end_of_data: return ClientWait::end_of_data;
    case Stage::quit:
    case Stage::closed: return ClientWait::quit;
  }
  return ClientWait::quit;
}

void ClientSession::begin(ClientTransaction transaction, ClientActions& out) {
  check(ready(), "smtp: begin before ready");
  check(!transaction.recipients.empty(), "smtp: a transaction has recipients");
  check(
      transaction.recipient_requests.empty() || transaction.recipient_requests.size() == transaction.recipients.size(),
      "smtp: a request for each recipient");
  state_->begin(std::move(transaction), out);
}

void ClientSession::quit(ClientActions& out) {
  check(ready(), "smtp: quit before ready");
  state_->stage = Stage::quit;
  state_->send("QUIT\r\n", out);
}

void ClientSession::step(const ClientEvent& event, ClientActions& out) {
  if (closed()) return;
  std::visit(Overloaded{[&](const Received& e) { state_->on_received(e.octets, out); },
                        [&](const Content& e) { state_->on_content(e, out); },
                        [&](const ContentFailed&) {
                          state_->break_off({.code = 451, .enhanced = "4.3.0", .text = "The content could not be read"},
                                            out);
                        },
                        [&](const TimedOut&) { state_->on_lost("Timed out", out); },
                        [&](const PeerClosed&) { state_->on_lost("Connection lost", out); }},
             event);
}

void ClientSession::State::on_received(std::string_view octets, ClientActions& out) {
  while (!octets.empty() && stage != Stage::closed) {
    if (stage == Stage::ready) return hang_up(out);  // nothing was asked: a reply now would be taken for a later one's
    Result<std::optional<Reply>> reply = reader.take(octets);
    if (!reply) return break_protocol(out);
    if (*reply) on_reply(std::move(**reply), out);
  }
}

void ClientSession::State::on_reply(Reply reply, ClientActions& out) {
  switch (stage) {
    case Stage::greeting:
    case Stage::ehlo:
    case Stage::helo: return on_hello_reply(std::move(reply), out);
    case Stage::rset:
    case Stage::mail:
    case Stage::rcpt:
    case Stage::data:
    case Stage::content:
    case Stage::chunk:
    case Stage::end_of_data:
    case Stage::no_content: return on_transaction_reply(std::move(reply), out);
    case Stage::quit: return hang_up(out);
    case Stage::ready:
    case Stage::closed: return;
  }
}

void ClientSession::State::on_hello_reply(Reply reply, ClientActions& out) {
  if (is_accepted(reply) && (stage == Stage::greeting ? reply.code == 220 : reply.code == 250)) {
    if (stage == Stage::greeting) {
      stage = Stage::ehlo;
      return send("EHLO " + hello_name + "\r\n", out);  // 5321 §4.1.1.1
    }
    if (stage == Stage::ehlo) offers = parse_offers(reply.text);
    stage = Stage::ready;
    return;
  }
  constexpr int kNoEhlo[] = {500, 501, 502, 504, 550};  // 5321 §3.2, §4.1.1.1
  if (stage == Stage::ehlo && std::ranges::find(kNoEhlo, reply.code) != std::end(kNoEhlo)) {
    stage = Stage::helo;
    return send("HELO " + hello_name + "\r\n", out);
  }
  if (!is_refused(reply)) return break_protocol(out);
  out.emplace_back(SessionRefused{.outcome = {.reply = std::move(reply), .phase = phase_of(stage)}});
  send("QUIT\r\n", out);  // 5321 §3.1
  hang_up(out);
}

void ClientSession::State::begin(ClientTransaction t, ClientActions& out) {
  transaction = std::move(t);
  outcomes.assign(transaction.recipients.size(), {});
  asked.clear();
  recipients_answered = 0;
  recipients_accepted = 0;
  mail_refused = false;
  writer = {};
  const std::optional<Reply> refusal = refusal_of(transaction, offers);
  if (refusal) settle(*refusal, Phase::mail);
  for (std::size_t i = 0; !refusal && i < outcomes.size(); ++i) {
    if (offers.smtputf8 || transaction.recipients[i].is_ascii()) {
      asked.push_back(i);
    } else {  // 6531 §3.5; the others go
      outcomes[i] = {.reply = {.code = 553, .enhanced = "5.6.7", .text = "The next hop takes no UTF-8 in addresses"},
                     .phase = Phase::rcpt};
    }
  }
  if (asked.empty()) return end_transaction(out);
  std::string octets;
  if (needs_rset) octets = "RSET\r\n";
  stage = needs_rset ? Stage::rset : Stage::mail;
  if (offers.pipelining || !needs_rset) octets += mail_line();
  if (offers.pipelining) {  // 2920 §3.1: DATA ends the group; a BDAT waits until somebody is there to take it
    for (const std::size_t recipient : asked) octets += rcpt_line(recipient);
    if (!is_binary()) octets += "DATA\r\n";
  }
  needs_rset = true;
  send(std::move(octets), out);
}

std::string ClientSession::State::mail_line() const {
  const mail::SenderRequest& request = transaction.request;
  std::string line = "MAIL FROM:<" + transaction.reverse_path.text() + ">";
  if (offers.size) line += fmt::format(" SIZE={}", transaction.size_octets);
  if (request.body == BodyType::eight_bit_mime) line += " BODY=8BITMIME";
  if (request.body == BodyType::binary_mime) line += " BODY=BINARYMIME";
  const bool utf8 = request.utf8 == mail::Utf8::yes || !is_ascii(transaction.reverse_path) ||
                    !std::ranges::all_of(asked, [&](std::size_t i) { return transaction.recipients[i].is_ascii(); });
  if (utf8) line += " SMTPUTF8";  // 6531 §3.4; where it is not offered nothing is left that needs it
  if (offers.dsn && request.returned != mail::ReturnContent::unsaid)
    line += request.returned == mail::ReturnContent::full ? " RET=FULL" : " RET=HDRS";  // 3461 §4.3
  if (offers.dsn && !request.envelope_id.empty()) line += " ENVID=" + mail::encode_xtext(request.envelope_id);
  if (offers.deliver_by && request.deliver_by) line += deliver_by_parameter(*request.deliver_by);
  if (offers.priority && request.priority) line += fmt::format(" MT-PRIORITY={}", *request.priority);  // 6710 §4
  return line + "\r\n";
}

std::string ClientSession::State::rcpt_line(std::size_t recipient) const {
  std::string line = "RCPT TO:<" + transaction.recipients[recipient].text() + ">";
  if (offers.dsn && !transaction.recipient_requests.empty()) {  // 3461 §5.2.1
    const mail::RecipientRequest& request = transaction.recipient_requests[recipient];
    if (request.notify) line += notify_parameter(*request.notify);
    if (!request.original_type.empty()) line += original_parameter(request);
  }
  return line + "\r\n";
}

void ClientSession::State::on_transaction_reply(Reply reply, ClientActions& out) {
  if (reply.code == 421) return break_off(reply, out);  // 5321 §3.8
  switch (stage) {
    case Stage::rset:
      if (!is_accepted(reply)) return break_protocol(out);
      stage = Stage::mail;
      if (!offers.pipelining) send(mail_line(), out);
      return;
    case Stage::mail: return on_mail_reply(reply, out);
    case Stage::rcpt: return on_rcpt_reply(std::move(reply), out);
    case Stage::data: return on_data_reply(reply, out);
    case Stage::content:  // before the end of data: it is of use only as a refusal
      if (!is_refused(reply)) return break_protocol(out);
      return break_off(reply, out);
    case Stage::chunk: return on_chunk_reply(reply, out);
    case Stage::end_of_data:
      if (!is_accepted(reply) && !is_refused(reply)) return break_protocol(out);
      needs_rset = is_binary() && is_refused(reply);  // 3030 §2: a failed BDAT is to be followed by RSET
      settle(reply, Phase::end_of_data);
      return end_transaction(out);
    case Stage::no_content: return end_transaction(out);  // all recipients have their outcomes (2920 §3.1)
    case Stage::greeting:
    case Stage::ehlo:
    case Stage::helo:
    case Stage::ready:
    case Stage::quit:
    case Stage::closed: return;
  }
}

void ClientSession::State::on_mail_reply(const Reply& reply, ClientActions& out) {
  if (!is_accepted(reply)) {
    if (!is_refused(reply)) return break_protocol(out);
    mail_refused = true;
    settle(reply, Phase::mail);
    if (!offers.pipelining) return end_transaction(out);
  }
  stage = Stage::rcpt;
  if (!offers.pipelining) send(rcpt_line(asked.front()), out);
}

void ClientSession::State::on_rcpt_reply(Reply reply, ClientActions& out) {
  if (!is_accepted(reply) && !is_refused(reply)) return break_protocol(out);
  if (!mail_refused) {  // after a refused MAIL the replies to its group mean nothing
    if (is_accepted(reply)) {
      ++recipients_accepted;
    } else {
      outcomes[asked[recipients_answered]] = {.reply = recipient_reply(std::move(reply)), .phase = Phase::rcpt};
    }
  }
  if (++recipients_answered < asked.size()) {
    if (!offers.pipelining) send(rcpt_line(asked[recipients_answered]), out);
    return;
  }
  const bool content_may_wait = !offers.pipelining || is_binary();  // DATA has not been said
  if (content_may_wait && recipients_accepted == 0) return end_transaction(out);
  if (is_binary()) {
    stage = Stage::content;
    out.emplace_back(WantContent{});
    return;
  }
  stage = Stage::data;
  if (!offers.pipelining) send("DATA\r\n", out);
}

void ClientSession::State::on_data_reply(const Reply& reply, ClientActions& out) {
  if (is_accepted(reply)) return break_protocol(out);
  if (is_refused(reply)) {
    settle(reply, Phase::data);
    return end_transaction(out);
  }
  if (recipients_accepted == 0) {  // 2920 §3.1: the server waits for content all the same
    stage = Stage::no_content;
    return send(".\r\n", out);
  }
  stage = Stage::content;
  out.emplace_back(WantContent{});
}

void ClientSession::State::on_content(const Content& content, ClientActions& out) {
  check(stage == Stage::content, "smtp: content that was not asked for");
  if (is_binary()) return send_chunk(content, out);  // never by DATA (SECURITY R1)
  std::string octets;
  octets.reserve(content.octets.size() + 64);
  Result<void> written = writer.write(content.octets, octets);
  if (written && content.last) written = writer.finish(octets);
  if (!written)
    return break_off({.code = 554, .enhanced = "5.6.0", .text = "The content has a bare CR or LF"},
                     out);  // SECURITY R1
  if (!octets.empty()) send(std::move(octets), out);
  if (content.last) {
    stage = Stage::end_of_data;
  } else {
    out.emplace_back(WantContent{});
  }
}

/// 3030 §2: the octets as they are.
void ClientSession::State::send_chunk(const Content& content, ClientActions& out) {
  if (content.octets.empty() && !content.last) {
    out.emplace_back(WantContent{});
    return;
  }
  std::string octets = fmt::format("BDAT {}{}\r\n", content.octets.size(), content.last ? " LAST" : "");
  octets += content.octets;
  send(std::move(octets), out);
  stage = content.last ? Stage::end_of_data : Stage::chunk;
}

void ClientSession::State::on_chunk_reply(const Reply& reply, ClientActions& out) {
  if (!is_accepted(reply) && !is_refused(reply)) return break_protocol(out);
  if (is_refused(reply)) {  // the remote drops the transaction (3030 §2)
    settle(reply, Phase::content);
    return end_transaction(out);
  }
  stage = Stage::content;
  out.emplace_back(WantContent{});
}

/// Timed out or closed by the peer. After the end of data nobody knows whether it was taken: try again (5321 §4.5.4.2).
void ClientSession::State::on_lost(std::string text, ClientActions& out) {
  text += " in phase ";
  text += name_of(phase_of(stage));
  break_off({.code = 451, .enhanced = "4.4.2", .text = std::move(text)}, out);
}

void ClientSession::State::send(std::string octets, ClientActions& out) {
  out.emplace_back(Send{.octets = std::move(octets)});
}

void ClientSession::State::settle(const Reply& reply, Phase phase) {
  for (RecipientOutcome& outcome : outcomes) {
    if (outcome.reply.code != 0) continue;
    outcome = {.reply = reply, .phase = phase, .reports_passed_on = offers.dsn && is_accepted(reply)};
  }
}

void ClientSession::State::end_transaction(ClientActions& out) {
  stage = Stage::ready;
  transaction = {};
  out.emplace_back(TransactionDone{.outcomes = std::exchange(outcomes, {})});
}

void ClientSession::State::break_off(const Reply& reply, ClientActions& out) {
  if (!outcomes.empty()) {
    settle(reply, phase_of(stage));
    end_transaction(out);
  } else if (stage == Stage::greeting || stage == Stage::ehlo || stage == Stage::helo) {
    out.emplace_back(SessionRefused{.outcome = {.reply = reply, .phase = phase_of(stage)}});
  }
  hang_up(out);
}

/// What came is no reply to what was sent (LIMITS.md "remote reply").
void ClientSession::State::break_protocol(ClientActions& out) {
  break_off({.code = 451, .enhanced = "4.5.0", .text = "The next hop does not speak SMTP"}, out);
}

void ClientSession::State::hang_up(ClientActions& out) {
  stage = Stage::closed;
  out.emplace_back(HangUp{});
}

}  // namespace postrider::smtp
