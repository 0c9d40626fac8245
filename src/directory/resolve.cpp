// Where a recipient's mail goes in the end.
#include "core/await.hpp"
#include "core/text.hpp"
#include "directory/directory.hpp"
#include "directory/keys.hpp"
#include "directory/lookup.hpp"
#include "directory/recipient_list.hpp"

#include <algorithm>
#include <set>

namespace postrider::directory {

namespace {

/// One resolution: walks the aliases depth first. Lives in the frame of Directory::resolve.
class Resolver {
 public:
  enum class Found : std::uint8_t { taken, unknown, not_ours, relayed };

  /// `named`: only what an address is by its own name and alone; no postmaster, no catch-all, no alias of several.
  enum class Extent : std::uint8_t { all, named };

  explicit Resolver(const Lookup* lookup, Extent extent = Extent::all) : lookup_(lookup), extent_(extent) {}

  Task<Result<Found>> expand(mail::Address address, std::size_t depth) {
    Result<std::optional<DomainRecord>> domain = co_await lookup_->domain(address.domain());
    if (!domain) co_return fail(domain);
    if (!*domain) co_return Found::not_ours;
    const DomainRecord record = std::move(**domain);
    const std::size_t path_length = path_.size();
    std::optional<Result<Found>> matched = co_await match(address, address, depth);
    if (matched && !is_lost_postmaster(address, *matched, path_length)) co_return std::move(*matched);
    const std::optional<mail::Address> base = without_subaddress(address, record.subaddress);
    if (base) {
      matched = co_await match(*base, address, depth);
      if (matched && !is_lost_postmaster(*base, *matched, path_length)) co_return std::move(*matched);
    }
    const mail::Address& name = base ? *base : address;
    if (record.kind == DomainKind::alias) co_return co_await elsewhere(address, record, depth);
    if (record.kind == DomainKind::relay) co_return relayed(record, address, name);
    if (extent_ == Extent::named) co_return unknown("no such user");
    if (iequals_ascii(name.local_part(), "postmaster")) {  // 5321 §4.5.1
      const Result<Found> postmaster = co_await to_postmaster(record, depth);
      if (!postmaster || *postmaster == Found::taken) co_return postmaster;
    }
    std::vector<mail::Address> catchers = lookup_->catch_all(record.name);
    if (record.catch_all) catchers.assign(1, *record.catch_all);
    if (!catchers.empty()) {
      std::string key = "catch-all of " + address.domain().text();
      co_return co_await follow(std::move(key), std::move(catchers), depth);
    }
    co_return unknown("no such user");
  }

  [[nodiscard]] Resolution resolution(Found found) {
    if (problem_) return Unknown{*problem_};
    if (found == Found::not_ours) return NotOurs{};
    if (found == Found::relayed) return Relayed{.by = relayed_by_, .is_named = is_named_};
    if (found == Found::unknown) return Unknown{reason_};
    return Deliverable{.targets = std::move(targets_), .is_expanded = is_expanded_};
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
    if (extent_ == Extent::named && (*alias)->targets.size() > 1) co_return Result<Found>(stop("several targets"));
    if ((*alias)->source == Source::file) targets_max_ = kFileAliasTargetsMax;
    is_expanded_ = is_expanded_ || (*alias)->targets.size() > 1;
    const Result<std::optional<mail::Path>> owner = co_await owner_of((*alias)->address);
    if (!owner) co_return Result<Found>(fail(owner));
    std::optional<mail::Path> outer = owner_;
    if (*owner) owner_ = *owner;  // the innermost list's
    std::string key = keys::folded(wanted);
    Result<Found> found = co_await follow(std::move(key), std::move((*alias)->targets), depth);
    owner_ = std::move(outer);
    co_return found;
  }

  /// What is there as `postmaster` leads nowhere (`postmaster: root` and no root): the search goes on, as no domain may
  /// be without one (5321 §4.5.1).
  bool is_lost_postmaster(const mail::Address& name, const Result<Found>& matched, std::size_t path_length) {
    if (!matched || *matched != Found::unknown || !iequals_ascii(name.local_part(), "postmaster")) return false;
    problem_.reset();
    path_.resize(path_length);
    return true;
  }

  /// `owner-NAME` beside the alias NAME; nullopt: there is none, so it is no list.
  Task<Result<std::optional<mail::Path>>> owner_of(mail::Address alias) {
    using Owner = std::optional<mail::Path>;
    Result<mail::Address> owner = mail::Address::make("owner-" + alias.local_part(), alias.domain());
    if (!owner) co_return Owner();
    const Result<std::optional<AliasRecord>> as_alias = co_await lookup_->alias(*owner);
    if (!as_alias) co_return fail(as_alias);
    if (*as_alias) co_return Owner(std::move(*owner));
    const Result<std::optional<Versioned<StoredAccount>>> account = co_await lookup_->account(*owner);
    if (!account) co_return fail(account);
    if (*account) co_return Owner(std::move(*owner));
    co_return Owner();
  }

