#include "web/http.hpp"

#include "core/await.hpp"
#include "core/overloaded.hpp"
#include "core/text.hpp"
#include "web/admin_json.hpp"
#include "web/http_answer.hpp"
#include "web/http_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace postrider::web {
namespace {

// After a refusal the client may still be sending: what it sends is read and dropped for a while, because closing on
// unread octets resets the connection and the answer with it.
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr std::size_t kLingerOctetsMax = 4 * 1024 * 1024;

constexpr std::string_view kMetrics = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kJson = "application/json";

enum class Closing : std::uint8_t { no, yes };

std::string_view reason_phrase(unsigned status) {
  struct Phrase {
    unsigned status;
    std::string_view text;
  };
  static constexpr auto kPhrases = std::to_array<Phrase>({
      {200, "OK"},
      {400, "Bad Request"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {411, "Length Required"},
      {413, "Content Too Large"},
      {417, "Expectation Failed"},
      {431, "Request Header Fields Too Large"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {505, "HTTP Version Not Supported"},
  });
  const auto phrase = std::ranges::find(kPhrases, status, &Phrase::status);
  return phrase == kPhrases.end() ? "Unknown" : phrase->text;
}

/// `Mon, 04 May 2026 07:11:04 GMT` (9110 §5.6.7)
std::string to_http_date(WallTime at) {
  static constexpr auto kDays = std::to_array<std::string_view>({"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"});
  static constexpr auto kMonths = std::to_array<std::string_view>(
      {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"});
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

/// The octets of a reply; without its body for HEAD (9110 §9.3.2).
std::string to_wire(const HttpReply& reply, WallTime now, Closing closing, std::string_view method) {
  std::string wire = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: {}\r\n",
      reply.status, reason_phrase(reply.status), to_http_date(now), reply.content_type, reply.body.size(),
      closing == Closing::yes ? "close" : "keep-alive");
  if (!reply.allow.empty()) wire += fmt::format("Allow: {}\r\n", reply.allow);
  wire += "\r\n";
  if (method != "HEAD") wire += reply.body;
  return wire;
}

Task<HttpReply> answer_health(const HttpService*, HttpRequest) { co_return HttpReply{.body = "ok\n"}; }

Task<HttpReply> answer_ready(const HttpService* service, HttpRequest) {
  if (!service->control->ready()) co_return HttpReply{.status = 503, .body = "not ready\n"};
  co_return HttpReply{.body = "ready\n"};
}

Task<HttpReply> answer_metrics(const HttpService* service, HttpRequest) {
  co_return HttpReply{.content_type = kMetrics, .body = service->control->metrics()};
}

/// `to_text`: to_json or to_lines.
Task<HttpReply> ask_admin(const HttpService* service, HttpRequest request, std::string (*to_text)(const AdminReply&)) {
  const Secret body(std::move(request.body));  // may hold a password
  Result<AdminRequest> asked = parse_admin_request(body.reveal());
  if (!asked) {
    AdminReply reply{.exit_code = 2, .lines = {}, .error = asked.error().detail};
    co_return HttpReply{.status = 400, .content_type = kJson, .body = to_text(reply)};
  }
  const AdminReply reply = co_await service->admin->run(std::move(*asked));
  std::string text = to_text(reply);
  if (text.size() > kHttpReplyOctetsMax) {
    const AdminReply instead{.exit_code = 1, .lines = {}, .error = "the answer is over 64 MiB (ask for less)"};
    text = to_text(instead);
  }
  co_return HttpReply{.content_type = kJson, .body = std::move(text)};
}

Task<HttpReply> answer_admin(const HttpService* service, HttpRequest request) {
  return ask_admin(service, std::move(request), &to_json);
}

Task<HttpReply> answer_admin_lines(const HttpService* service, HttpRequest request) {
  return ask_admin(service, std::move(request), &to_lines);
}

struct Route {
  std::string_view path;
  std::string_view allow;  // its methods
  bool (*is_served)(const HttpService& service);
  Task<HttpReply> (*answer)(const HttpService* service, HttpRequest request);
};
bool serves_autoconfig(const HttpService& service) { return service.autoconfig != nullptr; }
constexpr auto kRoutes = std::to_array<Route>({
    {"/healthz", "GET, HEAD", [](const HttpService& s) { return s.health; }, &answer_health},
    {"/readyz", "GET, HEAD", [](const HttpService& s) { return s.health; }, &answer_ready},
    {"/metrics", "GET, HEAD", [](const HttpService& s) { return s.metrics; }, &answer_metrics},
    {"/mail/config-v1.1.xml", "GET, HEAD", &serves_autoconfig, &answer_client_config},
    {"/.well-known/autoconfig/mail/config-v1.1.xml", "GET, HEAD", &serves_autoconfig, &answer_client_config},
    {"/autodiscover/autodiscover.xml", "GET, HEAD, POST", &serves_autoconfig, &answer_autodiscover},
    {"/autodiscover/autodiscover.json", "GET, HEAD", &serves_autoconfig, &answer_autodiscover_json},
    {"/v1/admin", "POST", [](const HttpService& s) { return s.admin != nullptr; }, &answer_admin},
    {"/v1/admin/lines", "POST", [](const HttpService& s) { return s.admin != nullptr; }, &answer_admin_lines},
});

bool allows(const Route& route, std::string_view method) {
  return (method == "GET" || method == "HEAD" || method == "POST") &&
         route.allow.find(method) != std::string_view::npos;
}

/// Outlook writes /Autodiscover and /autodiscover; all else is in its case.
bool is_of(const Route& route, std::string_view path) {
  return route.path == path || (route.path.starts_with("/autodiscover/") && iequals_ascii(route.path, path));
}

Task<HttpReply> answer(const HttpService* service, HttpRequest request) {
  const auto* const route = std::ranges::find_if(kRoutes, [&](const Route& r) { return is_of(r, request.path); });
  if (route == kRoutes.end() || !route->is_served(*service)) co_return HttpReply{.status = 404, .body = "not found\n"};
  if (!allows(*route, request.method)) {
    co_return HttpReply{.status = 405, .body = "method not allowed\n", .allow = route->allow};  // 9110 §15.5.6
  }
  co_return co_await route->answer(service, std::move(request));
}

bool is_draining(const Signal* drain) { return drain != nullptr && drain->is_set(); }

/// Reads what is there by the shard's scratch. Errors  closed.
Result<void> read_into(RequestReader& reader, net::Stream& stream, net::ScratchPool& pool) {
  const net::Scratch scratch = pool.take();
  const Result<std::size_t> got = stream.read_some(scratch.span());
  if (!got) return fail(got);
  reader.feed(std::string_view(scratch.span().data(), *got));
  return {};
}

/// Reads and drops until the client ends.
Task<void> linger(const HttpService* service, net::Stream* stream, net::ScratchPool* pool) {
  const SteadyTime until = service->clock->steady() + kLinger;
  std::size_t dropped = 0;
  while (dropped < kLingerOctetsMax) {
    const Result<net::Ready> ready = co_await stream->wait_readable(until, nullptr);
    if (!ready) co_return;
    const net::Scratch scratch = pool->take();
    const Result<std::size_t> got = stream->read_some(scratch.span());
    if (!got) co_return;
    dropped += *got;
  }
}

Task<void> refuse(const HttpService* service, net::Stream* stream, net::ScratchPool* pool, HttpRefusal refusal) {
  const HttpReply reply{.status = refusal.status, .body = fmt::format("{}\n", refusal.reason)};
  const std::string wire = to_wire(reply, service->clock->wall(), Closing::yes, "GET");
  const Result<void> written = co_await stream->write(wire, service->clock->steady() + service->write);
  if (written) co_await linger(service, stream, pool);
}

enum class Next : std::uint8_t { go_on, end };

/// Waits for octets and feeds them. Between requests the drain signal ends the connection, and no buffer is held.
/// `until` is for the whole request, counted from its first octet.
Task<Next> read_more(const HttpService* service, net::Stream* stream, net::ScratchPool* pool, Signal* drain,
                     RequestReader* reader, SteadyTime* until) {
  const bool between = reader->is_idle();
  if (between && is_draining(drain)) co_return Next::end;
  Signal* const wake = between ? drain : nullptr;
  const Result<net::Ready> ready = co_await stream->wait_readable(*until, wake);
  if (!ready) {
    const HttpRefusal late{408, "request took too long"};
    if (ready.error().code == Error::timeout && !between) co_await refuse(service, stream, pool, late);
    co_return Next::end;
  }
  if (*ready == net::Ready::signalled) co_return Next::end;
  const Result<void> got = read_into(*reader, *stream, *pool);
  if (!got) co_return Next::end;
  if (between) *until = service->clock->steady() + service->wait_request;
  co_return Next::go_on;
}

/// Answers one request.
Task<Next> serve_request(const HttpService* service, net::Stream* stream, Signal* drain, HttpRequest request) {
  const std::string method = request.method;
  const bool keep_alive = request.keep_alive;
  const HttpReply reply = co_await answer(service, std::move(request));
  const Closing closing = keep_alive && !is_draining(drain) ? Closing::no : Closing::yes;
  const std::string wire = to_wire(reply, service->clock->wall(), closing, method);
  const Result<void> written = co_await stream->write(wire, service->clock->steady() + service->write);
  co_return written&& closing == Closing::no ? Next::go_on : Next::end;
}

}  // namespace

Task<void> serve_http(const HttpService* service, std::unique_ptr<net::Stream> stream, net::ScratchPool* scratch,
                      Signal* drain) {
  RequestReader reader;
  SteadyTime until = service->clock->steady() + service->wait_request;
  Next next = Next::go_on;
  while (next == Next::go_on) {
    RequestReader::Step step = reader.next();
    if (std::holds_alternative<RequestReader::NeedMore>(step)) {
      next = co_await read_more(service, stream.get(), scratch, drain, &reader, &until);
    } else if (std::holds_alternative<RequestReader::SendContinue>(step)) {
      const Result<void> written = co_await stream->write("HTTP/1.1 100 Continue\r\n\r\n", until);
      if (!written) next = Next::end;
    } else if (auto* request = std::get_if<HttpRequest>(&step)) {
      next = co_await serve_request(service, stream.get(), drain, std::move(*request));
      until = service->clock->steady() + service->wait_request;
    } else {
      co_await refuse(service, stream.get(), scratch, std::get<HttpRefusal>(step));
      next = Next::end;
    }
  }
  stream->close();
}

}  // namespace postrider::web
