// Makes up whole pipelined sessions from a seed: mostly right, with everything in them that framing can stumble over.
#pragma once

#include "core/random.hpp"
#include "tests/attack/attack.hpp"

namespace postrider::attack {

/// What a client sends from EHLO on, and what the server is like.
struct MadeSession {
  dialogue::Script script;
  std::string stream;
};

/// Refuses the recipients nobody@… and the senders refused@…, and finds no room for the content of full@….
inline Victim::Answers answers_of(const MadeSession& /*made*/) {
  return [full = false](dialogue::Question question, std::string_view subject) mutable {
    std::optional<smtp::Reply> reply;
    if (question == dialogue::Question::sender) full = subject.starts_with("full@");
    if (question == dialogue::Question::sender && subject.starts_with("refused@"))
      reply = smtp::Reply{.code = 550, .enhanced = "5.1.8", .text = "no"};
    if (question == dialogue::Question::recipient && subject.starts_with("nobody@"))
      reply = smtp::Reply{.code = 550, .enhanced = "5.1.1", .text = "no"};
    if (question == dialogue::Question::begin_content && full)
      reply = smtp::Reply{.code = 452, .enhanced = "4.3.1", .text = "no room"};
    return reply;
  };
}

class SessionMaker {
 public:
  explicit SessionMaker(SeededRandom* random) : random_(random) {}

  MadeSession make() {
    MadeSession made;
    made.script.max_message_size = pick({300, 5000, 200'000});
    made.script.max_recipients = pick({1, 3, 1000});
    made.stream = one_of({"EHLO c.example\r\n", "EHLO c.example\r\n", "HELO c.example\r\n", "NOOP\r\nehlo c\r\n"});
    for (std::uint64_t left = 1 + random_->below(6); left > 0; --left) {
      if (happens(25)) made.stream += odd_line();
      made.stream += envelope();
      made.stream += happens(50) ? data() : chunks();
      if (happens(20)) made.stream += "RSET\r\n";
    }
    if (happens(40)) made.stream += "QUIT\r\n";
    if (happens(10)) made.stream += "NOOP\r\n";
    if (happens(10)) made.stream.resize(random_->below(made.stream.size() + 1));  // the connection ends anywhere
    if (happens(15)) spoil(made.stream);
    return made;
  }

 private:
  [[nodiscard]] bool happens(std::uint64_t percent) { return random_->below(100) < percent; }
  [[nodiscard]] std::uint64_t pick(std::initializer_list<std::uint64_t> from) {
    return *(from.begin() + random_->below(from.size()));
  }
  [[nodiscard]] std::string one_of(std::initializer_list<std::string_view> from) {
    return std::string(*(from.begin() + random_->below(from.size())));
  }

  std::string odd_line() {
    using namespace std::string_view_literals;
    if (happens(10)) return std::string(2000 + random_->below(100), 'N') + "\r\n";
    return one_of({"FOO\r\n", "\r\n", ".\r\n", "VRFY x\r\n", "NOOP\n\r\n", "NO\rOP\r\n", "NOOP\0\r\n"sv, "EXPN\r\n",
                   "DATA x\r\n", "RCPT TO:<a@b.test>\r\n", "DATA\r\n", "HELP\r\n", "EHLO d\r\n", "MAIL FROM:x\r\n"});
  }
  std::string envelope() {
    std::string out = one_of({"MAIL FROM:<x@c.example>\r\n", "MAIL FROM:<>\r\n", "MAIL FROM:<x@c.example> SIZE=10\r\n",
                              "MAIL FROM:<x@c.example> BODY=8BITMIME\r\n", "mail from:<x@c.example>\r\n"});
    if (happens(5)) out = one_of({"MAIL FROM:<refused@c.example>\r\n", "MAIL FROM:<full@c.example>\r\n"});
    if (happens(5)) out = one_of({"MAIL FROM:<x@c.example> SIZE=1000000\r\n", "MAIL FROM:<x@c.example> X=1\r\n", ""});
    for (std::uint64_t left = random_->below(4); left > 0; --left)
      out += one_of({"RCPT TO:<ann@example.test>\r\n", "RCPT TO:<nobody@example.test>\r\n", "RCPT TO:<bob>\r\n"});
    if (happens(90)) out += "RCPT TO:<ann@example.test>\r\n";
    return out;
  }
  /// Lines of a content, as they are without transparency.
  std::string content() {
    std::string out;
    for (std::uint64_t left = random_->below(12); left > 0; --left) {
      switch (random_->below(14)) {
        case 0: out += ".\r\n"; break;
        case 1: out += "..\r\n"; break;
        case 2: out += "\r\n"; break;
        case 3: out += std::string(random_->below(3000), 'l') + "\r\n"; break;
        case 4: out += "QUIT\r\n"; break;
        case 5: out += "caf\xc3\xa9 \xff\r\n"; break;
        case 6: out += ".leading\r\n"; break;
        case 7: out += "BDAT 5 LAST\r\n"; break;
        default: out += "text\r\n"; break;
      }
    }
    if (happens(1)) out += std::string(64 * 1024 + random_->below(2000), 'L') + "\r\n";
    if (happens(12)) {
      using namespace std::string_view_literals;
      out += one_of({"\n", "\r", "a\rb\r\n", "a\n.\n", "\0\r\n"sv, "\r\r\n", "\n.\r\n", "x\r.\r\n", "\r\n.\n"});
    }
    return out;
  }
  std::string data() {
    std::string out = "DATA\r\n";
    std::string text = content();
    bool line_start = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (line_start && text[i] == '.') out += '.';
      out += text[i];
      line_start = text[i] == '\n' && i > 0 && text[i - 1] == '\r';
    }
    if (!line_start) out += "\r\n";
    return out + ".\r\n";
  }
  std::string chunks() {
    const std::string text = content();
    std::string out;
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t size = std::min(text.size() - at, 1 + random_->below(happens(50) ? 5 : 5000));
      const bool last = at + size == text.size() && happens(60);
      out += "BDAT " + std::to_string(size) + (last ? " LAST\r\n" : "\r\n") + text.substr(at, size);
      at += size;
      if (last) return out;
      if (happens(5))
        out += one_of({"NOOP\r\n", "RSET\r\n", "DATA\r\n", "RCPT TO:<ann@example.test>\r\n", "BDAT 0\r\n"});
    }
    return out + "BDAT 0 LAST\r\n";
  }
  /// Changes, takes away or puts in some octets anywhere.
  void spoil(std::string& stream) {
    for (std::uint64_t left = 1 + random_->below(4); left > 0 && !stream.empty(); --left) {
      const std::size_t at = random_->below(stream.size());
      switch (random_->below(3)) {
        case 0: stream[at] = static_cast<char>(random_->below(256)); break;
        case 1: stream.erase(at, 1); break;
        default: stream.insert(at, one_of({"\r", "\n", "\r\n", ".", "\r\n.\r\n", "\x80"})); break;
      }
    }
  }

  SeededRandom* random_;
};

inline MadeSession make_session(SeededRandom& random) { return SessionMaker(&random).make(); }

}  // namespace postrider::attack
