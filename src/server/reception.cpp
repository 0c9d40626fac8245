#include "server/reception.hpp"

#include "core/await.hpp"
#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/trace_fields.hpp"
#include "server/events.hpp"
#include "server/intake.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace postrider::server {

namespace {

using smtp::Reply;

constexpr std::string_view kLocalPeer = "local";  // who comes by a Unix socket, in the log

/// The reply for a store that could not take a message.
Reply not_stored(const Error& why) {
  if (why.code == Error::exhausted)
    return {.code = 452, .enhanced = "4.3.1", .text = "insufficient system storage, try again later"};
  if (why.code == Error::too_long)
    return {.code = 552, .enhanced = "5.3.4", .text = "too many recipients or too long trace fields for one message"};
  return {.code = 451, .enhanced = "4.3.0", .text = "not stored, try again later"};
}

Reply to_reply(const gate::Verdict& verdict) {
  return {.code = verdict.code, .enhanced = verdict.enhanced, .text = verdict.text};
}

gate::Verdict to_verdict(Reply reply, std::string_view rule) {
  return {.code = reply.code,
          .enhanced = std::move(reply.enhanced),
          .text = std::move(reply.text),
          .rule = std::string(rule)};
}

/// 4954 §6, 4.7; 5248.
Reply to_reply(const Login::Refused& refused) {
  using Why = Login::Refused::Why;
  if (refused.hang_up) return {.code = 421, .enhanced = "4.7.0", .text = "too many failed logins, goodbye"};
  switch (refused.why) {
    case Why::wrong: return {.code = 535, .enhanced = "5.7.8", .text = "authentication credentials invalid"};
    case Why::malformed: return {.code = 501, .enhanced = "5.5.2", .text = "not what the mechanism has"};
    case Why::unknown: return {.code = 504, .enhanced = "5.5.4", .text = "no such mechanism here"};
    case Why::later: break;
  }
  return {.code = 454, .enhanced = "4.7.0", .text = "temporary authentication failure, try again later"};
}

/// What makes two targets the same: one mailbox has several addresses.
std::string name_of(const directory::Target& target) {
  return target.account ? fmt::format("mailbox {}", std::to_underlying(*target.account)) : target.address.text();
}

/// What the driver keeps of the transaction that is under way; the engine keeps the order of things.
struct Transaction {
  mail::Path reverse_path;
  mail::SenderRequest request;
  std::vector<queue::NewRecipient> recipients;
  std::map<std::string, std::size_t> known;  // where a mailbox or address stands in `recipients`: each gets one copy
  std::string only_recipient;                // as given in RCPT, when it was the only one
  std::size_t accepted = 0;
  std::unique_ptr<Submission> submission;  // of one of our own people, or a relay network
  std::unique_ptr<Intake> intake;
  std::optional<Reply> refusal;  // the content cannot be taken; said at its end
};

class Reception final : public SmtpAnswers {
 public:
  Reception(const SmtpService* service, Peer peer)
      : service_(service), peer_(std::move(peer)), may_relay_(contains(service->relay_from, peer_.real)) {
    begin();
    service_->metrics.sessions->add();
  }

  void secured(const net::Stream* stream) override {
    begin();
    const std::optional<net::TlsFacts> facts = stream->tls();
    if (facts) tls_ = fmt::format("{} {}", facts->version, facts->cipher);
    stream_ = stream;
    if (login_) login_->secured(stream);
  }

