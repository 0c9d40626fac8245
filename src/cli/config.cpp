// The only file that includes toml++.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include "cli/config.hpp"

#include "core/numbers.hpp"
#include "core/text.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>

namespace postrider::cli {

namespace {

using Mistakes = std::vector<ConfigMistake>;

/// Reads the keys of one table; what nobody asked for is a mistake that names the nearest known key.
class TableReader {
 public:
  TableReader(const toml::table* table, std::string name, const std::string* file, Mistakes* mistakes)
      : table_(table), name_(std::move(name)), file_(file), mistakes_(mistakes) {}

  void mistake(const toml::source_region& at, std::string what) const {
    mistakes_->push_back({*file_, at.begin.line, at.begin.column, std::move(what)});
  }
  void mistake_here(std::string what) const { mistake(table_->source(), std::move(what)); }

  [[nodiscard]] const toml::node* find(std::string_view key) {
    known_.push_back(key);
    return table_->get(key);
  }

  /// `parse` turns the text into a value or an Error; nothing happens where the key is absent.
  void text(std::string_view key, const std::function<Result<void>(std::string_view)>& parse, std::string_view want) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    const auto* const value = node->as_string();
    if (value == nullptr) return mistake(node->source(), fmt::format("{} wants {}", label(key), want));
    take(*node, key, value->get(), parse, want);
  }

  void texts(std::string_view key, const std::function<Result<void>(std::string_view)>& parse, std::string_view want) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    if (const auto* const one = node->as_string()) return take(*node, key, one->get(), parse, want);
    const auto* const list = node->as_array();
    if (list == nullptr) return mistake(node->source(), fmt::format("{} wants a list of {}", label(key), want));
    for (const toml::node& item : *list) {
      if (const auto* const value = item.as_string())
        take(item, key, value->get(), parse, want);
      else
        mistake(item.source(), fmt::format("{} wants {} in quotes", label(key), want));
    }
  }

  void string(std::string_view key, std::string* into) {
    text(
        key,
        [into](std::string_view value) -> Result<void> {
          *into = value;
          return {};
        },
        "a text in quotes");
  }

