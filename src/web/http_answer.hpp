// An answer before it is octets, and who makes those of autoconfig. Inside of web only.
#pragma once

#include "core/task.hpp"
#include "web/http.hpp"
#include "web/http_request.hpp"

#include <string>
#include <string_view>

namespace postrider::web {

struct HttpReply {
  unsigned status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::string_view allow = {};  // of a 405
};

/// GET of Thunderbird's config-v1.1.xml. 404 for domains that are not local here.
[[nodiscard]] Task<HttpReply> answer_client_config(const HttpService* service, HttpRequest request);
/// POST or GET of Outlook's autodiscover.xml.
[[nodiscard]] Task<HttpReply> answer_autodiscover(const HttpService* service, HttpRequest request);
/// GET of autodiscover.json.
[[nodiscard]] Task<HttpReply> answer_autodiscover_json(const HttpService* service, HttpRequest request);

}  // namespace postrider::web
