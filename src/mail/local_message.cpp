#include "mail/local_message.hpp"

#include "core/text.hpp"
#include "mail/header_address.hpp"
#include "mail/header_section.hpp"
#include "mail/message_builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

namespace postrider::mail {

namespace {

constexpr std::string_view kAddressFields[] = {"From",      "Sender",     "Reply-To",      "To",
                                               "Cc",        "Bcc",        "Resent-From",   "Resent-To",
                                               "Resent-Cc", "Resent-Bcc", "Resent-Sender", "Resent-Reply-To"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view one) { return iequals_ascii(name, one); });
}

/// Walks through the value of an address field, address by address, and notes where a domain is missing.
class DomainFinder {
 public:
  explicit DomainFinder(std::string_view value) : value_(value) {}

  /// Offsets behind local parts that have no domain, in order.
  std::vector<std::size_t> run() {
    while (at_ < value_.size()) step();
    end_address();
    return std::move(missing_);
  }

 private:
  void step() {
    const char c = value_[at_];
    switch (c) {
      case '(': return skip_comment();
      case '"': return word(skip_quoted());
      case '<':
        if (bracket_) break;
        begin_words();
        bracket_ = at_;
        break;
      case '>':
        if (bracket_ && !closed_) closed_ = at_;
        break;
      case '@':
        if (!closed_) has_domain_ = true;
        break;
      case ',':
      case ';': end_address(); break;
      case ':':
        if (bracket_) break;
        begin_words();  // what was before is a group's name
        has_domain_ = false;
        break;
      case ' ':
      case '\t':
      case '\r':
      case '\n': break;
      default: return word(skip_atom());
    }
    ++at_;
  }

  void begin_words() {
    words_ = 0;
    last_word_end_ = 0;
  }

  void word(std::size_t end) {
    if (closed_) return;                                         // old syntax: something behind the brackets
    const bool continues = words_ > 0 && at_ == last_word_end_;  // "a"."b"
    if (!continues) ++words_;
    last_word_end_ = end;
    at_ = end;
  }

  std::size_t skip_atom() {
    const std::size_t end = value_.find_first_of("()\"<>@,;: \t\r\n", at_ + 1);
    const std::size_t stop = end == std::string_view::npos ? value_.size() : end;
    if (closed_) at_ = stop;
    return stop;
  }

  std::size_t skip_quoted() {
    std::size_t end = at_ + 1;
    while (end < value_.size() && value_[end] != '"') end += value_[end] == '\\' ? 2 : 1;
    if (end >= value_.size()) {  // it never ends, so it is no address
      if (!closed_) words_ += 2;
      at_ = value_.size();
      return at_;
    }
    ++end;
    if (closed_) at_ = end;
    return end;
  }

  void skip_comment() {
    int depth = 0;
    for (; at_ < value_.size(); ++at_) {
      if (value_[at_] == '\\') {
        ++at_;
      } else if (value_[at_] == '(') {
        ++depth;
      } else if (value_[at_] == ')' && --depth == 0) {
        ++at_;
        return;
      }
    }
    at_ = value_.size();
  }

  void end_address() {
    const bool is_whole = !bracket_ || closed_;
    if (!has_domain_ && is_whole && words_ == 1) missing_.push_back(last_word_end_);
    begin_words();
    bracket_.reset();
    closed_.reset();
    has_domain_ = false;
  }

  std::string_view value_;
  std::size_t at_ = 0;
  std::size_t words_ = 0;
  std::size_t last_word_end_ = 0;
  std::optional<std::size_t> bracket_;
  std::optional<std::size_t> closed_;
  bool has_domain_ = false;
  std::vector<std::size_t> missing_;
};

/// What is before a line with a dot alone.
std::string_view up_to_dot(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_of("\r\n");
    if (rest.substr(0, end) == ".") return text.substr(0, text.size() - rest.size());
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  return text;
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end == std::string_view::npos ? rest.size() : end + 2);
  rest.remove_prefix(line.size());
  return line;
}

/// A field with its folds, each line with its CRLF.
struct Field {
  std::string_view name;
  std::string_view text;
  [[nodiscard]] std::string_view value() const { return text.substr(text.find(':') + 1); }
};

