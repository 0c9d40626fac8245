#include "smtp/persona.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace postrider::smtp {

namespace {

using At = PersonaMoment;
using How = PersonaHow;

/// What stands between `<` and `>`; without them all of it up to a blank.
std::string path_of(std::string_view argument) {
  const std::size_t open = argument.find('<');
  const std::size_t close = argument.rfind('>');
  if (open != std::string_view::npos && close != std::string_view::npos && open < close)
    return std::string(argument.substr(open + 1, close - open - 1));
  return std::string(argument.substr(0, argument.find(' ')));
}

/// The name of the behaviour that a path asks for.
std::string name_in(std::string_view path) {
  std::string_view local = path.substr(0, path.rfind('@'));
  local = local.substr(0, local.find('+'));
  return lowered_ascii(local);
}

bool is_success(std::string_view reply) { return reply.starts_with('2'); }

}  // namespace

bool PersonaMemory::is_first(std::string_view behaviour, std::string_view sender, std::string_view recipient) {
  if (seen_.size() >= kPersonaSeenMax) seen_.clear();
  return seen_.insert(fmt::format("{} {} {}", behaviour, sender, recipient)).second;
}

Persona::Persona(std::string_view profile, PersonaMemory* memory)
    : profile_(persona_profile(profile)),
      temper_(find_persona_behaviour(PersonaBy::profile, profile_.name)),
      memory_(memory) {}

void Persona::start(PersonaActions& out) { behave(temper_, At::greeting, "220 persona.test ESMTP\r\n", out); }

void Persona::receive(std::string_view octets, PersonaActions& out) {
  while (!octets.empty() && at_ != State::closed && at_ != State::mute) {
    if (at_ == State::chunk) {
      take_chunk(octets, out);
    } else if (at_ == State::content) {
      take_content(octets, out);
    } else if (at_ == State::handshake) {
      at_ = State::mute;  // nobody here speaks TLS
      if (!temper_->to_handshake.empty()) say(temper_->to_handshake, out);
    } else {
      take_line(octets, out);
    }
  }
}

void Persona::take_line(std::string_view& octets, PersonaActions& out) {
  const std::size_t lf = octets.find('\n');
  const std::string_view piece = octets.substr(0, lf == std::string_view::npos ? lf : lf + 1);
  octets.remove_prefix(piece.size());
  if (line_.size() + piece.size() > kPersonaLineOctetsMax) return drop(out);
  line_ += piece;
  if (!line_.ends_with("\r\n")) return;
  const std::string line = std::exchange(line_, {});
  on_line(std::string_view(line).substr(0, line.size() - 2), out);
}

void Persona::take_content(std::string_view& octets, PersonaActions& out) {
  std::string content;
  octets.remove_prefix(framing_.take_data(octets, content));
  keep(content);
  if (!framing_.ended()) return;
  at_ = State::command;
  on_end(out);
}

void Persona::take_chunk(std::string_view& octets, PersonaActions& out) {
  const std::size_t taken = std::min(chunk_left_, octets.size());
  keep(octets.substr(0, taken));
  octets.remove_prefix(taken);
  chunk_left_ -= taken;
  if (chunk_left_ == 0) on_chunk_end(out);
}

void Persona::keep(std::string_view octets) {
  content_octets_ += octets.size();
  content_ += octets.substr(0, kPersonaContentOctetsMax - content_.size());
}

void Persona::on_line(std::string_view line, PersonaActions& out) {
  if (at_ == State::response) return on_response(line, out);
  const auto [verb, argument] = split_once(line, ' ');
  const auto is = [word = verb](std::string_view name) { return iequals_ascii(word, name); };
  if (is("EHLO") || is("HELO") || is("LHLO")) return on_hello(verb, out);
  if (is("MAIL")) return on_mail(argument, out);
  if (is("RCPT")) return on_rcpt(argument, out);
  if (is("DATA")) return on_data(out);
  if (is("BDAT")) return on_bdat(argument, out);
  if (is("QUIT")) return on_quit(out);
  if (is("RSET")) {
    reset();
    behave(temper_, At::rset, "250 2.0.0 ok\r\n", out);
  } else if (is("NOOP")) {
    say("250 2.0.0 ok\r\n", out);
  } else if (is("STARTTLS")) {
    on_starttls(out);
  } else if (is("AUTH")) {
    on_auth(out);
  } else {
    say("500 5.5.2 what\r\n", out);
  }
}

