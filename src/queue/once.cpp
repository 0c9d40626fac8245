// Commits that must not happen twice: what is taken from a file that is removed afterwards.
#include "core/await.hpp"
#include "core/check.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"

namespace postrider::queue {

void Queue::stage_once(store::Transaction& transaction, std::string_view token) {
  check(!token.empty() && token.size() <= kOnceTokenOctetsMax, "queue: a token of that length");
  transaction.require_absent(once_key(token));
  transaction.put(once_key(token), std::string());
}

Task<Result<bool>> Queue::has_happened(std::string token) const {
  const Result<std::optional<store::Entry>> found = co_await inside_->store->get(once_key(token));
  if (!found) co_return fail(found);
  co_return found->has_value();
}

Task<Result<void>> Queue::forget_once(std::string token) {
  store::Transaction transaction;
  transaction.erase(once_key(token));
  const Result<store::Version> committed =
      co_await inside_->store->commit(std::move(transaction), store::Durability::lazy);
  if (!committed) co_return fail(committed);
  co_return Result<void>{};
}

}  // namespace postrider::queue
