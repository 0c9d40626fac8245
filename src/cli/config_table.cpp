// The only file that includes toml++.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include "cli/config_table.hpp"

#include "core/text.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>

namespace postrider::cli {

struct TableReader::Inside {
  const toml::table* table;
};

namespace {

Place place_at(const toml::node& node) { return {node.source().begin.line, node.source().begin.column}; }

}  // namespace

ParseText add_to(std::vector<std::string>* list) {
  return [list](std::string_view value) -> Result<void> {
    list->emplace_back(value);
    return {};
  };
}

TableReader::TableReader(std::shared_ptr<const Inside> inside, std::string name, const std::string* file,
                         Mistakes* mistakes)
    : inside_(std::move(inside)), name_(std::move(name)), file_(file), mistakes_(mistakes) {}

void TableReader::mistake(Place at, std::string what) const {
  mistakes_->push_back({*file_, at.line, at.column, std::move(what)});
}

bool TableReader::has(std::string_view key) const { return inside_->table->contains(key); }

Place TableReader::place() const { return place_at(*inside_->table); }

Place TableReader::place_of(std::string_view key) const {
  const toml::node* const node = inside_->table->get(key);
  return node == nullptr ? place() : place_at(*node);
}

std::string TableReader::beside(std::string_view path) const {
  return (std::filesystem::absolute(*file_).parent_path() / path).lexically_normal().string();
}

std::string TableReader::label(std::string_view key) const {
  return name_.empty() ? std::string(key) : name_ + " " + std::string(key);
}

void TableReader::take(Place at, std::string_view key, std::string_view value, const ParseText& parse,
                       std::string_view want) const {
  const Result<void> parsed = parse(value);
  if (!parsed) mistake(at, fmt::format("{} wants {}: {}", label(key), want, describe(parsed.error())));
}

void TableReader::text(std::string_view key, const ParseText& parse, std::string_view want) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  const auto* const value = node->as_string();
  if (value == nullptr) return mistake(place_at(*node), fmt::format("{} wants {}", label(key), want));
  take(place_at(*node), key, value->get(), parse, want);
}

void TableReader::texts(std::string_view key, const ParseText& parse, std::string_view want) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  if (const auto* const one = node->as_string()) return take(place_at(*node), key, one->get(), parse, want);
  const auto* const list = node->as_array();
  if (list == nullptr) return mistake(place_at(*node), fmt::format("{} wants a list of {}", label(key), want));
  for (const toml::node& item : *list) {
    if (const auto* const value = item.as_string())
      take(place_at(item), key, value->get(), parse, want);
    else
      mistake(place_at(item), fmt::format("{} wants {} in quotes", label(key), want));
  }
}

void TableReader::string(std::string_view key, std::string* into) {
  text(
      key,
      [into](std::string_view value) -> Result<void> {
        *into = value;
        return {};
      },
      "a text in quotes");
}

void TableReader::flag(std::string_view key, bool* into) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  if (const auto* const value = node->as_boolean())
    *into = value->get();
  else
    mistake(place_at(*node), label(key) + " wants true or false");
}

void TableReader::number(std::string_view key, std::uint64_t* into, NumberRange<std::uint64_t> range) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  const auto* const value = node->as_integer();
  const bool fits = value != nullptr && value->get() >= 0 && static_cast<std::uint64_t>(value->get()) >= range.min &&
                    static_cast<std::uint64_t>(value->get()) <= range.max;
  if (fits)
    *into = static_cast<std::uint64_t>(value->get());
  else
    mistake(place_at(*node), fmt::format("{} wants a whole number from {} to {}", label(key), range.min, range.max));
}

void TableReader::size(std::string_view key, std::uint64_t* into) {
  text(
      key,
      [into](std::string_view value) -> Result<void> {
        const Result<std::uint64_t> parsed = parse_size(value);
        if (!parsed) return fail(parsed);
        *into = *parsed;
        return {};
      },
      "a size such as \"50MiB\"");
}

void TableReader::duration(std::string_view key, Duration* into) {
  text(
      key,
      [into](std::string_view value) -> Result<void> {
        const Result<Duration> parsed = parse_duration(value);
        if (!parsed) return fail(parsed);
        *into = *parsed;
        return {};
      },
      "a duration such as \"5m\"");
}

