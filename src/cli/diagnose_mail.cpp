#include "cli/diagnose_mail.hpp"

#include "cli/message_file.hpp"
#include "cli/print.hpp"
#include "core/text.hpp"
#include "mail/dsn_parse.hpp"
#include "mail/header_text.hpp"
#include "mail/imap_structure.hpp"
#include "mail/mime.hpp"
#include "sasl/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace postrider::cli {

namespace {

/// `[a,b]` of what `show` makes of each.
template <class Range, class Show>
std::string json_list(const Range& range, Show show) {
  std::string out;
  for (const auto& one : range) out += (out.empty() ? "" : ",") + show(one);
  return '[' + out + ']';
}

std::string json_words(const std::vector<std::string>& words) {
  return json_list(words, [](const std::string& word) { return json_quoted(word); });
}

std::string json_or_null(std::string_view text) { return text.empty() ? "null" : json_quoted(text); }

/// Nothing that could move a terminal's cursor: control characters become blanks.
std::string for_people(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return out;
}

std::string words_for_people(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + for_people(word);
  return out;
}

/// Calls `use` for each word, then for each line of stdin where that is asked for. False: there was none.
template <class Use>
bool for_each_case(const DiagnoseOptions& options, Use use) {
  for (const std::string& word : options.words) use(word);
  if (!options.from_stdin) {
    if (options.words.empty()) print_error("nothing to look at: give it as words, or by lines with --stdin");
    return !options.words.empty();
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.ends_with('\r')) line.pop_back();
    use(line);
  }
  return true;
}

// ---- addresses

std::string json_of(const mail::HeaderMailbox& mailbox) {
  return fmt::format(R"({{"name":{},"local":{},"domain":{}}})", json_quoted(mailbox.name), json_quoted(mailbox.local),
                     json_quoted(mailbox.domain));
}

std::string json_of(const std::vector<mail::HeaderMailbox>& mailboxes) {
  return json_list(mailboxes, [](const mail::HeaderMailbox& mailbox) { return json_of(mailbox); });
}

// ---- messages

bool is_multipart(const mail::MimePart& part) { return part.type.starts_with("multipart/"); }

/// Where a part is in the tree.
struct Place {
  std::string path;    ///< the section of IMAP (9051 §6.4.5) that fetches its body
  std::string prefix;  ///< of the paths of its parts
  std::size_t depth = 0;
};

/// The multipart of a message has no number: it is the message's TEXT.
Place place_of_message(const std::string& of_message, const mail::MimePart& root, std::size_t depth) {
  const std::string dot = of_message.empty() ? "" : of_message + '.';
  if (!is_multipart(root)) return {.path = dot + '1', .prefix = dot + '1', .depth = depth};
  return {.path = of_message.empty() ? "" : dot + "TEXT", .prefix = of_message, .depth = depth};
}

Place place_of_child(const Place& parent, const mail::MimePart& part, std::size_t index) {
  if (!is_multipart(part)) return place_of_message(parent.path, part.children[index], parent.depth + 1);
  const std::string path = (parent.prefix.empty() ? "" : parent.prefix + '.') + std::to_string(index + 1);
  return {.path = path, .prefix = path, .depth = parent.depth + 1};
}

/// One message as JSON or as text.
class Dump {
 public:
  Dump(std::string_view message, const DiagnoseOptions& options)
      : message_(message), options_(options), tree_(mail::parse_mime(message)) {}

  [[nodiscard]] std::string json() const {
    std::string out = R"({"v":1,"headers":)" + json_list(tree_.root.fields, [&](const mail::MimeField& field) {
                        const std::string_view raw = mail::octets_of(message_, field.value);
                        return fmt::format(R"({{"name":{},"raw":{},"text":{}}})", json_quoted(field.name),
                                           json_quoted(raw), json_quoted(mail::decode_header_text(raw).text));
                      });
    out += R"(,"parts":[)" + json_of_part(tree_.root, place_of_message("", tree_.root, 0)) + ']';
    out += R"(,"defects":)" + json_words(tree_.defects);
    if (options_.imap) {
      out += fmt::format(R"(,"envelope":{},"bodystructure":{})", json_quoted(envelope()), json_quoted(structure()));
    }
    return out + '}';
  }

  [[nodiscard]] std::string text() const {
    std::string out;
    for (const mail::MimeField& field : tree_.root.fields) {
      const std::string_view raw = mail::octets_of(message_, field.value);
      out += fmt::format("{}: {}\n", field.name, for_people(mail::decode_header_text(raw).text));
    }
    out += '\n' + text_of_part(tree_.root, place_of_message("", tree_.root, 0));
    if (options_.imap)
      out += fmt::format("envelope: {}\nbodystructure: {}\n", for_people(envelope()), for_people(structure()));
    if (!tree_.defects.empty()) out += fmt::format("defects: {}\n", words_for_people(tree_.defects));
    return out;
  }