  Task<std::optional<smtp::Event>> take(smtp::Action action, smtp::HelloKind hello_kind) override {
    std::optional<smtp::Answered> answer;
    if (is_login(action)) co_return co_await log_in(std::move(action));
    if (is_revoked() && needs_right(action)) {
      answer.emplace().reply = revoked();
    } else if (auto* const chunk = std::get_if<smtp::AppendContent>(&action)) {
      co_await append(std::move(chunk->octets));
    } else if (auto* const recipient = std::get_if<smtp::AskRecipient>(&action)) {
      answer.emplace().reply = co_await check_recipient(std::move(recipient->address), std::move(recipient->request));
    } else if (auto* const sender = std::get_if<smtp::AskSender>(&action)) {
      transaction_ = std::make_unique<Transaction>();
      transaction_->reverse_path = std::move(sender->reverse_path);
      transaction_->request = std::move(sender->parameters.request);
      answer.emplace().reply = co_await check_sender(sender->parameters.size_octets);
    } else if (std::holds_alternative<smtp::BeginContent>(action)) {
      answer.emplace().reply = co_await begin_content();
    } else if (std::holds_alternative<smtp::EndContent>(action)) {
      hello_kind_ = hello_kind;
      answer.emplace().reply = co_await end_content();
    } else if (auto* const hello = std::get_if<smtp::AskHello>(&action)) {
      if (!xclient_ || !xclient_->hello) hello_ = std::move(hello->name);
      answer.emplace().reply = {.code = 250, .enhanced = {}, .text = service_->engine.hostname};
      answer->now = service_->clock->wall();
    } else if (std::holds_alternative<smtp::AskConnect>(action)) {
      answer = co_await greeting();
    } else if (const auto* const claimed = std::get_if<smtp::AskXclient>(&action)) {
      answer.emplace().reply = take_over(claimed->attributes);
    } else if (const auto* const reached = std::get_if<smtp::LimitReached>(&action)) {
      service_->metrics.limits->reached(smtp::name_of(reached->limit));
    } else if (std::holds_alternative<smtp::DropTransaction>(action)) {
      transaction_.reset();
    }
    co_return answer;
  }

 private:
  [[nodiscard]] static std::string text_of(const net::Endpoint& peer) {
    const bool is_local = !peer.unix_path.empty() || peer.address == net::Address();  // a client's socket has no name
    return is_local ? std::string(kLocalPeer) : peer.address.to_text();
  }
  [[nodiscard]] static bool contains(const std::vector<net::Network4Or6>& networks, const net::Endpoint& peer) {
    return peer.unix_path.empty() &&
           std::ranges::any_of(networks, [&](const net::Network4Or6& n) { return n.contains(peer.address); });
  }

  [[nodiscard]] bool is_lmtp() const { return service_->engine.protocol == smtp::Protocol::lmtp; }
  [[nodiscard]] std::string_view service_name() const { return service_->name; }

  /// A session of which nothing is known but its peer. Again behind STARTTLS: what was said in the clear may have been
  /// anybody's word (SECURITY R5).
  void begin() {
    const net::Endpoint& shown = peer_.shown();
    peer_ip_ = text_of(shown);
    may_xclient_ = contains(service_->xclient_from, peer_.real) && contains(service_->xclient_from, shown);
    identity_ = {};
    identity_.in_relay_network = may_relay_ && contains(service_->relay_from, shown);
    if (service_->role == gate::ListenerRole::submission) identity_.local_user = peer_.local_user;
    if (identity_.local_user) identity_.login = fmt::format("uid:{}", *identity_.local_user);
    xclient_.reset();
    hello_.clear();
    transaction_.reset();
    grant_.reset();
    expect_login_of(shown);
  }
  /// Failed logins are counted as that peer's from now on.
  void expect_login_of(net::Endpoint peer) {
    if (service_->login == nullptr) return;
    login_ = std::make_unique<Login>(service_->login, std::move(peer));
    if (stream_ != nullptr) login_->secured(stream_);
  }

  [[nodiscard]] smtp::PeerRights rights() const {
    const bool is_trusted = identity_.in_relay_network || identity_.is_own();
    return {.trusted = is_trusted,
            .xclient = may_xclient_ && !identity_.account,
            .bare_newline = is_trusted ? service_->bare_newline : smtp::BareNewline::reject,
            .mechanisms = {},
            .may_submit = identity_.is_own()};
  }

