// Where a recipient's mail goes in the end.
#include "core/await.hpp"
#include "core/text.hpp"
#include "directory/directory.hpp"
#include "directory/keys.hpp"
#include "directory/lookup.hpp"

#include <algorithm>
#include <set>

namespace postrider::directory {

namespace {

/// One resolution: walks the aliases depth first. Lives in the frame of Directory::resolve.
class Resolver {
 public:
  enum class Found : std::uint8_t { taken, unknown, not_ours };

  explicit Resolver(const Lookup* lookup) : lookup_(lookup) {}

  Task<Result<Found>> expand(mail::Address address, std::size_t depth) {
    const Result<std::optional<DomainRecord>> domain = co_await lookup_->domain(address.domain());
    if (!domain) co_return fail(domain);
    if (!*domain) co_return Found::not_ours;
    std::optional<Result<Found>> matched = co_await match(address, address, depth);
    if (matched) co_return std::move(*matched);
    const std::optional<mail::Address> base = without_subaddress(address, (*domain)->subaddress);
    if (base) {
      matched = co_await match(*base, address, depth);
      if (matched) co_return std::move(*matched);
    }
    if (iequals_ascii((base ? *base : address).local_part(), "postmaster")) {  // 5321 §4.5.1
      const Result<Found> postmaster = co_await to_postmaster(**domain, depth);
      if (!postmaster || *postmaster == Found::taken) co_return postmaster;
    }
    if ((*domain)->catch_all) {
      std::vector<mail::Address> targets(1, *(*domain)->catch_all);
      std::string key = "catch-all of " + address.domain().text();
      co_return co_await follow(std::move(key), std::move(targets), depth);
    }
    co_return unknown("no such user");
  }

  [[nodiscard]] Resolution resolution(Found found) {
    if (problem_) return Unknown{*problem_};
    if (found == Found::not_ours) return NotOurs{};
    if (found == Found::unknown) return Unknown{reason_};
    return Deliverable{std::move(targets_)};
  }

 private:
  /// The account or alias `wanted`, for mail to `address`; nullopt: there is none.
  Task<std::optional<Result<Found>>> match(mail::Address wanted, mail::Address address, std::size_t depth) {
    const Result<std::optional<Versioned<StoredAccount>>> account = co_await lookup_->account(wanted);
    if (!account) co_return Result<Found>(fail(account));
    if (*account) {
      const Account& found = (*account)->value.account;
      if (!found.enabled) co_return Result<Found>(unknown("account is disabled"));
      add(wanted == address ? found.address : address, found.id);
      co_return Result<Found>(Found::taken);
    }
    Result<std::optional<AliasRecord>> alias = co_await lookup_->alias(wanted);
    if (!alias) co_return Result<Found>(fail(alias));
    if (!*alias) co_return std::nullopt;
    std::string key = keys::folded(wanted);
    co_return co_await follow(std::move(key), std::move((*alias)->targets), depth);
  }

  /// Expands `targets` of the alias `key`.
  Task<Result<Found>> follow(std::string key, std::vector<mail::Address> targets, std::size_t depth) {
    if (std::ranges::find(path_, key) != path_.end()) co_return stop("alias loop");
    if (!followed_.insert(key).second) co_return Found::taken;  // by another way: its targets are there
    if (depth >= kAliasDepthMax) co_return stop("aliases nested too deep");
    path_.push_back(key);
    Found all = Found::unknown;
    for (mail::Address& target : targets) {
      if (++targets_seen_ > kAliasTargetsMax) co_return stop("alias has too many targets");
      mail::Address copy = target;
      const Result<Found> found = co_await expand(std::move(copy), depth + 1);
      if (!found || problem_) co_return found;
      if (*found == Found::not_ours) add(std::move(target), std::nullopt);
      if (*found != Found::unknown) all = Found::taken;
    }
    path_.pop_back();
    if (all == Found::taken) co_return all;
    followed_.erase(key);
    co_return unknown("no target of the alias exists");
  }

  Task<Result<Found>> to_postmaster(DomainRecord domain, std::size_t depth) {
    if (domain.postmaster) {
      std::vector<mail::Address> targets(1, *domain.postmaster);
      std::string key = "postmaster of " + domain.name.text();
      const std::size_t path_length = path_.size();
      const Result<Found> found = co_await follow(std::move(key), std::move(targets), depth);
      if (!found || (*found == Found::taken && !problem_)) co_return found;
      problem_.reset();  // a setting that leads nowhere must not make the domain lose its postmaster
      path_.resize(path_length);
    }
    const Result<std::optional<Account>> first = co_await lookup_->first_account(domain.name);
    if (!first) co_return fail(first);
    if (!*first) co_return unknown("no such user");
    add((*first)->address, (*first)->id);
    co_return Found::taken;
  }

  static std::optional<mail::Address> without_subaddress(const mail::Address& address, const std::string& separator) {
    if (separator.empty()) return std::nullopt;
    const std::size_t at = address.local_part().find(separator);
    if (at == 0 || at == std::string::npos) return std::nullopt;
    Result<mail::Address> base = mail::Address::make(address.local_part().substr(0, at), address.domain());
    if (!base) return std::nullopt;
    return std::move(*base);
  }

  /// One delivery for each account and each address elsewhere.
  void add(mail::Address address, std::optional<mail::AccountId> account) {
    const bool fresh = account ? accounts_.insert(*account).second : elsewhere_.insert(address).second;
    if (fresh) targets_.push_back({std::move(address), account});
  }

  Found unknown(std::string reason) {
    reason_ = std::move(reason);
    return Found::unknown;
  }
  Found stop(std::string problem) {
    problem_ = std::move(problem);
    return Found::unknown;
  }

  const Lookup* lookup_;
  std::vector<std::string> path_;  // of the aliases that lead to where the walk is
  std::set<std::string> followed_;
  std::size_t targets_seen_ = 0;
  std::vector<Target> targets_;
  std::set<mail::AccountId> accounts_;
  std::set<mail::Address> elsewhere_;
  std::string reason_;
  std::optional<std::string> problem_;  // ends the walk: the whole recipient is unknown
};

}  // namespace

Task<Result<Resolution>> Directory::resolve(mail::Address address) {
  mail::Address asked = address;
  Resolver resolver(lookup_.get());
  const Result<Resolver::Found> found = co_await resolver.expand(std::move(asked), 0);
  if (!found) co_return fail(found);
  Resolution resolution = resolver.resolution(*found);
  if (std::holds_alternative<Deliverable>(resolution)) co_return resolution;
  co_return co_await resolve_otherwise(std::move(address), std::move(resolution));
}

Task<Result<Resolution>> Directory::resolve_otherwise(mail::Address address, Resolution first) {
  const bool own_postmaster = std::holds_alternative<NotOurs>(first) && hostname_ == address.domain() &&
                              iequals_ascii(address.local_part(), "postmaster");
  if (own_postmaster) {
    const Result<std::vector<DomainRecord>> domains = co_await list_domains();
    if (!domains) co_return fail(domains);
    if (!domains->empty()) {
      Result<mail::Address> there = mail::Address::make("postmaster", domains->front().name);
      if (there) co_return co_await resolve(std::move(*there));
    }
  }
  if (catch_everything_) {
    mail::Address catcher = *catch_everything_;
    const Result<std::optional<Versioned<StoredAccount>>> account = co_await lookup_->account(std::move(catcher));
    if (!account) co_return fail(account);
    if (*account) {
      Deliverable caught;
      caught.targets.push_back({std::move(address), (*account)->value.account.id});
      co_return Resolution(std::move(caught));
    }
  }
  co_return first;
}

}  // namespace postrider::directory
