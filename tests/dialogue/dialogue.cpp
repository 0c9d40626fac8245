#include "tests/dialogue/dialogue.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace postrider::dialogue {

namespace {

constexpr std::string_view kPlace = "dialogue";

constexpr auto kQuestions = std::to_array<std::pair<std::string_view, Question>>({
    {"connect", Question::connect},
    {"xclient", Question::xclient},
    {"hello", Question::hello},
    {"sender", Question::sender},
    {"recipient", Question::recipient},
    {"begin_content", Question::begin_content},
    {"end_content", Question::end_content},
    {"auth", Question::auth},
});

Result<std::string> unescaped(std::string_view text);

/// `\*N{octets}`, from the digit on; takes it off `text`.
Result<std::string> repeated(std::string_view& text) {
  const std::size_t open = text.find('{');
  const std::size_t close = text.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return error(Error::malformed, kPlace, "\\*N{…}");
  const Result<std::size_t> times = parse_number<std::size_t>(text.substr(0, open), {.min = 0, .max = 100'000'000});
  if (!times) return fail(times);
  const Result<std::string> unit = unescaped(text.substr(open + 1, close - open - 1));
  if (!unit) return fail(unit);
  text.remove_prefix(close + 1);
  std::string out;
  for (std::size_t i = 0; i < *times; ++i) out += *unit;
  return out;
}

Result<std::string> unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\') {
      out += c;
      continue;
    }
    const char kind = text.empty() ? ' ' : text.front();
    text.remove_prefix(std::min<std::size_t>(1, text.size()));
    if (kind == 'r') {
      out += '\r';
    } else if (kind == 'n') {
      out += '\n';
    } else if (kind == 't') {
      out += '\t';
    } else if (kind == '0') {
      out += '\0';
    } else if (kind == '\\') {
      out += '\\';
    } else if (kind == 'x' && text.size() >= 2) {
      int octet = 0;
      const auto [end, code] = std::from_chars(text.data(), text.data() + 2, octet, 16);
      if (code != std::errc{} || end != text.data() + 2) return error(Error::malformed, kPlace, "\\xNN");
      out += static_cast<char>(octet);
      text.remove_prefix(2);
    } else if (kind == '*') {
      const Result<std::string> many = repeated(text);
      if (!many) return fail(many);
      out += *many;
    } else {
      return error(Error::malformed, kPlace, "unknown escape");
    }
  }
  return out;
}

Result<smtp::Reply> parse_reply(std::string_view text) {
  const auto code_and_rest = split_once(text, ' ');
  const Result<int> code = parse_number<int>(code_and_rest.first, {.min = 200, .max = 599});
  if (!code) return fail(code);
  smtp::Reply reply{.code = *code, .enhanced = {}, .text = std::string(code_and_rest.second)};
  const auto status_and_text = split_once(code_and_rest.second, ' ');
  if (std::ranges::count(status_and_text.first, '.') == 2) {
    reply.enhanced = status_and_text.first;
    reply.text = status_and_text.second;
  }
  return reply;
}

Result<Given> parse_given(std::string_view text) {
  text = trimmed(text.substr(0, text.find("  #")));
  const std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos) return error(Error::malformed, kPlace, "given QUESTION: reply");
  const auto question_and_subject = split_once(text.substr(0, colon), ' ');
  const auto known =
      std::ranges::find(kQuestions, question_and_subject.first, [](const auto& row) { return row.first; });
  if (known == kQuestions.end()) return error(Error::malformed, kPlace, "unknown question");
  Result<smtp::Reply> reply = parse_reply(text.substr(colon + 2));
  if (!reply) return fail(reply);
  Given given{.question = known->second, .subject = std::nullopt, .reply = std::move(*reply)};
  if (!question_and_subject.second.empty()) given.subject = std::string(question_and_subject.second);
  return given;
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  if (text.empty()) return error(Error::malformed, kPlace, "no duration");
  const Result<int> number = parse_number<int>(text.substr(0, text.size() - 1));
  if (!number) return fail(number);
  switch (text.back()) {
    case 's': return std::chrono::seconds(*number);
    case 'm': return std::chrono::minutes(*number);
    case 'h': return std::chrono::hours(*number);
    default: return error(Error::malformed, kPlace, "unit is s, m or h");
  }
}

/// Reads the lines of a file into a Script.
class Reader {
 public:
  Result<void> take(std::string_view line, int number);
  Result<Script> finish() && {
    if (glue_) return error(Error::malformed, kPlace, "C+ without a C line after it");
    if (script_.rule.empty()) return error(Error::malformed, kPlace, "the first line says the rule");
    return std::move(script_);
  }

