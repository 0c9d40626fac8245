// The part of ServerSession that takes contents: DATA (5321 §4.1.1.4) and BDAT (3030).
#include "core/check.hpp"
#include "smtp/server_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace postrider::smtp {

namespace {

constexpr std::uint64_t kSwallowBesideOctets = 1024 * 1024;
constexpr std::uint64_t kMessageOctetsTop = std::uint64_t{1} << 62U;  // twice that and more is still a u64

RefusedCommand content_refused(int code, std::string enhanced, std::string text, std::optional<Limit> limit) {
  return {.reply = {.code = code, .enhanced = std::move(enhanced), .text = std::move(text)},
          .hang_up = false,
          .limit = limit};
}
RefusedCommand too_big() { return content_refused(552, "5.3.4", "Message too big", Limit::message_size); }

}  // namespace

RefusedCommand ServerSession::State::no_recipients() const {
  const int code = settings->protocol == Protocol::lmtp ? 503 : 554;  // 2033 §4.2, 5321 §3.3
  return content_refused(code, "5.5.1", "No valid recipients", std::nullopt);
}

std::size_t ServerSession::State::end_answers() const {
  return settings->protocol == Protocol::lmtp ? transaction->accepted : 1;
}

std::uint64_t ServerSession::State::swallow_octets_max() const {
  return 2 * std::min(settings->max_message_size, kMessageOctetsTop) + kSwallowBesideOctets;
}

void ServerSession::State::run_data(Actions& out) {
  if (const std::optional<Reply> refusal = submission_refusal()) return refuse(*refusal, out);
  if (!transaction) return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "Say MAIL first"}, out);
  if (transaction->content_begun) {  // 3030 §2
    return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "BDAT was said before"}, out);
  }
  if (transaction->binary)  // 3030 §3
    return refuse(Reply{.code = 503, .enhanced = "5.5.1", .text = "BINARYMIME goes by BDAT"}, out);
  if (transaction->accepted == 0) return refuse(no_recipients(), out);  // 5321 §3.3
  ask(Asking::begin_data, BeginContent{}, out);
}

/// The octets of the chunk follow the command whatever we answer (3030 §2): they are swallowed first, so that they are
/// never taken for commands (SECURITY R7).
void ServerSession::State::run_bdat(const BdatCommand& command, Actions& out) {
  if (command.size_octets > swallow_octets_max()) {
    note(Limit::swallowed, out);
    return hang_up(too_big().reply, out);
  }
  phase = Phase::chunk;
  chunk = {.octets_left = command.size_octets,
           .size_octets = command.size_octets,
           .last = command.last,
           .refusal = {},
           .answers = 1};
  if (transaction && command.last) chunk.answers = std::max<std::size_t>(end_answers(), 1);
  if (const std::optional<Reply> refusal = submission_refusal()) {
    chunk.refusal = std::make_unique<RefusedCommand>(
        content_refused(refusal->code, refusal->enhanced, refusal->text, std::nullopt));
  } else if (!transaction) {
    chunk.refusal = std::make_unique<RefusedCommand>(content_refused(503, "5.5.1", "Say MAIL first", std::nullopt));
  } else if (transaction->accepted == 0) {
    chunk.refusal = std::make_unique<RefusedCommand>(no_recipients());
  } else if (command.size_octets > settings->max_message_size ||
             transaction->content_octets > settings->max_message_size - command.size_octets) {
    chunk.refusal = std::make_unique<RefusedCommand>(too_big());
    drop(out);
  } else if (!transaction->content_begun) {
    ask(Asking::begin_chunk, BeginContent{}, out);
  }
}

void ServerSession::State::on_begin_answer(const Reply& reply, Actions& out) {
  const bool is_data = phase == Phase::data;
  if (is_positive(reply)) {
    transaction->content_begun = true;
    if (!is_data) return;
    --idle_commands;
    return send({.code = 354, .enhanced = {}, .text = "End data with <CR><LF>.<CR><LF>"}, out);
  }
  drop(out);
  if (is_data) {
    phase = Phase::command;
    refuse(reply, out);
  } else {
    chunk.refusal =
        std::make_unique<RefusedCommand>(content_refused(reply.code, reply.enhanced, reply.text, std::nullopt));
  }
}

void ServerSession::State::append(std::string octets, Actions& out) {
  transaction->content_octets += octets.size();
  if (transaction->content_octets > settings->max_message_size) transaction->too_big = true;
  if (octets.empty() || content_refusal()) return;
  out.emplace_back(AppendContent{.octets = std::move(octets)});
}

