#include "gate/gate.hpp"

#include "core/await.hpp"
#include "core/signal.hpp"
#include "core/text.hpp"
#include "gate/expiring_cache.hpp"

#include <algorithm>
#include <utility>

namespace postrider::gate {

namespace {

Verdict accepted(std::string_view enhanced) {
  return {.code = 250, .enhanced = std::string(enhanced), .text = "Ok", .rule = "accept"};
}

Verdict refused(int code, std::string_view enhanced, std::string_view text, std::string_view rule) {
  return {.code = code, .enhanced = std::string(enhanced), .text = std::string(text), .rule = std::string(rule)};
}

/// What is said at RCPT of a domain where nobody takes mail: by its null MX (7505 §3), or, to our own people, as there
/// is no such domain (6409 §6.2).
std::optional<Verdict> refused_by_names(const route::RouteDecision& decision, bool is_own) {
  const auto* const none = std::get_if<route::NoRoute>(&decision.next);
  if (none == nullptr || !none->permanent) return std::nullopt;
  if (none->status == "5.1.10")
    return refused(556, "5.1.10", "The domain takes no mail (null MX)", "recipient.null_mx");
  if (none->status == "5.1.2" && is_own) return refused(550, "5.1.2", "There is no such domain", "recipient.no_domain");
  return std::nullopt;
}

/// Its names cannot be asked now.
bool is_dead(const route::RouteDecision& decision) {
  const auto* const none = std::get_if<route::NoRoute>(&decision.next);
  return none != nullptr && !none->permanent;
}

/// A route via "error:", said at RCPT.
std::optional<Verdict> refused_by_route(const route::Router& router, const route::Query& query) {
  const std::optional<route::NoRoute> refusal = router.refusal(query);
  if (!refusal) return std::nullopt;
  return refused(refusal->permanent ? 550 : 450, refusal->status, refusal->text, "recipient.route");
}

DomainIs kind_of(const directory::Resolution& found) {
  if (std::holds_alternative<directory::NotOurs>(found)) return DomainIs::elsewhere;
  return std::holds_alternative<directory::Relayed>(found) ? DomainIs::relay : DomainIs::local;
}

RecipientVerdict only(Verdict verdict) { return {.verdict = std::move(verdict), .targets = {}}; }

/// A search for a route that may go on after who asked has lost patience.
struct Lookup {
  Signal done;
  std::optional<route::RouteDecision> decision;
};

Task<void> look_up(route::Router* router, route::Query query, std::shared_ptr<Lookup> lookup) {
  lookup->decision = co_await router->route(std::move(query));
  lookup->done.set();
}

}  // namespace

struct Gate::Learned {
  ExpiringCache<RecipientProbe::Answer> probes{kProbesKept};  // by address, in lower case
  ExpiringCache<bool> dead_names{kDeadNamesMax};              // by domain
};

Gate::Gate(directory::Directory* directory, store::Store* store, route::Router* router, RecipientProbe* probe,
           Clock* clock, Settings settings)
    : directory_(directory),
      store_(store),
      router_(router),
      probe_(probe),
      clock_(clock),
      settings_(settings),
      learned_(std::make_unique<Learned>()) {}
Gate::~Gate() = default;

Verdict Gate::check_sender(const mail::Path& /*reverse_path*/, std::uint64_t size_octets,
                           const SessionIdentity& /*identity*/) const {
  if (size_octets > settings_.max_message_size) {  // 1870 §6.1 (1)
    return refused(552, "5.3.4", "The message is larger than this host takes", "sender.size");
  }
  if (!store_->has_room()) return refused(452, "4.3.1", "No room for mail at the moment", "sender.no_room");
  return accepted("2.1.0");
}

Task<RecipientVerdict> Gate::check_recipient(mail::Address address, SessionIdentity identity, ListenerRole role,
                                             mail::BodyType body, mail::Path sender) {
  mail::Address asked = address;
  Result<directory::Resolution> found = co_await directory_->resolve(std::move(asked));
  if (!found) {
    co_return only(refused(451, "4.3.0", "The directory cannot be read now, try again later", "recipient.directory"));
  }
  const bool is_trusted = identity.is_own() || identity.in_relay_network;
  switch (decide_relay(kind_of(*found), address.domain(), identity, role)) {
    case RelayDecision::denied:  // 5321 §3.6.2
      co_return only(refused(550, "5.7.1", "Relaying denied", "relay.denied"));
    case RelayDecision::relay: {
      const auto* const relayed = std::get_if<directory::Relayed>(&*found);
      if (relayed != nullptr && !relayed->is_named && !is_trusted && is_routed(address.local_part()))
        co_return only(refused(550, "5.7.1", "Relaying denied", "relay.routed"));
      const bool verify = relayed != nullptr && relayed->by == directory::RelayRecipients::By::verify;
      mail::Address to = address;
      RecipientVerdict verdict = only({});
      route::Query query{.domain = to.domain(), .sender = std::move(sender), .account = std::move(identity.login)};
      if (relayed != nullptr) {
        verdict.verdict = co_await check_relayed(std::move(to), std::move(query), verify);
      } else {
        verdict.verdict = co_await check_elsewhere(std::move(query), identity.is_own());
      }
      if (accepts(verdict.verdict)) verdict.targets.push_back({.address = std::move(address), .account = std::nullopt});
      co_return verdict;
    }
    case RelayDecision::local: break;
  }
  auto* const deliverable = std::get_if<directory::Deliverable>(&*found);
  if (deliverable == nullptr) {  // the reason stays inside: a disabled account reads like none
    co_return only(refused(550, "5.1.1", "No such user here", "recipient.unknown"));
  }
  const route::Query query{
      .domain = address.domain(), .is_local = true, .sender = std::move(sender), .account = std::move(identity.login)};
  std::optional<Verdict> refusal = refused_by_route(*router_, query);
  if (refusal) co_return only(std::move(*refusal));
  const bool is_routed_on = take_from_mailboxes(deliverable->targets, query);
  if (is_routed_on && !is_trusted) co_return only(refused(550, "5.7.1", "Relaying denied", "relay.routed"));
  const bool is_mailbox =
      std::ranges::any_of(deliverable->targets, [](const auto& t) { return t.account.has_value(); });
  if (body == mail::BodyType::binary_mime && is_mailbox)  // 3030 §3
    co_return only(refused(554, "5.6.3", "Mailboxes here take no BINARYMIME", "recipient.binary"));
  co_return RecipientVerdict{.verdict = accepted("2.1.5"),
                             .targets = std::move(deliverable->targets),
                             .is_expanded = deliverable->is_expanded};
}

/// A route with match_local sends on what would go to a mailbox. True: a routed local part is among it, which a
/// subaddress can be.
bool Gate::take_from_mailboxes(std::vector<directory::Target>& targets, const route::Query& query) const {
  bool has_routed = false;
  for (directory::Target& target : targets) {
    if (!target.account) continue;
    const bool is_taken = router_->takes_local({.domain = target.address.domain(),
                                                .is_local = true,
                                                .sender = target.owner ? *target.owner : query.sender,
                                                .account = query.account});
    if (!is_taken) continue;
    target.account.reset();
    has_routed = has_routed || is_routed(target.address.local_part());
  }
  return has_routed;
}

Task<Verdict> Gate::check_elsewhere(route::Query query, bool is_own) {
  std::optional<Verdict> refusal = refused_by_route(*router_, query);
  if (!refusal) refusal = co_await ask_names(std::move(query), is_own);
  co_return refusal ? std::move(*refusal) : accepted("2.1.5");
}

Task<std::optional<Verdict>> Gate::ask_names(route::Query query, bool is_own) {
  using Refusal = std::optional<Verdict>;
  const std::string name = query.domain.text();
  const std::string destination = router_->destination(query);
  if (destination != name) co_return Refusal();  // a route leads elsewhere, so its MX says nothing
  if (learned_->dead_names.find(name, clock_->steady())) co_return Refusal();
  const auto lookup = std::make_shared<Lookup>();  // shared: the search goes on when the wait is over
  Shard* const shard = co_await this_shard();
  spawn(shard, "gate.route", look_up(router_, std::move(query), lookup));
  const Result<void> done = co_await lookup->done.wait(clock_->steady() + kNullMxWait);
  if (done && !is_dead(*lookup->decision)) co_return refused_by_names(*lookup->decision, is_own);
  learned_->dead_names.put(name, true, clock_->steady() + kDeadNamesKept);
  co_return Refusal();
}

Task<Verdict> Gate::check_relayed(mail::Address address, route::Query query, bool ask) {
  std::optional<Verdict> refusal = refused_by_route(*router_, query);
  if (refusal) co_return std::move(*refusal);
  if (!ask || probe_ == nullptr) co_return accepted("2.1.5");
  RecipientProbe::Answer answer = co_await ask_next_hop(std::move(address));
  Verdict verdict = accepted("2.1.5");
  switch (answer.kind) {
    case RecipientProbe::Answer::Kind::accepted: break;
    case RecipientProbe::Answer::Kind::refused:
      verdict = refused(550, "5.1.1", "The host that has this domain's mailboxes does not take this recipient",
                        "recipient.refused_by_next_hop");
      break;
    case RecipientProbe::Answer::Kind::unknown:
    case RecipientProbe::Answer::Kind::not_asked:
      verdict = refused(450, "4.1.1", "The recipient cannot be verified now, try again later", "recipient.unverified");
      break;
  }
  verdict.detail = std::move(answer.reply);
  co_return verdict;
}

Task<RecipientProbe::Answer> Gate::ask_next_hop(mail::Address address) {
  using Kind = RecipientProbe::Answer::Kind;
  const std::string name = lowered_ascii(address.text());
  const SteadyTime now = clock_->steady();
  if (std::optional<RecipientProbe::Answer> known = learned_->probes.find(name, now)) co_return std::move(*known);
  RecipientProbe::Answer answer = co_await probe_->ask(std::move(address), now + kProbeWait);
  if (answer.kind == Kind::not_asked) co_return answer;  // says nothing about the recipient
  const Duration kept = answer.kind == Kind::accepted  ? kProbeAcceptedKept
                        : answer.kind == Kind::refused ? kProbeRefusedKept
                                                       : kProbeUnknownKept;
  learned_->probes.put(name, answer, clock_->steady() + kept);
  co_return answer;
}

Verdict Gate::check_content(const Result<mail::HeaderSection>& section) const {
  if (!section) return refused(550, "5.6.0", "The header section is too large", "content.header");
  if (section->count("Received") > mail::kReceivedFieldsMax) {  // 5321 §6.3
    return refused(554, "5.4.6", "Too many hops, this message is in a loop", "content.loop");
  }
  return accepted("2.0.0");
}

}  // namespace postrider::gate
