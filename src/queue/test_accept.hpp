// For tests: takes a message into the queue, as the server does.
#pragma once

#include "core/await.hpp"
#include "queue/queue.hpp"

#include <memory>
#include <string>
#include <utility>

namespace postrider::queue::test {

/// Accepts `entry` with `text` as its body, whose reference it gets. `told`: the scheduler hears of it; without it the
/// queue has to find it on disk. All outlive the task.
inline Task<Result<void>> accept_text(store::Store* store, Queue* queue, NewEntry* entry, std::string text,
                                      bool told = true) {
  const Result<std::unique_ptr<store::BlobWriter>> writer = co_await store->create_blob();
  if (!writer) co_return fail(writer);
  const Result<void> appended = co_await (*writer)->append(text);
  if (!appended) co_return fail(appended);
  const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
  if (!sealed) co_return fail(sealed);
  entry->content.body = (*sealed)->ref();
  store::Transaction transaction;
  transaction.add_blob(*sealed);
  const Result<void> staged = queue->stage_accept(transaction, *entry);
  if (!staged) co_return fail(staged);
  const Result<store::Version> committed = co_await store->commit(std::move(transaction), store::Durability::durable);
  if (!committed) co_return fail(committed);
  if (told) queue->accepted(*entry);
  co_return Result<void>{};
}

}  // namespace postrider::queue::test
