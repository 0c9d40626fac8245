#include "server/pop3_driver.hpp"

#include "core/await.hpp"
#include "core/check.hpp"

namespace postrider::server {

namespace {

class Pop3Driver {
 public:
  Pop3Driver(const Pop3Drive* drive, std::unique_ptr<net::Stream> stream, std::unique_ptr<Pop3Answers> answers)
      : drive_(drive),
        drain_(drive->drain),
        stream_(std::move(stream)),
        answers_(std::move(answers)),
        engine_(drive->engine, stream_->tls() ? pop3::Secured::from_start : pop3::Secured::no),
        progressed_(drive->clock->steady()) {
    check(!drive->engine.stls || drive->tls != nullptr, "pop3: STLS is offered without a certificate");
    if (stream_->tls()) answers_->secured(stream_.get());
  }

  Task<void> run() {
    engine_.start(todo_.emplace());
    while (!engine_.closed() || !todo_->empty()) {
      if (todo_->empty()) {
        todo_.reset();  // as in SmtpDriver: an idle session holds as little as it can
        co_await wait();
      } else {
        co_await act();
      }
    }
    if (stream_) stream_->close();
  }

 private:
  [[nodiscard]] SteadyTime now() const { return drive_->clock->steady(); }

  Task<void> wait() {
    const bool early = engine_.waits_for() == pop3::Wait::before_login;
    const Duration patience = early ? drive_->timeouts.before_login : drive_->timeouts.command;
    on_ready(co_await stream_->wait_readable(progressed_ + patience, drain_));
  }

  void on_ready(const Result<net::Ready>& ready) {
    pop3::Actions& todo = todo_.emplace();
    if (!ready && ready.error().code == Error::timeout) return engine_.step(pop3::TimedOut{}, todo);
    if (!ready) return engine_.step(pop3::PeerClosed{}, todo);
    if (*ready == net::Ready::signalled) {
      drain_ = nullptr;
      return engine_.step(pop3::Draining{}, todo);
    }
    const net::Scratch buffer = drive_->scratch->take();
    const Result<std::size_t> got = stream_->read_some(buffer.span());
    if (!got) return engine_.step(pop3::PeerClosed{}, todo);
    engine_.step(pop3::Received{std::string_view(buffer.span().data(), *got)}, todo);
  }

  Task<void> act() {
    pop3::Action action = std::move(todo_->front());
    todo_->pop_front();
    co_await perform(&action);
    progressed_ = now();
  }

  Task<void> perform(pop3::Action* action) {
    if (auto* const send = std::get_if<pop3::Send>(action)) {
      const Result<void> written = co_await stream_->write(send->octets, now() + drive_->timeouts.write);
      if (!written) engine_.step(pop3::PeerClosed{}, *todo_);
    } else if (std::holds_alternative<pop3::Flush>(*action)) {
      engine_.step(pop3::Flushed{}, *todo_);  // actions are done in order: what was to be sent is sent
    } else if (std::holds_alternative<pop3::HangUp>(*action)) {
      stream_->close();
    } else if (std::holds_alternative<pop3::StartTls>(*action)) {
      co_await start_tls();
    } else {
      const std::optional<pop3::Event> answer = co_await answers_->take(std::move(*action));
      if (answer) engine_.step(*answer, *todo_);
    }
  }

  /// As in SmtpDriver.
  Task<void> start_tls() {
    std::string protocol = "pop3";
    const SteadyTime until = now() + drive_->timeouts.handshake;
    Result<std::unique_ptr<net::Stream>> secured =
        co_await drive_->tls->accept(std::move(stream_), std::move(protocol), until, drain_);
    if (!secured) co_return;
    stream_ = std::move(*secured);
    answers_->secured(stream_.get());
    engine_ = pop3::Session(drive_->engine, pop3::Secured::by_stls, engine_.tally());
    engine_.start(*todo_);
  }

  const Pop3Drive* drive_;
  Signal* drain_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<Pop3Answers> answers_;
  pop3::Session engine_;
  std::optional<pop3::Actions> todo_;  // there but while waiting
  SteadyTime progressed_;
};

}  // namespace

Task<void> serve_pop3(const Pop3Drive* drive, std::unique_ptr<net::Stream> stream,
                      std::unique_ptr<Pop3Answers> answers) {
  Pop3Driver driver(drive, std::move(stream), std::move(answers));
  co_await driver.run();
}

}  // namespace postrider::server