  Task<smtp::Answered> greeting() {
    smtp::Answered answer;
    const bool lmtp = is_lmtp();
    answer.reply = {.code = 220,
                    .enhanced = {},
                    .text = service_->engine.hostname + (lmtp ? " LMTP Postrider" : " ESMTP Postrider")};
    answer.rights = rights();
    if (login_) answer.rights.mechanisms = co_await login_->mechanisms();
    co_return answer;
  }

  [[nodiscard]] static bool is_login(const smtp::Action& action) {
    return std::holds_alternative<smtp::AskAuth>(action) || std::holds_alternative<smtp::AskAuthResponse>(action) ||
           std::holds_alternative<smtp::AuthCancelled>(action);
  }
  /// Of the actions that do so when `is_login`.
  Task<std::optional<smtp::Event>> log_in(smtp::Action action) {
    check(login_ != nullptr, "smtp: AUTH where none was offered");
    Login::Step step;
    if (auto* const auth = std::get_if<smtp::AskAuth>(&action)) {
      step = co_await login_->begin(std::move(auth->mechanism), std::move(auth->initial));
    } else if (auto* const response = std::get_if<smtp::AskAuthResponse>(&action)) {
      step = co_await login_->respond(std::move(response->response));
    } else {
      login_->cancel();
      co_return std::nullopt;
    }
    co_return after_login(std::move(step));
  }
  smtp::Event after_login(Login::Step step) {
    if (auto* const challenge = std::get_if<Login::Challenged>(&step))
      return smtp::Challenged{.octets = std::move(challenge->octets)};
    if (const auto* const refused = std::get_if<Login::Refused>(&step))
      return smtp::Answered{.reply = to_reply(*refused)};
    grant_ = std::move(std::get<Login::Granted>(step).grant);
    identity_.account = grant_->account().id;
    identity_.login = grant_->account().address.text();
    return smtp::Answered{.reply = {.code = 235, .enhanced = "2.7.0", .text = "authentication successful"},
                          .rights = rights()};
  }

  /// The account was disabled or removed, has another password, or the app password is no more.
  [[nodiscard]] bool is_revoked() const { return grant_ && !grant_->holds(); }
  /// Asks for something that only who may can have.
  [[nodiscard]] static bool needs_right(const smtp::Action& action) {
    return std::holds_alternative<smtp::AskSender>(action) || std::holds_alternative<smtp::AskRecipient>(action) ||
           std::holds_alternative<smtp::EndContent>(action);
  }
  Reply revoked() {
    service_->events->emit(
        LoginRevoked{.ip = peer_ip_, .service = service_name(), .account = grant_->account().address.text()});
    return {.code = 421, .enhanced = "4.7.0", .text = "the login holds no longer, goodbye"};
  }

  /// XCLIENT: from now on the session is counted, judged and logged as that client's.
  Reply take_over(const smtp::XclientAttributes& attributes) {
    if (attributes.address && attributes.address->empty()) {  // unavailable: somebody, so nobody we trust
      identity_.in_relay_network = false;
      may_xclient_ = false;
    } else if (attributes.address) {
      const Result<net::Address> address = net::Address::parse(*attributes.address);
      if (!address) return {.code = 501, .enhanced = "5.5.4", .text = "ADDR is no address"};
      if (!peer_.place->move_to(address->octets())) {
        service_->metrics.limits->reached("connections_per_ip");
        service_->events->emit(SessionRefused{
            .ip = address->to_text(), .service = service_name(), .why = postrider::name_of(Error::denied)});
        return {.code = 421, .enhanced = "4.7.0", .text = "too many connections from that address"};
      }
      peer_ip_ = address->to_text();
      const net::Endpoint claimed{.address = *address, .port = 0, .unix_path = {}};
      identity_.in_relay_network = may_relay_ && contains(service_->relay_from, claimed);
      expect_login_of(claimed);
      // A proxy that hands its stream on to the client must not hand its right on with it.
      may_xclient_ = may_xclient_ && contains(service_->xclient_from, claimed);
    }
    grant_.reset();
    identity_.account.reset();
    identity_.login.clear();
    if (!xclient_) xclient_ = std::make_unique<Xclient>();
    if (attributes.hello) {
      xclient_->hello = attributes.hello;
      hello_ = *attributes.hello;
    }
    if (attributes.name) xclient_->name = *attributes.name;
    if (attributes.protocol) xclient_->is_extended = iequals_ascii(*attributes.protocol, "ESMTP");
    return {.code = 220, .enhanced = {}, .text = "Ok"};
  }

