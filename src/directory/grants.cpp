#include "directory/grants.hpp"

#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

namespace postrider::directory {

namespace {

using Place = std::pair<mail::AccountId, std::uint64_t>;

class IssuedGrant;

}  // namespace

struct Grants::Book {
  std::mutex mutex;
  std::uint64_t last_number = 0;
  std::map<Place, IssuedGrant*> out;  // each is struck out before it dies, under the mutex

  template <class Match>
  void take_back(mail::AccountId account, Match matches);
};

namespace {

class IssuedGrant final : public Grant {
 public:
  IssuedGrant(Account account, std::string credential, std::string credential_id)
      : account_(std::move(account)), credential_(std::move(credential)), credential_id_(std::move(credential_id)) {}
  [[nodiscard]] bool holds() const override { return holds_.load(std::memory_order_acquire); }
  [[nodiscard]] const Account& account() const override { return account_; }
  [[nodiscard]] const std::string& credential() const override { return credential_; }
  [[nodiscard]] const std::string& credential_id() const { return credential_id_; }
  void take_back() { holds_.store(false, std::memory_order_release); }

 private:
  const Account account_;
  const std::string credential_;
  const std::string credential_id_;
  std::atomic<bool> holds_ = true;
};

}  // namespace

template <class Match>
void Grants::Book::take_back(mail::AccountId account, Match matches) {
  const std::scoped_lock lock(mutex);
  for (auto it = out.lower_bound({account, 0}); it != out.end() && it->first.first == account; ++it) {
    if (matches(*it->second)) it->second->take_back();
  }
}

Grants::Grants() : book_(std::make_shared<Book>()) {}
Grants::~Grants() = default;

std::shared_ptr<const Grant> Grants::issue(Account account, std::string credential, std::string credential_id) {
  const mail::AccountId id = account.id;
  auto made = std::make_unique<IssuedGrant>(std::move(account), std::move(credential), std::move(credential_id));
  const std::scoped_lock lock(book_->mutex);
  const Place place{id, ++book_->last_number};
  book_->out.emplace(place, made.get());
  const auto strike_out = [book = book_, place](const IssuedGrant* grant) {
    {
      const std::scoped_lock held(book->mutex);
      book->out.erase(place);
    }
    delete grant;
  };
  return {made.release(), strike_out};
}

void Grants::take_back(mail::AccountId account) {
  book_->take_back(account, [](const IssuedGrant&) { return true; });
}

void Grants::take_back(mail::AccountId account, const std::string& credential_id) {
  book_->take_back(account, [&](const IssuedGrant& grant) { return grant.credential_id() == credential_id; });
}

}  // namespace postrider::directory
