#include "core/await.hpp"
#include "core/text.hpp"
#include "route/mx.hpp"
#include "route/route.hpp"
#include "route/via.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace postrider::route {

namespace {

RouteDecision to_decision(Found found, std::string destination) {
  RouteDecision decision{.next = Hold{}, .rule = std::move(found.rule), .reason = std::move(found.reason)};
  if (auto* const hops = std::get_if<std::vector<Hop>>(&found.hops)) {
    decision.next = Relay{.hops = std::move(*hops), .destination = std::move(destination)};
  } else {
    decision.next = std::get<NoRoute>(std::move(found.hops));
  }
  return decision;
}

/// `[192.0.2.1]` or `[ipv6:…]`: the host itself (5321 §4.1.3). Its address comes from outside, so it counts as one of
/// DNS.
Found direct(const mail::Domain& literal, const Settings& settings) {
  std::string_view text = literal.text();
  text = text.substr(1, text.size() - 2);
  if (istarts_with_ascii(text, "ipv6:")) text.remove_prefix(5);
  const std::optional<AddressOctets> address = parse_address(text);
  if (!address) return no_route(true, "5.1.2", "literal", "not an address");
  if (std::ranges::find(settings.own_addresses, *address) != settings.own_addresses.end()) {
    return no_route(true, "5.4.6", "literal", "mail for it loops back to this host");
  }
  std::vector<Hop> hops;
  hops.push_back({.host = literal.text(), .addresses = {*address}, .port = settings.port});
  return {.hops = std::move(hops), .rule = "literal", .reason = "direct to " + literal.text()};
}

}  // namespace

Router::Router(dns::Resolver* resolver, Random* random, Settings settings)
    : resolver_(resolver), random_(random), settings_(std::move(settings)) {
  for (StaticRoute& route : settings_.routes) route = normalized(std::move(route));
}