  [[nodiscard]] std::string protocol_keyword() const {
    const bool is_extended = hello_kind_ == smtp::HelloKind::ehlo;
    return mail::protocol_keyword({.is_lmtp = is_lmtp(),
                                   .is_extended = xclient_ ? xclient_->is_extended.value_or(is_extended) : is_extended,
                                   .is_utf8 = transaction_->request.utf8 == mail::Utf8::yes,
                                   .is_secured = !tls_.empty(),
                                   .is_authenticated = grant_ != nullptr});
  }

  /// For people: address, EHLO, TLS, login.
  [[nodiscard]] std::string client_text() const {
    if (identity_.local_user) return fmt::format("local user {}", *identity_.local_user);
    std::string out = peer_ip_ + ' ' + hello_;
    if (!tls_.empty()) out += ' ' + tls_;
    if (!identity_.login.empty()) out += " login " + identity_.login;
    return out;
  }

  Task<Reply> check_sender(std::uint64_t size_octets) {
    const gate::Verdict verdict = service_->gate->check_sender(transaction_->reverse_path, size_octets, identity_);
    if (verdict.rule == "sender.no_room") service_->metrics.limits->reached("no_room");
    if (gate::accepts(verdict) && service_->submission != nullptr &&
        (identity_.is_own() || identity_.in_relay_network)) {
      transaction_->submission =
          std::make_unique<Submission>(service_->submission, Submitter{.identity = identity_, .grant = grant_});
      mail::Path sender = transaction_->reverse_path;
      std::optional<Reply> refusal = co_await transaction_->submission->begin(std::move(sender));
      if (refusal) {
        tell_refused(*refusal);
        co_return std::move(*refusal);
      }
    }
    co_return to_reply(verdict);
  }

  Task<Reply> check_recipient(mail::Address address, mail::RecipientRequest request) {
    mail::Path sender = transaction_->reverse_path;
    gate::RecipientVerdict checked = co_await service_->gate->check_recipient(
        address, identity_, service_->role, transaction_->request.body, std::move(sender));
    Transaction& transaction = *transaction_;
    if (gate::accepts(checked.verdict) && transaction.submission) {
      mail::Address asked = address;
      std::optional<Reply> refusal = co_await transaction.submission->add_recipient(std::move(asked));
      if (refusal) checked.verdict = to_verdict(std::move(*refusal), "recipient.cap");
    }
    if (!gate::accepts(checked.verdict)) {
      service_->metrics.refused_recipients->add();
      service_->events->emit(RecipientRefused{.ip = peer_ip_,
                                              .code = checked.verdict.code,
                                              .rule = checked.verdict.rule,
                                              .from = transaction.reverse_path.text(),
                                              .to = address.text(),
                                              .hello = hello_,
                                              .detail = checked.verdict.detail});
      const Reply refusal = to_reply(checked.verdict);
      if (peer_.dropped_as.empty() || !smtp::is_permanent(refusal)) co_return refusal;
      add_refused(transaction, std::move(address), std::move(request), refusal);
      co_return Reply{.code = 250, .enhanced = "2.1.5", .text = "comes back as a report"};
    }
    const bool reports_expansion = checked.is_expanded && request.notify && request.notify->success;
    const std::size_t beside = reports_expansion ? 1 : 0;
    if (checked.targets.size() + beside > kAcceptedRecipientsMax)
      co_return Reply{.code = 550, .enhanced = "5.2.4", .text = "more addresses than a message can go to"};
    const auto is_new = [&](const directory::Target& target) { return !transaction.known.contains(name_of(target)); };
    const auto added = static_cast<std::size_t>(std::ranges::count_if(checked.targets, is_new)) + beside;
    if (transaction.recipients.size() + added > kAcceptedRecipientsMax)
      co_return Reply{.code = 452, .enhanced = "4.5.3", .text = "too many recipients"};  // 5321 §4.5.3.1.10
    if (reports_expansion) {
      add_expanded(transaction, address, request);
      request.notify->success = false;  // nothing left is NEVER
    }
    for (directory::Target& target : checked.targets) add_target(transaction, address, request, std::move(target));
    transaction.only_recipient = ++transaction.accepted == 1 ? address.text() : std::string();
    co_return to_reply(checked.verdict);
  }

