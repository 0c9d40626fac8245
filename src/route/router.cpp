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
    : resolver_(resolver), random_(random), settings_(std::move(settings)) {}

namespace {

Task<Found> find_mx(Search* search, const Settings* settings, mail::Domain domain) {
  if (domain.is_literal()) co_return direct(domain, *settings);
  std::string name = domain.text();
  co_return co_await search->mx(std::move(name));
}

/// The hops of one via, or its end.
Task<RouteDecision> follow(Search* search, const Settings* settings, Via via, mail::Domain domain) {
  if (const auto* const host = std::get_if<ViaHost>(&via)) {
    if (host->address) {
      std::vector<Hop> hops;
      hops.push_back({.host = host->host, .addresses = {*host->address}, .port = host->port, .from_dns = false});
      co_return RouteDecision{.next = Relay{.hops = std::move(hops), .destination = {}}, .rule = {}, .reason = {}};
    }
    std::string name = host->host;
    Found found = co_await search->host(std::move(name), host->port);
    co_return to_decision(std::move(found), {});
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
  if (auto* const refusal = std::get_if<ViaError>(&via)) {
    decision.next =
        NoRoute{.permanent = refusal->status.starts_with('5'), .status = refusal->status, .text = refusal->text};
  }
  co_return decision;
}

/// A list is tried in order: hops add up; what is no hop ends the list, but for a way that is only closed for now.
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
    auto* const before = std::get_if<Relay>(&decision.next);
    if (before != nullptr) {
      auto* const added = std::get_if<Relay>(&more.next);
      if (added == nullptr && !std::holds_alternative<NoRoute>(more.next)) break;
      if (added != nullptr) std::ranges::move(added->hops, std::back_inserter(before->hops));
      continue;
    }
    decision = std::move(more);
    const auto* const none = std::get_if<NoRoute>(&decision.next);
    const bool go_on = std::holds_alternative<Relay>(decision.next) || (none != nullptr && !none->permanent);
    if (!go_on) break;
  }
  const std::string via = fmt::format("{}", fmt::join(route.via, ","));
  if (auto* const relay = std::get_if<Relay>(&decision.next)) relay->destination = via;
  const std::string found = decision.reason;
  decision.rule = fmt::format("route[{}] {} via {}", index, route.domain, via);
  decision.reason = found.empty() ? decision.rule : decision.rule + ": " + found;
  co_return decision;
}

}  // namespace

Task<RouteDecision> Router::route(Query query) {
  Search search(resolver_, random_, &settings_);
  for (std::size_t i = 0; i < settings_.routes.size(); ++i) {
    if (!matches(lowered_ascii(settings_.routes[i].domain), query.domain.text())) continue;
    mail::Domain wanted = query.domain;
    co_return co_await follow_all(&search, &settings_, i, std::move(wanted));
  }
  mail::Domain wanted = query.domain;
  Found found = co_await find_mx(&search, &settings_, std::move(wanted));
  co_return to_decision(std::move(found), query.domain.text());
}

std::string Router::destination(const Query& query) const { return query.domain.text(); }
std::optional<NoRoute> Router::refusal(const Query& /*query*/) const { return std::nullopt; }
bool Router::takes_local(const Query& /*query*/) const { return false; }

}  // namespace postrider::route
