#include "server/maildrop.hpp"

#include "core/await.hpp"
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

/// 3206: AUTH says that other credentials are needed, SYS/TEMP that these may do later.
pop3::Event to_event(const Login::Refused& refusal) {
  using Why = Login::Refused::Why;
  pop3::LoginRefused out{.code = "AUTH", .text = "invalid credentials", .hang_up = refusal.hang_up};
  switch (refusal.why) {
    case Why::wrong: break;
    case Why::malformed: out.text = "not what the mechanism has"; break;
    case Why::unknown: out.text = "no such mechanism here"; break;
    case Why::later:
      out.code = "SYS/TEMP";
      out.text = "try again later";
      break;
  }
  return out;
}

class Maildrop final : public Pop3Answers {
 public:
  Maildrop(const Pop3Service* service, const net::Endpoint& peer, std::shared_ptr<void> held)
      : held_(std::move(held)), service_(service), peer_ip_(peer.address.to_text()), login_(service->login, peer) {
    service->sessions->add();
  }

  void secured(const net::Stream* stream) override { login_.secured(stream); }

  Task<std::optional<pop3::Event>> take(pop3::Action action) override {
    std::optional<pop3::Event> answer;
    if (std::holds_alternative<pop3::AskConnect>(action)) {
      pop3::Offered offered;
      offered.mechanisms = co_await login_.mechanisms();
      answer = std::move(offered);
    } else if (auto* const login = std::get_if<pop3::AskLogin>(&action)) {
      Login::Step step = co_await login_.with_password(std::move(login->login), std::move(login->password));
      answer = co_await after(std::move(step));
    } else if (auto* const auth = std::get_if<pop3::AskAuth>(&action)) {
      Login::Step step = co_await login_.begin(std::move(auth->mechanism), std::move(auth->initial));
      answer = co_await after(std::move(step));
    } else if (auto* const response = std::get_if<pop3::AskAuthResponse>(&action)) {
      Login::Step step = co_await login_.respond(std::move(response->response));
      answer = co_await after(std::move(step));
    } else if (std::holds_alternative<pop3::AuthCancelled>(action)) {
      login_.cancel();
    } else if (is_revoked() && needs_right(action)) {
      answer = revoked(action);
    } else if (auto* const fetch = std::get_if<pop3::Fetch>(&action)) {
      reader_.emplace(service_->store, messages_[fetch->index].content);
      answer = co_await next_chunk();
    } else if (std::holds_alternative<pop3::Continue>(action)) {
      answer = co_await next_chunk();
    } else if (std::holds_alternative<pop3::StopFetching>(action)) {
      reader_.reset();
    } else if (auto* const deletions = std::get_if<pop3::DeleteMessages>(&action)) {
      const bool all = co_await delete_messages(std::move(deletions->indices));
      lock_.reset();  // whoever hears that we have ended may come again at once
      answer = pop3::Deleted{.all = all};
    }
    co_return answer;
  }

 private:
  /// What the engine hears of a step of the login.
  Task<pop3::Event> after(Login::Step step) {
    if (auto* const challenge = std::get_if<Login::Challenged>(&step))
      co_return pop3::Challenged{.octets = std::move(challenge->octets)};
    if (const auto* const refusal = std::get_if<Login::Refused>(&step)) co_return to_event(*refusal);
    grant_ = std::move(std::get<Login::Granted>(step).grant);
    co_return co_await open();
  }

  Task<pop3::Event> open() {
    Result<mailbox::Mailbox> inbox = co_await service_->mailboxes->open_inbox(grant_->account().id);
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
    messages_ = std::move(*messages);
    pop3::LoggedIn view;
    view.messages.reserve(messages_.size());
    for (const mailbox::Message& message : messages_) {
      view.messages.push_back({.unique_id = fmt::format("{:08x}{:08x}", inbox->uid_validity,
                                                        message.uid),  // 9051 §2.3.1.1: never used again
                               .size_octets = message.content.size_octets()});
    }
    co_return view;
  }

  /// The account was disabled or removed, has another password, or the app password is no more.
  [[nodiscard]] bool is_revoked() const { return grant_ && !grant_->holds(); }
  [[nodiscard]] static bool needs_right(const pop3::Action& action) {
    return std::holds_alternative<pop3::Fetch>(action) || std::holds_alternative<pop3::Continue>(action) ||
           std::holds_alternative<pop3::DeleteMessages>(action);
  }
  pop3::Event revoked(const pop3::Action& action) {
    reader_.reset();
    service_->events->emit(
        LoginRevoked{.ip = peer_ip_, .service = service_->login->service, .account = grant_->account().address.text()});
    if (std::holds_alternative<pop3::DeleteMessages>(action)) return pop3::Deleted{.all = false};
    return pop3::FetchFailed{.text = "the login holds no longer", .hang_up = true};
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
      Result<mailbox::Mailbox> inbox = co_await service_->mailboxes->open_inbox(grant_->account().id);
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
  Login login_;
  std::shared_ptr<const directory::Grant> grant_;
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
