#include "server/maildrop.hpp"

#include "core/await.hpp"
#include "sasl/plain.hpp"
#include "server/events.hpp"
#include "store/content.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace postrider::server {

namespace {

constexpr std::size_t kChunkOctets = 64 * 1024;
constexpr std::size_t kExpungesACommit = 500;
constexpr int kConflictsMax = 20;  // deliveries go on meanwhile; each conflict means that one of them went in

pop3::Event refused(std::string_view code, std::string text) {
  return pop3::LoginRefused{.code = code, .text = std::move(text)};
}

class Maildrop final : public Pop3Answers {
 public:
  Maildrop(const Pop3Service* service, const net::Endpoint& peer, std::shared_ptr<void> held)
      : held_(std::move(held)), service_(service), peer_ip_(peer.address.to_text()) {
    service->sessions->add();
  }

  void secured(const net::Stream* /*stream*/) override {}

  Task<std::optional<pop3::Event>> take(pop3::Action action) override {
    std::optional<pop3::Event> answer;
    if (auto* const login = std::get_if<pop3::AskLogin>(&action)) {
      answer = co_await log_in(std::move(login->login), std::move(login->password));
    } else if (std::holds_alternative<pop3::AskConnect>(action)) {
      answer = pop3::Offered{.mechanisms = {"PLAIN"}};
    } else if (auto* const auth = std::get_if<pop3::AskAuth>(&action)) {
      if (auth->initial) {
        answer = co_await log_in_plain(std::move(*auth->initial));
      } else {
        answer = pop3::Challenged{};
      }
    } else if (auto* const response = std::get_if<pop3::AskAuthResponse>(&action)) {
      answer = co_await log_in_plain(std::move(response->response));
    } else if (auto* const fetch = std::get_if<pop3::Fetch>(&action)) {
      reader_.emplace(service_->store, messages_[fetch->index].content);
      answer = co_await next_chunk();
    } else if (std::holds_alternative<pop3::Continue>(action)) {
      answer = co_await next_chunk();
    } else if (std::holds_alternative<pop3::StopFetching>(action)) {
      reader_.reset();
    } else if (auto* const deletions = std::get_if<pop3::DeleteMessages>(&action)) {
      const bool all = co_await delete_messages(std::move(deletions->indices));
      answer = pop3::Deleted{.all = all};
    }
    co_return answer;
  }

 private:
  Task<pop3::Event> log_in_plain(Secret message) {
    Result<sasl::PlainCredentials> parsed = sasl::parse_plain(message.reveal());
    if (!parsed) co_return refused("AUTH", "invalid credentials");
    co_return co_await log_in(std::move(parsed->authcid), std::move(parsed->password));
  }

  Task<pop3::Event> log_in(std::string login, Secret password) {
    const Result<directory::Account> account = co_await service_->directory->authenticate(login, std::move(password));
    if (!account) {
      const bool denied = account.error().code == Error::denied;
      service_->events->emit(
          LoginFailed{.ip = peer_ip_, .service = "pop3", .why = name_of(account.error().code), .login = login});
      if (denied) co_return refused("AUTH", "invalid credentials");
      co_return refused("SYS/TEMP", "try again later");
    }
    Result<mailbox::Mailbox> inbox = co_await service_->mailboxes->open_inbox(account->id);
    if (!inbox) {
      co_return refused("SYS/TEMP", "the mailbox cannot be read, try again later");
    }
    lock_ = service_->mailboxes->try_lock(inbox->id);
    if (!lock_) {
      co_return refused("IN-USE", "another session holds this mailbox");
    }
    Result<std::vector<mailbox::Message>> messages =
        co_await service_->mailboxes->list(*inbox, 1, kMaildropMessagesMax);
    if (!messages) {
      lock_.reset();
      co_return refused("SYS/TEMP", "the mailbox cannot be read, try again later");
    }
    account_ = account->id;
    messages_ = std::move(*messages);
    pop3::LoggedIn view;
    view.messages.reserve(messages_.size());
    for (const mailbox::Message& message : messages_) {
      view.messages.push_back({.unique_id = fmt::format("{:08x}{:08x}", inbox->uid_validity,
                                                        message.uid),  // 9051 §2.3.1.1: never used again
                               .size_octets = message.content.size_octets()});
    }
    service_->events->emit(LoginSucceeded{.ip = peer_ip_, .service = "pop3", .account = account->address.text()});
    co_return view;
  }

  Task<pop3::Event> next_chunk() {
    Result<std::string> chunk = co_await reader_->next(kChunkOctets);
    if (!chunk) {
      reader_.reset();
      co_return pop3::FetchFailed{.text = "the message cannot be read"};
    }
    chunk_ = std::move(*chunk);
    const bool last = chunk_.empty();
    if (last) reader_.reset();
    co_return pop3::Chunk{.octets = chunk_, .last = last};
  }

  /// Several commits of at most kExpungesACommit; false when some remain.
  Task<bool> delete_messages(std::vector<std::size_t> indices) {
    for (std::size_t first = 0; first < indices.size(); first += kExpungesACommit) {
      std::vector<mailbox::Message> batch;
      for (std::size_t i = first; i < std::min(indices.size(), first + kExpungesACommit); ++i)
        batch.push_back(messages_[indices[i]]);
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
      const Result<store::Version> committed =
          co_await service_->store->commit(std::move(transaction), store::Durability::durable);
      result = committed ? Result<void>{} : Result<void>(fail(committed));
    }
    co_return result;
  }

  std::shared_ptr<void> held_;
  const Pop3Service* service_;
  std::string peer_ip_;
  mail::AccountId account_{};
  std::unique_ptr<mailbox::ExclusiveLock> lock_;
  std::vector<mailbox::Message> messages_;
  std::optional<store::ContentReader> reader_;
  std::string chunk_;  // of the answer that was given last
};

}  // namespace

std::unique_ptr<Pop3Answers> make_maildrop(const Pop3Service* service, const net::Endpoint& peer,
                                           std::shared_ptr<void> held) {
  return std::make_unique<Maildrop>(service, peer, std::move(held));
}

}  // namespace postrider::server