void Persona::on_hello(std::string_view verb, PersonaActions& out) {
  const bool lmtp = iequals_ascii(verb, "LHLO");
  if (lmtp != profile_.lmtp) return say("500 5.5.1 not here\r\n", out);
  reset();
  const bool helo = iequals_ascii(verb, "HELO");
  const bool refuses_both = temper_ != nullptr && temper_->moment == At::helo;
  if (helo) {
    behave(temper_, At::helo, "250 persona.test\r\n", out);
    return;
  }
  std::string lines = "persona.test";
  if (!profile_.offers.empty()) lines += '\n' + std::string(profile_.offers);
  std::string reply;
  const std::vector<std::string_view> each = split(lines, '\n');
  for (const std::string_view& line : each)
    reply += fmt::format("250{}{}\r\n", &line == &each.back() ? ' ' : '-', line);
  behave(temper_, refuses_both ? At::helo : At::ehlo, reply, out);
}

void Persona::on_starttls(PersonaActions& out) {
  const std::string_view said = behave(temper_, At::starttls, "454 4.7.0 TLS is broken\r\n", out);
  if (at_ == State::command && said.starts_with("220")) at_ = State::handshake;
}

void Persona::on_auth(PersonaActions& out) {
  if (profile_.offers.find("AUTH ") == std::string_view::npos) return say("503 5.5.1 not here\r\n", out);
  const std::string_view said = behave(temper_, At::auth, "235 2.7.0 let in\r\n", out);
  if (at_ == State::command && said.starts_with("334")) at_ = State::response;
}

void Persona::on_response(std::string_view line, PersonaActions& out) {
  at_ = State::command;
  if (line == "*") return say("501 5.7.0 cancelled\r\n", out);
  on_auth(out);
}

void Persona::on_mail(std::string_view argument, PersonaActions& out) {
  if (in_transaction_) return say("503 5.5.1 one at a time\r\n", out);
  if (messages_ >= profile_.messages) {
    say("421 4.7.0 enough for this connection\r\n", out);
    return drop(out);
  }
  for (const std::string_view parameter : split(argument, ' ')) {
    if (!iequals_ascii(parameter.substr(0, 5), "SIZE=")) continue;
    const Result<std::uint64_t> octets = parse_number<std::uint64_t>(parameter.substr(5));
    if (octets && *octets > profile_.octets) return say("552 5.3.4 too big\r\n", out);
  }
  sender_ = path_of(argument);
  const PersonaBehaviour* const temper = find_persona_behaviour(PersonaBy::sender, name_in(sender_));
  in_transaction_ = is_success(behave(temper, At::mail, "250 2.1.0 ok\r\n", out));
}

void Persona::on_rcpt(std::string_view argument, PersonaActions& out) {
  if (!in_transaction_) return say("503 5.5.1 MAIL first\r\n", out);
  if (recipients_.size() >= profile_.recipients) return say("452 4.5.3 too many recipients\r\n", out);
  std::string path = path_of(argument);
  const PersonaBehaviour* temper = find_persona_behaviour(PersonaBy::recipient, name_in(path));
  if (temper != nullptr && temper->once && !memory_->is_first(temper->name, sender_, path)) temper = nullptr;
  if (is_success(behave(temper, At::rcpt, "250 2.1.5 ok\r\n", out)))
    recipients_.push_back({.path = std::move(path), .behaviour = temper});
}

void Persona::on_data(PersonaActions& out) {
  if (recipients_.empty() || failed_ || content_octets_ > 0) return say("503 5.5.1 no recipients\r\n", out);
  const std::string_view said = behave(behaviour_at(At::data), At::data, "354 go ahead\r\n", out);
  if (at_ != State::command || !said.starts_with('3')) return;
  framing_ = DataFraming();
  at_ = State::content;
}

void Persona::on_bdat(std::string_view argument, PersonaActions& out) {
  const auto [size, last] = split_once(argument, ' ');
  const Result<std::size_t> octets = parse_number<std::size_t>(size);
  if (!octets) return say("501 5.5.4 how many?\r\n", out);
  chunk_left_ = *octets;
  last_chunk_ = iequals_ascii(last, "LAST");
  at_ = State::chunk;
  if (chunk_left_ == 0) on_chunk_end(out);
}

