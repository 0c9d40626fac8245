#include "directory/alias_file.hpp"

#include "core/text.hpp"
#include "directory/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace postrider::directory {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// A line with those that continue it, and where each of its octets stood.
struct Entry {
  struct Piece {
    std::size_t offset;  // in `text`
    std::size_t line;
    std::size_t column;
  };
  std::string text;
  std::vector<Piece> pieces;
  [[nodiscard]] Piece place(std::size_t offset) const {
    const auto after = std::ranges::upper_bound(pieces, offset, {}, &Piece::offset);
    const Piece& piece = *std::prev(after);
    return {offset, piece.line, piece.column + offset - piece.offset};
  }
};

/// `line` up to a comment: a `#` at its start or behind a blank, outside quotes.
std::string_view without_comment(std::string_view line) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && quoted) {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == '#' && !quoted && (i == 0 || is_blank(line[i - 1]))) {
      return line.substr(0, i);
    }
  }
  return line;
}

enum class Continued : std::uint8_t { by_blank, never };

/// The entries of a file, in order; blank lines and comments part nothing.
std::vector<Entry> entries_of(std::string_view text, Continued continued) {
  std::vector<Entry> entries;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = without_comment(line);
    if (trimmed(line).empty()) continue;
    const bool goes_on = continued == Continued::by_blank && is_blank(line.front()) && !entries.empty();
    if (!goes_on) entries.emplace_back();
    Entry& entry = entries.back();
    if (goes_on) entry.text += ' ';
    entry.pieces.push_back({entry.text.size(), number, 1});
    entry.text += line;
  }
  return entries;
}

/// A word of an entry: from `begin` to `end`, without the blanks around it.
struct Word {
  std::size_t begin;
  std::string_view text;
};

Word word_of(std::string_view text, std::size_t begin, std::size_t end) {
  while (begin < end && is_blank(text[begin])) ++begin;
  while (end > begin && is_blank(text[end - 1])) --end;
  return {begin, text.substr(begin, end - begin)};
}

/// Where the first of `marks` stands outside quotes, from `at` on; the end when there is none.
std::size_t find_outside_quotes(std::string_view text, std::string_view marks, std::size_t at) {
  bool quoted = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && marks.find(text[at]) != std::string_view::npos) {
      return at;
    }
  }
  return text.size();
}

/// What a text that is quoted as a whole means; nullopt: it is not.
std::optional<std::string> unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"') return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1 == text.size() ? std::optional(std::move(out)) : std::nullopt;
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return std::nullopt;
}

class Parser {
 public:
  Parser(AliasFormat format, const mail::Domain& domain, const ReadIncluded& read_included)
      : format_(format), domain_(domain), read_included_(read_included) {}

