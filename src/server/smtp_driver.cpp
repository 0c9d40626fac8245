#include "server/smtp_driver.hpp"

#include "core/await.hpp"

namespace postrider::server {

namespace {

using smtp::Reply;

class SmtpDriver {
 public:
  SmtpDriver(const SmtpDrive* drive, std::unique_ptr<net::Stream> stream, std::unique_ptr<SmtpAnswers> answers)
      : drive_(drive),
        drain_(drive->drain),
        stream_(std::move(stream)),
        answers_(std::move(answers)),
        engine_(drive->engine),
        deadline_(&drive->timeouts, drive->clock->steady()) {}

  Task<void> run() {
    engine_.start(todo_.emplace());
    while (!engine_.closed() || !todo_->empty()) {
      if (todo_->empty()) {
        co_await wait_and_read();
        continue;
      }
      smtp::Action action = std::move(todo_->front());
      todo_->pop_front();
      const std::optional<Reply> answer = co_await perform(&action);
      if (answer) engine_.step(smtp::Answered{*answer}, *todo_);
      deadline_.progressed(now());
    }
    stream_->close();
  }

 private:
  [[nodiscard]] SteadyTime now() const { return drive_->clock->steady(); }

  Task<void> wait_and_read() {
    const SteadyTime until =
        deadline_.follow(engine_.waits_for(), drive_->counts->crowded() ? Crowd::crowded : Crowd::calm, now());
    todo_.reset();  // an idle session holds as little as it can: an empty deque has 576 octets
    const Result<net::Ready> ready = co_await stream_->wait_readable(until, drain_);
    todo_.emplace();
    if (!ready) {
      if (ready.error().code != Error::timeout) {
        engine_.step(smtp::PeerClosed{}, *todo_);
      } else if (const std::optional<Late> late = deadline_.passed(now())) {
        if (*late == Late::too_slow)
          engine_.step(smtp::TooSlow{}, *todo_);
        else
          engine_.step(smtp::TimedOut{}, *todo_);
      }
      co_return;
    }
    if (*ready == net::Ready::signalled) {
      drain_ = nullptr;  // heard once; the engine says its last words when it is safe
      engine_.step(smtp::Draining{}, *todo_);
      co_return;
    }
    const net::Scratch buffer = drive_->scratch->take();
    const Result<std::size_t> got = stream_->read_some(buffer.span());
    if (!got) {
      engine_.step(smtp::PeerClosed{}, *todo_);
      co_return;
    }
    deadline_.received(*got);
    engine_.step(smtp::Received{std::string_view(buffer.span().data(), *got)}, *todo_);
  }

  /// Does one action; gives the answer where it is a question.
  Task<std::optional<Reply>> perform(smtp::Action* action) {
    std::optional<Reply> answer;
    if (auto* const send = std::get_if<smtp::Send>(action)) {
      const Result<void> written = co_await stream_->write(send->octets, now() + drive_->timeouts.write);
      if (!written) engine_.step(smtp::PeerClosed{}, *todo_);
    } else if (std::holds_alternative<smtp::Pause>(*action)) {
      Signal nothing;
      const Result<void> paused = co_await nothing.wait(now() + drive_->timeouts.after_errors);
      (void)paused;  // always timeout: that is the pause
    } else if (std::holds_alternative<smtp::HangUp>(*action)) {
      stream_->close();
    } else {
      answer = co_await answers_->take(std::move(*action), engine_.hello_kind());
    }
    co_return answer;
  }

  const SmtpDrive* drive_;
  Signal* drain_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<SmtpAnswers> answers_;
  smtp::ServerSession engine_;
  std::optional<smtp::Actions> todo_;  // there but while waiting
  SmtpDeadline deadline_;
};

}  // namespace

Task<void> serve_smtp(const SmtpDrive* drive, std::unique_ptr<net::Stream> stream,
                      std::unique_ptr<SmtpAnswers> answers) {
  SmtpDriver driver(drive, std::move(stream), std::move(answers));
  co_await driver.run();
}

}  // namespace postrider::server