namespace {

NoRoute to_refusal(const ViaError& refusal) {
  return {.permanent = refusal.status.starts_with('5'), .status = refusal.status, .text = refusal.text};
}

/// The route's via as it stands there, but that "mx" is the recipient's domain: one slow domain must not be the limit
/// of all. Another source, greeting, protection or login is another destination, so that no connection is used for
/// both.
std::string destination_of(const StaticRoute& route, const mail::Domain& domain) {
  std::string out;
  for (const std::string& via : route.via) {
    if (!out.empty()) out += ',';
    out += via == "mx" ? domain.text() : via;
  }
  if (!route.source.empty()) out += " from " + route.source;
  if (!route.hello.empty()) out += " as " + route.hello;
  if (route.tls != TlsPolicy::automatic) out += fmt::format(" tls {}", name_of(route.tls));
  const Credentials& with = route.credentials;
  for (const std::string* const part : {&with.tls_name, &with.tls_authorities, &with.client_certificate})
    if (!part->empty()) out += " by " + *part;
  if (!with.secret.empty()) out += " auth " + with.secret;
  return out;
}

Task<Found> find_mx(Search* search, const Settings* settings, mail::Domain domain) {
  if (domain.is_literal()) co_return direct(domain, *settings);
  std::string name = domain.text();
  co_return co_await search->mx(std::move(name));
}

RouteDecision to_relay(Hop hop) {
  Relay relay{.hops = {}, .destination = {}};
  relay.hops.push_back(std::move(hop));
  return {.next = std::move(relay), .rule = {}, .reason = {}};
}

/// Of a route via host:port and the like.
Task<RouteDecision> follow_host(Search* search, ViaHost via) {
  if (via.address) {
    co_return to_relay({.host = via.host,
                        .addresses = {*via.address},
                        .port = via.port,
                        .from_dns = false,
                        .protocol = via.protocol,
                        .unix_path = {},
                        .tls_from_start = via.tls_from_start});
  }
  Found found = co_await search->host(std::move(via.host), via.port);
  if (auto* const hops = std::get_if<std::vector<Hop>>(&found.hops)) {
    for (Hop& hop : *hops) {
      hop.protocol = via.protocol;
      hop.tls_from_start = via.tls_from_start;
    }
  }
  co_return to_decision(std::move(found), {});
}

/// The hops of one via, or its end.
Task<RouteDecision> follow(Search* search, const Settings* settings, Via via, mail::Domain domain) {
  if (auto* const host = std::get_if<ViaHost>(&via)) co_return co_await follow_host(search, std::move(*host));
  if (const auto* const socket = std::get_if<ViaUnix>(&via)) {
    co_return to_relay({.host = socket->path,
                        .addresses = {},
                        .from_dns = false,
                        .protocol = HopProtocol::lmtp,
                        .unix_path = socket->path});
  }
  if (const auto* const exchanger = std::get_if<ViaMx>(&via)) {
    if (exchanger->name.empty()) {
      Found found = co_await find_mx(search, settings, std::move(domain));
      co_return to_decision(std::move(found), {});
    }
    std::string name = exchanger->name;
    Found found = co_await search->mx(std::move(name));
    co_return to_decision(std::move(found), {});
  }
  RouteDecision decision{.next = Hold{}, .rule = {}, .reason = {}};
  if (std::holds_alternative<ViaDiscard>(via)) decision.next = Discard{};
  if (std::holds_alternative<ViaLocal>(via)) decision.next = Local{};
  if (const auto* const refusal = std::get_if<ViaError>(&via)) decision.next = to_refusal(*refusal);
  co_return decision;
}

/// A list is tried in order: hops add up; what is no way ends the list where no way came before it, as does a name that
/// does not exist. A name that is only unknown for now is passed.
Task<RouteDecision> follow_all(Search* search, const Settings* settings, std::size_t index, mail::Domain domain) {
  const StaticRoute& route = settings->routes[index];
  RouteDecision decision{
      .next = NoRoute{.permanent = true, .status = "5.3.5", .text = "the route has no way"}, .rule = {}, .reason = {}};
  for (const std::string& text : route.via) {
    const Result<Via> via = parse_via(text);
    if (!via) continue;  // check_route refused it at start
    Via way = *via;
    mail::Domain wanted = domain;
    RouteDecision more = co_await follow(search, settings, std::move(way), std::move(wanted));
    if (auto* const found = std::get_if<Relay>(&more.next)) {
      for (Hop& hop : found->hops) hop.tls = tls_of(route, *via);
    }
    auto* const before = std::get_if<Relay>(&decision.next);
    if (before != nullptr) {
      if (!is_way(*via)) break;
      auto* const added = std::get_if<Relay>(&more.next);
      if (added != nullptr) std::ranges::move(added->hops, std::back_inserter(before->hops));
      continue;
    }
    decision = std::move(more);
    const auto* const none = std::get_if<NoRoute>(&decision.next);
    const bool go_on = is_way(*via) && (none == nullptr || !none->permanent);
    if (!go_on) break;
  }
  if (auto* const relay = std::get_if<Relay>(&decision.next)) {
    relay->destination = destination_of(route, domain);
    relay->source = parse_address(route.source);
    relay->hello = route.hello;
    relay->credentials = route.credentials;
  }
  const std::string found = decision.reason;
  decision.retry = route.retry;
  decision.rule = fmt::format("route[{}] {}{}{} via {}", index, route.domain, route.sender.empty() ? "" : " from ",
                              route.sender, fmt::join(route.via, ","));
  decision.reason = found.empty() ? decision.rule : decision.rule + ": " + found;
  co_return decision;
}

/// The first via of the route that takes it; nullopt: none does.
std::optional<Via> first_via(const StaticRoute* route) {
  if (route == nullptr || route->via.empty()) return std::nullopt;
  const Result<Via> via = parse_via(route->via.front());
  return via ? std::optional(*via) : std::nullopt;
}

const StaticRoute* find_route(const Settings& settings, const Query& query) {
  const auto found = std::ranges::find_if(settings.routes, [&](const StaticRoute& r) { return takes(r, query); });
  return found == settings.routes.end() ? nullptr : &*found;
}

}  // namespace

Task<RouteDecision> Router::route(Query query) {
  Search search(resolver_, random_, &settings_);
  const StaticRoute* const taken = find_route(settings_, query);
  if (taken != nullptr) {
    const auto index = static_cast<std::size_t>(taken - settings_.routes.data());
    mail::Domain wanted = query.domain;
    co_return co_await follow_all(&search, &settings_, index, std::move(wanted));
  }
  if (query.is_local) co_return RouteDecision{.next = Local{}, .rule = "local", .reason = "a local domain"};
  mail::Domain wanted = query.domain;
  Found found = co_await find_mx(&search, &settings_, std::move(wanted));
  co_return to_decision(std::move(found), query.domain.text());
}

std::string Router::destination(const Query& query) const {
  const StaticRoute* const taken = find_route(settings_, query);
  if (taken == nullptr) return query.is_local ? std::string() : query.domain.text();
  const std::optional<Via> via = first_via(taken);
  return via && is_way(*via) ? destination_of(*taken, query.domain) : std::string();
}

std::optional<NoRoute> Router::refusal(const Query& query) const {
  const std::optional<Via> via = first_via(find_route(settings_, query));
  const auto* const refusal = via ? std::get_if<ViaError>(&*via) : nullptr;
  return refusal == nullptr ? std::nullopt : std::optional(to_refusal(*refusal));
}

bool Router::takes_local(const Query& query) const {
  Query local = query;
  local.is_local = true;
  const std::optional<Via> via = first_via(find_route(settings_, local));
  return via && !std::holds_alternative<ViaLocal>(*via);
}

}  // namespace postrider::route
