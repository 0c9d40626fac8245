#include "mail/header_section.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::string_view kLineEnd = "\r\n";

enum class LineKind : std::uint8_t { field, fold, end };

LineKind kind_of(std::string_view line, bool follows_field) {
  if (follows_field && (line.starts_with(' ') || line.starts_with('\t'))) return LineKind::fold;
  return field_name_of(line) ? LineKind::field : LineKind::end;
}

/// 5322 §2.2.3: a CRLF before a blank goes, the blank stays.
std::string unfolded(std::string_view value) {
  std::string out;
  while (true) {
    const std::size_t at = value.find(kLineEnd);
    out += value.substr(0, at);
    if (at == std::string_view::npos) break;
    value.remove_prefix(at + kLineEnd.size());
  }
  return std::string(trimmed(out));
}

}  // namespace

std::optional<std::string_view> field_name_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view name = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
  const auto is_name_octet = [](char c) { return c > ' ' && c <= '~'; };
  if (colon == 0 || name.empty() || !std::ranges::all_of(name, is_name_octet)) return std::nullopt;
  return name;
}

std::string_view HeaderSection::first(std::string_view name) const {
  const auto field = std::ranges::find_if(fields, [&](const HeaderField& f) { return iequals_ascii(f.name, name); });
  return field == fields.end() ? std::string_view() : std::string_view(field->value);
}

std::size_t HeaderSection::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields, [&](const HeaderField& f) { return iequals_ascii(f.name, name); }));
}

Result<void> HeaderCollector::append(std::string_view octets) {
  const auto refuse = [&]() -> Result<void> {
    too_long_ = true;
    octets_ = {};
    return error(Error::too_long, "mail.header_section");
  };
  if (too_long_) return refuse();
  if (complete_) return {};
  // The section and the empty line behind it are all that is ever looked at.
  constexpr std::size_t kHeldMax = kHeaderSectionOctetsMax + kLineEnd.size();
  std::size_t search = std::max(scanned_, octets_.empty() ? 0 : octets_.size() - 1);  // a CR may wait for its LF
  octets_ += octets.substr(0, kHeldMax - octets_.size());
  for (std::size_t at = octets_.find(kLineEnd, search); at != std::string::npos;
       at = octets_.find(kLineEnd, scanned_)) {
    const LineKind kind = kind_of(std::string_view(octets_).substr(scanned_, at - scanned_), fields_ > 0);
    if (kind == LineKind::end) {
      by_junk_ = at > scanned_;
      octets_.resize(scanned_);
      octets_.shrink_to_fit();
      complete_ = true;
      return {};
    }
    if (kind == LineKind::field && ++fields_ > kHeaderFieldsMax) return refuse();
    scanned_ = at + kLineEnd.size();
  }
  if (octets_.size() == kHeldMax) return refuse();
  return {};
}

Result<HeaderSection> HeaderCollector::finish() && {
  if (too_long_) return error(Error::too_long, "mail.header_section");
  HeaderSection section;
  section.is_ended = !by_junk_;
  const std::string_view all = octets_;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find(kLineEnd, at), all.size());  // a content may end within a line (3030)
    const std::size_t next = std::min(end + kLineEnd.size(), all.size());
    const std::string_view line = all.substr(at, end - at);
    const LineKind kind = kind_of(line, !section.fields.empty());
    if (kind == LineKind::end) {
      section.is_ended = line.empty();
      break;
    }
    if (kind == LineKind::field) {
      if (section.fields.size() == kHeaderFieldsMax) return error(Error::too_long, "mail.header_section");
      section.fields.push_back({.name = std::string(field_name_of(line).value_or("")), .value = {}, .range = {at, 0}});
    }
    HeaderField& field = section.fields.back();
    field.range.size_octets = next - field.range.offset;
    at = next;
    section.size_octets = next;
  }
  for (HeaderField& field : section.fields) {
    const std::string_view whole = all.substr(field.range.offset, field.range.size_octets);
    field.value = unfolded(whole.substr(whole.find(':') + 1));
  }
  octets_.resize(section.size_octets);
  section.octets = std::move(octets_);
  return section;
}

}  // namespace postrider::mail
