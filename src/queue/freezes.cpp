#include "queue/freezes.hpp"

#include "core/await.hpp"
#include "core/record.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue_events.hpp"

#include <algorithm>
#include <utility>

namespace postrider::queue {

namespace {

constexpr std::uint8_t kFreezeFormat = 1;
constexpr int kTries = 10;

Freeze lowered(const Freeze& what) {
  return {.from = lowered_ascii(what.from), .to = lowered_ascii(what.to), .domain = lowered_ascii(what.domain)};
}

}  // namespace

Task<Result<Freezes::Copy>> Freezes::all() {
  for (;;) {
    std::uint64_t changes = 0;
    {
      const std::scoped_lock lock(mutex_);
      if (copy_) co_return copy_;
      changes = changes_;
    }
    Result<std::vector<Freeze>> read_now = co_await read();
    if (!read_now) co_return fail(read_now);
    auto made = std::make_shared<const std::vector<Freeze>>(std::move(*read_now));
    const std::scoped_lock lock(mutex_);
    if (changes != changes_) continue;
    copy_ = std::move(made);
    co_return copy_;
  }
}

Task<Result<std::vector<Freeze>>> Freezes::read() {
  std::vector<Freeze> all;
  const store::KeyRange whole = store::range_of_prefix(kFreezePrefix);
  std::optional<store::KeyRange> range = whole;
  while (range) {
    const Result<store::Page> page = co_await store_->scan(std::move(*range), kEntriesPageMax);
    if (!page) co_return fail(page);
    range.reset();
    if (page->next) range = store::KeyRange{.from = *page->next, .to = whole.to};
    for (const store::KeyedEntry& record : page->entries) {
      if (record.key == kFreezePrefix) continue;
      Result<Freeze> freeze = parse_freeze_key(record.key);
      if (freeze) {
        all.push_back(std::move(*freeze));
      } else {
        events_->emit(QueueCorrupt{.id = {}, .key = to_hex(record.key)});
      }
    }
  }
  co_return all;
}

Task<Result<void>> Freezes::add(Freeze what) { return change(std::move(what), Turn::add); }

Task<Result<void>> Freezes::remove(Freeze what) { return change(std::move(what), Turn::remove); }

Task<Result<void>> Freezes::change(Freeze what, Turn turn) {
  what = lowered(what);
  for (const std::string* const text : {&what.from, &what.to, &what.domain}) {
    if (text->size() > kFreezeTextOctetsMax) co_return error(Error::too_long, "queue.freeze");
  }
  const bool adds = turn == Turn::add;
  for (int tries = 0; tries < kTries; ++tries) {
    // The count is written with each change: two at once cannot both be the last that fits.
    const store::Key count_key(kFreezePrefix);
    const Result<std::optional<store::Entry>> count = co_await store_->get(count_key);
    if (!count) co_return fail(count);
    const Result<std::vector<Freeze>> now = co_await read();
    if (!now) co_return fail(now);
    const bool is_there = is_in(*now, what);
    if (adds && is_there) co_return Result<void>{};
    if (!adds && !is_there) co_return error(Error::not_found, "queue.freeze");
    if (adds && now->size() >= kFreezesMax) co_return error(Error::exhausted, "queue.freeze");
    store::Transaction transaction;
    if (*count) {
      transaction.require_version(count_key, (*count)->version);
    } else {
      transaction.require_absent(count_key);
    }
    RecordWriter total(kFreezeFormat);
    total.number(adds ? now->size() + 1 : now->size() - 1);
    transaction.put(count_key, std::move(total).finish());
    if (adds) {
      transaction.put(freeze_key(what), RecordWriter(kFreezeFormat).finish());
    } else {
      transaction.erase(freeze_key(what));
    }
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    forget_copy();  // also after a failure, of which it may be unknown whether it happened
    if (committed) co_return Result<void>{};
    if (committed.error().code != Error::conflict) co_return fail(committed);
  }
  co_return error(Error::conflict, "queue.freeze");
}

void Freezes::forget_copy() {
  const std::scoped_lock lock(mutex_);
  ++changes_;
  copy_ = nullptr;
}

}  // namespace postrider::queue
