#include "web/admin_output.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::web {
namespace {

constexpr std::size_t kShownOctetsMax = 2048;

/// INTERFACE §2
int exit_code_of(Error::Code code, const Advice& advice) {
  switch (code) {
    case Error::malformed:
    case Error::too_long:
    case Error::unsupported: return 2;
    case Error::not_found: return 3;
    case Error::conflict: return advice.conflict_exit;
    case Error::denied:
    case Error::corrupt: return 1;
    case Error::transient:
    case Error::timeout:
    case Error::cancelled:
    case Error::closed:
    case Error::exhausted: return 75;
  }
  return 1;
}

std::string_view reason_of(Error::Code code) {
  switch (code) {
    case Error::malformed: return "malformed";
    case Error::too_long: return "too long";
    case Error::unsupported: return "not supported";
    case Error::not_found: return "not found";
    case Error::denied: return "not permitted";
    case Error::conflict: return "conflict";
    case Error::transient: return "the store failed for now";
    case Error::timeout: return "timed out";
    case Error::cancelled: return "the server is shutting down";
    case Error::closed: return "connection closed";
    case Error::exhausted: return "no resources left";
    case Error::corrupt: return "what is stored is damaged";
  }
  return "failed";
}

std::string_view advice_of(Error::Code code, const Advice& advice) {
  switch (code) {
    case Error::malformed:
    case Error::too_long: return "correct it";
    case Error::unsupported: return "leave it out";
    case Error::not_found: return advice.not_found;
    case Error::conflict: return advice.conflict;
    case Error::denied: return "change the configuration file instead, and reload";
    case Error::transient:
    case Error::timeout:
    case Error::cancelled:
    case Error::closed: return "try again; it is safe to repeat";
    case Error::exhausted: return "look at disk space and load, then try again";
    case Error::corrupt: return "look at the log; restore from a backup";
  }
  return "look at the log";
}

/// It stands in JSON as it is.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

}  // namespace

void JsonObject::add(std::string_view key, std::string_view json) {
  // Keys are words of ours; a list of many entries is made of some twenty members each.
  if (members_.size() > 1) members_ += ',';
  members_ += '"';
  members_ += key;
  members_ += "\":";
  members_ += json;
}

JsonObject& JsonObject::text(std::string_view key, std::string_view value) {
  if (!is_plain(value)) {
    add(key, json_quoted(value));
    return *this;
  }
  add(key, "\"");
  members_ += value;
  members_ += '"';
  return *this;
}

JsonObject& JsonObject::text_or_null(std::string_view key, const std::optional<std::string>& value) {
  add(key, value ? json_quoted(*value) : "null");
  return *this;
}

JsonObject& JsonObject::number(std::string_view key, std::uint64_t value) {
  add(key, fmt::to_string(value));
  return *this;
}

JsonObject& JsonObject::flag(std::string_view key, bool value) {
  add(key, value ? "true" : "false");
  return *this;
}

JsonObject& JsonObject::time(std::string_view key, WallTime value) { return text(key, to_rfc3339(value)); }

JsonObject& JsonObject::texts(std::string_view key, const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ",") + json_quoted(value);
  add(key, "[" + list + "]");
  return *this;
}

JsonObject& JsonObject::objects(std::string_view key, const std::vector<JsonObject>& values) {
  std::string list;
  for (const JsonObject& value : values) list += (list.empty() ? "" : ",") + value.to_text();
  add(key, "[" + list + "]");
  return *this;
}

JsonObject json_line() {
  JsonObject line;
  line.number("v", 1);
  return line;
}

std::string shown(std::string_view outside) { return printable_ascii(outside, kShownOctetsMax); }

std::vector<std::string> aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    if (!row.empty()) line += row.back();
    lines.push_back(std::move(line));
  }
  return lines;
}

void add_deed(AdminReply& reply, OutputFormat format, const Deed& deed) {
  if (format == OutputFormat::json) {
    reply.lines.push_back(json_line().text(deed.kind, deed.name).text("done", deed.verb).to_text());
  } else {
    reply.lines.push_back(fmt::format("{} {}: {}", deed.kind, shown(deed.name), deed.verb));
  }
}

void add_failure(AdminReply& reply, std::string_view what, const Error& why, const Advice& advice) {
  if (reply.exit_code == 0) reply.exit_code = exit_code_of(why.code, advice);
  const std::string reason = why.detail.empty() ? std::string(reason_of(why.code)) : shown(why.detail);
  if (!reply.error.empty()) reply.error += "; ";
  reply.error += fmt::format("{}: {} ({})", shown(what), reason, advice_of(why.code, advice));
}

AdminReply used_wrongly(std::string_view what, std::string_view why, std::string_view advice) {
  return {.exit_code = 2, .lines = {}, .error = fmt::format("{}: {} ({})", shown(what), shown(why), shown(advice))};
}

}  // namespace postrider::web
