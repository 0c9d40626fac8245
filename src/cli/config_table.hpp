// One table of a TOML file, read key by key; every mistake is kept with its place. toml++ stays in the .cpp.
#pragma once

#include "cli/config.hpp"
#include "core/numbers.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::cli {

using Mistakes = std::vector<ConfigMistake>;

struct Place {
  std::size_t line = 0;
  std::size_t column = 0;
};

/// Turns the text of a key into a value, or says why it cannot.
using ParseText = std::function<Result<void>(std::string_view)>;

[[nodiscard]] ParseText add_to(std::vector<std::string>* list);

/// Reads the keys of one table; what nobody asked for is a mistake that names the nearest known key. Of an absent key
/// nothing is changed.
class TableReader {
 public:
  struct Inside;
  TableReader(std::shared_ptr<const Inside> inside, std::string name, const std::string* file, Mistakes* mistakes);

  void mistake(Place at, std::string what) const;
  void mistake_here(std::string what) const { mistake(place(), std::move(what)); }

  /// `want` is what stands in the mistake: "a duration such as \"5m\"".
  void text(std::string_view key, const ParseText& parse, std::string_view want);
  /// One text or a list of them.
  void texts(std::string_view key, const ParseText& parse, std::string_view want);
  void string(std::string_view key, std::string* into);
  void flag(std::string_view key, bool* into);
  void number(std::string_view key, std::uint64_t* into, NumberRange<std::uint64_t> range);
  void size(std::string_view key, std::uint64_t* into);
  void duration(std::string_view key, Duration* into);
  void networks(std::string_view key, std::vector<net::Network4Or6>* into);
  void address(std::string_view key, std::optional<mail::Address>* into);
  void domain(std::string_view key, std::optional<mail::Domain>* into);

  void section(std::string_view key, const std::function<void(TableReader&)>& read);
  /// `[key.NAME]` for any NAME.
  void named(std::string_view key, const std::function<void(std::string_view name, TableReader&)>& read);
  void tables(std::string_view key, const std::function<void(TableReader&)>& read);

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] Place place() const;
  /// Of the key's value; of the table where it is absent.
  [[nodiscard]] Place place_of(std::string_view key) const;
  [[nodiscard]] const std::string& file() const { return *file_; }
  /// `path`, which is relative to the file.
  [[nodiscard]] std::string beside(std::string_view path) const;

  /// A single key or section that is in `seen` already is set in another file: a mistake. Lists of tables and
  /// [secret.…] add up.
  void once(std::set<std::string>& seen) const;
  /// To be called last.
  void finish() const;

 private:
  [[nodiscard]] std::string label(std::string_view key) const;
  void take(Place at, std::string_view key, std::string_view value, const ParseText& parse,
            std::string_view want) const;

  std::shared_ptr<const Inside> inside_;
  std::string name_;
  const std::string* file_;
  Mistakes* mistakes_;
  std::vector<std::string_view> known_;
};

/// Reads `file` and calls `read` with its top table; where it is no TOML, that is the mistake.
void read_toml(const std::string& file, Mistakes* mistakes, const std::function<void(TableReader&)>& read);

}  // namespace postrider::cli
