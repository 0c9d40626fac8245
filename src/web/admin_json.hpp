// The admin API's JSON. Request:
// {"name":"domain.add","words":["example.test"],"options":[["catch-all","a@example.test"]],
// "secret":"…","format":"text"|"json","cursor":""}; all but the name may be left out, nothing else may stand there.
// Reply:  {"v":1,"exit":0,"lines":["…"],"error":"","next":"","question":""}; of POST /v1/admin/lines the same without
// "lines" on a line of its own, and the lines behind it as they are.
#pragma once

#include "core/result.hpp"
#include "web/admin.hpp"

#include <string>
#include <string_view>

namespace postrider::web {

/// Errors  malformed: the secret is not UTF-8, so that JSON cannot carry it.
[[nodiscard]] Result<std::string> to_json(const AdminRequest& request);
[[nodiscard]] std::string to_json(const AdminReply& reply);

/// The reply for /v1/admin/lines.
[[nodiscard]] std::string to_lines(const AdminReply& reply);

/// Errors of both  malformed: `detail` says what is wrong.
[[nodiscard]] Result<AdminRequest> parse_admin_request(std::string_view text);
[[nodiscard]] Result<AdminReply> parse_admin_lines(std::string_view text);

}  // namespace postrider::web
