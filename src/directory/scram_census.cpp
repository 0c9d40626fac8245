#include "directory/scram_census.hpp"

#include "core/await.hpp"
#include "directory/keys.hpp"

#include <utility>

namespace postrider::directory {

namespace {

constexpr std::size_t kPageEntries = 500;

}  // namespace

bool ScramCensus::lacks(const StoredAccount& account) const {
  return account.account.enabled && !(hash_ == sasl::ScramHash::sha1 ? account.scram_sha1 : account.scram_sha256);
}

void ScramCensus::changed(const StoredAccount* now) {
  const std::scoped_lock lock(mutex_);
  ++changes_;
  if (now != nullptr && lacks(*now)) {
    known_ = Known::lacking;
    at_ = keys::account(now->account.address);
  } else if (known_ == Known::all && (now == nullptr || !now->account.enabled)) {
    known_ = Known::nothing;  // it may have been the last
  }
}

Task<Result<bool>> ScramCensus::all_have_keys() {
  store::Key from;
  std::uint64_t changes = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (known_ == Known::all) co_return true;
    if (counting_) co_return false;
    counting_ = true;
    from = at_;
    changes = changes_;
  }
  const Result<Count> counted = co_await count_from(std::move(from));
  const std::scoped_lock lock(mutex_);
  counting_ = false;
  if (!counted) co_return fail(counted);
  if (changes_ != changes) co_return false;  // what was read may be of before
  at_ = counted->at;
  known_ = !at_.empty() ? Known::lacking : counted->exists ? Known::all : Known::nothing;
  co_return known_ == Known::all;
}

/// Round about from the last one that was found: it is most likely there still.
Task<Result<ScramCensus::Count>> ScramCensus::count_from(store::Key from) const {
  store::KeyRange behind = store::range_of_prefix(keys::accounts());
  const store::KeyRange whole = behind;
  if (from.empty()) co_return co_await count(std::move(behind));
  behind.from = from;
  Result<Count> counted = co_await count(std::move(behind));
  if (!counted || !counted->at.empty()) co_return counted;
  store::KeyRange before{.from = whole.from, .to = std::move(from)};
  Result<Count> rest = co_await count(std::move(before));
  if (!rest) co_return rest;
  rest->exists = rest->exists || counted->exists;
  co_return rest;
}

Task<Result<ScramCensus::Count>> ScramCensus::count(store::KeyRange range) const {
  Count counted;
  for (std::size_t entries = 1;; entries = kPageEntries) {  // the first alone: the one that was found last
    const Result<store::Page> page = co_await store_->scan(range, entries);
    if (!page) co_return fail(page);
    for (const store::KeyedEntry& entry : page->entries) {
      const Result<StoredAccount> account = decode_account(entry.entry.value);
      if (!account) co_return fail(account);
      counted.exists = counted.exists || account->account.enabled;
      if (!lacks(*account)) continue;
      counted.at = entry.key;
      co_return counted;
    }
    if (!page->next) co_return counted;
    range.from = *page->next;
  }
}

}  // namespace postrider::directory
