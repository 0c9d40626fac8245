#include "directory/dkim_keys.hpp"

#include "core/await.hpp"
#include "core/record.hpp"
#include "directory/keys.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace postrider::directory {

namespace {

constexpr std::uint8_t kDkimKeysFormat = 1;
constexpr int kTriesMax = 20;  // at one commit, against conflicts

std::string encode_keys(const std::vector<DkimKey>& keys) {
  RecordWriter out(kDkimKeysFormat);
  out.number(keys.size());
  for (const DkimKey& key : keys) {
    out.text(key.selector).number(std::to_underlying(key.algorithm)).text(key.private_key.reveal());
    out.text(key.public_key).flag(key.active).signed_number(key.created.time_since_epoch().count());
  }
  return std::move(out).finish();
}

Result<std::vector<DkimKey>> decode_keys(std::string_view value) {
  RecordReader in(value, kDkimKeysFormat);
  std::vector<DkimKey> keys;
  const std::size_t count = in.count();
  for (std::size_t i = 0; i < count; ++i) {
    DkimKey key{.selector = in.text(), .private_key = {}, .public_key = {}, .created = {}};
    key.algorithm = static_cast<DkimAlgorithm>(in.number_up_to(std::to_underlying(DkimAlgorithm::ed25519_sha256)));
    key.private_key = Secret(in.text());
    key.public_key = in.text();
    key.active = in.flag();
    key.created = WallTime(std::chrono::microseconds(in.signed_number()));
    keys.push_back(std::move(key));
  }
  if (const Result<void> ok = in.end(); !ok) return fail(ok);
  return keys;
}

struct Stored {
  std::vector<DkimKey> keys;
  std::optional<store::Version> version;
};

Task<Result<Stored>> read_keys(store::Store* store, store::Key key) {
  const Result<std::optional<store::Entry>> entry = co_await store->get(std::move(key));
  if (!entry) co_return fail(entry);
  if (!*entry) co_return Stored{.keys = {}, .version = std::nullopt};
  Result<std::vector<DkimKey>> keys = decode_keys((*entry)->value);
  if (!keys) co_return fail(keys);
  co_return Stored{.keys = std::move(*keys), .version = (*entry)->version};
}

using Change = std::function<Result<void>(std::vector<DkimKey>& keys)>;

/// Reads, changes and commits; in a conflict again. The commit depends on the domain's record too, so that a domain
/// that is removed meanwhile leaves no keys.
Task<Result<void>> change_keys(store::Store* store, mail::Domain domain, Change change) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const Result<std::optional<store::Entry>> record = co_await store->get(keys::domain(domain));
    if (!record) co_return fail(record);
    const store::Key key = keys::dkim_keys(domain);
    Result<Stored> stored = co_await read_keys(store, key);
    if (!stored) co_return fail(stored);
    const Result<void> changed = change(stored->keys);
    if (!changed) co_return fail(changed);

    store::Transaction transaction;
    if (*record) {
      transaction.require_version(keys::domain(domain), (*record)->version);
    } else {
      transaction.require_absent(keys::domain(domain));
    }
    if (stored->version) {
      transaction.require_version(key, *stored->version);
    } else {
      transaction.require_absent(key);
    }
    if (stored->keys.empty()) {
      transaction.erase(key);
    } else {
      transaction.put(key, encode_keys(stored->keys));
    }
    const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
    if (committed) co_return Result<void>();
    if (committed.error().code != Error::conflict) co_return fail(committed);
  }
  co_return error(Error::transient, "directory.commit", "conflicts without end");
}

std::unexpected<Error> no_such_selector() { return error(Error::not_found, "directory.dkim", "no such selector"); }

}  // namespace

DkimKeys::DkimKeys(store::Store* store) : store_(store) {}

Task<Result<std::vector<DkimKey>>> DkimKeys::of(mail::Domain domain) const {
  Result<Stored> stored = co_await read_keys(store_, keys::dkim_keys(domain));
  if (!stored) co_return fail(stored);
  co_return std::move(stored->keys);
}

Task<Result<void>> DkimKeys::add(mail::Domain domain, DkimKey key) {
  Change change = [added = std::move(key)](std::vector<DkimKey>& keys) -> Result<void> {
    if (std::ranges::find(keys, added.selector, &DkimKey::selector) != keys.end())
      return error(Error::conflict, "directory.dkim", "has that selector");
    if (keys.size() >= kDkimKeysMax)
      return error(Error::exhausted, "directory.dkim", "has " + std::to_string(kDkimKeysMax) + " keys");
    keys.push_back(added);
    return {};
  };
  co_return co_await change_keys(store_, std::move(domain), std::move(change));
}

Task<Result<void>> DkimKeys::set_active(mail::Domain domain, std::string selector, bool active) {
  Change change = [selector, active](std::vector<DkimKey>& keys) -> Result<void> {
    const auto found = std::ranges::find(keys, selector, &DkimKey::selector);
    if (found == keys.end()) return no_such_selector();
    found->active = active;
    return {};
  };
  co_return co_await change_keys(store_, std::move(domain), std::move(change));
}

Task<Result<void>> DkimKeys::remove(mail::Domain domain, std::string selector) {
  Change change = [selector](std::vector<DkimKey>& keys) -> Result<void> {
    const auto removed = std::erase_if(keys, [&](const DkimKey& key) { return key.selector == selector; });
    if (removed == 0) return no_such_selector();
    return {};
  };
  co_return co_await change_keys(store_, std::move(domain), std::move(change));
}

Task<Result<void>> DkimKeys::remove_all(mail::Domain domain) {
  Change change = [](std::vector<DkimKey>& keys) -> Result<void> {
    keys.clear();
    return {};
  };
  co_return co_await change_keys(store_, std::move(domain), std::move(change));
}

}  // namespace postrider::directory
