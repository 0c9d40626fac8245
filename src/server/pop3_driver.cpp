#include "server/pop3_driver.hpp"

#include <optional>
#include <vector>

#include "core/await.hpp"
#include "sasl/plain.hpp"
#include "server/events.hpp"
#include "store/content.hpp"

namespace postrider::server {

namespace {

constexpr std::size_t kChunkOctets = 64 * 1024;
constexpr std::size_t kExpungesACommit = 500;
constexpr int kConflictsMax = 20;  // deliveries go on meanwhile; each conflict means that one of them went in

class Pop3Driver {
 public:
  Pop3Driver(const Pop3Service* service, std::unique_ptr<net::Stream> stream, net::ScratchPool* scratch, Signal* drain)
      : service_(service), stream_(std::move(stream)), scratch_(scratch), drain_(drain), engine_(service->engine) {}

  Task<void> run() {
    service_->sessions->add();
    engine_.start(todo_);
    while (!engine_.closed() || !todo_.empty()) {
      if (todo_.empty()) {
        co_await wait_and_read();
        continue;
      }
      pop3::Action action = std::move(todo_.front());
      todo_.pop_front();
      co_await perform(&action);
      progressed_ = now();
    }
    stream_->close();
  }

 private:
  [[nodiscard]] SteadyTime now() const { return service_->clock->steady(); }

  Task<void> wait_and_read() {
    const bool early = engine_.waits_for() == pop3::Wait::before_login;
    const SteadyTime until = progressed_ + (early ? service_->wait_before_login : service_->wait_command);
    const Result<net::Ready> ready = co_await stream_->wait_readable(until, drain_);
    if (!ready) {
      if (ready.error().code == Error::timeout) engine_.step(pop3::TimedOut{}, todo_);
      else engine_.step(pop3::PeerClosed{}, todo_);
      co_return;
    }
    if (*ready == net::Ready::signalled) {
      drain_ = nullptr;
      engine_.step(pop3::Draining{}, todo_);
      co_return;
    }
    const net::Scratch buffer = scratch_->take();
    const Result<std::size_t> got = stream_->read_some(buffer.span());
    if (!got) engine_.step(pop3::PeerClosed{}, todo_);
    else engine_.step(pop3::Received{std::string_view(buffer.span().data(), *got)}, todo_);
  }

  Task<void> perform(pop3::Action* action) {
    if (auto* const send = std::get_if<pop3::Send>(action)) {
      const Result<void> written = co_await stream_->write(send->octets, now() + service_->write);
      if (!written) engine_.step(pop3::PeerClosed{}, todo_);
    } else if (auto* const login = std::get_if<pop3::AskLogin>(action)) {
      co_await log_in(std::move(login->login), std::move(login->password));
    } else if (auto* const plain = std::get_if<pop3::AskPlain>(action)) {
      Result<sasl::PlainCredentials> parsed = sasl::parse_plain(plain->message.reveal());
      if (parsed) {
        co_await log_in(std::move(parsed->authcid), std::move(parsed->password));
      } else {
        engine_.step(pop3::LoginRefused{.code = "AUTH", .text = "invalid credentials"}, todo_);
      }
    } else if (auto* const fetch = std::get_if<pop3::Fetch>(action)) {
      reader_.emplace(service_->store, messages_[fetch->index].content);
      co_await give_chunk();
    } else if (std::holds_alternative<pop3::Continue>(*action)) {
      co_await give_chunk();
    } else if (std::holds_alternative<pop3::StopFetching>(*action)) {
      reader_.reset();
    } else if (auto* const deletions = std::get_if<pop3::DeleteMessages>(action)) {
      const bool all = co_await delete_messages(std::move(deletions->indices));
      engine_.step(pop3::Deleted{.all = all}, todo_);
    } else if (std::holds_alternative<pop3::Flush>(*action)) {
      engine_.step(pop3::Flushed{}, todo_);  // actions are done in order: what was to be sent is sent
    } else {
      stream_->close();  // pop3::HangUp
    }
  }

