#include "server/drop_pickup.hpp"

#include "core/await.hpp"
#include "server/drop_file.hpp"
#include "server/events.hpp"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace postrider::server {

namespace {

using smtp::Reply;

constexpr std::size_t kChunkOctets = 64 * 1024;

enum class Fate : std::uint8_t { taken, kept, put_aside };
struct Outcome {
  Fate fate = Fate::taken;
  std::string why = {};
};

Outcome outcome_of(const Reply& refusal) {
  return {.fate = smtp::is_permanent(refusal) ? Fate::put_aside : Fate::kept, .why = smtp::to_line(refusal)};
}

/// Steps the reception through one message, as the engine would.
class Submission {
 public:
  Submission(const SmtpService* service, std::uint32_t user, std::string name)
      : hello_(service->engine.hostname), answers_(make_reception(service, peer_of(user, std::move(name)))) {}

  Task<Outcome> run(DropFile file) {
    smtp::AskHello hello{.kind = smtp::HelloKind::ehlo, .name = hello_};
    smtp::AskSender sender{.reverse_path = file.envelope.reverse_path, .parameters = {}};
    sender.parameters.size_octets = file.content.size();
    sender.parameters.request = file.envelope.request;
    std::vector<smtp::Action> before;
    before.emplace_back(smtp::AskConnect{});
    before.emplace_back(std::move(hello));
    before.emplace_back(std::move(sender));
    for (mail::Address& address : file.envelope.recipients) {
      smtp::AskRecipient recipient{.address = std::move(address), .request = {}};
      recipient.request.notify = file.envelope.notify;
      before.emplace_back(std::move(recipient));
    }
    before.emplace_back(smtp::BeginContent{});
    for (smtp::Action& action : before) {
      const Reply reply = co_await ask(std::move(action));
      if (reply.code >= 400) co_return outcome_of(reply);
    }
    for (std::size_t done = 0; done < file.content.size(); done += kChunkOctets) {
      smtp::Action chunk = smtp::AppendContent{.octets = file.content.substr(done, kChunkOctets)};
      const std::optional<smtp::Event> none = co_await answers_->take(std::move(chunk), smtp::HelloKind::ehlo);
      (void)none;  // no question
    }
    smtp::Action end = smtp::EndContent{};
    const Reply reply = co_await ask(std::move(end));
    if (reply.code >= 400) co_return outcome_of(reply);
    co_return Outcome{};
  }

 private:
  static Peer peer_of(std::uint32_t user, std::string name) {
    net::Endpoint local;
    local.unix_path = "drop";
    return Peer{.real = std::move(local),
                .client = std::nullopt,
                .local_user = user,
                .dropped_as = std::move(name),
                .place = nullptr,
                .held = nullptr};
  }

  Task<Reply> ask(smtp::Action action) {
    const std::optional<smtp::Event> answer = co_await answers_->take(std::move(action), smtp::HelloKind::ehlo);
    const auto* const answered = answer ? std::get_if<smtp::Answered>(&*answer) : nullptr;
    Reply none{.code = 451, .enhanced = "4.3.0", .text = "no answer"};
    co_return answered == nullptr ? std::move(none) : answered->reply;
  }

  std::string hello_;
  std::unique_ptr<SmtpAnswers> answers_;
};

class Pickup {
 public:
  Pickup(const SmtpService* service, DropDirectory* directory, Workers* workers)
      : service_(service), directory_(directory), workers_(workers) {}

  Task<void> look(Signal* drain) {
    std::move_only_function<Result<std::vector<std::string>>()> list = [directory = directory_] {
      return directory->names();
    };
    const Result<std::vector<std::string>> names = co_await run_on<std::vector<std::string>>(workers_, std::move(list));
    if (!names) {
      service_->events->emit(DropRefused{.file = "", .what = "kept", .why = describe(names.error())});
      co_return;
    }
    for (const std::string& name : *names) {
      if (drain->is_set()) co_return;
      co_await take(name);
    }
  }

 private:
  Task<void> take(std::string name) {
    const Result<bool> happened = co_await service_->queue->has_happened(name);
    if (!happened) co_return;  // the store is not readable now
    if (*happened) {           // accepted before the last end, and not removed then
      co_await remove(name);
      co_return;
    }
    std::move_only_function<Result<DropDirectory::Dropped>()> read = [directory = directory_, name] {
      return directory->read(name);
    };
    Result<DropDirectory::Dropped> dropped = co_await run_on<DropDirectory::Dropped>(workers_, std::move(read));
    if (!dropped && dropped.error().code == Error::not_found) co_return;
    if (!dropped) {
      const bool is_busy = dropped.error().code == Error::exhausted;
      Outcome unread{.fate = is_busy ? Fate::kept : Fate::put_aside, .why = describe(dropped.error())};
      co_await end(std::move(name), std::move(unread));
      co_return;
    }
    Result<DropFile> file = decode_drop(dropped->octets);
    dropped->octets = {};
    if (!file) {
      Outcome unreadable{.fate = Fate::put_aside, .why = describe(file.error())};
      co_await end(std::move(name), std::move(unreadable));
      co_return;
    }
    Submission submission(service_, dropped->user, name);
    Outcome outcome = co_await submission.run(std::move(*file));
    if (outcome.fate == Fate::taken) service_->events->emit(DropTaken{.user = dropped->user, .file = name});
    co_await end(name, std::move(outcome));
  }

  Task<void> end(std::string name, Outcome outcome) {
    if (outcome.fate == Fate::taken) {
      told_.erase(name);
      co_await remove(std::move(name));
      co_return;
    }
    if (outcome.fate == Fate::kept && !tell_once(name)) co_return;
    if (outcome.fate == Fate::put_aside) {
      std::move_only_function<Result<void>()> move = [directory = directory_, name] {
        return directory->put_aside(name);
      };
      const Result<void> moved = co_await run_on<void>(workers_, std::move(move));
      log_if_failed(*service_->events, moved, "the file is looked at again");
    }
    service_->events->emit(DropRefused{
        .file = name, .what = outcome.fate == Fate::kept ? "kept" : "put aside", .why = std::move(outcome.why)});
  }

  /// A file that stays is looked at every kDropLook: the log hears of it once.
  bool tell_once(const std::string& name) {
    if (told_.size() >= kDropNamesMax) told_.clear();
    return told_.insert(name).second;
  }

  /// Only when the file is gone for good may the message with that name be accepted again.
  Task<void> remove(std::string name) {
    std::move_only_function<Result<void>()> unlink = [directory = directory_, name] { return directory->remove(name); };
    const Result<void> removed = co_await run_on<void>(workers_, std::move(unlink));
    log_if_failed(*service_->events, removed, "the file is known as accepted");
    if (!removed) co_return;
    const Result<void> forgotten = co_await service_->queue->forget_once(std::move(name));
    log_if_failed(*service_->events, forgotten, "a key more in the store");
  }

  const SmtpService* service_;
  DropDirectory* directory_;
  Workers* workers_;
  std::set<std::string> told_;  // names of files that are kept
};

}  // namespace

Task<void> pick_up_drops(const SmtpService* service, DropDirectory* directory, Workers* workers, Signal* drain) {
  Shard* const shard = co_await this_shard();
  Pickup pickup(service, directory, workers);
  while (!drain->is_set()) {
    co_await pickup.look(drain);
    const Result<void> waited = co_await drain->wait(shard->clock().steady() + kDropLook);
    (void)waited;  // the drain is seen by the loop
  }
}

}  // namespace postrider::server