  /// The alias itself, when its expansion is to be reported in place of what becomes of each target (3461 §5.2.7).
  static void add_expanded(Transaction& transaction, const mail::Address& address,
                           const mail::RecipientRequest& request) {
    const auto [at, is_first] =
        transaction.known.try_emplace("expansion of " + address.text(), transaction.recipients.size());
    if (!is_first) return;
    transaction.recipients.push_back({.address = address,
                                      .original = std::nullopt,
                                      .account = std::nullopt,
                                      .request = request,
                                      .ordered = queue::Ordered::expand});
  }

  /// It was taken from the user before anybody could refuse it, so the refusal goes back as a report.
  static void add_refused(Transaction& transaction, mail::Address address, mail::RecipientRequest request,
                          const Reply& refusal) {
    const auto [at, is_first] = transaction.known.try_emplace(address.text(), transaction.recipients.size());
    if (!is_first) return;
    transaction.recipients.push_back({.address = std::move(address),
                                      .original = std::nullopt,
                                      .account = std::nullopt,
                                      .request = std::move(request),
                                      .ordered = queue::Ordered::bounce,
                                      .refused = printable_ascii(smtp::to_line(refusal), queue::kReplyTextOctetsMax)});
  }

  static void add_target(Transaction& transaction, const mail::Address& address, mail::RecipientRequest request,
                         directory::Target target) {
    // What comes by a list with an owner is the owner's from here on, and so are the reports. `<>` stays: a report must
    // not be answered (5321 §3.9.2, §4.5.5).
    std::optional<mail::Path> owner;
    if (!transaction.reverse_path.is_null()) owner = std::move(target.owner);
    if (owner) request.notify.reset();
    const auto [at, is_first] = transaction.known.try_emplace(name_of(target), transaction.recipients.size());
    if (!is_first) {
      queue::NewRecipient& before = transaction.recipients[at->second];
      before.request.notify = mail::either(before.request.notify, request.notify);
      if (!owner) before.reverse_path.reset();  // who was named by the sender hears from the sender
      return;
    }
    std::optional<mail::Address> original;
    if (target.address != address) original = address;
    transaction.recipients.push_back({.address = std::move(target.address),
                                      .original = std::move(original),
                                      .account = target.account,
                                      .request = std::move(request),
                                      .reverse_path = std::move(owner)});
  }

  Task<Reply> begin_content() {
    Result<std::unique_ptr<Intake>> intake = co_await Intake::begin(service_->store);
    if (!intake) co_return not_taken(intake.error());
    transaction_->intake = std::move(*intake);
    if (transaction_->submission && service_->submission->signing != nullptr) transaction_->intake->hash_body();
    co_return Reply{.code = 354, .enhanced = {}, .text = "end with <CRLF>.<CRLF>"};
  }

  Task<void> append(std::string octets) {
    if (!transaction_ || !transaction_->intake || transaction_->refusal) co_return;
    const Result<void> appended = co_await transaction_->intake->append(octets);
    if (!appended) transaction_->refusal = not_taken(appended.error());
  }