 private:
  Result<void> take_set(std::string_view text);
  Result<void> take_octets(std::string_view mark, std::string_view text, int number);
  void add(Step::Kind kind, std::string octets, int number) {
    script_.steps.push_back({.kind = kind, .octets = std::move(octets), .duration = {}, .line = number});
  }
  Script script_;
  bool glue_ = false;     ///< the segment goes on
  bool content_ = false;  ///< the last line was a D line
};

Result<void> Reader::take_set(std::string_view text) {
  const auto parts = split_once(text, ':');
  const std::pair<std::string_view, std::string_view> set(parts.first, trimmed(parts.second));
  using Pair = std::pair<std::string_view, std::string_view>;
  if (set == Pair("protocol", "lmtp")) return script_.protocol = smtp::Protocol::lmtp, Result<void>{};
  if (set == Pair("binarymime", "on")) return script_.binarymime = true, Result<void>{};
  if (set == Pair("trusted", "on")) return script_.rights.trusted = true, Result<void>{};
  if (set == Pair("xclient", "on")) return script_.rights.xclient = true, Result<void>{};
  if (set == Pair("bare_newline", "normalize"))
    return script_.rights.bare_newline = smtp::BareNewline::normalize, Result<void>{};
  if (set == Pair("may_submit", "on")) return script_.rights.may_submit = true, Result<void>{};
  if (set == Pair("submission", "on")) return script_.submission = true, Result<void>{};
  if (set == Pair("plaintext_auth", "on")) return script_.cleartext = Cleartext::allowed, Result<void>{};
  if (set == Pair("tls", "offered")) return script_.tls = Script::Tls::offered, Result<void>{};
  if (set == Pair("tls", "from_start")) return script_.tls = Script::Tls::from_start, Result<void>{};
  if (set.first == "mechanisms") {
    for (const std::string_view one : split(set.second, ' ')) script_.rights.mechanisms.emplace_back(one);
    return {};
  }
  const Result<std::uint64_t> number = parse_number<std::uint64_t>(set.second);
  if (!number) return fail(number);
  if (parts.first == "max_message_size") {
    script_.max_message_size = *number;
  } else if (parts.first == "max_recipients") {
    script_.max_recipients = *number;
  } else {
    return error(Error::malformed, kPlace, "unknown setting");
  }
  return {};
}

Result<void> Reader::take_octets(std::string_view mark, std::string_view text, int number) {
  Result<std::string> octets = mark[1] == '~' ? unescaped(text) : Result<std::string>(std::string(text) + "\r\n");
  if (!octets) return fail(octets);
  const bool is_content = mark[0] == 'D';
  if (is_content ? content_ : glue_) {
    script_.steps.back().octets += *octets;
  } else {
    add(is_content ? Step::Kind::content_taken : Step::Kind::client_sends, std::move(*octets), number);
  }
  if (!is_content) glue_ = mark[1] == '+';
  content_ = is_content;
  return {};
}

Result<void> Reader::take(std::string_view line, int number) {
  if (number == 1 && line.starts_with('#')) script_.rule = trimmed(line.substr(1));
  if (line.empty() || line.starts_with('#')) return {};
  const std::string_view mark = line.substr(0, 2);
  const std::string_view text = line.substr(std::min<std::size_t>(3, line.size()));
  if (mark == "C:" || mark == "C+" || mark == "C~" || mark == "D:" || mark == "D~")
    return take_octets(mark, text, number);
  if (glue_) return error(Error::malformed, kPlace, "C+ without a C line after it");
  content_ = false;
  if (line.starts_with("given ")) {
    Result<Given> given = parse_given(line.substr(6));
    if (!given) return fail(given);
    script_.given.push_back(std::move(*given));
  } else if (line.starts_with("set ")) {
    return take_set(line.substr(4));
  } else if (line == "early") {
    if (!script_.steps.empty()) return error(Error::malformed, kPlace, "early comes before all steps");
    script_.early = true;
  } else if (mark == "S:") {
    add(Step::Kind::server_line, std::string(text), number);
  } else if (mark == "S~") {
    add(Step::Kind::server_reply, std::string(text), number);
  } else if (mark == "T+") {
    const Result<std::chrono::seconds> duration = parse_duration(trimmed(text));
    if (!duration) return fail(duration);
    add(Step::Kind::time_passes, {}, number);
    script_.steps.back().duration = *duration;
  } else if (line == "D-") {
    add(Step::Kind::no_content, {}, number);
  } else if (line == "handshake") {
    add(Step::Kind::handshake, {}, number);
  } else if (line == "drain") {
    add(Step::Kind::drain, {}, number);
  } else if (line == "slow") {
    add(Step::Kind::too_slow, {}, number);
  } else if (line == "hangup") {
    add(Step::Kind::client_closes, {}, number);
  } else if (line == "closed") {
    add(Step::Kind::server_closed, {}, number);
  } else {
    return error(Error::malformed, kPlace, "unknown line");
  }
  return {};
}

