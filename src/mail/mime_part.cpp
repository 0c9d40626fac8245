#include "mail/mime_part.hpp"

#include "core/text.hpp"
#include "mail/charset.hpp"
#include "mail/defects.hpp"
#include "mail/header_section.hpp"
#include "mail/header_text.hpp"

#include <algorithm>
#include <optional>

namespace postrider::mail {

namespace {

constexpr std::size_t kTypeOctetsMax = 255;  // 6838 §4.2 wants 127 and 127

/// 2045 §5.1 token
bool is_token_octet(char c) { return c > ' ' && c <= '~' && !std::string_view("()<>@,;:\\\"/[]?=").contains(c); }

std::size_t token_size(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, &is_token_octet) - text.begin());
}

/// The token that `text` begins with, in lower case.
std::string first_token(std::string_view text) {
  const std::string_view rest = trimmed(text);
  return lowered_ascii(rest.substr(0, token_size(rest)));
}

/// `type/subtype` at the start of `text`; blanks around the slash let pass. Empty where there is none.
std::string media_type(std::string_view text, bool& exact) {
  const std::string_view type = text.substr(0, token_size(text));
  std::string_view rest = trimmed(text.substr(type.size()));
  if (type.empty() || !rest.starts_with('/')) return {};
  rest = trimmed(rest.substr(1));
  const std::string_view subtype = rest.substr(0, token_size(rest));
  if (subtype.empty() || type.size() + subtype.size() >= kTypeOctetsMax) return {};
  exact = type.size() + 1 + subtype.size() == text.size();
  return lowered_ascii(type) + '/' + lowered_ascii(subtype);
}

/// 2183 §2.3: only the last piece of a path is a name.
std::string without_path(std::string_view name) {
  const std::size_t slash = name.find_last_of("/\\");
  return std::string(trimmed(slash == std::string_view::npos ? name : name.substr(slash + 1)));
}

/// Reads the fields of one part.
class PartReader {
 public:
  PartReader(std::string_view message, std::size_t& octets_left, MimePart& part, std::vector<std::string>& defects)
      : message_(message), octets_left_(octets_left), part_(part), defects_(defects) {}

  void content_type(std::string_view default_type) {
    part_.type = default_type;
    const std::optional<std::string_view> value = value_of("content-type");
    if (!value) return;
    ParameterizedValue read = parse_parameterized(*value);
    bool exact = false;
    part_.type = media_type(read.value, exact);
    if (part_.type.empty()) part_.type = "text/plain";  // 2045 §5.2, whatever is the default here
    if (!exact) note_defect(defects_, "bad_content_type");
    note_all(read.defects);
    part_.parameters = std::move(read.parameters);
  }

  void disposition() {
    const std::optional<std::string_view> value = value_of("content-disposition");
    if (!value) return;
    ParameterizedValue read = parse_parameterized(*value);
    part_.disposition = first_token(read.value);
    note_all(read.defects);
    part_.disposition_parameters = std::move(read.parameters);
  }

  void encoding() {
    const std::optional<std::string_view> value = value_of("content-transfer-encoding");
    const ParameterizedValue read = parse_parameterized(value.value_or(std::string_view()));
    part_.encoding_name = first_token(read.value);
    if (part_.encoding_name.empty()) part_.encoding_name = "7bit";  // 2045 §6.1
    part_.encoding = transfer_encoding_of(part_.encoding_name);
    if (part_.encoding == TransferEncoding::unknown) note_defect(defects_, "unknown_encoding");
  }

  void names() {
    part_.filename = without_path(parameter_of(part_.disposition_parameters, "filename"));
    if (part_.filename.empty()) part_.filename = without_path(parameter_of(part_.parameters, "name"));
    if (const std::optional<std::string_view> value = value_of("content-id")) {
      const std::size_t open = value->find('<');
      const std::size_t close = value->find('>', open == std::string_view::npos ? 0 : open);
      const bool both = open != std::string_view::npos && close != std::string_view::npos;
      part_.content_id = decode_header_text(both ? value->substr(open + 1, close - open - 1) : *value).text;
    }
    if (const std::optional<std::string_view> value = value_of("content-description")) {
      const DecodedText text = decode_header_text(*value);
      part_.description = text.text;
      note_all(text.defects);
    }
    if (!part_.type.starts_with("text/")) return;
    part_.charset = lowered_ascii(trimmed(parameter_of(part_.parameters, "charset")));
    if (part_.charset.empty()) part_.charset = "us-ascii";  // 2046 §4.1.2
  }

 private:
  /// What the first field of that name says, unless it is over a limit.
  std::optional<std::string_view> value_of(std::string_view name) {
    const MimeField* const field = first_field(part_, name);
    if (field == nullptr) return std::nullopt;
    const auto same = [&](const MimeField& other) { return iequals_ascii(other.name, name); };
    if (std::ranges::count_if(part_.fields, same) > 1) note_defect(defects_, "duplicate_field");
    const std::string_view value = octets_of(message_, field->value);
    if (value.size() > octets_left_ || value.size() > kHeaderSectionOctetsMax) {
      note_defect(defects_, "header_exceeded");
      return std::nullopt;
    }
    octets_left_ -= value.size();
    return value;
  }

  void note_all(const std::vector<std::string>& words) {
    for (const std::string& word : words) note_defect(defects_, word);
  }

  std::string_view message_;
  std::size_t& octets_left_;
  MimePart& part_;
  std::vector<std::string>& defects_;
};

}  // namespace

void read_part_fields(std::string_view message, std::string_view default_type, std::size_t& octets_left, MimePart& part,
                      std::vector<std::string>& defects) {
  PartReader reader(message, octets_left, part, defects);
  reader.content_type(default_type);
  reader.disposition();
  reader.encoding();
  reader.names();
}

const MimeField* first_field(const MimePart& part, std::string_view name) {
  const auto found = std::ranges::find_if(part.fields, [&](const MimeField& f) { return iequals_ascii(f.name, name); });
  return found == part.fields.end() ? nullptr : &*found;
}

std::string_view parameter_of(const std::vector<Parameter>& parameters, std::string_view name) {
  const auto found = std::ranges::find(parameters, name, &Parameter::name);
  return found == parameters.end() ? std::string_view() : std::string_view(found->value);
}

bool is_multipart(const MimePart& part) { return part.type.starts_with("multipart/"); }

bool is_message(const MimePart& part) { return part.type == "message/rfc822" || part.type == "message/global"; }

DecodedOctets decoded_body(std::string_view message, const MimePart& part) {
  return decode_transfer(octets_of(message, part.body), part.encoding);
}

std::string text_of(std::string_view message, const MimePart& part) {
  return to_utf8(decoded_body(message, part).octets, part.charset).text;
}

}  // namespace postrider::mail