void TableReader::networks(std::string_view key, std::vector<net::Network4Or6>* into) {
  if (has(key)) into->clear();
  texts(
      key,
      [into](std::string_view value) -> Result<void> {
        const Result<net::Network4Or6> network = net::Network4Or6::parse(value);
        if (!network) return fail(network);
        into->push_back(*network);
        return {};
      },
      "networks such as \"192.0.2.0/24\"");
}

void TableReader::address(std::string_view key, std::optional<mail::Address>* into) {
  text(
      key,
      [into](std::string_view value) -> Result<void> {
        if (value.empty()) return {};
        Result<mail::Address> parsed = mail::Address::parse(value);
        if (!parsed) return fail(parsed);
        *into = std::move(*parsed);
        return {};
      },
      "an address such as \"alice@example.test\"");
}

void TableReader::domain(std::string_view key, std::optional<mail::Domain>* into) {
  text(
      key,
      [into](std::string_view value) -> Result<void> {
        Result<mail::Domain> parsed = mail::Domain::parse(value);
        if (!parsed) return fail(parsed);
        if (parsed->is_literal()) return error(Error::malformed, "config.domain", "not an address literal");
        *into = std::move(*parsed);
        return {};
      },
      "a domain name");
}

void TableReader::section(std::string_view key, const std::function<void(TableReader&)>& read) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  const toml::table* const table = node->as_table();
  if (table == nullptr) return mistake(place_at(*node), fmt::format("{} is a section: [{}]", key, key));
  TableReader keys(std::make_shared<const Inside>(Inside{table}), fmt::format("[{}]", key), file_, mistakes_);
  read(keys);
  keys.finish();
}

void TableReader::named(std::string_view key, const std::function<void(std::string_view name, TableReader&)>& read) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  const toml::table* const table = node->as_table();
  if (table == nullptr) return mistake(place_at(*node), fmt::format("{} has sections: [{}.NAME]", key, key));
  for (const auto& [name, value] : *table) {
    const std::string whole = fmt::format("[{}.{}]", key, printable_ascii(name.str(), 64));
    const toml::table* const part = value.as_table();
    if (part == nullptr) {
      mistake({name.source().begin.line, name.source().begin.column}, fmt::format("{} is a section", whole));
      continue;
    }
    TableReader keys(std::make_shared<const Inside>(Inside{part}), whole, file_, mistakes_);
    read(name.str(), keys);
    keys.finish();
  }
}

void TableReader::tables(std::string_view key, const std::function<void(TableReader&)>& read) {
  known_.push_back(key);
  const toml::node* const node = inside_->table->get(key);
  if (node == nullptr) return;
  const toml::array* const list = node->as_array();
  if (list == nullptr || !node->is_array_of_tables())
    return mistake(place_at(*node), fmt::format("{} is a list of sections: [[{}]]", key, key));
  for (const toml::node& item : *list) {
    TableReader keys(std::make_shared<const Inside>(Inside{item.as_table()}), fmt::format("[[{}]]", key), file_,
                     mistakes_);
    read(keys);
    keys.finish();
  }
}

void TableReader::once(std::set<std::string>& seen) const {
  for (const auto& [key, node] : *inside_->table) {
    if (node.is_array_of_tables() || key.str() == "secret") continue;
    if (!seen.insert(std::string(key.str())).second)
      mistake({key.source().begin.line, key.source().begin.column},
              fmt::format("\"{}\" is set in another file already", key.str()));
  }
}

void TableReader::finish() const {
  for (const auto& [key, node] : *inside_->table) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    const std::string near = nearest(key.str(), known_);
    mistake({key.source().begin.line, key.source().begin.column},
            fmt::format("unknown key \"{}\"{}{}", printable_ascii(key.str(), 64), name_.empty() ? "" : " in " + name_,
                        near.empty() ? "" : " (did you mean \"" + near + "\"?)"));
  }
}

void read_toml(const std::string& file, Mistakes* mistakes, const std::function<void(TableReader&)>& read) {
  const toml::parse_result parsed = toml::parse_file(file);
  if (!parsed) {
    const toml::source_region& at = parsed.error().source();
    mistakes->push_back({file, at.begin.line, at.begin.column, std::string(parsed.error().description())});
    return;
  }
  TableReader top(std::make_shared<const TableReader::Inside>(TableReader::Inside{&parsed.table()}), "", &file,
                  mistakes);
  read(top);
}

}  // namespace postrider::cli
