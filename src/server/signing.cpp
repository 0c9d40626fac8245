#include "server/signing.hpp"

#include "core/await.hpp"
#include "core/text.hpp"
#include "mail/header_section.hpp"
#include "trust/dkim_sign.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>

namespace postrider::server {

namespace {

constexpr std::size_t kParsedKeysMax = 256;  // some 4 KiB each; the one used longest ago goes

/// Keys that were parsed before, by their public part: a key that is replaced has another one, so nothing here is ever
/// out of date. Thread-safe.
class ParsedKeys {
 public:
  using Held = std::shared_ptr<const trust::DkimPrivateKey>;  // shared: signs on a worker while it is thrown out here

  [[nodiscard]] Result<Held> get(const directory::DkimKey& key) {
    {
      const std::scoped_lock lock(mutex_);
      const auto found = places_.find(key.public_key);
      if (found != places_.end()) {
        order_.splice(order_.begin(), order_, found->second);
        return found->second->held;
      }
    }
    Result<trust::DkimPrivateKey> parsed = trust::DkimPrivateKey::parse(key.private_key);
    if (!parsed) return error(Error::corrupt, "server.signing", key.selector + ": " + parsed.error().detail);
    Held held = std::make_shared<const trust::DkimPrivateKey>(std::move(*parsed));
    const std::scoped_lock lock(mutex_);
    if (places_.contains(key.public_key)) return held;  // another one was faster
    order_.push_front({.public_key = key.public_key, .held = held});
    places_.emplace(key.public_key, order_.begin());
    if (order_.size() > kParsedKeysMax) {
      places_.erase(order_.back().public_key);
      order_.pop_back();
    }
    return held;
  }

 private:
  struct Place {
    std::string public_key;
    Held held;
  };
  std::mutex mutex_;
  std::list<Place> order_;  // the one used last in front
  std::map<std::string, std::list<Place>::iterator> places_;
};

/// What a worker needs for one message.
struct Job {
  std::shared_ptr<ParsedKeys> parsed;
  mail::Domain domain;
  std::vector<directory::DkimKey> keys;
  std::string header_section;
  std::string body_hash;
  WallTime at;
};

/// The content was signed with that key when it came by before: a circle, or a relay network behind a submission.
bool is_signed(const mail::HeaderSection& section, const mail::Domain& domain, std::string_view selector) {
  return std::ranges::any_of(section.fields, [&](const mail::HeaderField& field) {
    if (!iequals_ascii(field.name, "DKIM-Signature")) return false;
    bool same_domain = false;
    bool same_selector = false;
    for (const std::string_view tag : split(field.value, ';')) {
      const auto [name, value] = split_once(tag, '=');
      if (trimmed(name) == "d") same_domain = iequals_ascii(trimmed(value), domain.text());
      if (trimmed(name) == "s") same_selector = iequals_ascii(trimmed(value), selector);
    }
    return same_domain && same_selector;
  });
}

Result<mail::HeaderSection> section_of(std::string_view header_section) {
  mail::HeaderCollector collector;
  const Result<void> collected = collector.append(header_section);
  if (!collected) return fail(collected);
  return std::move(collector).finish();
}

Result<std::string> sign_by_all(const Job& job) {
  const Result<trust::DkimHeader> header = trust::DkimHeader::choose(job.header_section);
  if (!header) return fail(header);
  std::string fields;
  for (const directory::DkimKey& key : job.keys) {
    const Result<ParsedKeys::Held> parsed = job.parsed->get(key);
    if (!parsed) return fail(parsed);
    const trust::DkimSigning what{.domain = job.domain, .selector = key.selector, .at = job.at};
    const Result<std::string> field = trust::sign_dkim(*header, job.body_hash, what, **parsed);
    if (!field) return fail(field);
    fields += *field;
  }
  return fields;
}

}  // namespace

struct Signing::State {
  directory::DkimKeys* keys;
  Workers* workers;
  Clock* clock;
  std::shared_ptr<ParsedKeys> parsed = std::make_shared<ParsedKeys>();  // shared: a job may outlive its message
};

Signing::Signing(directory::DkimKeys* keys, Workers* workers, Clock* clock)
    : state_(std::make_unique<State>(State{.keys = keys, .workers = workers, .clock = clock})) {}
Signing::~Signing() = default;

Task<Result<std::string>> Signing::sign(mail::Domain domain, std::string header_section, std::string body_hash) {
  Result<std::vector<directory::DkimKey>> keys = co_await state_->keys->of(domain);
  if (!keys) co_return fail(keys);
  const Result<mail::HeaderSection> section = section_of(header_section);
  if (!section) co_return fail(section);
  std::erase_if(
      *keys, [&](const directory::DkimKey& key) { return !key.active || is_signed(*section, domain, key.selector); });
  if (keys->empty()) co_return std::string();
  Job job{.parsed = state_->parsed,
          .domain = std::move(domain),
          .keys = std::move(*keys),
          .header_section = std::move(header_section),
          .body_hash = std::move(body_hash),
          .at = state_->clock->wall()};
  std::move_only_function<Result<std::string>()> work = [held = std::move(job)] { return sign_by_all(held); };
  co_return co_await run_on<std::string>(state_->workers, std::move(work));
}

}  // namespace postrider::server
