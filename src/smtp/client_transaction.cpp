#include "core/check.hpp"
#include "smtp/client_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace postrider::smtp {

namespace {

/// 5321 §4.5.3.1.10: 552 in answer to RCPT means "too many recipients", to be tried again.
Reply recipient_reply(Reply reply) {
  if (reply.code == 552) {
    reply.code = 452;
    if (reply.enhanced.starts_with('5')) reply.enhanced.front() = '4';
  }
  return reply;
}

const Reply kBareNewline = {.code = 554, .enhanced = "5.6.0", .text = "The content has a bare CR or LF"};  // R1

}  // namespace

void ClientSession::State::begin(ClientTransaction t, ClientActions& out) {
  transaction = std::move(t);
  outcomes.assign(transaction.recipients.size(), {});
  asked.clear();
  accepted.clear();
  recipients_answered = 0;
  ends_answered = 0;
  mail_refused = false;
  in_step = false;
  end_sent = false;
  end_held = false;
  chunks_ahead = 0;
  writer = {};
  line_ends = {};
  const std::optional<Reply> refusal = refusal_of(transaction, offers);
  if (refusal) settle(*refusal, Phase::mail);
  for (std::size_t i = 0; !refusal && i < outcomes.size(); ++i) {
    if (offers.smtputf8 || transaction.recipients[i].is_ascii()) {
      asked.push_back(i);
    } else {  // 6531 §3.5; the others go
      outcomes[i] = {.reply = {.code = 553, .enhanced = "5.6.7", .text = "The next hop takes no UTF-8 in addresses"},
                     .phase = Phase::rcpt};
    }
  }
  if (asked.empty()) return end_transaction(out);
  if (!needs_rset) return start_transaction(out);
  stage = Stage::rset;  // by itself: its reply shows that both sides are in step again
  send("RSET\r\n", 1, out);
}

void ClientSession::State::start_transaction(ClientActions& out) {
  // 3030 §4.2. Not in LMTP, where a reply too many would give recipients the outcomes of others.
  const bool in_one_write = offers.chunking && offers.pipelining && protocol == Protocol::smtp &&
                            !transaction.only_ask && transaction.size_octets <= kFirstChunkOctetsMax;
  if (!in_one_write) return send_group({}, false, out);
  gathered.clear();
  want_content(out);
  stage = Stage::gather;
}

/// MAIL, and with PIPELINING all that needs no reply before it (2920 §3.1): RCPT, and DATA or the chunk gathered.
void ClientSession::State::send_group(std::string_view chunk, bool last, ClientActions& out) {
  const bool gathered_chunk = stage == Stage::gather;
  std::string octets = mail_line(transaction, offers, asked);
  std::size_t replies = 1;
  if (offers.pipelining) {
    for (const std::size_t recipient : asked) octets += rcpt_line(transaction, offers, recipient);
    replies += asked.size();
    if (gathered_chunk) {
      octets += fmt::format("BDAT {}{}\r\n", chunk.size(), last ? " LAST" : "");
      octets += chunk;
      chunks_ahead = 1;
      end_sent = last;
      ++replies;
    } else if (!offers.chunking && !transaction.only_ask) {
      octets += "DATA\r\n";
      ++replies;
    }
  }
  needs_rset = true;
  stage = Stage::mail;
  send(std::move(octets), replies, out);
}

void ClientSession::State::on_transaction_reply(Reply reply, ClientActions& out) {
  if (reply.code == 421) return break_off(reply, out);  // 5321 §3.8
  switch (stage) {
    case Stage::rset:
      if (!is_accepted(reply)) return break_protocol(out);
      return start_transaction(out);
    case Stage::mail: return on_mail_reply(reply, out);
    case Stage::rcpt: return on_rcpt_reply(std::move(reply), out);
    case Stage::data: return on_data_reply(reply, out);
    case Stage::content:
    case Stage::chunk:
    case Stage::dropping: return on_chunk_reply(reply, out);
    case Stage::end_of_data: return on_end_reply(reply, out);
    case Stage::no_content: return end_transaction(out);  // all recipients have their outcomes (2920 §3.1)
    case Stage::greeting:
    case Stage::hello:
    case Stage::helo:
    case Stage::starttls:
    case Stage::auth_begin:
    case Stage::auth:
    case Stage::auth_response:
    case Stage::ready:
    case Stage::gather:
    case Stage::quit:
    case Stage::closed: return;
  }
}

