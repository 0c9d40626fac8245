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

Reply no_recipients() { return {.code = 554, .enhanced = "5.5.1", .text = "No valid recipients"}; }
Reply too_big() { return {.code = 552, .enhanced = "5.3.4", .text = "Message too big"}; }

}  // namespace

std::uint64_t ServerSession::State::swallow_octets_max() const {
  return 2 * std::min(settings->max_message_size, kMessageOctetsTop) + kSwallowBesideOctets;
}

void ServerSession::State::run_data(Actions& out) {
  if (!transaction) return refuse({.code = 503, .enhanced = "5.5.1", .text = "Say MAIL first"}, out);
  if (transaction->content_begun) {  // 3030 §2
    return refuse({.code = 503, .enhanced = "5.5.1", .text = "BDAT was said before"}, out);
  }
  if (transaction->accepted == 0) return refuse(no_recipients(), out);  // 5321 §3.3
  ask(Asking::begin_data, BeginContent{}, out);
}

/// The octets of the chunk follow the command whatever we answer (3030 §2): they are swallowed first, so that they are
/// never taken for commands (SECURITY R7).
void ServerSession::State::run_bdat(const BdatCommand& command, Actions& out) {
  if (command.size_octets > swallow_octets_max()) return hang_up(too_big(), out);
  phase = Phase::chunk;
  chunk = {.octets_left = command.size_octets, .size_octets = command.size_octets, .last = command.last, .refusal = {}};
  if (!transaction) {
    chunk.refusal = Reply{.code = 503, .enhanced = "5.5.1", .text = "Say MAIL first"};
  } else if (transaction->accepted == 0) {
    chunk.refusal = no_recipients();
  } else if (command.size_octets > settings->max_message_size ||
             transaction->content_octets > settings->max_message_size - command.size_octets) {
    chunk.refusal = too_big();
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
    chunk.refusal = reply;
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
  const std::size_t octets_max = static_cast<std::size_t>(std::min<std::uint64_t>(budget, kContentChunkOctetsMax));
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
    hang_up(content_refusal().value_or(too_big()), out);
  }
  return true;
}

bool ServerSession::State::take_chunk(std::string_view& rest, Actions& out) {
  if (chunk.octets_left == 0) {
    end_of_chunk(out);
    return true;
  }
  if (rest.empty()) return false;
  const auto octets_max = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.octets_left, kContentChunkOctetsMax));
  const std::string_view piece = rest.substr(0, octets_max);
  rest.remove_prefix(piece.size());
  chunk.octets_left -= piece.size();
  if (!chunk.refusal) {
    transaction->framing.take_chunk(piece);
    append(std::string(piece), out);
  }
  return true;
}

void ServerSession::State::end_of_chunk(Actions& out) {
  phase = Phase::command;
  if (const std::optional<Reply> refusal = std::exchange(chunk.refusal, std::nullopt)) return refuse(*refusal, out);
  if (chunk.last) {
    transaction->framing.finish_chunks();
    return end_of_content(out);
  }
  if (const std::optional<Reply> refusal = content_refusal()) {
    drop(out);  // what follows of this transaction is out of order (3030 §2)
    return refuse(*refusal, out);
  }
  if (chunk.size_octets > 0) --idle_commands;
  send({.code = 250, .enhanced = "2.0.0", .text = fmt::format("{} octets received", chunk.size_octets)}, out);
}

void ServerSession::State::end_of_content(Actions& out) {
  phase = Phase::command;
  if (const std::optional<Reply> refusal = content_refusal()) {
    drop(out);
    return refuse(*refusal, out);
  }
  ask(Asking::end_content, EndContent{}, out);
}

void ServerSession::State::on_end_answer(const Reply& reply, Actions& out) {
  if (is_positive(reply)) {
    transaction.reset();
    idle_commands = 0;
    return send(reply, out);
  }
  drop(out);
  refuse(reply, out);
}

std::optional<Reply> ServerSession::State::content_refusal() const {
  const ContentFaults& faults = transaction->framing.faults();
  if (faults.bare_octet)
    return Reply{.code = 550, .enhanced = "5.5.2", .text = "Bare CR, bare LF or NUL in the content"};  // SECURITY R1
  if (faults.long_line) return Reply{.code = 550, .enhanced = "5.6.0", .text = "Line too long"};
  if (transaction->too_big) return too_big();
  return std::nullopt;
}

}  // namespace postrider::smtp
