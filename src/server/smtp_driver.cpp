#include "server/smtp_driver.hpp"

#include "core/await.hpp"
#include "core/check.hpp"

#include <algorithm>

namespace postrider::server {

namespace {

constexpr Duration kLookUp = std::chrono::seconds(10);

class SmtpDriver {
 public:
  SmtpDriver(const SmtpDrive* drive, std::unique_ptr<net::Stream> stream, std::unique_ptr<SmtpAnswers> answers)
      : drive_(drive),
        drain_(drive->drain),
        stream_(std::move(stream)),
        answers_(std::move(answers)),
        engine_(&drive->engine, stream_->tls() ? smtp::Secured::from_start : smtp::Secured::no),
        deadline_(&drive->timeouts, drive->clock->steady()) {
    check(!drive->engine.starttls || drive->tls != nullptr, "smtp: STARTTLS is offered without a certificate");
    if (stream_->tls()) answers_->secured(stream_.get());
  }

  Task<void> run() {
    engine_.start(todo_.emplace());
    while (!engine_.closed() || !todo_->empty()) {
      if (todo_->empty()) {
        todo_.reset();
        co_await wait();
      } else {
        co_await act();
      }
    }
    if (stream_) stream_->close();
  }

 private:
  // What lives across a wait is held by every idle session: so the wait's frame has as little in it as can be, and
  // `todo_` is there only while something is to be done (an empty deque has 576 octets).

  [[nodiscard]] SteadyTime now() const { return drive_->clock->steady(); }

  Task<void> wait() {
    const Crowd crowd = drive_->counts->crowded() ? Crowd::crowded : Crowd::calm;
    const Content content = engine_.in_content() ? Content::under_way : Content::none;
    const SteadyTime until = std::min(deadline_.follow(engine_.waits_for(), content, crowd, now()), last_call_);
    // When it gets crowded, the waits that are under way become shorter too: they look up now and then.
    on_ready(co_await stream_->wait_readable(std::min(until, now() + kLookUp), drain_));
  }

  void on_ready(const Result<net::Ready>& ready) {
    smtp::Actions& todo = todo_.emplace();
    if (!ready && ready.error().code != Error::timeout) return engine_.step(smtp::PeerClosed{}, todo);
    if (!ready && now() >= last_call_) return engine_.step(smtp::TimedOut{}, todo);  // it says 421
    if (!ready) {
      if (!deadline_.is_over(now())) return;
      const std::optional<Late> late = deadline_.passed(now());
      if (late == Late::too_slow) engine_.step(smtp::TooSlow{}, todo);
      if (late == Late::timed_out) engine_.step(smtp::TimedOut{}, todo);
      return;
    }
    if (*ready == net::Ready::signalled) {
      drain_ = nullptr;  // heard once; the engine says its last words when it is safe, or at the last call
      last_call_ = now() + drive_->last_call;
      return engine_.step(smtp::Draining{}, todo);
    }
    const net::Scratch buffer = drive_->scratch->take();
    const Result<std::size_t> got = stream_->read_some(buffer.span());
    if (!got) return engine_.step(smtp::PeerClosed{}, todo);
    deadline_.received(*got);
    engine_.step(smtp::Received{std::string_view(buffer.span().data(), *got)}, todo);
  }

  /// Does the next action, and steps the engine with the answer where it is a question.
  Task<void> act() {
    smtp::Action action = std::move(todo_->front());
    todo_->pop_front();
    const std::optional<smtp::Event> answer = co_await perform(&action);
    if (answer) engine_.step(*answer, *todo_);
    deadline_.progressed(now());
  }

  /// Waits a little for a peer that talks before the greeting. False: there is nobody to greet.
  Task<bool> is_silent() {
    if (drive_->greeting_delay > Duration{}) {
      const Result<net::Ready> ready = co_await stream_->wait_readable(now() + drive_->greeting_delay, drain_);
      (void)ready;  // whatever woke us: what was said is read
    }
    char octet = 0;
    const Result<std::size_t> got = stream_->read_some(std::span(&octet, 1));
    if (got && *got == 0) co_return true;
    if (got) {
      engine_.step(smtp::TalkedEarly{}, *todo_);
    } else {
      engine_.step(smtp::PeerClosed{}, *todo_);
    }
    co_return false;
  }

  /// Does one action; gives the answer where it is a question.
  Task<std::optional<smtp::Event>> perform(smtp::Action* action) {
    std::optional<smtp::Event> answer;
    if (std::holds_alternative<smtp::AskConnect>(*action) && !std::exchange(greeted_, true)) {
      const bool silent = co_await is_silent();
      if (!silent) co_return answer;
    }
    if (auto* const send = std::get_if<smtp::Send>(action)) {
      const Result<void> written = co_await stream_->write(send->octets, now() + drive_->timeouts.write);
      if (!written) engine_.step(smtp::PeerClosed{}, *todo_);
    } else if (std::holds_alternative<smtp::Pause>(*action)) {
      Signal nothing;
      const Result<void> paused = co_await nothing.wait(now() + drive_->timeouts.after_errors);
      (void)paused;  // always timeout: that is the pause
    } else if (std::holds_alternative<smtp::AskFlushed>(*action)) {
      answer = smtp::Answered{.reply = {.code = 250, .enhanced = {}, .text = {}}};
    } else if (std::holds_alternative<smtp::HangUp>(*action)) {
      stream_->close();
    } else if (std::holds_alternative<smtp::StartTls>(*action)) {
      co_await start_tls();
    } else {
      answer = co_await answers_->take(std::move(*action), engine_.hello_kind());
    }
    co_return answer;
  }

  /// What was read before is used up, and the engine that read it is gone (SECURITY R5). Without a handshake there is
  /// no stream any more.
  Task<void> start_tls() {
    std::string protocol = "smtp";
    const SmtpTimeouts& timeouts = drive_->timeouts;
    const Duration patience = drive_->counts->crowded() ? timeouts.crowded_wait : timeouts.handshake;
    const SteadyTime until = std::min(now() + patience, last_call_);
    Result<std::unique_ptr<net::Stream>> secured =
        co_await drive_->tls->accept(std::move(stream_), std::move(protocol), until, drain_);
    if (!secured) co_return;
    stream_ = std::move(*secured);
    answers_->secured(stream_.get());
    engine_ = smtp::ServerSession(&drive_->engine, smtp::Secured::by_starttls, engine_.tally());
    engine_.start(*todo_);
  }

  const SmtpDrive* drive_;
  Signal* drain_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<SmtpAnswers> answers_;
  smtp::ServerSession engine_;
  std::optional<smtp::Actions> todo_;  // there but while waiting
  SmtpDeadline deadline_;
  SteadyTime last_call_ = SteadyTime::never();
  bool greeted_ = false;
};

}  // namespace

Task<void> serve_smtp(const SmtpDrive* drive, std::unique_ptr<net::Stream> stream,
                      std::unique_ptr<SmtpAnswers> answers) {
  SmtpDriver driver(drive, std::move(stream), std::move(answers));
  co_await driver.run();
}

}  // namespace postrider::server