  Task<Reply> end_content() {
    Transaction& transaction = *transaction_;
    if (!transaction.refusal) {
      const Result<mail::HeaderSection> headers = transaction.intake->headers();
      const gate::Verdict verdict = service_->gate->check_content(headers);
      if (!gate::accepts(verdict)) {
        service_->metrics.limits->reached(verdict.rule == "content.loop" ? "received_hops" : "header_section");
        transaction.refusal = to_reply(verdict);
      } else {
        const Result<Reply> accepted = co_await accept(&*headers);
        if (accepted && accepted->code == 250) {
          transaction_.reset();
          co_return *accepted;
        }
        transaction.refusal = accepted ? *accepted : not_taken(accepted.error());
      }
    }
    const Reply refusal = *transaction.refusal;
    tell_refused(refusal);
    transaction_.reset();
    co_return refusal;
  }

  void tell_refused(const Reply& refusal) const {
    service_->metrics.refused_messages->add();
    service_->events->emit(MessageRefused{.ip = peer_ip_,
                                          .code = refusal.code,
                                          .why = refusal.text,
                                          .from = transaction_->reverse_path.text(),
                                          .hello = hello_});
  }

  /// Commit 1: envelope, recipients, due times, trace and body in one durable transaction. The 250 comes after it. More
  /// recipients than an entry holds are several entries of one body in the same commit.
  Task<Result<Reply>> accept(const mail::HeaderSection* headers) {
    queue::QueueId id = service_->ids->next();
    Submission* const submission = transaction_->submission.get();
    Outgoing outgoing{.added = {}, .dropped = {}};
    if (submission != nullptr) {
      queue::QueueId asked = id;
      outgoing = co_await submission->complete(headers, transaction_->intake->body_hash(), std::move(asked));
      if (outgoing.refusal) co_return std::move(*outgoing.refusal);
    }
    const Result<std::shared_ptr<store::SealedBlob>> body = co_await transaction_->intake->seal();
    if (!body) co_return fail(body);
    store::Transaction commit;
    commit.add_blob(*body);
    bool is_burst = false;
    if (submission != nullptr) {
      const Result<bool> counted = co_await submission->count(&commit, transaction_->recipients.size());
      if (!counted) co_return fail(counted);
      is_burst = *counted;
    }
    std::vector<queue::NewEntry> entries =
        make_entries(*headers, std::move(id), std::move(outgoing), is_burst, (*body)->ref());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) commit.add_ref((*body)->ref().id);
      const Result<void> staged = service_->queue->stage_accept(commit, entries[i]);
      if (!staged) co_return fail(staged);
    }
    if (!peer_.dropped_as.empty()) queue::Queue::stage_once(commit, peer_.dropped_as);
    const Result<store::Version> committed =
        co_await service_->store->commit(std::move(commit), store::Durability::durable);
    if (submission != nullptr) submission->ended(committed.has_value());
    if (!committed) co_return fail(committed);
    service_->metrics.accepted->add();
    for (const queue::NewEntry& entry : entries) {
      service_->queue->accepted(entry);
      service_->events->emit(MessageAccepted{.id = entry.id.text(),
                                             .ip = peer_ip_,
                                             .size_octets = entry.content.body.size_octets,
                                             .recipients = entry.recipients.size(),
                                             .tls = tls_,
                                             .login = identity_.login,
                                             .from = entry.reverse_path.text(),
                                             .hello = hello_,
                                             .message_id = headers->first("Message-ID")});
    }
    co_return Reply{.code = 250, .enhanced = "2.0.0", .text = "queued as " + entries.front().id.text()};
  }

  [[nodiscard]] std::vector<queue::NewEntry> make_entries(const mail::HeaderSection& headers, queue::QueueId id,
                                                          Outgoing outgoing, bool is_burst,
                                                          const store::BlobRef& body) {
    Transaction& transaction = *transaction_;
    const WallTime arrival = service_->clock->wall();
    queue::NewEntry entry{.id = std::move(id),
                          .reverse_path = transaction.reverse_path,
                          .recipients = {},
                          .content = {.prefix = {}, .dropped = std::move(outgoing.dropped), .body = body},
                          .return_paths = {},
                          .has_eight_bit = transaction.intake->has_eight_bit(),
                          .report_to = report_to(),
                          .request = transaction.request,
                          .arrival = arrival,
                          .client = client_text(),
                          .login = identity_.login};
    if (is_burst) entry.held = queue::HeldWhy::burst;
    entry.content.prefix = mail::received_field({.hello = hello_,
                                                 .client_name = xclient_ ? xclient_->name : std::string(),
                                                 .client_ip = peer_ip_ == kLocalPeer ? std::string() : peer_ip_,
                                                 .local_user = identity_.local_user,
                                                 .by = service_->engine.hostname,
                                                 .protocol = protocol_keyword(),
                                                 .tls = tls_,
                                                 .queue_id = entry.id.text(),
                                                 .for_address = transaction.only_recipient,
                                                 .utf8 = transaction.request.utf8,
                                                 .at = arrival});
    entry.content.prefix += outgoing.added;
    // A content that begins with its text gets the empty line that makes it text (5322 §3.5), behind our fields.
    if (headers.fields.empty() && !transaction.intake->begins_with_empty_line()) entry.content.prefix += "\r\n";
    for (const mail::HeaderField& field : headers.fields) {
      if (iequals_ascii(field.name, "Return-Path")) entry.return_paths.push_back(field.range);
    }
    std::vector<queue::NewRecipient> recipients = std::move(transaction.recipients);
    std::vector<queue::NewEntry> entries;
    for (std::size_t first = 0; first < recipients.size(); first += queue::kRecipientsMax) {
      queue::NewEntry& part = entries.emplace_back(entry);
      if (first > 0) part.id = service_->ids->next();
      const std::size_t end = std::min(first + queue::kRecipientsMax, recipients.size());
      std::move(recipients.begin() + static_cast<std::ptrdiff_t>(first),
                recipients.begin() + static_cast<std::ptrdiff_t>(end), std::back_inserter(part.recipients));
    }
    return entries;
  }

  [[nodiscard]] Reply not_taken(const Error& why) const {
    if (why.code == Error::exhausted) service_->metrics.limits->reached("no_room");
    return not_stored(why);
  }

  [[nodiscard]] queue::ReportTo report_to() const {
    if (transaction_->reverse_path.is_null()) return queue::ReportTo::nobody;
    const bool is_ours = identity_.account || identity_.local_user || identity_.in_relay_network;
    return is_ours ? queue::ReportTo::sender : queue::ReportTo::postmaster;
  }

  /// What XCLIENT said of the client; there only when it was.
  struct Xclient {
    std::string name;
    std::optional<std::string> hello;
    std::optional<bool> is_extended;
  };

  const SmtpService* service_;
  Peer peer_;
  const net::Stream* stream_ = nullptr;  // where TLS protects it
  std::string tls_;                      // version and cipher
  std::unique_ptr<Login> login_;         // where there is one to be had
  std::shared_ptr<const directory::Grant> grant_;
  std::unique_ptr<Xclient> xclient_;
  std::string peer_ip_;
  bool may_relay_;            // by the connection's own address
  bool may_xclient_ = false;  // by that and by what PROXY and XCLIENT said
  gate::SessionIdentity identity_;
  std::string hello_;
  smtp::HelloKind hello_kind_ = smtp::HelloKind::helo;
  std::unique_ptr<Transaction> transaction_;
};

}  // namespace

LimitMetrics::LimitMetrics(Metrics* metrics) {
  std::vector<std::string_view> names = {"connections",    "connections_per_ip", "proxy_header",
                                         "header_section", "received_hops",      "no_room"};
  for (const smtp::Limit limit : smtp::kLimits) names.push_back(smtp::name_of(limit));
  for (const std::string_view name : names) {
    by_name_[name] = metrics->counter("postrider_limits_reached_total", "Limits that a session ran into",
                                      fmt::format("limit=\"{}\"", name));
  }
}

void LimitMetrics::reached(std::string_view limit) const { by_name_.at(limit)->add(); }

std::unique_ptr<SmtpAnswers> make_reception(const SmtpService* service, Peer peer) {
  return std::make_unique<Reception>(service, std::move(peer));
}

}  // namespace postrider::server