  Task<void> log_in(std::string login, Secret password) {
    const std::string ip = stream_->peer().address.to_text();
    const Result<directory::Account> account = co_await service_->directory->authenticate(login, std::move(password));
    if (!account) {
      const bool denied = account.error().code == Error::denied;
      service_->events->emit(LoginFailed{.ip = ip, .service = "pop3", .why = name_of(account.error().code), .login = login});
      if (denied) engine_.step(pop3::LoginRefused{.code = "AUTH", .text = "invalid credentials"}, todo_);
      else engine_.step(pop3::LoginRefused{.code = "SYS/TEMP", .text = "try again later"}, todo_);
      co_return;
    }
    Result<mailbox::Mailbox> inbox = co_await service_->mailboxes->open_inbox(account->id);
    if (!inbox) {
      engine_.step(pop3::LoginRefused{.code = "SYS/TEMP", .text = "the mailbox cannot be read, try again later"}, todo_);
      co_return;
    }
    lock_ = service_->mailboxes->try_lock(inbox->id);
    if (!lock_) {
      engine_.step(pop3::LoginRefused{.code = "IN-USE", .text = "another session holds this mailbox"}, todo_);
      co_return;
    }
    Result<std::vector<mailbox::Message>> messages = co_await service_->mailboxes->list(*inbox, 1, kMaildropMessagesMax);
    if (!messages) {
      lock_.reset();
      engine_.step(pop3::LoginRefused{.code = "SYS/TEMP", .text = "the mailbox cannot be read, try again later"}, todo_);
      co_return;
    }
    account_ = account->id;
    messages_ = std::move(*messages);
    pop3::LoggedIn view;
    view.messages.reserve(messages_.size());
    for (const mailbox::Message& message : messages_) {
      view.messages.push_back({.unique_id = fmt::format("{:08x}{:08x}", inbox->uid_validity, message.uid),  // 9051 §2.3.1.1: never used again
                               .size_octets = message.content.size_octets()});
    }
    service_->events->emit(LoginSucceeded{.ip = ip, .service = "pop3", .account = account->address.text()});
    engine_.step(view, todo_);
  }

  Task<void> give_chunk() {
    const Result<std::string> chunk = co_await reader_->next(kChunkOctets);
    if (!chunk) {
      reader_.reset();
      engine_.step(pop3::FetchFailed{.text = "the message cannot be read"}, todo_);
      co_return;
    }
    const bool last = chunk->empty();
    if (last) reader_.reset();
    engine_.step(pop3::Chunk{.octets = *chunk, .last = last}, todo_);
  }

  /// Several commits of at most kExpungesACommit; false when some remain.
  Task<bool> delete_messages(std::vector<std::size_t> indices) {
    for (std::size_t first = 0; first < indices.size(); first += kExpungesACommit) {
      std::vector<mailbox::Message> batch;
      for (std::size_t i = first; i < std::min(indices.size(), first + kExpungesACommit); ++i) batch.push_back(messages_[indices[i]]);
      const Result<void> gone = co_await expunge(std::move(batch));
      if (!gone) {
        log_if_failed(*service_->events, gone, "the client is told that messages remain");
        co_return false;
      }
    }
    co_return true;
  }

  Task<Result<void>> expunge(std::vector<mailbox::Message> batch) {
    Result<void> result = error(Error::conflict, "pop3.expunge");
    for (int tries = 0; tries < kConflictsMax && !result && result.error().code == Error::conflict; ++tries) {
      Result<mailbox::Mailbox> inbox = co_await service_->mailboxes->open_inbox(account_);
      if (!inbox) co_return fail(inbox);
      store::Transaction transaction;
      const Result<void> staged = mailbox::stage_expunge(transaction, *inbox, batch);
      if (!staged) co_return fail(staged);
      mailbox::stage_state(transaction, *inbox);
      const Result<store::Version> committed = co_await service_->store->commit(std::move(transaction), store::Durability::durable);
      result = committed ? Result<void>{} : Result<void>(fail(committed));
    }
    co_return result;
  }

  const Pop3Service* service_;
  std::unique_ptr<net::Stream> stream_;
  net::ScratchPool* scratch_;
  Signal* drain_;
  pop3::Session engine_;
  pop3::Actions todo_;
  SteadyTime progressed_ = service_->clock->steady();
  mail::AccountId account_{};
  std::unique_ptr<mailbox::ExclusiveLock> lock_;
  std::vector<mailbox::Message> messages_;
  std::optional<store::ContentReader> reader_;
};

}  // namespace

Task<void> serve_pop3(const Pop3Service* service, std::unique_ptr<net::Stream> stream, net::ScratchPool* scratch, Signal* drain) {
  Pop3Driver driver(service, std::move(stream), scratch, drain);
  co_await driver.run();
}

}  // namespace postrider::server
