// From a domain to hosts with addresses (5321 §5.1).
#pragma once

#include "core/random.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "dns/resolver.hpp"
#include "route/route.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace postrider::route {

inline constexpr std::size_t kFailedLookupsMax = 4;  // of kQuestionTimeout each: LIMITS.md "20 s in all"

struct Found {
  std::variant<std::vector<Hop>, NoRoute> hops;  ///< at least one hop
  std::string rule;                              ///< "mx", "implicit mx", "null mx", …
  std::string reason;
};

/// One search for hops. Lives as long as its tasks run.
class Search {
 public:
  Search(dns::Resolver* resolver, Random* random, const Settings* settings)
      : resolver_(resolver), random_(random), settings_(settings) {}

  /// The mail exchangers of `domain`, by preference.
  [[nodiscard]] Task<Found> mx(std::string domain);
  /// One host that the configuration names.
  [[nodiscard]] Task<Found> host(std::string name, std::uint16_t port);

 private:
  /// AAAA and A in turn. Errors  not_found: neither; transient: not known now.
  [[nodiscard]] Task<Result<std::vector<AddressOctets>>> addresses(std::string name);
  /// `exchangers` in the order to try; those from our own on are left out.
  [[nodiscard]] Task<Found> resolve(std::vector<dns::MxRecord> exchangers, std::string rule);
  void put_in_order(std::vector<dns::MxRecord>& exchangers);
  [[nodiscard]] bool is_own(const std::vector<AddressOctets>& addresses) const;

  dns::Resolver* resolver_;
  Random* random_;
  const Settings* settings_;
  std::size_t failed_lookups_ = 0;
};

[[nodiscard]] Found no_route(bool permanent, std::string_view status, std::string_view rule, std::string text);

}  // namespace postrider::route