 private:
  [[nodiscard]] std::string envelope() const { return mail::imap_envelope(message_, tree_.root); }
  [[nodiscard]] std::string structure() const {
    return mail::imap_body_structure(message_, tree_.root, mail::Extension::with);
  }

  // Both call themselves for the parts within: at most kMimeDepthMax deep, as the tree is.

  [[nodiscard]] std::string json_of_part(const mail::MimePart& part, const Place& place) const {
    std::string params;
    for (const mail::Parameter& parameter : part.parameters)
      params +=
          fmt::format("{}{}:{}", params.empty() ? "" : ",", json_quoted(parameter.name), json_quoted(parameter.value));
    std::string out = fmt::format(
        R"({{"path":{},"type":{},"params":{{{}}},"disposition":{},"filename":{},"cte":{},"charset":{},"lines":{},"octets":{})",
        json_quoted(place.path), json_quoted(part.type), params, json_or_null(part.disposition),
        json_or_null(part.filename), json_quoted(part.encoding_name), json_or_null(part.charset), part.lines,
        part.body.size_octets);
    if (is_multipart(part)) {  // has no content of its own
      out += R"(,"decoded_octets":null,"decoded_sha256":null)";
    } else {
      const std::string octets = mail::decoded_body(message_, part).octets;
      out += fmt::format(R"(,"decoded_octets":{},"decoded_sha256":"{}")", octets.size(), to_hex(sasl::sha256(octets)));
    }
    if (options_.bodies && part.type.starts_with("text/"))
      out += ",\"text\":" + json_quoted(mail::text_of(message_, part));
    std::string children;
    for (std::size_t i = 0; i < part.children.size(); ++i)
      children += (i == 0 ? "" : ",") + json_of_part(part.children[i], place_of_child(place, part, i));
    return out + ",\"children\":[" + children + "]}";
  }

  [[nodiscard]] std::string text_of_part(const mail::MimePart& part, const Place& place) const {
    std::string out(place.depth * 2, ' ');
    out += fmt::format("{} {} {}", place.path.empty() ? "-" : place.path, part.type, part.encoding_name);
    if (!part.charset.empty()) out += " charset=" + for_people(part.charset);
    if (!part.disposition.empty()) out += ' ' + part.disposition;
    if (!part.filename.empty()) out += fmt::format(" \"{}\"", for_people(part.filename));
    out += fmt::format(" {} octets {} lines\n", part.body.size_octets, part.lines);
    if (options_.bodies && part.type.starts_with("text/")) {
      const std::string text = mail::text_of(message_, part);
      for (const std::string_view line : split(text, '\n'))
        out += std::string(place.depth * 2, ' ') + "| " + for_people(trimmed_end(line)) + '\n';
    }
    for (std::size_t i = 0; i < part.children.size(); ++i)
      out += text_of_part(part.children[i], place_of_child(place, part, i));
    return out;
  }

  static std::string_view trimmed_end(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  std::string_view message_;
  const DiagnoseOptions& options_;
  mail::MimeTree tree_;
};

// ---- reports

std::string json_of(const mail::ReportedRecipient& recipient) {
  return fmt::format(
      R"({{"final":{},"original":{},"action":{},"status":{},"code":{},"diagnostic":{},"class":{},"category":{}}})",
      json_or_null(recipient.final), json_or_null(recipient.original), json_or_null(recipient.action),
      json_or_null(recipient.status), recipient.code == 0 ? "null" : std::to_string(recipient.code),
      json_or_null(recipient.diagnostic), json_quoted(name_of(recipient.bounce_class)),
      json_quoted(name_of(recipient.category)));
}

std::string json_of(const mail::ParsedReport& report) {
  return fmt::format(R"({{"v":1,"kind":{},"recipients":{},"original_message_id":{}}})",
                     json_quoted(name_of(report.kind)),
                     json_list(report.recipients, [](const auto& recipient) { return json_of(recipient); }),
                     json_or_null(report.original_message_id));
}

/// Without its last line end.
std::string text_of(const mail::ParsedReport& report) {
  std::string out = "kind: " + std::string(name_of(report.kind));
  if (!report.original_message_id.empty()) out += "\nabout: <" + for_people(report.original_message_id) + '>';
  for (const mail::ReportedRecipient& recipient : report.recipients) {
    out += fmt::format("\n{}: {} {} ({}, {})", recipient.final.empty() ? "?" : for_people(recipient.final),
                       recipient.action.empty() ? "-" : recipient.action,
                       recipient.status.empty() ? "-" : recipient.status, name_of(recipient.bounce_class),
                       name_of(recipient.category));
    if (!recipient.original.empty() && recipient.original != recipient.final)
      out += "\n  sent to: " + for_people(recipient.original);
    if (!recipient.diagnostic.empty()) out += "\n  " + for_people(recipient.diagnostic);
  }
  return out;
}

}  // namespace

