#include "server/persona_service.hpp"

#include "core/await.hpp"

#include <array>

namespace postrider::server {

namespace {

constexpr std::size_t kBlockOctets = 16 * 1024;  // of a reply without end, written at once
constexpr Duration kAcceptAgain = std::chrono::milliseconds(50);

}  // namespace

/// One connection.
class PersonaService::Session {
 public:
  Session(PersonaService* service, std::string_view profile, std::unique_ptr<net::Stream> stream)
      : service_(service), stream_(std::move(stream)), persona_(profile, &service->memory_) {}

  Task<void> run() {
    persona_.start(todo_);
    while (!over_) {
      if (todo_.empty()) {
        co_await read();
        continue;
      }
      smtp::PersonaAction action = std::move(todo_.front());
      todo_.pop_front();
      co_await perform(std::move(action));
    }
    stream_->close();
  }

 private:
  [[nodiscard]] SteadyTime patience() const { return service_->shard_->clock().steady() + kPersonaPatience; }

  Task<void> read() {
    const Result<net::Ready> ready = co_await stream_->wait_readable(patience(), &service_->draining_);
    if (!ready || *ready == net::Ready::signalled) {
      over_ = true;
    } else {
      take_octets();
    }
  }

  void take_octets() {
    std::array<char, 4096> buffer;
    const Result<std::size_t> got = stream_->read_some(buffer);
    over_ = !got;
    if (got) persona_.receive({buffer.data(), *got}, todo_);
  }

  Task<void> perform(smtp::PersonaAction action) {
    if (auto* const say = std::get_if<smtp::PersonaSay>(&action)) {
      std::string octets = std::move(say->octets);
      co_await write(std::move(octets), say->one_by_one ? 1 : std::string::npos);
    } else if (auto* const pause = std::get_if<smtp::PersonaPause>(&action)) {
      co_await wait(pause->length);
    } else if (auto* const for_ever = std::get_if<smtp::PersonaSayForEver>(&action)) {
      std::string octets = std::move(for_ever->octets);
      co_await write_for_ever(std::move(octets));
    } else if (std::holds_alternative<smtp::PersonaStopReading>(action)) {
      co_await wait(kPersonaPatience);
      over_ = true;
    } else if (auto* const taken = std::get_if<smtp::PersonaTaken>(&action)) {
      service_->keep(std::move(taken->message));
    } else {
      over_ = true;
    }
  }

  /// Ends the session when the drain begins.
  Task<void> wait(Duration length) {
    const Result<void> drained = co_await service_->draining_.wait(service_->shard_->clock().steady() + length);
    if (drained) over_ = true;
  }

  Task<void> write(std::string octets, std::size_t piece_octets) {
    for (std::size_t at = 0; at < octets.size() && !over_;) {
      const std::string piece = octets.substr(at, piece_octets);
      const Result<void> written = co_await stream_->write(piece, patience());
      over_ = !written;
      at += piece.size();
    }
  }

  Task<void> write_for_ever(std::string octets) {
    std::string block;
    while (block.size() < kBlockOctets) block += octets;
    for (std::uint64_t written = 0; written < kPersonaForEverOctetsMax && !over_; written += block.size()) {
      co_await write(block, std::string::npos);
      if (service_->draining_.is_set()) over_ = true;
    }
    over_ = true;
  }

  PersonaService* service_;
  std::unique_ptr<net::Stream> stream_;
  smtp::Persona persona_;
  smtp::PersonaActions todo_;
  bool over_ = false;
};

PersonaService::PersonaService(net::Network* network, Shard* shard) : network_(network), shard_(shard) {}

Result<net::Endpoint> PersonaService::listen(std::string_view profile, const net::Endpoint& at) {
  std::array<Shard*, 1> shards = {shard_};
  Result<std::vector<std::unique_ptr<net::Listener>>> listeners = network_->listen(at, shards);
  if (!listeners) return fail(listeners);
  net::Endpoint where = listeners->front()->local();
  spawn(shard_, "persona.accept", accept(this, std::string(profile), std::move(listeners->front())));
  return where;
}

Task<void> PersonaService::accept(PersonaService* service, std::string profile,
                                  std::unique_ptr<net::Listener> listener) {
  const std::unique_ptr<net::Listener> held = std::move(listener);
  for (;;) {
    Result<std::unique_ptr<net::Stream>> stream = co_await held->accept(&service->draining_);
    if (!stream && stream.error().code == Error::cancelled) co_return;
    if (!stream) {  // it may pass
      const Result<void> drained = co_await service->draining_.wait(service->shard_->clock().steady() + kAcceptAgain);
      if (drained) co_return;
      continue;
    }
    {
      const std::scoped_lock lock(service->mutex_);
      ++service->sessions_;
    }
    spawn(service->shard_, "persona.session", serve(service, profile, std::move(*stream)));
  }
}

Task<void> PersonaService::serve(PersonaService* service, std::string profile, std::unique_ptr<net::Stream> stream) {
  Session session(service, profile, std::move(stream));
  co_await session.run();
}

void PersonaService::keep(smtp::PersonaMessage message) {
  const std::scoped_lock lock(mutex_);
  ++taken_;
  kept_octets_ += message.content.size();
  messages_.push_back(std::move(message));
  while (messages_.size() > kPersonaMessagesMax || kept_octets_ > kPersonaKeptOctetsMax) {
    kept_octets_ -= messages_.front().content.size();
    messages_.pop_front();
  }
}

std::vector<smtp::PersonaMessage> PersonaService::messages() const {
  const std::scoped_lock lock(mutex_);
  return {messages_.begin(), messages_.end()};
}

std::uint64_t PersonaService::taken() const {
  const std::scoped_lock lock(mutex_);
  return taken_;
}

std::uint64_t PersonaService::sessions() const {
  const std::scoped_lock lock(mutex_);
  return sessions_;
}

}  // namespace postrider::server