/// The fields at the start of `rest`, which begins behind them afterwards: with the empty line, or with text.
std::vector<Field> take_fields(std::string_view& rest) {
  std::vector<Field> fields;
  while (!rest.empty()) {
    std::string_view behind = rest;
    std::string_view text = take_line(behind);
    const std::optional<std::string_view> name = field_name_of(text.substr(0, text.find('\r')));
    if (!name) break;
    while (behind.starts_with(' ') || behind.starts_with('\t')) {
      const std::size_t fold = take_line(behind).size();
      text = rest.substr(0, text.size() + fold);
    }
    fields.push_back({.name = *name, .text = text});
    rest = behind;
  }
  return fields;
}

std::string from_field(const LocalMessageForm& form) {
  MessageBuilder builder("");
  builder.addresses("From",
                    {{.name = form.full_name, .local = form.from_user, .domain = form.origin.text(), .route = {}}});
  const std::string built = builder.build();
  std::string_view rest = built;
  return std::string(take_fields(rest).front().text);
}

}  // namespace

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\r\n");
    out += text.substr(0, end);
    out += "\r\n";
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  return out;
}

std::string with_domains(std::string_view value, const Domain& origin) {
  std::string out;
  std::size_t done = 0;
  for (const std::size_t end : DomainFinder(value).run()) {
    out += value.substr(done, end - done);
    out += '@';
    out += origin.text();
    done = end;
  }
  out += value.substr(done);
  return out;
}

Result<std::vector<Address>> parse_recipients(std::string_view text, const Domain& origin) {
  const AddressList list = parse_address_list(with_domains(text, origin));
  if (!list.errors.empty())
    return error(Error::malformed, "mail.recipients",
                 fmt::format("{}: {}", printable_ascii(text, 200), list.errors.front()));
  std::vector<Address> out;
  for (const HeaderMailbox& mailbox : list.mailboxes()) {
    Result<Domain> domain = Domain::parse(mailbox.domain, Utf8::yes);
    if (!domain) return fail(domain);
    Result<Address> address = Address::make(mailbox.local, std::move(*domain));
    if (!address) return fail(address);
    if (std::ranges::find(out, *address) == out.end()) out.push_back(std::move(*address));
  }
  return out;
}

Result<LocalMessage> make_local_message(std::string_view text, const LocalMessageForm& form) {
  if (text.size() > kLocalMessageOctetsMax) return error(Error::too_long, "mail.local_message", "over 64 MiB");
  if (text.starts_with("From ")) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const std::string lines = with_crlf(form.dot_ends ? up_to_dot(text) : text);
  std::string_view rest = lines;
  const std::vector<Field> fields = take_fields(rest);
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(fields, [&](const Field& field) { return iequals_ascii(field.name, name); });
  };
  const bool is_resent = has("Resent-To") || has("Resent-Cc") || has("Resent-Bcc");
  using Names = std::array<std::string_view, 3>;
  const Names named = is_resent ? Names{"Resent-To", "Resent-Cc", "Resent-Bcc"} : Names{"To", "Cc", "Bcc"};

  LocalMessage out;
  if (!form.from_user.empty() && !has("From")) out.content = from_field(form);
  for (const Field& field : fields) {
    if (form.recipients_from_header && is_one_of(field.name, named)) {
      const Result<std::vector<Address>> found = parse_recipients(field.value(), form.origin);
      if (!found) return fail(found);
      for (const Address& address : *found) {
        if (std::ranges::find(out.recipients, address) == out.recipients.end()) out.recipients.push_back(address);
      }
    }
    if (form.completes && is_one_of(field.name, kAddressFields)) {
      out.content += field.text.substr(0, field.text.find(':') + 1);
      out.content += with_domains(field.value(), form.origin);
    } else {
      out.content += field.text;
    }
  }
  out.has_utf8_header = !is_ascii(out.content);
  if (!rest.starts_with("\r\n")) out.content += "\r\n";
  out.content += rest;
  out.has_eight_bit = !is_ascii(out.content);
  return out;
}

}  // namespace postrider::mail
