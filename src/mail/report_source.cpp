#include "mail/report_source.hpp"

#include "core/text.hpp"
#include "mail/bounce_text.hpp"
#include "mail/charset.hpp"
#include "mail/dsn_parse.hpp"
#include "mail/header_text.hpp"
#include "mail/html_text.hpp"

#include <algorithm>
#include <array>

namespace postrider::mail {

namespace {

constexpr std::size_t kFieldsPartOctetsMax = 4 * 1024 * 1024;  // of a part of fields that are read; ours

bool is_one_of(std::string_view type, const auto& types) { return std::ranges::find(types, type) != types.end(); }

// 3464 §2.1 and 6533 §6.2; 8098 §3 and 6533 §6.4; 5965 §2; 6522 §3 and 6533 §6.3.
constexpr auto kStatusTypes =
    std::to_array<std::string_view>({"message/delivery-status", "message/global-delivery-status"});
constexpr auto kDispositionTypes =
    std::to_array<std::string_view>({"message/disposition-notification", "message/global-disposition-notification"});
constexpr auto kFeedbackTypes = std::to_array<std::string_view>({"message/feedback-report"});
constexpr auto kMessageTypes = std::to_array<std::string_view>({"message/rfc822", "message/global", "message/partial"});
constexpr auto kHeaderTypes = std::to_array<std::string_view>(
    {"text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers", "message/global-headers"});

/// With its line end, so that what is in two parts does not run together.
void append_limited(std::string& to, std::string_view text, std::size_t octets_max) {
  if (to.size() >= octets_max) return;
  to += text.substr(0, octets_max - to.size());
  to += "\r\n\r\n";
}

}  // namespace

std::string header_of(std::string_view octets, const std::vector<MimeField>& fields, std::string_view name) {
  const auto found = std::ranges::find_if(fields, [name](const MimeField& f) { return iequals_ascii(f.name, name); });
  if (found == fields.end()) return {};
  return std::string(trimmed(decode_header_text(octets_of(octets, found->value)).text));
}

ReportSource::ReportSource(std::string_view message) : message_(message), tree_(parse_mime(message)) {
  collect(tree_.root);
  if (text_.empty() && !html_.empty()) text_ = text_of_html(html_);
  if (text_.empty() && status_.empty() && disposition_.empty() && feedback_.empty())
    text_ = to_utf8(octets_of(message_, tree_.root.body).substr(0, kBounceTextOctetsMax), "").text;
}

std::string ReportSource::header(std::string_view name) const { return header_of(message_, tree_.root.fields, name); }

/// Calls itself for the parts within: at most kMimeDepthMax deep, as the tree is.
void ReportSource::collect(const MimePart& part) {
  if (++parts_ > kReportPartsMax) return;
  if (!part.type.starts_with("multipart/")) return leaf(part);
  for (const MimePart& child : part.children) collect(child);
}

void ReportSource::leaf(const MimePart& part) {
  if (is_one_of(part.type, kMessageTypes)) {
    if (!has_returned_) returned_message_ = octets_of(message_, part.body);
    return take_returned(octets_of(message_, part.body));
  }
  if (is_one_of(part.type, kHeaderTypes)) return take_returned(decoded_body(message_, part).octets);
  if (is_one_of(part.type, kStatusTypes))
    return append_limited(status_, decoded_body(message_, part).octets, kFieldsPartOctetsMax);
  if (is_one_of(part.type, kDispositionTypes))
    return append_limited(disposition_, decoded_body(message_, part).octets, kFieldsPartOctetsMax);
  if (is_one_of(part.type, kFeedbackTypes))
    return append_limited(feedback_, decoded_body(message_, part).octets, kFieldsPartOctetsMax);
  if (!part.type.starts_with("text/") || has_returned_) return;
  append_limited(part.type == "text/html" ? html_ : text_, text_of(message_, part), kBounceTextOctetsMax);
}

std::string ReportSource::returned_header(std::string_view name) const {
  std::string value = header_of(returned_.octets, returned_.fields, name);
  std::string_view rest = returned_.octets;
  while (value.empty() && !rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find_first_of("\r\n"));
    if (line.size() > name.size() && line[name.size()] == ':' && istarts_with_ascii(line, name))
      value = trimmed(decode_header_text(line.substr(name.size() + 1)).text);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return value;
}

void ReportSource::take_returned(std::string_view octets) {
  if (has_returned_) return;
  has_returned_ = true;
  octets.remove_prefix(std::min(octets.find_first_not_of("\r\n"), octets.size()));
  returned_.octets = octets.substr(0, octets.find("\r\n\r\n"));
  returned_.octets = returned_.octets.substr(0, returned_.octets.find("\n\n"));
  returned_.octets.resize(std::min(returned_.octets.size(), kBounceTextOctetsMax));
  returned_.fields = parse_mime(returned_.octets).root.fields;
}

}  // namespace postrider::mail