void ClientSession::State::on_mail_reply(const Reply& reply, ClientActions& out) {
  if (!is_accepted(reply)) {
    if (!is_refused(reply)) return break_protocol(out);
    mail_refused = true;
    settle(reply, Phase::mail);
    if (!offers.pipelining) return end_transaction(out);
  }
  stage = Stage::rcpt;
  if (!offers.pipelining) send(rcpt_line(transaction, offers, asked.front()), 1, out);
}

void ClientSession::State::on_rcpt_reply(Reply reply, ClientActions& out) {
  if (!is_accepted(reply) && !is_refused(reply)) return break_protocol(out);
  if (!mail_refused) {  // after a refused MAIL the replies to its group mean nothing
    const std::size_t recipient = asked[recipients_answered];
    const bool taken = is_accepted(reply);
    if (taken) accepted.push_back(recipient);
    if (!taken || transaction.only_ask)
      outcomes[recipient] = {.reply = recipient_reply(std::move(reply)), .phase = Phase::rcpt};
  }
  if (++recipients_answered < asked.size()) {
    if (!offers.pipelining) send(rcpt_line(transaction, offers, asked[recipients_answered]), 1, out);
    return;
  }
  on_recipients_answered(out);
}

void ClientSession::State::on_recipients_answered(ClientActions& out) {
  if (transaction.only_ask) return surplus == Surplus::none ? end_transaction(out) : break_protocol(out);
  if (is_ahead()) {
    if (accepted.empty()) {
      stage = Stage::dropping;  // the remote reads the chunk and refuses it (3030 §4.2)
    } else if (end_sent) {
      await_end();
    } else {
      stage = Stage::chunk;
    }
    return;
  }
  const bool data_was_said = offers.pipelining && !offers.chunking;
  if (accepted.empty() && !data_was_said) return end_transaction(out);
  if (offers.chunking) return want_content(out);
  stage = Stage::data;
  if (!data_was_said) send("DATA\r\n", 1, out);
}

void ClientSession::State::on_data_reply(const Reply& reply, ClientActions& out) {
  if (is_refused(reply)) {
    settle(reply, Phase::data);
    return end_transaction(out);
  }
  if (reply.code / 100 != 3) return break_protocol(out);
  in_step = true;
  if (!accepted.empty()) return want_content(out);
  if (protocol == Protocol::lmtp) return break_protocol(out);  // 2033 §4.2: a reply for each of none
  stage = Stage::no_content;                                   // 2920 §3.1: the server waits for content all the same
  send(".\r\n", 1, out);
}

void ClientSession::State::want_content(ClientActions& out) {
  stage = Stage::content;
  content_wanted = true;
  out.emplace_back(WantContent{});
}

void ClientSession::State::on_content(const Content& content, ClientActions& out) {
  check(content_wanted, "smtp: content that was not asked for");
  content_wanted = false;
  if (stage == Stage::dropping) return on_dropped(out);
  if (offers.chunking && !is_binary()) {
    Result<void> lines = line_ends.take(content.octets);
    if (lines && content.last) lines = line_ends.finish();
    if (!lines) return on_content_failed(kBareNewline, out);
  }
  if (stage == Stage::gather) return on_gathered(content, out);
  if (content.octets.empty() && !content.last) return want_content(out);
  if (offers.chunking) return send_chunk(content, out);
  send_lines(content, out);
}

/// Before anything was said the session can go on; after that there is no way to take back what was.
void ClientSession::State::on_content_failed(const Reply& reply, ClientActions& out) {
  content_wanted = false;
  if (stage == Stage::dropping) return on_dropped(out);
  if (stage != Stage::gather) return break_off(reply, out);
  settle(reply, Phase::content);
  end_transaction(out);
}

void ClientSession::State::on_gathered(const Content& content, ClientActions& out) {
  // Nothing was gathered before and this is all: no copy but that into the write.
  if (gathered.empty() && content.last) return send_group(content.octets, true, out);
  gathered += content.octets;
  if (!content.last && gathered.size() <= kFirstChunkOctetsMax) {
    want_content(out);
    stage = Stage::gather;
    return;
  }
  const std::string chunk = std::exchange(gathered, {});
  send_group(chunk, content.last, out);
}

void ClientSession::State::send_lines(const Content& content, ClientActions& out) {
  std::string octets;
  octets.reserve(content.octets.size() + 64);
  Result<void> written = writer.write(content.octets, octets);
  if (written && content.last) written = writer.finish(octets);
  if (!written) return break_off(kBareNewline, out);
  if (!octets.empty()) send(std::move(octets), 0, out);
  if (!content.last) return want_content(out);
  replies_owed += 1;
  await_end();
}

