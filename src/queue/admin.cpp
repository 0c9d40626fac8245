// What the commands ask of the queue beside listing.cpp and change.cpp.
#include "core/await.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "queue/queue_events.hpp"
#include "queue/records.hpp"

#include <utility>

namespace postrider::queue {

Task<Result<void>> Queue::freeze(Freeze what) { return inside_->freezes.add(std::move(what)); }

Task<Result<void>> Queue::thaw(Freeze what) { return inside_->freezes.remove(std::move(what)); }

Task<Result<std::vector<Freeze>>> Queue::freezes() {
  const Result<Freezes::Copy> all = co_await inside_->freezes.all();
  if (!all) co_return fail(all);
  co_return **all;
}

Task<Result<std::vector<TraceEvent>>> Queue::trace(QueueId id) {
  std::vector<TraceEvent> events;
  const store::KeyRange whole = store::range_of_prefix(store::Key(kTracePrefix) + id.text());
  std::optional<store::KeyRange> range = whole;
  while (range) {
    const Result<store::Page> page = co_await inside_->store->scan(std::move(*range), kEntriesPageMax);
    if (!page) co_return fail(page);
    range.reset();
    if (page->next) range = store::KeyRange{.from = *page->next, .to = whole.to};
    for (const store::KeyedEntry& record : page->entries) {
      const Result<WallTime> at = parse_trace_time(record.key);
      Result<TraceEvent> event = at ? read_trace_event(*at, record.entry.value) : Result<TraceEvent>(fail(at));
      if (event) {
        events.push_back(std::move(*event));
      } else {
        inside_->events->emit(QueueCorrupt{.id = id.text(), .key = to_hex(record.key)});
      }
    }
  }
  if (events.empty()) co_return error(Error::not_found, "queue.trace");
  co_return events;
}

}  // namespace postrider::queue
