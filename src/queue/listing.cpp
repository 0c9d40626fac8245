// Reading entries one after the other, in the order of their ids.
#include "core/await.hpp"
#include "core/record.hpp"
#include "core/text.hpp"
#include "queue/inside.hpp"
#include "queue/keys.hpp"
#include "queue/queue.hpp"
#include "queue/queue_events.hpp"
#include "queue/records.hpp"

#include <algorithm>
#include <utility>

namespace postrider::queue {

namespace {

constexpr std::size_t kPageRecipientsMax = 10'000;  // an entry that reaches it is the last of its page
constexpr std::size_t kFirstRecords = 64;           // of the first read: short ones stay on the shard (0009)

/// Puts records in the order of their keys together to entries.
class EntryReader {
 public:
  explicit EntryReader(std::size_t read_max) : read_max_(read_max) {
    entries_.reserve(std::min(read_max, kEntriesPageMax));
  }

  enum class Took : std::uint8_t { yes, unreadable, full };
  /// full: the page is whole, and this record belongs to the next one.
  Took take(const store::KeyedEntry& record) {
    // Half of the records or more are recipients of the entry that is open: its key is compared, not taken apart.
    if (open_ && record.key.size() > open_key_.size() && record.key.starts_with(open_key_)) {
      const Result<std::uint32_t> number = read_u32(record.key, open_key_.size());
      if (!number || record.key.size() != open_key_.size() + sizeof(*number)) return Took::unreadable;
      Result<Recipient> recipient = read_recipient(*number, record.entry);
      if (!recipient) return Took::unreadable;
      open_->recipients.push_back(std::move(*recipient));
      ++recipients_;
      return Took::yes;
    }
    const Result<EntryKey> key = parse_entry_key(record.key);
    if (!key || key->is_recipient) return Took::unreadable;  // without its entry it is of no use
    close();
    if (entries_.size() >= read_max_ || recipients_ >= kPageRecipientsMax) return Took::full;
    Result<Entry> entry = read_entry(key->id, record.entry);
    if (!entry) return Took::unreadable;
    open_key_ = record.key;
    open_ = Listed{.entry = std::move(*entry), .recipients = {}};
    return Took::yes;
  }
  void close() {
    if (open_) entries_.push_back(std::move(*open_));
    open_.reset();
  }
  [[nodiscard]] std::size_t left() const { return read_max_ - std::min(read_max_, entries_.size()); }
  [[nodiscard]] std::vector<Listed>& entries() { return entries_; }

 private:
  const std::size_t read_max_;
  std::vector<Listed> entries_;
  std::optional<Listed> open_;  // the last one, whose recipients may go on in the next read
  store::Key open_key_;
  std::size_t recipients_ = 0;
};

Task<void> scan_into(store::Store* store, store::KeyRange range, std::size_t records_max,
                     Completion<Result<store::Page>> done) {
  done.set(co_await store->scan(std::move(range), records_max));
}

}  // namespace

Task<Result<ListPage>> Queue::Inside::read_range(std::optional<QueueId> after, std::size_t read_max) {
  Shard* const shard = co_await this_shard();
  EntryReader reader(std::max<std::size_t>(read_max, 1));
  store::KeyRange range = store::range_of_prefix(kEntryPrefix);
  const store::Key end = range.to;
  if (after) range.from = store::range_of_prefix(entry_key(*after)).to;
  // An entry with one recipient is two records; the one after them says that it is whole.
  std::size_t records_max = std::min(std::max(reader.left() * 2 + 1, kFirstRecords), kEntriesPageMax);
  Result<store::Page> page = co_await store->scan(std::move(range), records_max);
  for (;;) {
    if (!page) co_return fail(page);
    // The next records are read while these are put together, where more will be wanted.
    std::optional<Completion<Result<store::Page>>> ahead;
    const bool wants_more = page->next && reader.left() * 2 > page->entries.size();
    if (wants_more) {
      records_max = std::min(records_max * 2, kEntriesPageMax);
      ahead.emplace();
      spawn(shard, "queue.read_ahead", scan_into(store, {.from = *page->next, .to = end}, records_max, *ahead));
    }
    for (store::KeyedEntry& record : page->entries) {
      const EntryReader::Took took = reader.take(record);
      if (took == EntryReader::Took::full) {
        if (ahead) (void)co_await ahead->wait();  // a task of ours does not outlive us
        const QueueId last = reader.entries().back().entry.id;
        co_return ListPage{.entries = std::move(reader.entries()), .next = last};
      }
      if (took == EntryReader::Took::yes) continue;
      const Result<EntryKey> key = parse_entry_key(record.key);
      if (!key) {
        events->emit(QueueCorrupt{.id = {}, .key = to_hex(record.key)});
        continue;
      }
      const Result<void> aside = co_await set_aside(key->id, std::move(record));
      if (!aside && aside.error().code != Error::conflict) {  // conflict: it has changed since
        if (ahead) (void)co_await ahead->wait();
        co_return fail(aside);
      }
    }
    if (!page->next) {
      reader.close();
      co_return ListPage{.entries = std::move(reader.entries()), .next = std::nullopt};
    }
    if (ahead) {
      page = co_await ahead->wait();
    } else {
      store::KeyRange rest{.from = std::move(*page->next), .to = end};
      page = co_await store->scan(std::move(rest), std::min(reader.left() * 2 + 1, kEntriesPageMax));
    }
  }
}

Task<Result<ListPage>> Queue::Inside::read_named(std::vector<QueueId> ids, std::optional<QueueId> after,
                                                 std::size_t read_max) {
  std::ranges::sort(ids);
  const auto twice = std::ranges::unique(ids);
  ids.erase(twice.begin(), twice.end());
  if (after) ids.erase(ids.begin(), std::ranges::upper_bound(ids, *after));
  ListPage out;
  std::size_t recipients = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Result<std::optional<Listed>> listed = co_await load(ids[i]);
    if (!listed) co_return fail(listed);
    if (*listed) {
      recipients += (*listed)->recipients.size();
      out.entries.push_back(std::move(**listed));
    }
    if (i + 1 < ids.size() && (i + 1 >= read_max || recipients >= kPageRecipientsMax)) {
      out.next = ids[i];
      break;
    }
  }
  co_return out;
}

Task<Result<ListPage>> Queue::Inside::read(std::vector<QueueId> ids, std::optional<QueueId> after,
                                           std::size_t read_max) {
  if (ids.empty()) return read_range(std::move(after), read_max);
  return read_named(std::move(ids), std::move(after), read_max);
}

Task<Result<ListPage>> Queue::list(Selection selection, std::optional<QueueId> after, std::size_t read_max) {
  // The ids are done with once they are read: comparing each with all of them would take its time.
  std::vector<QueueId> ids = std::exchange(selection.ids, {});
  Result<ListPage> page = co_await inside_->read(std::move(ids), std::move(after), read_max);
  if (!page) co_return fail(page);
  std::erase_if(page->entries, [&](Listed& listed) {
    if (listed.recipients.empty()) return !selects_empty(selection, listed.entry);
    std::erase_if(listed.recipients,
                  [&](const Recipient& recipient) { return !selects(selection, listed.entry, recipient); });
    return listed.recipients.empty();
  });
  co_return page;
}

Task<Result<Listed>> Queue::show(QueueId id) {
  Result<std::optional<Listed>> listed = co_await inside_->load(std::move(id));
  if (!listed) co_return fail(listed);
  if (!*listed) co_return error(Error::not_found, "queue.entry");
  co_return std::move(**listed);
}

}  // namespace postrider::queue