  /// The same local part in the domain that an alias domain stands for.
  Task<Result<Found>> elsewhere(mail::Address address, DomainRecord record, std::size_t depth) {
    if (!record.alias_of) co_return unknown("the domain stands for none");
    const Result<std::optional<DomainRecord>> real = co_await lookup_->domain(*record.alias_of);
    if (!real) co_return fail(real);
    if (!*real || (*real)->kind != DomainKind::local) co_return unknown("the domain stands for one that is not local");
    Result<mail::Address> there = mail::Address::make(address.local_part(), *record.alias_of);
    if (!there) co_return unknown("no such user");
    co_return co_await expand(std::move(*there), depth);
  }

  /// Of a relay domain: what its list has, or all.
  Found relayed(const DomainRecord& domain, const mail::Address& address, const mail::Address& base) {
    relayed_by_ = domain.recipients.by;
    if (relayed_by_ != RelayRecipients::By::file) return Found::relayed;
    const RecipientList* const list = lookup_->recipients(domain.name);
    is_named_ = list != nullptr && list->contains(address.local_part());
    const bool listed = is_named_ || iequals_ascii(base.local_part(), "postmaster") ||
                        (list != nullptr && list->contains(base.local_part()));
    return listed ? Found::relayed : unknown("not in the list of the domain's recipients");
  }

  /// Expands `targets` of the alias `key`.
  Task<Result<Found>> follow(std::string key, std::vector<mail::Address> targets, std::size_t depth) {
    if (std::ranges::find(path_, key) != path_.end()) co_return stop("alias loop");
    if (!followed_.insert(key).second) co_return Found::taken;  // by another way: its targets are there
    if (depth >= kAliasDepthMax) co_return stop("aliases nested too deep");
    path_.push_back(key);
    Found all = Found::unknown;
    for (mail::Address& target : targets) {
      if (++targets_seen_ > targets_max_) co_return stop("alias has too many targets");
      mail::Address copy = target;
      const Result<Found> found = co_await expand(std::move(copy), depth + 1);
      if (!found || problem_) co_return found;
      if (*found == Found::not_ours || *found == Found::relayed) add(std::move(target), std::nullopt);
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
    if (fresh) targets_.push_back({.address = std::move(address), .account = account, .owner = owner_});
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
  Extent extent_;
  std::vector<std::string> path_;  // of the aliases that lead to where the walk is
  std::set<std::string> followed_;
  std::size_t targets_seen_ = 0;
  std::size_t targets_max_ = kAliasTargetsMax;  // or that of files, when one of them was met
  std::optional<mail::Path> owner_;             // of the list whose targets the walk is at
  bool is_expanded_ = false;
  RelayRecipients::By relayed_by_ = RelayRecipients::By::any;
  bool is_named_ = false;
  std::vector<Target> targets_;
  std::set<mail::AccountId> accounts_;
  std::set<mail::Address> elsewhere_;
  std::string reason_;
  std::optional<std::string> problem_;  // ends the walk: the whole recipient is unknown
};

/// Whether one of the rights is for that address.
bool has_right(const Account& account, const mail::Address& address) {
  return std::ranges::any_of(account.send_as, [&](const SendAs& right) {
    return right.domain == address.domain() &&
           (right.local_part.empty() || iequals_ascii(right.local_part, address.local_part()));
  });
}

}  // namespace

Task<Result<bool>> Directory::may_send_as(std::shared_ptr<const Grant> grant, mail::Address address) {
  mail::Address own = grant->account().address;
  const Result<std::optional<Versioned<StoredAccount>>> now = co_await lookup_->account(std::move(own));
  if (!now) co_return fail(now);
  if (!*now || (*now)->value.account.id != grant->account().id) co_return false;
  const Account account = (*now)->value.account;  // as it is: rights that were taken back count no more
  if (has_right(account, address)) co_return true;
  Resolver resolver(lookup_.get(), Resolver::Extent::named);
  const Result<Resolver::Found> found = co_await resolver.expand(std::move(address), 0);
  if (!found) co_return fail(found);
  const Resolution resolution = resolver.resolution(*found);
  const auto* const deliverable = std::get_if<Deliverable>(&resolution);
  co_return deliverable != nullptr && deliverable->targets.size() == 1 &&
      deliverable->targets.front().account == account.id;
}

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
    const auto local = std::ranges::find(*domains, DomainKind::local, &DomainRecord::kind);
    if (local != domains->end()) {
      Result<mail::Address> there = mail::Address::make("postmaster", local->name);
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