int check_addresses(const DiagnoseOptions& options) {
  bool all_valid = true;
  const bool any = for_each_case(options, [&](const std::string& text) {
    const mail::AddressCheck found = mail::check_address(text, options.grammar, options.utf8);
    all_valid = all_valid && found.valid;
    if (options.json) {
      print_line(fmt::format(R"({{"v":1,"valid":{},"class":{},"diagnosis":{},"local":{},"domain":{}}})", found.valid,
                             json_quoted(name_of(found.address_class)), json_quoted(found.diagnosis),
                             json_quoted(found.local), json_quoted(found.domain)));
    } else {
      print_line(fmt::format("{}: {} ({}, {})", for_people(text), found.valid ? "valid" : "not valid",
                             name_of(found.address_class), found.diagnosis));
    }
  });
  if (!any) return kExitUsage;
  return all_valid ? kExitDone : kExitFailed;
}

int list_addresses(const DiagnoseOptions& options) {
  const mail::AddressList list = mail::parse_address_list(options.words.empty() ? "" : options.words.front());
  const std::vector<mail::HeaderMailbox> mailboxes = list.mailboxes();
  if (options.json) {
    std::string groups;
    for (const auto& entry : list.entries) {
      if (const auto* const group = std::get_if<mail::HeaderGroup>(&entry))
        groups += fmt::format(R"({}{{"name":{},"mailboxes":{}}})", groups.empty() ? "" : ",", json_quoted(group->name),
                              json_of(group->mailboxes));
    }
    print_line(fmt::format(R"({{"v":1,"groups":[{}],"mailboxes":{},"errors":{}}})", groups, json_of(mailboxes),
                           json_words(list.errors)));
  } else {
    for (const mail::HeaderMailbox& mailbox : mailboxes) {
      const std::string domain = mailbox.domain.empty() ? "" : '@' + mailbox.domain;
      const std::string name = mailbox.name.empty() ? "" : "  (" + mailbox.name + ')';
      print_line(for_people(mailbox.local + domain + name));
    }
    for (const std::string& what : list.errors) print_line("error: " + for_people(what));
  }
  return list.errors.empty() ? kExitDone : kExitFailed;
}

/// What `print` makes of each file's message, with its name above where there are several. Exit: the worst of them.
template <class Print>
int for_each_message(const DiagnoseOptions& options, Print print) {
  int exit = kExitDone;
  for (const std::string& name : options.words) {
    const Result<std::string> file = read_message_file(name);
    if (!file) {
      print_error(describe(file.error()));
      exit = kExitUsage;
      continue;
    }
    const std::string above = !options.json && options.words.size() > 1 ? name + ":\n" : "";
    exit = std::max(exit, print(without_mbox_line(*file), above));
  }
  return exit;
}

int dump_messages(const DiagnoseOptions& options) {
  return for_each_message(options, [&](std::string_view message, const std::string& above) {
    const Dump dump(message, options);
    print_line(options.json ? dump.json() : above + dump.text());
    return kExitDone;
  });
}

int decode_headers(const DiagnoseOptions& options) {
  const bool any = for_each_case(options, [&](const std::string& text) {
    const mail::DecodedText decoded = mail::decode_header_text(text);
    if (options.json) {
      print_line(fmt::format(R"({{"v":1,"text":{},"charsets":{},"defects":{}}})", json_quoted(decoded.text),
                             json_words(decoded.charsets), json_words(decoded.defects)));
    } else {
      print_line(for_people(decoded.text));
      if (!decoded.defects.empty()) print_error("defects: " + words_for_people(decoded.defects));
    }
  });
  return any ? kExitDone : kExitUsage;
}

int parse_reports(const DiagnoseOptions& options) {
  return for_each_message(options, [&](std::string_view message, const std::string& above) {
    const mail::ParsedReport report = mail::parse_report(message);
    print_line(options.json ? json_of(report) : above + text_of(report));
    return report.kind == mail::ReportKind::none ? kExitFailed : kExitDone;
  });
}

}  // namespace postrider::cli
