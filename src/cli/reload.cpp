#include "cli/reload.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace postrider::cli {

namespace {

struct Reloaded {
  static constexpr std::string_view kName = "config.reloaded";
  static constexpr Level kLevel = Level::info;
  std::string_view what;
  void fields(FieldSink& sink) const { sink.add("what", what); }
};

struct ReloadRefused {
  static constexpr std::string_view kName = "config.reload_refused";
  static constexpr Level kLevel = Level::error;
  std::string_view why;
  void fields(FieldSink& sink) const { sink.add("why", why); }
};

using Section = std::map<std::string, std::string, std::less<>>;  // key → value

/// The sections of what `config show` prints; those of a list are numbered.
std::map<std::string, Section, std::less<>> sections_of(const Config& config) {
  std::map<std::string, Section, std::less<>> out;
  std::map<std::string, int> numbers;
  std::string section;
  const std::string text = show_config(config);
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto [line, more] = split_once(rest, '\n');
    rest = more;
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with("[[")) {
      section = fmt::format("{} {}", line, ++numbers[std::string(line)]);
      out.try_emplace(section);
    } else if (line.starts_with('[')) {
      section = line;
      out.try_emplace(section);
    } else {
      const auto [key, value] = split_once(line, '=');
      out[section].insert_or_assign(std::string(key.substr(0, key.find(' '))), std::string(value));
    }
  }
  return out;
}

/// What [tls] and [[certificate]] say is in the certificates, which are loaded anew.
bool is_reloadable(std::string_view section) { return section == "[tls]" || section.starts_with("[[certificate]]"); }

std::string label(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{} {}", section, key);
}

std::string text_of(const net::CertificateFacts& facts) {
  return fmt::format("{}: {}, serial {}, until {}", facts.file,
                     facts.names.empty() ? "default" : fmt::format("{}", fmt::join(facts.names, " ")), facts.serial,
                     to_rfc3339(facts.not_after));
}

std::vector<std::string> texts_of(const std::vector<ConfigMistake>& mistakes) {
  std::vector<std::string> out;
  std::ranges::transform(mistakes, std::back_inserter(out), &to_text);
  return out;
}

}  // namespace

std::vector<std::string> keys_that_need_a_restart(const Config& from, const Config& to) {
  const auto before = sections_of(from);
  const auto after = sections_of(to);
  std::vector<std::string> out;
  for (const auto& [section, keys] : before) {
    if (is_reloadable(section)) continue;
    const auto other = after.find(section);
    if (other == after.end()) {
      out.push_back(section);
      continue;
    }
    for (const auto& [key, value] : keys) {
      const auto now = other->second.find(key);
      if (now == other->second.end() || now->second != value) out.push_back(label(section, key));
    }
    for (const auto& [key, value] : other->second) {
      if (!keys.contains(key)) out.push_back(label(section, key));
    }
  }
  for (const auto& [section, keys] : after) {
    if (!is_reloadable(section) && !before.contains(section)) out.push_back(section);
  }
  if (from.certificates.empty() != to.certificates.empty()) out.emplace_back("[tls] certificate");
  return out;
}

core::ReloadReport Reloader::refuse(std::vector<std::string> why) {
  for (const std::string& one : why) events_->emit(ReloadRefused{.why = one});
  return {.done = false, .lines = std::move(why)};
}

core::ReloadReport Reloader::run() {
  const LoadedConfig loaded = config_->file.empty() ? LoadedConfig{.config = *config_, .mistakes = {}, .notes = {}}
                                                    : load_config(config_->file);
  if (!loaded.mistakes.empty()) return refuse(texts_of(loaded.mistakes));
  std::vector<std::string> others = keys_that_need_a_restart(*config_, loaded.config);
  for (std::string& key : others) key += " needs a restart";
  if (!others.empty()) return refuse(std::move(others));
  if (tls_ == nullptr) return {.done = true, .lines = {"nothing has changed"}};
  const std::vector<net::CertificateFacts> before = tls_->certificates();
  const Result<void> reloaded = tls_->reload(certificate_files(loaded.config));
  if (!reloaded) return refuse({reloaded.error().detail});
  core::ReloadReport report{.done = true, .lines = {}};
  for (const net::CertificateFacts& facts : tls_->certificates()) {
    const bool is_new = std::ranges::none_of(before, [&](const net::CertificateFacts& one) {
      return one.file == facts.file && one.serial == facts.serial && one.names == facts.names;
    });
    if (is_new) report.lines.push_back("certificate " + text_of(facts));
  }
  if (report.lines.empty()) report.lines.emplace_back("nothing has changed");
  for (const std::string& line : report.lines) events_->emit(Reloaded{.what = line});
  return report;
}

}  // namespace postrider::cli