  void flag(std::string_view key, bool* into) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    if (const auto* const value = node->as_boolean())
      *into = value->get();
    else
      mistake(node->source(), label(key) + " wants true or false");
  }

  void number(std::string_view key, std::uint64_t* into, NumberRange<std::uint64_t> range) {
    const toml::node* const node = find(key);
    if (node == nullptr) return;
    const auto* const value = node->as_integer();
    const bool fits = value != nullptr && value->get() >= 0 && static_cast<std::uint64_t>(value->get()) >= range.min &&
                      static_cast<std::uint64_t>(value->get()) <= range.max;
    if (fits)
      *into = static_cast<std::uint64_t>(value->get());
    else
      mistake(node->source(), fmt::format("{} wants a whole number from {} to {}", label(key), range.min, range.max));
  }

  void size(std::string_view key, std::uint64_t* into) {
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

  void duration(std::string_view key, Duration* into) {
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

  void networks(std::string_view key, std::vector<net::Network4Or6>* into) {
    if (table_->contains(key)) into->clear();
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

  void address(std::string_view key, std::optional<mail::Address>* into) {
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

  [[nodiscard]] const toml::source_region& source() const { return table_->source(); }
  [[nodiscard]] const toml::source_region& source_of(std::string_view key) const {
    const toml::node* const node = table_->get(key);
    return node == nullptr ? table_->source() : node->source();
  }

  /// To be called last.
  void finish() const {
    for (const auto& [key, node] : *table_) {
      if (std::ranges::find(known_, key.str()) != known_.end()) continue;
      const std::string near = nearest(key.str(), known_);
      mistake(key.source(),
              fmt::format("unknown key \"{}\"{}{}", printable_ascii(key.str(), 64), name_.empty() ? "" : " in " + name_,
                          near.empty() ? "" : " (did you mean \"" + near + "\"?)"));
    }
  }

 private:
  [[nodiscard]] std::string label(std::string_view key) const {
    return name_.empty() ? std::string(key) : name_ + " " + std::string(key);
  }

  void take(const toml::node& node, std::string_view key, std::string_view value,
            const std::function<Result<void>(std::string_view)>& parse, std::string_view want) const {
    const Result<void> parsed = parse(value);
    if (!parsed) mistake(node.source(), fmt::format("{} wants {}: {}", label(key), want, describe(parsed.error())));
  }

  const toml::table* table_;
  std::string name_;
  const std::string* file_;
  Mistakes* mistakes_;
  std::vector<std::string_view> known_;
};

std::function<Result<void>(std::string_view)> add_to(std::vector<std::string>* list) {
  return [list](std::string_view value) -> Result<void> {
    list->emplace_back(value);
    return {};
  };
}

constexpr Duration kGreetingDelayMax = std::chrono::seconds(30);

/// Loads the whole configuration; one object a load.
class Loader {
 public:
  explicit Loader(const std::string& file) { out_.config.file = file; }

  LoadedConfig run() {
    read_file(out_.config.file, Depth::main);
    check_whole();
    return std::move(out_);
  }

 private:
  enum class Depth : std::uint8_t { main, included };

  void read_file(const std::string& file, Depth depth) {
    files_.push_back(std::make_unique<std::string>(file));
    const std::string* const name = files_.back().get();
    toml::parse_result parsed = toml::parse_file(file);
    if (!parsed) {
      const toml::source_region& at = parsed.error().source();
      out_.mistakes.push_back({file, at.begin.line, at.begin.column, std::string(parsed.error().description())});
      return;
    }
    tables_.push_back(std::make_unique<toml::table>(std::move(parsed).table()));
    TableReader top(tables_.back().get(), "", name, &out_.mistakes);
    once(top, *tables_.back());
    read_top(top, *name);
    std::vector<std::string> patterns;
    if (depth == Depth::main) {
      top.texts("include", add_to(&patterns), "file names");
    }
    top.finish();
    for (const std::string& pattern : patterns) include(pattern, *name);
  }

  /// A single key or section set in two files is a mistake; lists of tables add up.
  void once(const TableReader& top, const toml::table& table) {
    for (const auto& [key, node] : table) {
      if (node.is_array_of_tables()) continue;
      if (!seen_.insert(std::string(key.str())).second)
        top.mistake(key.source(), fmt::format("\"{}\" is set in another file already", key.str()));
    }
  }

  void include(const std::string& pattern, const std::string& from) {
    const std::filesystem::path path = std::filesystem::path(from).parent_path() / pattern;
    const std::string want = path.filename().string();
    const std::size_t star = want.find('*');
    std::vector<std::string> found;
    std::error_code failed;
    for (const auto& item : std::filesystem::directory_iterator(path.parent_path(), failed)) {
      const std::string name = item.path().filename().string();
      const bool matches = star == std::string::npos
                               ? name == want
                               : name.starts_with(want.substr(0, star)) && name.ends_with(want.substr(star + 1)) &&
                                     name.size() + 1 >= want.size();
      if (matches) found.push_back(item.path().string());
    }
    if (found.empty() && star == std::string::npos)
      out_.mistakes.push_back({path.string(), 0, 0, "cannot be read (named by include)"});
    std::ranges::sort(found);
    for (const std::string& file : found) read_file(file, Depth::included);
  }

  void read_top(TableReader& top, const std::string& file) {
    Config& config = out_.config;
    top.text(
        "hostname",
        [&](std::string_view value) -> Result<void> {
          const Result<mail::Domain> domain = mail::Domain::parse(value);
          if (!domain) return fail(domain);
          config.hostname = domain->text();
          return {};
        },
        "a host name such as \"mx.example.test\"");
    top.text(
        "data_dir",
        [&](std::string_view value) -> Result<void> {
          config.data_dir = beside(file, value);
          return {};
        },
        "a directory");
    top.string("user", &config.user);
    top.duration("drain_timeout", &config.drain_timeout);
    section(top, "smtp", file, [&](TableReader& keys) {
      read_smtp(keys, &smtp_defaults_);
      keys.number("max_connections", &config.max_connections, {.min = 1, .max = 1'000'000});
      keys.number("max_connections_per_ip", &config.max_connections_per_ip, {.min = 1, .max = 1'000'000});
    });
    section(top, "outbound", file, [&](TableReader& keys) {
      keys.networks("allow_private", &config.allow_private);
      std::uint64_t port = config.outbound_port;
      keys.number("port", &port, {.min = 1, .max = 65'535});
      config.outbound_port = narrow<std::uint16_t>(port);
    });
    section(top, "queue", file, [&](TableReader& keys) { read_queue(keys); });
    section(top, "dns", file, [&](TableReader& keys) {
      keys.texts(
          "servers",
          [&](std::string_view value) -> Result<void> {
            const Result<net::Endpoint> server = net::Endpoint::parse(value);
            if (!server) return fail(server);
            config.dns_servers.emplace_back(value);
            return {};
          },
          "name servers such as \"127.0.0.1:53\"");
      keys.string("trust_anchor", &config.dns_trust_anchor);
    });
    section(top, "log", file, [&](TableReader& keys) { read_log(keys); });
    section(top, "store", file, [&](TableReader& keys) { keys.size("min_free", &config.min_free); });
    tables(top, "domain", file, [&](TableReader& keys) { read_domain(keys); });
    tables(top, "alias", file, [&](TableReader& keys) { read_alias(keys); });
    tables(top, "route", file, [&](TableReader& keys) { read_route(keys); });
    tables(top, "listen", file, [&](TableReader& keys) { read_listen(keys, file); });
  }

  /// Relative paths are relative to the file that names them.
  static std::string beside(const std::string& file, std::string_view path) {
    return (std::filesystem::absolute(file).parent_path() / path).lexically_normal().string();
  }

  void section(TableReader& top, std::string_view key, const std::string& file,
               const std::function<void(TableReader&)>& read) {
    const toml::node* const node = top.find(key);
    if (node == nullptr) return;
    const toml::table* const table = node->as_table();
    if (table == nullptr) return top.mistake(node->source(), fmt::format("{} is a section: [{}]", key, key));
    TableReader keys(table, fmt::format("[{}]", key), &file, &out_.mistakes);
    read(keys);
    keys.finish();
  }

  void tables(TableReader& top, std::string_view key, const std::string& file,
              const std::function<void(TableReader&)>& read) {
    const toml::node* const node = top.find(key);
    if (node == nullptr) return;
    const toml::array* const list = node->as_array();
    if (list == nullptr || !node->is_array_of_tables())
      return top.mistake(node->source(), fmt::format("{} is a list of sections: [[{}]]", key, key));
    for (const toml::node& item : *list) {
      TableReader keys(item.as_table(), fmt::format("[[{}]]", key), &file, &out_.mistakes);
      read(keys);
      keys.finish();
    }
  }

  /// A list of networks that are trusted with something: everybody is a mistake.
  static void read_trusted(TableReader& keys, std::string_view key, std::vector<net::Network4Or6>* into,
                           std::string_view why) {
    keys.networks(key, into);
    if (std::ranges::any_of(*into, &net::Network4Or6::is_everything))
      keys.mistake(keys.source_of(key), fmt::format("{} with everybody in it {}", key, why));
  }

  static void read_smtp(TableReader& keys, SmtpKeys* into) {
    keys.size("max_message_size", &into->max_message_size);
    keys.number("max_recipients", &into->max_recipients, {.min = 1, .max = queue::kRecipientsMax});
    read_trusted(keys, "relay_from", &into->relay_from, "is an open relay (name the networks that may send)");
    keys.flag("plaintext_auth", &into->plaintext_auth);
    keys.flag("binarymime", &into->binarymime);
    keys.text(
        "bare_newline",
        [into](std::string_view value) -> Result<void> {
          if (value == "reject")
            into->bare_newline = smtp::BareNewline::reject;
          else if (value == "normalize")
            into->bare_newline = smtp::BareNewline::normalize;
          else
            return error(Error::unsupported, "config.smtp", "reject or normalize");
          return {};
        },
        "\"reject\" or \"normalize\"");
    keys.duration("greeting_delay", &into->greeting_delay);
    if (into->greeting_delay > kGreetingDelayMax)
      keys.mistake(keys.source_of("greeting_delay"), "greeting_delay is at most 30s (clients wait 5 minutes at most)");
  }

  void read_queue(TableReader& keys) {
    queue::Settings& queue = out_.config.queue;
    std::vector<Duration> retry;
    keys.texts(
        "retry",
        [&](std::string_view value) -> Result<void> {
          const Result<Duration> parsed = parse_duration(value);
          if (!parsed) return fail(parsed);
          if (*parsed < std::chrono::seconds(1)) return error(Error::malformed, "config.retry", "at least 1s");
          retry.push_back(*parsed);
          return {};
        },
        "durations such as \"5m\"");
    if (!retry.empty()) queue.retry = std::move(retry);
    keys.duration("expire_after", &queue.expire_after);
    keys.duration("expire_after_bounce", &queue.expire_after_bounce);
  }

  void read_log(TableReader& keys) {
    Config& config = out_.config;
    keys.text(
        "format",
        [&](std::string_view value) -> Result<void> {
          if (value == "text")
            config.log_format = LogFormat::text;
          else if (value == "json")
            config.log_format = LogFormat::json;
          else
            return error(Error::unsupported, "config.log", "text or json");
          return {};
        },
        "\"text\" or \"json\"");
    keys.text(
        "level",
        [&](std::string_view value) -> Result<void> {
          for (const Level level : {Level::debug, Level::info, Level::warn, Level::error}) {
            if (value != name_of(level)) continue;
            config.log_level = level;
            return {};
          }
          return error(Error::unsupported, "config.log", "debug, info, warn or error");
        },
        "\"debug\", \"info\", \"warn\" or \"error\"");
    keys.text(
        "output",
        [](std::string_view value) -> Result<void> {
          if (value == "stderr") return {};
          return error(Error::unsupported, "config.log", "this version writes to stderr only");
        },
        "\"stderr\"");
  }

  void read_domain(TableReader& keys) {
    directory::DomainRecord record{.name = *mail::Domain::parse("unset"),
                                   .catch_all = {},
                                   .subaddress = "+",
                                   .postmaster = {},
                                   .source = directory::Source::file};
    bool named = false;
    keys.text(
        "name",
        [&](std::string_view value) -> Result<void> {
          Result<mail::Domain> domain = mail::Domain::parse(value);
          if (!domain) return fail(domain);
          if (domain->is_literal()) return error(Error::malformed, "config.domain", "not an address literal");
          record.name = std::move(*domain);
          named = true;
          return {};
        },
        "a domain name");
    keys.text(
        "kind",
        [](std::string_view value) -> Result<void> {
          if (value == "local") return {};
          return error(Error::unsupported, "config.domain", "this version knows \"local\" only");
        },
        "\"local\"");
    keys.address("catch_all", &record.catch_all);
    keys.string("subaddress", &record.subaddress);
    keys.address("postmaster", &record.postmaster);
    if (named)
      out_.config.domains.push_back(std::move(record));
    else
      keys.mistake_here("[[domain]] wants a name");
  }

  void read_alias(TableReader& keys) {
    std::optional<mail::Address> address;
    std::vector<mail::Address> targets;
    keys.address("address", &address);
    keys.texts(
        "targets",
        [&](std::string_view value) -> Result<void> {
          Result<mail::Address> target = mail::Address::parse(value);
          if (!target) return fail(target);
          targets.push_back(std::move(*target));
          return {};
        },
        "addresses");
    if (!address || targets.empty()) return keys.mistake_here("[[alias]] wants address and targets");
    out_.config.aliases.push_back(
        {.address = std::move(*address), .targets = std::move(targets), .source = directory::Source::file});
  }

  void read_route(TableReader& keys) {
    route::StaticRoute route;
    keys.string("domain", &route.domain);
    keys.texts("via", add_to(&route.via), "next hops such as \"127.0.0.1:2600\"");
    if (route.domain.empty() || route.via.empty()) return keys.mistake_here("[[route]] wants domain and via");
    const Result<void> checked = route::check_route(route);
    if (!checked)
      keys.mistake(keys.source_of("via"), "[[route]] " + describe(checked.error()));
    else
      out_.config.routes.push_back(std::move(route));
  }

  void read_listen(TableReader& keys, const std::string& file) {
    ListenKeys listen;
    listen.smtp = smtp_defaults_;
    keys.text(
        "service",
        [&](std::string_view value) -> Result<void> {
          for (const server::Service service :
               {server::Service::smtp, server::Service::lmtp, server::Service::pop3, server::Service::http}) {
            if (value != server::name_of(service)) continue;
            listen.service = service;
            return {};
          }
          return error(Error::unsupported, "config.listen", "this version serves smtp, lmtp, pop3 and http");
        },
        "a service");
    keys.texts(
        "address",
        [&](std::string_view value) -> Result<void> {
          Result<net::Endpoint> endpoint = net::Endpoint::parse(value);
          if (!endpoint) return fail(endpoint);
          if (!endpoint->unix_path.empty()) endpoint->unix_path = beside(file, endpoint->unix_path);
          listen.address.push_back(std::move(*endpoint));
          return {};
        },
        "an address such as \"127.0.0.1:2525\"");
    keys.texts(
        "serve",
        [&](std::string_view value) -> Result<void> {
          if (value == "health")
            listen.serve_health = true;
          else if (value == "metrics")
            listen.serve_metrics = true;
          else
            return error(Error::unsupported, "config.listen", "this version serves health and metrics");
          return {};
        },
        "what an http listener offers");
    read_smtp(keys, &listen.smtp);
    read_trusted(keys, "proxy_protocol_from", &listen.proxy_protocol_from,
                 "lets anyone say who he is (name your proxies)");
    read_trusted(keys, "xclient_from", &listen.xclient_from, "lets anyone say who he is (name your proxies)");
    const bool brings_mail = listen.service == server::Service::smtp || listen.service == server::Service::lmtp;
    if (!brings_mail && !listen.xclient_from.empty())
      keys.mistake(keys.source_of("xclient_from"), "xclient_from belongs to smtp and lmtp listeners");
    if (listen.address.empty()) return keys.mistake_here("[[listen]] wants an address");
    const bool plain_login = listen.service == server::Service::pop3 && listen.smtp.plaintext_auth;
    if (plain_login && !std::ranges::all_of(listen.address, &is_loopback)) {
      keys.mistake_here("plaintext_auth off loopback would send passwords in the clear (listen on 127.0.0.1)");
    }
    out_.config.listen.push_back(std::move(listen));
  }

  static bool is_loopback(const net::Endpoint& at) {
    static const std::array<net::Network4Or6, 2> kLoopback = {*net::Network4Or6::parse("127.0.0.0/8"),
                                                              *net::Network4Or6::parse("::1")};
    return !at.unix_path.empty() ||
           std::ranges::any_of(kLoopback, [&](const net::Network4Or6& n) { return n.contains(at.address); });
  }

  void check_whole() {
    const Config& config = out_.config;
    if (!out_.mistakes.empty()) return;  // what is missing may be what is wrong above
    if (config.hostname.empty()) out_.mistakes.push_back({config.file, 1, 1, "hostname is not set"});
    if (config.data_dir.empty()) out_.mistakes.push_back({config.file, 1, 1, "data_dir is not set"});
  }

  LoadedConfig out_;
  SmtpKeys smtp_defaults_;
  std::set<std::string> seen_;
  std::vector<std::unique_ptr<std::string>> files_;  // names that readers point to
  std::vector<std::unique_ptr<toml::table>> tables_;
};

}  // namespace

std::string to_text(const ConfigMistake& mistake) {
  if (mistake.line == 0) return fmt::format("{}: {}", mistake.file, mistake.what);
  return fmt::format("{}:{}:{}: {}", mistake.file, mistake.line, mistake.column, mistake.what);
}

LoadedConfig load_config(const std::string& file) { return Loader(file).run(); }

}  // namespace postrider::cli