/// 3030 §2: the octets as they are. The last chunk waits until all before it are answered, so that its reply is no
/// other one's.
void ClientSession::State::send_chunk(const Content& content, ClientActions& out) {
  if (content.last && is_ahead()) {
    end_held = true;
    gathered = content.octets;
    stage = Stage::chunk;
    return;
  }
  send_bdat(content.octets, content.last, out);
  if (content.last) return await_end();
  const std::size_t ahead_max = offers.pipelining && protocol == Protocol::smtp ? kChunksAheadMax : 1;
  if (chunks_ahead < ahead_max) return want_content(out);
  stage = Stage::chunk;
}

void ClientSession::State::send_bdat(std::string_view chunk, bool last, ClientActions& out) {
  std::string octets = fmt::format("BDAT {}{}\r\n", chunk.size(), last ? " LAST" : "");
  octets += chunk;
  send(std::move(octets), 1, out);
  ++chunks_ahead;
}

/// The end of the content was sent. 2033 §4.2: LMTP answers for each recipient that it took.
void ClientSession::State::await_end() {
  stage = Stage::end_of_data;
  if (protocol == Protocol::smtp) return;
  replies_owed += accepted.size() - 1;
}

/// Of a chunk that is not the last, or whose transaction has its outcomes already.
void ClientSession::State::on_chunk_reply(const Reply& reply, ClientActions& out) {
  if (!is_ahead() || (!is_accepted(reply) && !is_refused(reply)))
    return is_refused(reply) ? break_off(reply, out) : break_protocol(out);
  if (is_out_of_step(reply)) return break_protocol(out);
  --chunks_ahead;
  if (stage == Stage::dropping) return on_dropped(out);
  in_step = true;
  if (is_refused(reply)) {  // the remote drops the transaction (3030 §2)
    settle(reply, Phase::content);
    stage = Stage::dropping;
    return on_dropped(out);
  }
  if (stage != Stage::chunk) return;
  if (!end_held) return want_content(out);
  if (is_ahead()) return;
  send_bdat(gathered, true, out);
  await_end();
}

void ClientSession::State::on_dropped(ClientActions& out) {
  if (!is_ahead() && !content_wanted) end_transaction(out);
}

void ClientSession::State::on_end_reply(const Reply& reply, ClientActions& out) {
  if (!end_sent) in_step = true;
  if (!is_accepted(reply) && !is_refused(reply)) return break_protocol(out);
  if (is_out_of_step(reply)) return break_protocol(out);
  needs_rset = offers.chunking && is_refused(reply);  // 3030 §2: a failed BDAT is to be followed by RSET
  if (protocol == Protocol::lmtp) {
    outcomes[accepted[ends_answered]] = {
        .reply = reply, .phase = Phase::end_of_data, .reports_passed_on = offers.dsn && is_accepted(reply)};
    if (++ends_answered < accepted.size()) return;
    if (are_ends_out_of_step()) return break_protocol(out);
  } else {
    settle(reply, Phase::end_of_data);
  }
  end_transaction(out);
}

void ClientSession::State::forget(const std::vector<std::size_t>& recipients) {
  for (const std::size_t recipient : recipients) outcomes[recipient] = {};
}

bool ClientSession::State::is_out_of_step(const Reply& last) const {
  if (!end_sent || surplus == Surplus::none) return false;
  return surplus == Surplus::refuses || is_refused(last) || accepted.size() < asked.size();
}

bool ClientSession::State::are_ends_out_of_step() const {
  const bool all_taken = std::ranges::all_of(accepted, [&](std::size_t i) { return is_accepted(outcomes[i].reply); });
  return surplus == Surplus::refuses || (surplus == Surplus::accepts && !all_taken);
}

void ClientSession::State::settle(const Reply& reply, Phase phase) {
  for (RecipientOutcome& outcome : outcomes) {
    if (outcome.reply.code != 0) continue;
    outcome = {.reply = reply, .phase = phase, .reports_passed_on = offers.dsn && is_accepted(reply)};
  }
}

void ClientSession::State::end_transaction(ClientActions& out) {
  stage = Stage::ready;
  transaction = {};
  gathered = {};
  out.emplace_back(TransactionDone{.outcomes = std::exchange(outcomes, {})});
}

}  // namespace postrider::smtp
