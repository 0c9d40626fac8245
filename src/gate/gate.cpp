#include "gate/gate.hpp"

#include "core/await.hpp"

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

/// The domain's null MX (7505 §3): nobody takes mail there.
bool takes_no_mail(const route::RouteDecision& decision) {
  const auto* const none = std::get_if<route::NoRoute>(&decision.next);
  return none != nullptr && none->permanent && none->status == "5.1.10";
}

}  // namespace

Gate::Gate(directory::Directory* directory, store::Store* store, route::Router* router, RecipientProbe* probe,
           Settings settings)
    : directory_(directory), store_(store), router_(router), probe_(probe), settings_(settings) {}

Verdict Gate::check_sender(const mail::Path& /*reverse_path*/, std::uint64_t size_octets,
                           const SessionIdentity& /*identity*/) const {
  if (size_octets > settings_.max_message_size) {  // 1870 §6.1 (1)
    return refused(552, "5.3.4", "The message is larger than this host takes", "sender.size");
  }
  if (!store_->has_room()) return refused(452, "4.3.1", "No room for mail at the moment", "sender.no_room");
  return accepted("2.1.0");
}

Task<RecipientVerdict> Gate::check_recipient(mail::Address address, SessionIdentity identity, ListenerRole role,
                                             mail::BodyType body) {
  mail::Address asked = address;
  Result<directory::Resolution> found = co_await directory_->resolve(std::move(asked));
  if (!found) {
    co_return RecipientVerdict{
        .verdict = refused(451, "4.3.0", "The directory cannot be read now, try again later", "recipient.directory"),
        .targets = {}};
  }
  const bool is_local = !std::holds_alternative<directory::NotOurs>(*found);
  switch (decide_relay(is_local, address.domain(), identity, role)) {
    case RelayDecision::denied:  // 5321 §3.6.2
      co_return RecipientVerdict{.verdict = refused(550, "5.7.1", "Relaying denied", "relay.denied"), .targets = {}};
    case RelayDecision::relay: {
      const route::RouteDecision decision = co_await router_->route({.domain = address.domain()});
      if (takes_no_mail(decision)) {
        co_return RecipientVerdict{
            .verdict = refused(556, "5.1.10", "The domain takes no mail (null MX)", "recipient.null_mx"),
            .targets = {}};
      }
      RecipientVerdict verdict{.verdict = accepted("2.1.5"), .targets = {}};
      verdict.targets.push_back({.address = std::move(address), .account = std::nullopt});
      co_return verdict;
    }
    case RelayDecision::local: break;
  }
  auto* const deliverable = std::get_if<directory::Deliverable>(&*found);
  if (deliverable == nullptr) {  // the reason stays inside: a disabled account reads like none
    co_return RecipientVerdict{.verdict = refused(550, "5.1.1", "No such user here", "recipient.unknown"),
                               .targets = {}};
  }
  const bool is_mailbox =
      std::ranges::any_of(deliverable->targets, [](const auto& t) { return t.account.has_value(); });
  if (body == mail::BodyType::binary_mime && is_mailbox) {  // 3030 §3
    co_return RecipientVerdict{
        .verdict = refused(554, "5.6.3", "Mailboxes here take no BINARYMIME", "recipient.binary"), .targets = {}};
  }
  co_return RecipientVerdict{.verdict = accepted("2.1.5"), .targets = std::move(deliverable->targets)};
}

Verdict Gate::check_content(const Result<mail::HeaderSection>& section) const {
  if (!section) return refused(550, "5.6.0", "The header section is too large", "content.header");
  if (section->count("Received") > mail::kReceivedFieldsMax) {  // 5321 §6.3
    return refused(554, "5.4.6", "Too many hops, this message is in a loop", "content.loop");
  }
  return accepted("2.0.0");
}

}  // namespace postrider::gate
