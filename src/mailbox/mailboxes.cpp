#include "core/await.hpp"
#include "mailbox/keys.hpp"
#include "mailbox/mailbox.hpp"
#include "mailbox/records.hpp"

#include <algorithm>
#include <mutex>
#include <set>

namespace postrider::mailbox {

namespace {

constexpr int kTriesMax = 100;          // at one commit, against conflicts
constexpr std::size_t kStepMax = 1000;  // messages that one commit of a removal takes: 3 keys each
constexpr std::string_view kInbox = "INBOX";

Task<Result<std::optional<Mailbox>>> read_mailbox(store::Store* store, MailboxId id) {
  const Result<std::optional<store::Entry>> entry = co_await store->get(keys::mailbox(id));
  if (!entry) co_return fail(entry);
  if (!*entry) co_return std::optional<Mailbox>();
  Result<Mailbox> mailbox = decode_mailbox(id, **entry);
  if (!mailbox) co_return fail(mailbox);
  co_return std::move(*mailbox);
}

Task<Result<std::optional<Mailbox>>> find_mailbox(store::Store* store, store::Key name_key) {
  const Result<std::optional<store::Entry>> entry = co_await store->get(std::move(name_key));
  if (!entry) co_return fail(entry);
  if (!*entry) co_return std::optional<Mailbox>();
  const Result<std::uint64_t> id = decode_number((*entry)->value);
  if (!id) co_return fail(id);
  co_return co_await read_mailbox(store, static_cast<MailboxId>(*id));
}

/// A mailbox without messages, in its own commit. Errors  conflict: it is there already, or the id is taken.
Task<Result<Mailbox>> create_mailbox(store::Store* store, Clock* clock, Random* random, mail::AccountId account) {
  const store::Key validity_key = keys::uid_validity(account);
  const Result<std::optional<store::Entry>> validity_entry = co_await store->get(validity_key);
  if (!validity_entry) co_return fail(validity_entry);
  std::uint64_t last_validity = 0;
  if (*validity_entry) {
    const Result<std::uint64_t> last = decode_number((*validity_entry)->value);
    if (!last) co_return fail(last);
    last_validity = *last;
  }
  const auto now = static_cast<std::uint64_t>(to_micros(clock->wall()) / 1'000'000);
  Mailbox mailbox;
  mailbox.account = account;
  mailbox.id = static_cast<MailboxId>(random->u64());
  mailbox.name = kInbox;
  mailbox.uid_validity = static_cast<std::uint32_t>(std::max(now, last_validity + 1));  // 9051 §2.3.1.1: never smaller

  store::Transaction transaction;
  const store::Key name_key = keys::name(account, kInbox);
  const store::Key mailbox_key = keys::mailbox(mailbox.id);
  transaction.require_absent(name_key);
  transaction.require_absent(mailbox_key);
  if (*validity_entry) {
    transaction.require_version(validity_key, (*validity_entry)->version);
  } else {
    transaction.require_absent(validity_key);
  }
  transaction.put(name_key, encode_number(static_cast<std::uint64_t>(mailbox.id)));
  transaction.put(mailbox_key, encode_mailbox(mailbox));
  transaction.put(validity_key, encode_number(mailbox.uid_validity));
  const Result<store::Version> version = co_await store->commit(std::move(transaction), store::Durability::durable);
  if (!version) co_return fail(version);
  mailbox.version = *version;
  co_return mailbox;
}

/// Deletes all keys of a range, some at a time.
Task<Result<void>> erase_range(store::Store* store, store::KeyRange range) {
  for (;;) {
    const Result<store::Page> page = co_await store->scan(range, kStepMax);
    if (!page) co_return fail(page);
    if (page->entries.empty() && !page->next) co_return Result<void>();
    store::Transaction transaction;
    for (const store::KeyedEntry& entry : page->entries) transaction.erase(entry.key);
    if (page->next) range.from = *page->next;
    if (transaction.empty()) continue;
    const Result<store::Version> erased = co_await store->commit(std::move(transaction), store::Durability::durable);
    if (!erased) co_return fail(erased);
    if (!page->next) co_return Result<void>();
  }
}

}  // namespace

struct Mailboxes::Locks {
  std::mutex mutex;
  std::set<MailboxId> held;

  class Lock final : public ExclusiveLock {
   public:
    Lock(std::shared_ptr<Locks> locks, MailboxId id) : locks_(std::move(locks)), id_(id) {}
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() override {
      const std::scoped_lock lock(locks_->mutex);
      locks_->held.erase(id_);
    }