bool ServerSession::State::take_data(std::string_view& rest, Actions& out) {
  if (rest.empty()) return false;
  const std::uint64_t budget = swallow_octets_max() - transaction->wire_octets;
  const std::size_t at_once = transaction->framing.in_octets_max(kContentChunkOctetsMax);
  const std::size_t octets_max = static_cast<std::size_t>(std::min<std::uint64_t>(budget, at_once));
  const std::string_view piece = rest.substr(0, octets_max);
  std::string content;
  content.reserve(piece.size());
  const std::size_t taken = transaction->framing.take_data(piece, content);
  rest.remove_prefix(taken);
  transaction->wire_octets += taken;
  append(std::move(content), out);
  if (transaction->framing.ended()) {
    end_of_content(out);
  } else if (transaction->wire_octets == swallow_octets_max()) {
    note(Limit::swallowed, out);
    hang_up(content_refusal().value_or(too_big()).reply, out);
  }
  return true;
}

bool ServerSession::State::take_chunk(std::string_view& rest, Actions& out) {
  if (chunk.octets_left == 0) {
    end_of_chunk(out);
    return true;
  }
  if (rest.empty()) return false;
  const std::size_t at_once =
      transaction ? transaction->framing.in_octets_max(kContentChunkOctetsMax) : kContentChunkOctetsMax;
  const auto octets_max = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.octets_left, at_once));
  const std::string_view piece = rest.substr(0, octets_max);
  rest.remove_prefix(piece.size());
  chunk.octets_left -= piece.size();
  if (chunk.refusal) return true;
  std::string content;
  if (transaction->binary) {
    content = piece;
  } else {
    content.reserve(piece.size());
    transaction->framing.take_chunk(piece, content);
  }
  append(std::move(content), out);
  return true;
}

void ServerSession::State::end_of_chunk(Actions& out) {
  phase = Phase::command;
  if (const auto refusal = std::exchange(chunk.refusal, nullptr)) return refuse_content(*refusal, chunk.answers, out);
  if (chunk.last) {
    std::string content;
    if (!transaction->binary) transaction->framing.finish_chunks(content);
    append(std::move(content), out);
    return end_of_content(out);
  }
  if (const std::optional<RefusedCommand> refusal = content_refusal()) {
    drop(out);  // what follows of this transaction is out of order (3030 §2)
    return refuse(*refusal, out);
  }
  if (chunk.size_octets > 0) --idle_commands;
  send({.code = 250, .enhanced = "2.0.0", .text = fmt::format("{} octets received", chunk.size_octets)}, out);
}

void ServerSession::State::end_of_content(Actions& out) {
  phase = Phase::command;
  if (const std::optional<RefusedCommand> refusal = content_refusal()) {
    const std::size_t answers = end_answers();
    drop(out);
    return refuse_content(*refusal, answers, out);
  }
  if (transaction->framing.met_bare_newline()) note(Limit::bare_newline, out);
  ask(Asking::end_content, EndContent{}, out);
}

void ServerSession::State::refuse_content(const RefusedCommand& refusal, std::size_t answers, Actions& out) {
  refuse(refusal, out);
  for (std::size_t i = 1; i < answers && phase != Phase::closed; ++i) send(refusal.reply, out);
}

void ServerSession::State::on_end_answer(const Answered& answer, Actions& out) {
  std::vector<Reply> replies = answer.each;
  const std::size_t answers = end_answers();
  if (settings->protocol == Protocol::smtp || replies.empty()) replies.assign(answers, answer.reply);
  check(replies.size() == answers, "smtp: an answer for each accepted recipient");
  if (std::ranges::any_of(replies, is_positive)) {
    transaction.reset();
    idle_commands = 0;
    for (const Reply& reply : replies) send(reply, out);
    return;
  }
  drop(out);
  refuse(replies.front(), out);
  for (std::size_t i = 1; i < answers && phase != Phase::closed; ++i) send(replies[i], out);
}

std::optional<RefusedCommand> ServerSession::State::content_refusal() const {
  const ContentFaults& faults = transaction->framing.faults();
  if (faults.bare_octet)  // SECURITY R1
    return content_refused(550, "5.5.2", "Bare CR, bare LF or NUL in the content", Limit::bare_newline);
  if (faults.long_line) return content_refused(550, "5.6.0", "Line too long", Limit::data_line);
  if (transaction->too_big) return too_big();
  return std::nullopt;
}

}  // namespace postrider::smtp
