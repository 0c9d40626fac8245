#include "directory/login_cache.hpp"

#include "sasl/scram_crypto.hpp"

#include <span>
#include <utility>

namespace postrider::directory {

namespace {

constexpr std::size_t kSecretOctets = 32;

}  // namespace

std::string LoginCache::key_of(std::string_view name, const Secret& password) {
  std::string secret;
  {
    const std::scoped_lock lock(mutex_);
    if (secret_.empty()) {
      secret_.resize(kSecretOctets);
      random_->fill(std::as_writable_bytes(std::span(secret_)));
    }
    secret = secret_;
  }
  std::string text;
  text.reserve(name.size() + 1 + password.reveal().size());  // no copy of the password stays behind
  text += name;
  text += '\n';  // in no folded address
  text += password.reveal();
  const Secret octets(std::move(text));
  return sasl::scram_hmac(sasl::ScramHash::sha256, secret, octets.reveal());
}

bool LoginCache::has(const std::string& key, store::Version version) {
  const std::scoped_lock lock(mutex_);
  const auto found = kept_.find(key);
  return found != kept_.end() && found->second.version == version && clock_->steady() < found->second.until;
}

void LoginCache::put(const std::string& key, store::Version version) {
  const std::scoped_lock lock(mutex_);
  const SteadyTime now = clock_->steady();
  forget(now);
  const SteadyTime until = now + kLoginCacheKept;
  kept_.insert_or_assign(key, Kept{.version = version, .until = until});
  endings_.push_back({.at = until, .key = key});
}

/// Makes room for one more: what has ended goes, then the oldest.
void LoginCache::forget(SteadyTime now) {
  while (!endings_.empty() && (endings_.front().at <= now || endings_.size() >= kLoginCacheMax)) {
    const auto found = kept_.find(endings_.front().key);
    if (found != kept_.end() && found->second.until <= endings_.front().at) kept_.erase(found);
    endings_.pop_front();
  }
}

}  // namespace postrider::directory
