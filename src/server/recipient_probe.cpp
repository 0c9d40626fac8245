#include "server/recipient_probe.hpp"

#include "core/await.hpp"
#include "core/signal.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace postrider::server {

namespace {

using Answer = gate::RecipientProbe::Answer;
using Kind = Answer::Kind;

constexpr std::size_t kReplyOctetsMax = 512;  // of the next hop's words in the log

/// One question. Shared by who waits for its answer and by what looks for it.
struct Asked {
  explicit Asked(std::shared_ptr<std::atomic<std::size_t>> of_all) : asking(std::move(of_all)) {}
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  ~Asked() { asking->fetch_sub(1); }
  std::shared_ptr<std::atomic<std::size_t>> asking;
  Signal done;
  Answer answer{.kind = Kind::unknown, .reply = "no answer in time"};
};

Answer answer_of(const smtp::RecipientOutcome& outcome) {
  Answer answer{.kind = Kind::unknown,
                .reply = printable_ascii(fmt::format("{} {}{}{}", outcome.reply.code, outcome.reply.enhanced,
                                                     outcome.reply.enhanced.empty() ? "" : " ", outcome.reply.text),
                                         kReplyOctetsMax)};
  if (outcome.reply.code / 100 == 2) answer.kind = Kind::accepted;
  const bool is_about_recipient = outcome.phase == smtp::Phase::rcpt && outcome.reply.code != 552;
  if (outcome.reply.code / 100 == 5 && is_about_recipient) answer.kind = Kind::refused;
  return answer;
}

Task<void> look(net::Connector* connector, route::Router* router, delivery::RelaySettings settings,
                mail::Address recipient, SteadyTime until, std::shared_ptr<Asked> asked) {
  route::Query query{.domain = recipient.domain()};
  route::RouteDecision decision = co_await router->route(std::move(query));
  if (auto* const relay = std::get_if<route::Relay>(&decision.next)) {
    const smtp::RecipientOutcome outcome =
        co_await delivery::probe(connector, std::move(settings), std::move(*relay), std::move(recipient), until);
    asked->answer = answer_of(outcome);
  } else if (const auto* const none = std::get_if<route::NoRoute>(&decision.next)) {
    asked->answer = {.kind = none->permanent ? Kind::refused : Kind::unknown, .reply = decision.reason};
  } else if (std::holds_alternative<route::Local>(decision.next)) {
    asked->answer = {.kind = Kind::refused, .reply = decision.reason};
  } else {
    asked->answer = {.kind = Kind::accepted, .reply = decision.reason};
  }
  asked->done.set();
}

}  // namespace

Task<Answer> NextHopProbe::ask(mail::Address recipient, SteadyTime until) {
  const bool is_full = asking_->fetch_add(1) >= kProbesMax;
  const auto asked = std::make_shared<Asked>(asking_);
  if (is_full) co_return Answer{.kind = Kind::not_asked, .reply = "too many recipients are being verified"};
  Shard* const shard = co_await this_shard();
  delivery::RelaySettings settings = settings_;
  spawn(shard, "recipient.probe", look(connector_, router_, std::move(settings), std::move(recipient), until, asked));
  const Result<void> done = co_await asked->done.wait(until);
  if (!done) co_return Answer{.kind = Kind::unknown, .reply = "no answer in time"};
  co_return asked->answer;
}

}  // namespace postrider::server