/// The size of the first line of `said` with its CRLF, or nothing.
std::optional<std::size_t> line_octets(std::string_view said) {
  const std::size_t end = said.find("\r\n");
  return end == std::string_view::npos ? std::nullopt : std::optional<std::size_t>(end + 2);
}

/// The size of the first reply: lines up to one without '-' behind its code (5321 §4.2.1).
std::optional<std::size_t> reply_octets(std::string_view said) {
  std::size_t at = 0;
  while (true) {
    const std::optional<std::size_t> line = line_octets(said.substr(at));
    if (!line) return std::nullopt;
    const bool goes_on = *line > 4 && said[at + 3] == '-';
    at += *line;
    if (!goes_on) return at;
  }
}

}  // namespace

smtp::Reply Script::answer(Question question, std::string_view subject) const {
  for (const Given& one : given) {
    if (one.question == question && (!one.subject || *one.subject == subject)) return one.reply;
  }
  switch (question) {
    case Question::connect: return {.code = 220, .enhanced = {}, .text = "mx.example.test ESMTP Postrider"};
    case Question::xclient: return {.code = 220, .enhanced = {}, .text = "ok"};
    case Question::hello: return {.code = 250, .enhanced = {}, .text = "ok"};
    case Question::sender: return {.code = 250, .enhanced = "2.1.0", .text = "ok"};
    case Question::recipient: return {.code = 250, .enhanced = "2.1.5", .text = "ok"};
    case Question::begin_content: return {.code = 354, .enhanced = {}, .text = "go ahead"};
    case Question::end_content: return {.code = 250, .enhanced = "2.0.0", .text = "queued as q1"};
    case Question::auth: return {.code = 235, .enhanced = "2.7.0", .text = "ok"};
  }
  return {};
}

smtp::ServerSettings Script::settings() const {
  smtp::ServerSettings settings{.hostname = "mx.example.test",
                                .own_domain = mail::Domain::parse("example.test").value()};
  settings.protocol = protocol;
  settings.binarymime = binarymime;
  if (max_message_size) settings.max_message_size = *max_message_size;
  if (max_recipients) settings.max_recipients = *max_recipients;
  settings.starttls = tls == Tls::offered;
  settings.submission = submission;
  return settings;
}

Result<Script> parse_script(std::string_view text) {
  Reader reader;
  int number = 0;
  for (const std::string_view line : split(text, '\n')) {
    const Result<void> taken = reader.take(line, ++number);
    if (!taken) return error(Error::malformed, kPlace, fmt::format("line {}: {}", number, taken.error().detail));
  }
  return std::move(reader).finish();
}

Result<Script> read_script(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(Error::not_found, kPlace, path);
  std::ostringstream text;
  text << file.rdbuf();
  Result<Script> script = parse_script(text.str());
  if (!script) return error(script.error().code, kPlace, path + ": " + script.error().detail);
  return script;
}

std::vector<std::string> script_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

bool Transcript::has(const Step& step) const {
  return (step.kind == Step::Kind::server_reply ? reply_octets(said_) : line_octets(said_)).has_value();
}

std::string Transcript::compare(const Step& step) {
  const std::optional<std::size_t> octets =
      step.kind == Step::Kind::server_reply ? reply_octets(said_) : line_octets(said_);
  if (!octets) return fmt::format("line {}: want '{}', the server said '{}'", step.line, step.octets, said_);
  std::string_view rest = std::string_view(said_).substr(0, *octets);
  std::string wrong;
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(end + 2);
    const bool fits =
        step.kind == Step::Kind::server_reply ? std::regex_match(line, std::regex(step.octets)) : line == step.octets;
    if (!fits && wrong.empty())
      wrong = fmt::format("line {}: want '{}', the server said '{}'", step.line, step.octets, line);
  }
  said_.erase(0, *octets);
  return wrong;
}

}  // namespace postrider::dialogue
