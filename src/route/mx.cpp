#include "route/mx.hpp"

#include "core/await.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <utility>

namespace postrider::route {

Found no_route(bool permanent, std::string_view status, std::string_view rule, std::string text) {
  NoRoute none{.permanent = permanent, .status = std::string(status), .text = text};
  return {.hops = std::move(none), .rule = std::string(rule), .reason = std::move(text)};
}

bool Search::is_own(const std::vector<AddressOctets>& addresses) const {
  return std::ranges::any_of(addresses, [this](const AddressOctets& address) {
    return std::ranges::find(settings_->own_addresses, address) != settings_->own_addresses.end();
  });
}

Task<Result<std::vector<AddressOctets>>> Search::addresses(std::string name) {
  const Result<dns::Name> parsed = dns::Name::parse(name);
  if (!parsed) co_return error(Error::not_found, "route.addresses", "not a host name");
  dns::Name first = *parsed;
  dns::Name second = *parsed;
  const Result<dns::AddressAnswer> six = co_await resolver_->aaaa(std::move(first));
  const Result<dns::AddressAnswer> four = co_await resolver_->a(std::move(second));
  std::vector<AddressOctets> all;
  const std::size_t sixes = six ? six->addresses.size() : 0;
  const std::size_t fours = four ? four->addresses.size() : 0;
  for (std::size_t i = 0; i < std::max(sixes, fours); ++i) {
    if (i < sixes) all.push_back(six->addresses[i]);
    if (i < fours) all.push_back(four->addresses[i]);
  }
  const auto is_dead = [](const Result<dns::AddressAnswer>& answer) {
    return !answer && answer.error().code != Error::not_found;
  };
  failed_lookups_ += (is_dead(six) ? 1U : 0U) + (is_dead(four) ? 1U : 0U);
  if (!all.empty()) co_return all;
  if (is_dead(six) || is_dead(four))
    co_return error(Error::transient, "route.addresses", "the name servers do not answer");
  co_return error(Error::not_found, "route.addresses", "no address");
}

void Search::put_in_order(std::vector<dns::MxRecord>& exchangers) {
  // 5321 §5.1: by preference; those of equal preference at random, to spread the load.
  for (std::size_t left = exchangers.size(); left > 1; --left) {
    std::swap(exchangers[left - 1], exchangers[static_cast<std::size_t>(random_->below(left))]);
  }
  std::ranges::sort(exchangers, {}, &dns::MxRecord::preference);
}

Task<Found> Search::resolve(std::vector<dns::MxRecord> exchangers, std::string rule) {
  struct Reached {
    std::uint16_t preference;
    Hop hop;
  };
  std::vector<Reached> reached;
  bool met_self = false;
  bool some_dead = false;
  std::size_t tried = 0;
  for (const dns::MxRecord& exchanger : exchangers) {
    const bool seen = std::ranges::any_of(reached, [&](const Reached& r) { return r.hop.host == exchanger.exchange; });
    if (seen) continue;
    if (tried++ == kMxHostsMax || failed_lookups_ >= kFailedLookupsMax) break;
    bool own = !settings_->hostname.empty() && iequals_ascii(exchanger.exchange, settings_->hostname);
    if (!own) {
      Result<std::vector<AddressOctets>> found = co_await addresses(exchanger.exchange);
      if (!found) {
        some_dead = some_dead || found.error().code != Error::not_found;
        continue;
      }
      own = is_own(*found);
      found->resize(std::min(found->size(), kAddressesAHostMax));
      if (!own)
        reached.push_back({exchanger.preference,
                           {.host = exchanger.exchange, .addresses = std::move(*found), .port = settings_->port}});
    }
    if (own) {  // 5321 §5.1: ourselves, and all that are not better than we are, would be a loop
      met_self = true;
      std::erase_if(reached, [&](const Reached& r) { return r.preference >= exchanger.preference; });
      break;
    }
  }
  if (!reached.empty()) {
    std::vector<Hop> hops;
    for (Reached& one : reached) hops.push_back(std::move(one.hop));
    std::string reason = rule + ": " + hops.front().host;
    if (hops.size() > 1) reason += " and " + std::to_string(hops.size() - 1) + " more";
    co_return Found{.hops = std::move(hops), .rule = std::move(rule), .reason = std::move(reason)};
  }
  if (some_dead) co_return no_route(false, "4.4.3", rule, "the addresses of its mail exchangers cannot be found now");
  if (met_self) co_return no_route(true, "5.4.6", rule, "mail for it loops back to this host");
  co_return no_route(true, "5.4.4", rule, "none of its mail exchangers has an address");
}

Task<Found> Search::mx(std::string domain) {
  const Result<dns::Name> name = dns::Name::parse(domain);
  if (!name) co_return no_route(true, "5.1.2", "mx", "not a domain name");
  dns::Name asked = *name;
  Result<dns::MxAnswer> answer = co_await resolver_->mx(std::move(asked));
  std::vector<dns::MxRecord> exchangers;
  if (!answer) {
    const Error& failure = answer.error();
    if (failure.code != Error::not_found)
      co_return no_route(false, "4.4.3", "mx", "the domain's name servers do not answer");
    if (failure.detail == "nxdomain") co_return no_route(true, "5.1.2", "mx", "there is no such domain");
  } else {
    exchangers = std::move(answer->records);
  }
  if (exchangers.empty()) {  // 5321 §5.1: without MX the domain itself is its exchanger, with preference 0
    exchangers.push_back({.preference = 0, .exchange = name->text()});
    std::string rule = "implicit mx";
    co_return co_await resolve(std::move(exchangers), std::move(rule));
  }
  std::erase_if(exchangers, [](const dns::MxRecord& record) { return record.exchange.empty(); });
  if (exchangers.empty()) co_return no_route(true, "5.1.10", "null mx", "the domain takes no mail");  // 7505 §3, §4.1
  put_in_order(exchangers);
  std::string rule = "mx";
  co_return co_await resolve(std::move(exchangers), std::move(rule));
}

Task<Found> Search::host(std::string name, std::uint16_t port) {
  std::string asked = name;
  Result<std::vector<AddressOctets>> found = co_await addresses(std::move(asked));
  if (!found) {
    if (found.error().code == Error::not_found) co_return no_route(true, "5.4.4", "via", name + " has no address");
    co_return no_route(false, "4.4.3", "via", "the address of " + name + " cannot be found now");
  }
  found->resize(std::min(found->size(), kAddressesAHostMax));
  std::vector<Hop> hops;
  std::string reason = "via " + name;
  hops.push_back({.host = std::move(name), .addresses = std::move(*found), .port = port, .from_dns = false});
  co_return Found{.hops = std::move(hops), .rule = "via", .reason = std::move(reason)};
}

}  // namespace postrider::route
