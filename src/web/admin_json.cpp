#include "web/admin_json.hpp"

#include "core/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postrider::web {
namespace {

namespace json = boost::json;

constexpr std::size_t kDepthMax = 4;  // object, options, one option

std::unexpected<Error> malformed(std::string detail) {
  return error(Error::malformed, "web.admin_json", std::move(detail));
}

Result<json::object> parse_object(std::string_view text) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  json::error_code failure;
  json::value value = json::parse(json::string_view(text.data(), text.size()), failure, {}, options);
  if (failure) return malformed("not JSON: " + failure.message());
  if (!value.is_object()) return malformed("want an object");
  return std::move(value.as_object());
}

Result<std::string> to_string(std::string_view what, const json::value& value) {
  if (!value.is_string()) return malformed(fmt::format("{}: want a string", what));
  return std::string(value.as_string());
}

Result<std::vector<std::string>> to_strings(std::string_view what, const json::value& value) {
  if (!value.is_array()) return malformed(fmt::format("{}: want an array", what));
  std::vector<std::string> out;
  for (const json::value& element : value.as_array()) {
    Result<std::string> text = to_string(what, element);
    if (!text) return fail(text);
    out.push_back(std::move(*text));
  }
  return out;
}

Result<void> set_name(AdminRequest& request, const json::value& value) {
  Result<std::string> name = to_string("name", value);
  if (!name) return fail(name);
  request.name = std::move(*name);
  return {};
}

Result<void> set_words(AdminRequest& request, const json::value& value) {
  Result<std::vector<std::string>> words = to_strings("words", value);
  if (!words) return fail(words);
  request.words = std::move(*words);
  return {};
}

Result<void> set_options(AdminRequest& request, const json::value& value) {
  if (!value.is_array()) return malformed("options: want an array");
  for (const json::value& element : value.as_array()) {
    Result<std::vector<std::string>> option = to_strings("options", element);
    if (!option) return fail(option);
    if (option->size() != 2) return malformed("options: want pairs of name and value");
    request.options.emplace_back(std::move(option->front()), std::move(option->back()));
  }
  return {};
}

Result<void> set_secret(AdminRequest& request, const json::value& value) {
  Result<std::string> secret = to_string("secret", value);
  if (!secret) return fail(secret);
  request.secret = Secret(std::move(*secret));
  return {};
}

Result<void> set_format(AdminRequest& request, const json::value& value) {
  const Result<std::string> format = to_string("format", value);
  if (!format) return fail(format);
  if (*format != "text" && *format != "json") return malformed("format: want text or json");
  request.format = *format == "json" ? OutputFormat::json : OutputFormat::text;
  return {};
}

Result<void> set_cursor(AdminRequest& request, const json::value& value) {
  Result<std::string> cursor = to_string("cursor", value);
  if (!cursor) return fail(cursor);
  request.cursor = std::move(*cursor);
  return {};
}

struct Field {
  std::string_view name;
  Result<void> (*set)(AdminRequest& request, const json::value& value);
};
constexpr auto kFields = std::to_array<Field>({
    {"name", &set_name},
    {"words", &set_words},
    {"options", &set_options},
    {"secret", &set_secret},
    {"format", &set_format},
    {"cursor", &set_cursor},
});

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + json_quoted(text);
  return out + "]";
}

/// JSON gives back the same octets.
bool survives(std::string_view text) {
  const std::string quoted = json_quoted(text);
  json::error_code failure;
  const json::value back = json::parse(quoted, failure);
  return !failure && std::string_view(back.as_string().data(), back.as_string().size()) == text;
}

}  // namespace

Result<std::string> to_json(const AdminRequest& request) {
  if (!survives(request.secret.reveal())) return malformed("the password is not UTF-8");
  std::string options;
  for (const auto& [name, value] : request.options) {
    options += fmt::format("{}[{},{}]", options.empty() ? "" : ",", json_quoted(name), json_quoted(value));
  }
  return fmt::format(R"({{"name":{},"words":{},"options":[{}],"secret":{},"format":"{}","cursor":{}}})",
                     json_quoted(request.name), quoted_list(request.words), options,
                     json_quoted(request.secret.reveal()), request.format == OutputFormat::json ? "json" : "text",
                     json_quoted(request.cursor));
}

std::string to_json(const AdminReply& reply) {
  return fmt::format(R"({{"v":1,"exit":{},"lines":{},"error":{},"next":{},"question":{}}})", reply.exit_code,
                     quoted_list(reply.lines), json_quoted(reply.error), json_quoted(reply.next),
                     json_quoted(reply.question));
}

std::string to_lines(const AdminReply& reply) {
  std::string out = fmt::format("{{\"v\":1,\"exit\":{},\"error\":{},\"next\":{},\"question\":{}}}\n", reply.exit_code,
                                json_quoted(reply.error), json_quoted(reply.next), json_quoted(reply.question));
  for (const std::string& line : reply.lines) {
    out += line;
    out += '\n';
  }
  return out;
}

Result<AdminRequest> parse_admin_request(std::string_view text) {
  const Result<json::object> object = parse_object(text);
  if (!object) return fail(object);
  AdminRequest request;
  for (const auto& member : *object) {
    const std::string_view key(member.key().data(), member.key().size());
    const auto field = std::ranges::find(kFields, key, &Field::name);
    if (field == kFields.end()) return malformed(fmt::format("unknown field {}", json_quoted(key)));
    const Result<void> set = field->set(request, member.value());
    if (!set) return fail(set);
  }
  if (request.name.empty()) return malformed("name: wanted");
  return request;
}

Result<AdminReply> parse_admin_lines(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return malformed("want a line of JSON first");
  const Result<json::object> object = parse_object(text.substr(0, end));
  if (!object) return fail(object);
  AdminReply reply;
  const json::value* const exit = object->if_contains("exit");
  if (exit == nullptr || !exit->is_int64() || exit->as_int64() < 0 || exit->as_int64() > 255) {
    return malformed("exit: want 0 to 255");
  }
  reply.exit_code = static_cast<int>(exit->as_int64());
  for (const auto& [name, into] :
       {std::pair("error", &reply.error), std::pair("next", &reply.next), std::pair("question", &reply.question)}) {
    const json::value* const value = object->if_contains(name);
    if (value == nullptr) return malformed(fmt::format("{}: wanted", name));
    Result<std::string> read = to_string(name, *value);
    if (!read) return fail(read);
    *into = std::move(*read);
  }
  for (std::size_t begin = end + 1; begin < text.size();) {
    const std::size_t stop = text.find('\n', begin);
    if (stop == std::string_view::npos) return malformed("the last line has no end");
    reply.lines.emplace_back(text.substr(begin, stop - begin));
    begin = stop + 1;
  }
  return reply;
}

}  // namespace postrider::web
