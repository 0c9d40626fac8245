#include "core/await.hpp"
#include "directory/directory.hpp"
#include "web/http_answer.hpp"
#include "web/mail_settings.hpp"

namespace postrider::web {

namespace {

constexpr std::string_view kXml = "text/xml; charset=utf-8";

HttpReply not_found() { return {.status = 404, .body = "not found\n"}; }

/// The answer to who asks for a domain that is not ours, or cannot be told now; nullopt: it is ours.
Task<std::optional<HttpReply>> refuse_stranger(const HttpService* service, mail::Domain domain) {
  const Result<bool> local = co_await service->directory->is_local(std::move(domain));
  if (!local) co_return HttpReply{.status = 503, .body = "try again later\n"};
  if (!*local) co_return not_found();
  co_return std::nullopt;
}

}  // namespace

Task<HttpReply> answer_client_config(const HttpService* service, HttpRequest request) {
  const Result<SettingsWanted> wanted = parse_settings_wanted(request.query, request.host);
  if (!wanted) co_return not_found();
  std::optional<HttpReply> refused = co_await refuse_stranger(service, wanted->domain);
  if (refused) co_return std::move(*refused);
  const Result<bool> scram = co_await service->directory->offers_scram(sasl::ScramHash::sha256);
  co_return HttpReply{.content_type = kXml,
                      .body = to_client_config(*service->autoconfig, *wanted, scram.value_or(false))};
}

Task<HttpReply> answer_autodiscover(const HttpService* service, HttpRequest request) {
  if (request.body.size() > kAutodiscoverOctetsMax) co_return HttpReply{.status = 413, .body = "body too large\n"};
  std::optional<mail::Address> address;
  if (request.method == "POST") {
    const Result<mail::Address> parsed = parse_autodiscover_request(request.body);
    if (parsed) address = *parsed;
  } else {
    const Result<SettingsWanted> wanted = parse_settings_wanted(request.query, {});
    if (wanted) address = wanted->address;
  }
  if (!address) co_return HttpReply{.content_type = kXml, .body = autodiscover_error()};
  std::optional<HttpReply> refused = co_await refuse_stranger(service, address->domain());
  if (refused) co_return std::move(*refused);
  co_return HttpReply{.content_type = kXml, .body = to_autodiscover(*service->autoconfig, *address)};
}

Task<HttpReply> answer_autodiscover_json(const HttpService* service, HttpRequest request) {
  const Result<std::string> body =
      to_autodiscover_json(*service->autoconfig, query_value(request.query, "Protocol").value_or(""));
  if (!body) co_return not_found();
  co_return HttpReply{.content_type = "application/json", .body = *body};
}

}  // namespace postrider::web
