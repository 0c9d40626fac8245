#include "cli/sendmail_call.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::cli {

namespace {

constexpr std::string_view kWithArgument = "ABCFLNORVXbefhopqr";  // -q: attached only
constexpr std::string_view kAlone = "GInmtUivcsx";

std::string_view base_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

std::unexpected<Error> wrong(std::string what) { return error(Error::malformed, "sendmail", std::move(what)); }

Result<mail::NotifyOn> parse_notify(std::string_view text) {
  mail::NotifyOn notify;
  if (iequals_ascii(text, "never")) return notify;
  for (const std::string_view word : split(text, ',')) {
    if (iequals_ascii(word, "success")) {
      notify.success = true;
    } else if (iequals_ascii(word, "failure")) {
      notify.failure = true;
    } else if (iequals_ascii(word, "delay")) {
      notify.delay = true;
    } else {
      return wrong("-N takes never, or success, failure and delay parted by commas");
    }
  }
  return notify;
}

class Parser {
 public:
  Result<SendmailCall> run(std::string_view program, const std::vector<std::string>& words) {
    if (base_name(program) == "mailq") call_.mode = SendmailCall::Mode::list;
    if (base_name(program) == "newaliases") call_.mode = SendmailCall::Mode::aliases;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (word == "--") {
        call_.recipients.insert(call_.recipients.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                words.end());
        break;
      }
      if (word.size() < 2 || word.front() != '-') {
        call_.recipients.push_back(word);
        continue;
      }
      const Result<void> read = read_letters(std::string_view(word).substr(1), words, i);
      if (!read) return fail(read);
    }
    return std::move(call_);
  }

 private:
  Result<void> read_letters(std::string_view letters, const std::vector<std::string>& words, std::size_t& at) {
    while (!letters.empty()) {
      const char letter = letters.front();
      letters.remove_prefix(1);
      if (kAlone.contains(letter)) {
        flag(letter);
        continue;
      }
      if (letter == 'd') return {};  // -d0.1: Sendmail's debugging
      if (!kWithArgument.contains(letter)) return wrong(fmt::format("there is no option -{}", letter));
      if (!letters.empty() || letter == 'q') return option(letter, letters);
      if (at + 1 == words.size()) return wrong(fmt::format("-{} wants an argument", letter));
      return option(letter, words[++at]);
    }
    return {};
  }

  void flag(char letter) {
    switch (letter) {
      case 't': call_.recipients_from_header = true; break;
      case 'i': call_.dots_are_text = true; break;
      case 'v': call_.verbose = true; break;
      case 'G': call_.is_gateway = true; break;
      case 'I': call_.mode = SendmailCall::Mode::aliases; break;
      default: break;  // n, m, U, c, s, x: nothing that we do otherwise
    }
  }

  Result<void> option(char letter, std::string_view value) {
    switch (letter) {
      case 'f':
      case 'r': call_.from = value; return {};
      case 'F': call_.full_name = value; return {};
      case 'C': call_.config = value; return {};
      case 'b': return mode(value);
      case 'o':
        if (value == "i") call_.dots_are_text = true;
        return {};  // -oem, -odb and the like
      case 'q':
        call_.mode = SendmailCall::Mode::flush;
        if (value.empty()) return {};
        if (!std::string_view("RSI").contains(value.front()) || value.size() < 2)
          return error(Error::unsupported, "sendmail", "-q with an interval runs a daemon: that is postrider serve");
        call_.flush_what = value;
        return {};
      case 'B':
        if (!iequals_ascii(value, "7BIT") && !iequals_ascii(value, "8BITMIME"))
          return wrong("-B takes 7BIT or 8BITMIME");
        call_.request.body = iequals_ascii(value, "7BIT") ? mail::BodyType::seven_bit : mail::BodyType::eight_bit_mime;
        return {};
      case 'N': {
        const Result<mail::NotifyOn> notify = parse_notify(value);
        if (!notify) return fail(notify);
        call_.notify = *notify;
        return {};
      }
      case 'R':
        if (!iequals_ascii(value, "full") && !iequals_ascii(value, "hdrs")) return wrong("-R takes full or hdrs");
        call_.request.returned =
            iequals_ascii(value, "full") ? mail::ReturnContent::full : mail::ReturnContent::headers;
        return {};
      case 'V':
        if (value.size() > mail::kEnvelopeIdOctetsMax || printable_ascii(value, value.size()) != value)
          return wrong(fmt::format("-V takes at most {} printable characters", mail::kEnvelopeIdOctetsMax));
        call_.request.envelope_id = value;
        return {};
      default: return {};  // A, L, O, X, e, h, p: nothing that we do otherwise
    }
  }

  Result<void> mode(std::string_view value) {
    using Mode = SendmailCall::Mode;
    if (value == "m")
      call_.mode = Mode::deliver;
    else if (value == "s")
      call_.mode = Mode::smtp;
    else if (value == "p")
      call_.mode = Mode::list;
    else if (value == "v")
      call_.mode = Mode::verify;
    else if (value == "i")
      call_.mode = Mode::aliases;
    else if (value == "d" || value == "D" || value == "a")
      return error(Error::unsupported, "sendmail", fmt::format("-b{} runs a daemon: that is postrider serve", value));
    else
      return wrong(fmt::format("-b takes m, s, p, v or i, not {}", printable_ascii(value, 20)));
    return {};
  }

  SendmailCall call_;
};

}  // namespace

Result<SendmailCall> parse_sendmail(std::string_view program, const std::vector<std::string>& words) {
  return Parser().run(program, words);
}

bool is_sendmail(std::string_view program) {
  const std::string_view name = base_name(program);
  return name == "sendmail" || name == "mailq" || name == "newaliases";
}

}  // namespace postrider::cli