void Persona::on_chunk_end(PersonaActions& out) {
  at_ = State::command;
  if (recipients_.empty() || failed_) {
    failed_ = true;
    return say("503 5.5.1 no recipients\r\n", out);
  }
  if (const PersonaBehaviour* const temper = behaviour_at(At::chunk)) {
    failed_ = true;  // 3030 §2: until RSET
    behave(temper, At::chunk, {}, out);
    return;
  }
  if (last_chunk_) return on_end(out);
  say("250 2.0.0 more\r\n", out);
}

void Persona::on_end(PersonaActions& out) {
  ++messages_;
  if (profile_.lmtp) return on_lmtp_end(out);
  const PersonaBehaviour* const temper = behaviour_at(At::end);
  const bool too_big = content_octets_ > profile_.octets;
  const std::string_view plain = too_big ? "552 5.3.4 too big\r\n" : "250 2.0.0 taken\r\n";
  PersonaActions answer;  // after the message
  const std::string_view said = behave(temper, At::end, plain, answer);
  if (is_success(said) || (temper != nullptr && temper->how == How::take_and_drop)) {
    std::vector<std::string> paths;
    for (Recipient& recipient : recipients_) paths.push_back(std::move(recipient.path));
    take_message(std::move(paths), out);
  }
  std::ranges::move(answer, std::back_inserter(out));
  reset();
}

/// 2033 §4.2: each recipient hears its own.
void Persona::on_lmtp_end(PersonaActions& out) {
  for (const Recipient& recipient : recipients_) {
    if (at_ != State::command) break;
    PersonaActions answer;
    if (is_success(behave(recipient.behaviour, At::end, "250 2.0.0 taken\r\n", answer)))
      take_message({recipient.path}, out);
    std::ranges::move(answer, std::back_inserter(out));
  }
  reset();
}

void Persona::on_quit(PersonaActions& out) {
  const std::string_view said = behave(temper_, At::quit, "221 2.0.0 bye\r\n", out);
  if (is_success(said) && at_ == State::command) drop(out);
}

std::string_view Persona::behave(const PersonaBehaviour* behaviour, PersonaMoment moment, std::string_view plain,
                                 PersonaActions& out) {
  if (behaviour == nullptr || behaviour->moment != moment) {
    say(plain, out);
    return plain;
  }
  if (behaviour->pause > Duration{}) out.emplace_back(PersonaPause{behaviour->pause});
  const std::string_view words = behaviour->says.empty() ? plain : behaviour->says;
  switch (behaviour->how) {
    case How::say: say(words, out); return words;
    case How::split: out.emplace_back(PersonaSay{.octets = std::string(words), .one_by_one = true}); return words;
    case How::say_and_drop:
      say(words, out);
      drop(out);
      return words;
    case How::take_and_drop:
    case How::drop: drop(out); return {};
    case How::mute: at_ = State::mute; return {};
    case How::deaf:
      say(words, out);
      out.emplace_back(PersonaStopReading{});
      at_ = State::mute;
      return {};
    case How::endless:
      out.emplace_back(PersonaSayForEver{.octets = std::string(words)});
      at_ = State::mute;
      return {};
  }
  return {};
}

const PersonaBehaviour* Persona::behaviour_at(PersonaMoment moment) const {
  const auto found = std::ranges::find_if(recipients_, [&](const Recipient& recipient) {
    return recipient.behaviour != nullptr && recipient.behaviour->moment == moment;
  });
  return found == recipients_.end() ? nullptr : found->behaviour;
}

void Persona::say(std::string_view octets, PersonaActions& out) {
  out.emplace_back(PersonaSay{.octets = std::string(octets)});
}

void Persona::drop(PersonaActions& out) {
  at_ = State::closed;
  out.emplace_back(PersonaDrop{});
}

void Persona::take_message(std::vector<std::string> recipients, PersonaActions& out) {
  out.emplace_back(PersonaTaken{.message = {.profile = std::string(profile_.name),
                                            .sender = sender_,
                                            .recipients = std::move(recipients),
                                            .content = content_,
                                            .content_octets = content_octets_}});
}

void Persona::reset() {
  in_transaction_ = false;
  failed_ = false;
  recipients_.clear();
  content_.clear();
  content_octets_ = 0;
}

}  // namespace postrider::smtp