  ParsedAliases run(const AliasText& file) {
    file_ = &file;
    for (const Entry& entry : entries_of(file.text, Continued::by_blank)) {
      if (is_full()) break;
      targets_.clear();
      known_.clear();
      said_too_many_ = false;
      mistakes_before_ = out_.mistakes.size();
      if (format_ == AliasFormat::aliases) {
        read_alias(entry);
      } else {
        read_virtual(entry);
      }
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool is_full() const { return out_.mistakes.size() >= kFileMistakesMax; }

  void mistake(const Entry& entry, std::size_t offset, std::string what) {
    if (is_full()) return;
    const Entry::Piece at = entry.place(offset);
    out_.mistakes.push_back({file_->path, at.line, at.column, std::move(what)});
  }

  void read_alias(const Entry& entry) {
    const std::string_view text = entry.text;
    const std::size_t colon = find_outside_quotes(text, ":", 0);
    if (colon == text.size()) return mistake(entry, 0, "a line is \"name: target, target\": the colon is missing");
    const Word name = word_of(text, 0, colon);
    const std::optional<mail::Address> address = parse_address(name.text);
    if (!address) return mistake(entry, name.begin, fmt::format("{} is no name for an alias", shown(name.text)));
    read_targets(entry, colon + 1, ",");
    keep(entry, name, *address);
  }

  void read_virtual(const Entry& entry) {
    const std::string_view text = entry.text;
    const std::size_t begin = word_of(text, 0, text.size()).begin;
    const std::size_t end = find_outside_quotes(text, " \t", begin);
    const Word key = word_of(text, begin, end);
    const Word rest = word_of(text, end, text.size());
    if (rest.text.empty()) return mistake(entry, key.begin, "a line is \"address target, target\": there is no target");
    if (key.text.starts_with('@')) {
      const Result<mail::Domain> whole = mail::Domain::parse(key.text.substr(1));
      if (!whole || whole->is_literal())
        return mistake(entry, key.begin, fmt::format("{} is no domain", shown(key.text)));
      read_targets(entry, end, ", \t");
      return keep_catch_all(entry, key, *whole);
    }
    if (names_a_domain(key.text, rest.text)) {
      if (out_.notes.size() < kFileMistakesMax) {
        const Entry::Piece at = entry.place(key.begin);
        out_.notes.push_back({file_->path, at.line, at.column,
                              fmt::format("{} is passed over: domains are [[domain]] or domain add", shown(key.text))});
      }
      return;
    }
    const std::optional<mail::Address> address = parse_address(key.text);
    if (!address) return mistake(entry, key.begin, fmt::format("{} is no address", shown(key.text)));
    read_targets(entry, end, ", \t");
    keep(entry, key, *address);
  }

  /// "example.test anything": a name with a dot that goes to one word which is no address. Our own domain always is.
  [[nodiscard]] bool names_a_domain(std::string_view key, std::string_view rest) const {
    const Result<mail::Domain> domain = mail::Domain::parse(key);
    if (!domain || key.find('@') != std::string_view::npos) return false;
    if (*domain == domain_) return true;
    return key.find('.') != std::string_view::npos && rest.find_first_of("@, \t\"") == std::string_view::npos;
  }

  void keep(const Entry& entry, const Word& name, const mail::Address& address) {
    const std::string key = keys::folded(address);
    if (known_.contains(key)) return mistake(entry, name.begin, "an alias cannot be its own target");
    const auto [first, is_new] = lines_.try_emplace(key, entry.place(name.begin).line);
    if (!is_new) {
      return mistake(entry, name.begin,
                     fmt::format("{} is there already, in line {}", shown(name.text), first->second));
    }
    if (targets_.empty()) return no_target(entry, name);
    out_.aliases.push_back({.address = address, .targets = std::move(targets_), .source = Source::file});
  }

  void keep_catch_all(const Entry& entry, const Word& key, const mail::Domain& domain) {
    const auto [first, is_new] = lines_.try_emplace("@" + domain.text(), entry.place(key.begin).line);
    if (!is_new) {
      return mistake(entry, key.begin, fmt::format("{} is there already, in line {}", shown(key.text), first->second));
    }
    if (targets_.empty()) return no_target(entry, key);
    out_.catch_alls.push_back({.domain = domain, .targets = std::move(targets_)});
  }

  void no_target(const Entry& entry, const Word& name) {
    if (out_.mistakes.size() == mistakes_before_)  // else its targets have had their say
      mistake(entry, name.begin, fmt::format("{} has no target", shown(name.text)));
  }

  /// All that stands between `separators`, from `at` on.
  void read_targets(const Entry& entry, std::size_t at, std::string_view separators) {
    const std::string_view text = entry.text;
    while (at < text.size() && !is_full()) {
      const std::size_t end = find_outside_quotes(text, separators, at);
      const Word word = word_of(text, at, end);
      if (!word.text.empty()) read_target(entry, word);
      at = end + 1;
    }
  }

  void read_target(const Entry& entry, const Word& word) {
    std::string meant = unquoted(word.text).value_or(std::string(word.text));
    if (meant.starts_with('\\')) meant.erase(0, 1);
    if (meant.starts_with('|')) {
      return mistake(entry, word.begin,
                     fmt::format("{} runs a program: nothing is executed here (take it out)", shown(word.text)));
    }
    if (meant.starts_with('/')) {
      return mistake(entry, word.begin,
                     fmt::format("{} is a file: mail goes to mailboxes only (take it out)", shown(word.text)));
    }
    if (meant.starts_with(':')) return read_special(entry, word, meant);
    if (word.text.starts_with('@')) {
      return mistake(entry, word.begin,
                     fmt::format("{} is a whole domain: that is [[domain]] kind = \"alias\"", shown(word.text)));
    }
    const std::optional<mail::Address> target = parse_address(word.text);
    if (!target) return mistake(entry, word.begin, fmt::format("{} is no address", shown(word.text)));
    add_target(entry, word, *target);
  }

  void read_special(const Entry& entry, const Word& word, std::string_view meant) {
    constexpr std::string_view kInclude = ":include:";
    if (format_ != AliasFormat::aliases || !meant.starts_with(kInclude))
      return mistake(entry, word.begin, fmt::format("{} is not known here", shown(word.text)));
    const std::string_view path = trimmed(meant.substr(kInclude.size()));
    if (path.empty()) return mistake(entry, word.begin, ":include: wants the path of a file");
    if (depth_ >= kIncludeDepthMax)
      return mistake(entry, word.begin, fmt::format("files are included more than {} deep", kIncludeDepthMax));
    const Result<AliasText> file = read_included_(file_->path, path);
    if (!file) return mistake(entry, word.begin, fmt::format("{}: {}", shown(path), file.error().detail));
    const AliasText* const from = std::exchange(file_, &*file);
    ++depth_;
    for (const Entry& line : entries_of(file->text, Continued::never)) {
      if (is_full() || said_too_many_) break;
      read_targets(line, 0, ",");
    }
    --depth_;
    file_ = from;
  }

  void add_target(const Entry& entry, const Word& word, const mail::Address& target) {
    if (!known_.insert(keys::folded(target)).second) return;
    if (targets_.size() < kFileAliasTargetsMax) return targets_.push_back(target);
    if (!std::exchange(said_too_many_, true))
      mistake(entry, word.begin, fmt::format("an alias has at most {} targets", kFileAliasTargetsMax));
  }

  /// `name`, `"a name"`, `\name`, `name@domain`.
  [[nodiscard]] std::optional<mail::Address> parse_address(std::string_view text) const {
    if (text.starts_with('\\')) text.remove_prefix(1);
    if (const Result<mail::Address> whole = mail::Address::parse(text)) return *whole;
    if (const std::optional<std::string> name = unquoted(text)) {
      if (const Result<mail::Address> whole = mail::Address::parse(*name)) return *whole;
      const Result<mail::Address> made = mail::Address::make(*name, domain_);
      return made && made->is_ascii() ? std::optional(*made) : std::nullopt;
    }
    const Result<mail::Address> made = mail::Address::parse(std::string(text) + '@' + domain_.text());
    return made ? std::optional(*made) : std::nullopt;
  }

  static std::string shown(std::string_view text) { return '"' + printable_ascii(text, 80) + '"'; }

  AliasFormat format_;
  const mail::Domain& domain_;
  const ReadIncluded& read_included_;
  const AliasText* file_ = nullptr;
  std::size_t depth_ = 0;
  std::vector<mail::Address> targets_;  // of the entry that is being read
  std::set<std::string> known_;         // them, folded
  bool said_too_many_ = false;
  std::size_t mistakes_before_ = 0;           // this entry
  std::map<std::string, std::size_t> lines_;  // where each alias stands
  ParsedAliases out_;
};

}  // namespace

ParsedAliases parse_alias_file(const AliasText& file, AliasFormat format, const mail::Domain& domain,
                               const ReadIncluded& read_included) {
  return Parser(format, domain, read_included).run(file);
}

}  // namespace postrider::directory