   private:
    std::shared_ptr<Locks> locks_;  // shared: a lock may outlive the mailboxes
    MailboxId id_;
  };
};

Mailboxes::Mailboxes(store::Store* store, Clock* clock, Random* random)
    : store_(store), clock_(clock), random_(random), locks_(std::make_shared<Locks>()) {}
Mailboxes::~Mailboxes() = default;

std::unique_ptr<ExclusiveLock> Mailboxes::try_lock(MailboxId id) {
  const std::scoped_lock lock(locks_->mutex);
  if (!locks_->held.insert(id).second) return nullptr;
  return std::make_unique<Locks::Lock>(locks_, id);
}

Task<Result<Mailbox>> Mailboxes::open_inbox(mail::AccountId account) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const store::Key name_key = keys::name(account, kInbox);
    Result<std::optional<Mailbox>> found = co_await find_mailbox(store_, name_key);
    if (!found) co_return fail(found);
    if (*found) co_return std::move(**found);
    Result<Mailbox> created = co_await create_mailbox(store_, clock_, random_, account);
    if (created || created.error().code != Error::conflict) co_return created;
  }
  co_return error(Error::transient, "mailbox.open", "conflicts without end");
}

Task<Result<std::vector<Message>>> Mailboxes::list(Mailbox mailbox, std::uint32_t first_uid, std::size_t messages_max) {
  std::vector<Message> messages;
  store::KeyRange range = store::range_of_prefix(keys::messages(mailbox.id));
  const std::size_t uid_offset = range.from.size();
  range.from = keys::message(mailbox.id, first_uid);
  while (messages.size() < messages_max) {
    const Result<store::Page> page = co_await store_->scan(range, messages_max - messages.size());
    if (!page) co_return fail(page);
    for (const store::KeyedEntry& entry : page->entries) {
      const Result<std::uint32_t> uid = read_u32(entry.key, uid_offset);
      if (!uid) co_return fail(uid);
      Result<Message> message = decode_message(*uid, entry.entry.value);
      if (!message) co_return fail(message);
      message->version = entry.entry.version;
      messages.push_back(std::move(*message));
    }
    if (!page->next) break;
    range.from = *page->next;
  }
  co_return messages;
}

Task<Result<void>> Mailboxes::remove_mailbox(MailboxId id) {
  for (int conflicts = 0; conflicts < kTriesMax;) {
    Result<std::optional<Mailbox>> mailbox = co_await read_mailbox(store_, id);
    if (!mailbox) co_return fail(mailbox);
    if (!*mailbox) co_return Result<void>();
    const Mailbox listed = **mailbox;
    const Result<std::vector<Message>> messages = co_await list(listed, 0, kStepMax);
    if (!messages) co_return fail(messages);
    store::Transaction transaction;
    if (messages->empty()) {
      store::KeyRange expunges = store::range_of_prefix(keys::expunges(id));
      const Result<void> erased = co_await erase_range(store_, std::move(expunges));
      if (!erased) co_return fail(erased);
      const store::Key mailbox_key = keys::mailbox(id);
      const store::Key name_key = keys::name(listed.account, listed.name);
      transaction.require_version(mailbox_key, listed.version);  // nothing came meanwhile
      transaction.erase(mailbox_key);
      transaction.erase(name_key);
    } else {
      const Result<void> staged = stage_expunge(transaction, **mailbox, *messages);
      if (!staged) co_return fail(staged);
      stage_state(transaction, **mailbox);
    }
    const Result<store::Version> committed =
        co_await store_->commit(std::move(transaction), store::Durability::durable);
    if (!committed && committed.error().code != Error::conflict) co_return fail(committed);
    if (!committed) ++conflicts;
  }
  co_return error(Error::transient, "mailbox.remove", "conflicts without end");
}

Task<Result<void>> Mailboxes::remove_account(mail::AccountId account) {
  store::KeyRange names = store::range_of_prefix(keys::names(account));
  for (;;) {
    const Result<store::Page> page = co_await store_->scan(names, kStepMax);
    if (!page) co_return fail(page);
    for (const store::KeyedEntry& entry : page->entries) {
      const Result<std::uint64_t> number = decode_number(entry.entry.value);
      if (!number) co_return fail(number);
      const auto id = static_cast<MailboxId>(*number);
      const Result<void> removed = co_await remove_mailbox(id);
      if (!removed) co_return fail(removed);
      store_->consumed(store::range_of_prefix(keys::messages(id)));
      store_->consumed(store::range_of_prefix(keys::changes(id)));
    }
    if (!page->next) co_return Result<void>();
    names.from = *page->next;
  }
}

}  // namespace postrider::mailbox
