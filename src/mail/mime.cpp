#include "mail/mime.hpp"

#include "core/text.hpp"
#include "mail/defects.hpp"
#include "mail/header_section.hpp"
#include "mail/mime_part.hpp"

#include <algorithm>
#include <optional>

namespace postrider::mail {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// A line of the message: [begin, end), its line end behind it up to `next`.
struct Line {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t next = 0;
  [[nodiscard]] bool is_empty() const { return begin == end; }
};

Line line_at(std::string_view message, std::size_t begin) {
  std::size_t end = begin;
  while (end < message.size() && message[end] != '\n' && message[end] != '\r') ++end;
  const std::size_t next = end + (message.substr(end).starts_with("\r\n") ? 2 : end < message.size() ? 1 : 0);
  return {.begin = begin, .end = end, .next = next};
}

/// An entity whose end is not known yet.
struct OpenPart {
  MimePart* part;             ///< the last child of the one before: its address stays
  std::string boundary;       ///< of a multipart that may have more parts; else empty
  std::string default_type;   ///< where its header section says none
  std::uint64_t body_line{};  ///< number of the first line of its body
};

/// One pass over the lines. Of the open parts, outermost first, only the last one's header section or body is read;
/// a line that begins with `--` is compared with the boundaries of all.
class MimeParser {
 public:
  explicit MimeParser(std::string_view message) : message_(message) {}

  MimeTree run() && {
    open_part(tree_.root, 0, "text/plain");
    Line line;
    while (line.next < message_.size()) {
      line = line_at(message_, line.next);
      if (!rest_is_opaque_) take(line);
      last_is_empty_ = line.is_empty();
      last_end_ = line.end;
      ++lines_;
    }
    last_is_empty_ = false;
    last_end_ = message_.size();
    end_headers(message_.size());
    close_down_to(0);
    return std::move(tree_);
  }

 private:
  struct Boundary {
    std::size_t level;  ///< of the multipart it belongs to
    bool closes;
  };

  /// Goes round again only where the line ended a header section without being a part of it.
  void take(const Line& line) {
    while (true) {
      if (const std::optional<Boundary> boundary = boundary_in(line)) return on_boundary(*boundary, line);
      if (!in_header_ || take_header_line(line)) return;
    }
  }

  // ---- boundaries (2046 §5.1.1)

  [[nodiscard]] std::optional<Boundary> boundary_in(const Line& line) const {
    std::string_view text = message_.substr(line.begin, line.end - line.begin);
    if (!text.starts_with("--")) return std::nullopt;
    while (is_blank(text.back())) text.remove_suffix(1);  // transport padding
    text.remove_prefix(2);
    for (std::size_t level = open_.size(); level-- > 0;) {  // the innermost wins where two are the same
      const std::string& boundary = open_[level].boundary;
      if (boundary.empty() || !text.starts_with(boundary)) continue;
      const std::string_view rest = text.substr(boundary.size());
      if (rest.empty() || rest == "--") return Boundary{.level = level, .closes = !rest.empty()};
    }
    return std::nullopt;
  }

  void on_boundary(const Boundary& boundary, const Line& line) {
    end_headers(line.begin);
    close_down_to(boundary.level + 1);
    OpenPart& multipart = open_.back();
    if (boundary.closes) {
      multipart.boundary.clear();
      return;
    }
    const std::string_view default_type =
        multipart.part->type == "multipart/digest" ? "message/rfc822" : "text/plain";  // 2046 §5.1.5
    open_part(multipart.part->children.emplace_back(), line.next, default_type);
    if (parts_ < kMimePartsMax) return;
    note_defect(tree_.defects, "parts_exceeded");
    rest_is_opaque_ = true;
    in_header_ = false;
    open_.back().part->type = "application/octet-stream";
    open_.back().part->encoding_name = "7bit";
    begin_body(line.next, lines_ + 1);
  }

  // ---- header sections

  void open_part(MimePart& part, std::size_t offset, std::string_view default_type) {
    ++parts_;
    part.header = {.offset = offset, .size_octets = 0};
    open_.push_back({.part = &part, .boundary = {}, .default_type = std::string(default_type), .body_line = lines_});
    in_header_ = true;
    section_fields_ = 0;
  }

  /// False: the line is no part of the section, which ended before it.
  bool take_header_line(const Line& line) {
    if (line.is_empty()) {
      end_header(line.next, lines_ + 1);
      return true;
    }
    const std::string_view text = message_.substr(line.begin, line.end - line.begin);
    MimePart& part = *open_.back().part;
    if (section_fields_ > 0 && is_blank(text.front())) {
      if (last_is_recorded_) {
        MimeField& field = part.fields.back();
        field.range.size_octets = line.next - field.range.offset;
        field.value.size_octets = line.end - field.value.offset;
      }
      return true;
    }
    const std::optional<std::string_view> name = field_name_of(text);
    if (!name) {
      if (section_fields_ > 0) note_defect(tree_.defects, "missing_header_end");
      end_header(line.begin, lines_);
      return false;
    }
    ++section_fields_;
    last_is_recorded_ = section_fields_ <= kHeaderFieldsMax && fields_ < kMimeFieldsMax && name->size() <= octets_left_;
    if (!last_is_recorded_) {
      note_defect(tree_.defects, "header_exceeded");
      return true;
    }
    ++fields_;
    octets_left_ -= name->size();
    const std::size_t value = line.begin + text.find(':') + 1;
    part.fields.push_back({.name = std::string(*name),
                           .range = {.offset = line.begin, .size_octets = line.next - line.begin},
                           .value = {.offset = value, .size_octets = line.end - value}});
    return true;
  }

  /// The header section that is being read ends at `offset`, and that of each message which begins there.
  void end_headers(std::size_t offset) {
    while (in_header_) end_header(offset, lines_);
  }

  void begin_body(std::size_t offset, std::uint64_t line) {
    MimePart& part = *open_.back().part;
    part.header.size_octets = offset - part.header.offset;
    part.body = {.offset = offset, .size_octets = 0};
    open_.back().body_line = line;
  }

  void end_header(std::size_t offset, std::uint64_t line) {
    in_header_ = false;
    begin_body(offset, line);
    MimePart& part = *open_.back().part;
    read_part_fields(message_, open_.back().default_type, octets_left_, part, tree_.defects);
    if (is_multipart(part)) {
      open_multipart(part);
    } else if (is_message(part)) {
      open_message(part, offset, line);
    }
  }

  void open_multipart(MimePart& part) {
    if (part.encoding != TransferEncoding::identity) {  // 2045 §6.4
      note_defect(tree_.defects, "multipart_encoded");
      part.encoding = TransferEncoding::identity;
    }
    std::string_view boundary = parameter_of(part.parameters, "boundary");
    while (!boundary.empty() && is_blank(boundary.back())) boundary.remove_suffix(1);
    if (boundary.empty()) {
      note_defect(tree_.defects, "missing_boundary");
    } else if (open_.size() >= kMimeDepthMax) {
      note_defect(tree_.defects, "depth_exceeded");
    } else {
      open_.back().boundary = boundary;
    }
  }

  void open_message(MimePart& part, std::size_t offset, std::uint64_t line) {
    if (part.encoding != TransferEncoding::identity && part.encoding != TransferEncoding::unknown) {
      note_defect(tree_.defects, "message_encoded");  // 2046 §5.2.1; its message is not looked at
    } else if (open_.size() >= kMimeDepthMax) {
      note_defect(tree_.defects, "depth_exceeded");
    } else if (parts_ + 1 >= kMimePartsMax) {  // the last one is kept for what cannot be looked at
      note_defect(tree_.defects, "parts_exceeded");
    } else {
      open_part(part.children.emplace_back(), offset, "text/plain");
      open_.back().body_line = line;
    }
  }

  // ---- ends

  /// All parts from `level` on end with the line before this one; its line end is the boundary's.
  void close_down_to(std::size_t level) {
    if (level >= open_.size()) return;
    const std::uint64_t end = std::max<std::uint64_t>(open_[level].part->body.offset, last_end_);
    for (std::size_t i = level; i < open_.size(); ++i) {
      MimePart& part = *open_[i].part;
      if (i > level) clip_header(part, end);
      part.body.size_octets = end - part.body.offset;
      part.lines = lines_ - open_[i].body_line;
      if (part.lines > 0 && last_is_empty_) --part.lines;
      if (open_[i].boundary.empty()) continue;
      note_defect(tree_.defects, part.children.empty() ? "no_parts" : "missing_close_boundary");
    }
    open_.resize(level);
  }

  /// The header section of a message that is a part ends where that part does.
  static void clip_header(MimePart& part, std::uint64_t end) {
    const auto clip = [end](OctetRange& range) {
      range.offset = std::min(range.offset, end);
      range.size_octets = std::min(range.size_octets, end - range.offset);
    };
    clip(part.header);
    part.body.offset = std::min(part.body.offset, end);
    if (!part.fields.empty()) clip(part.fields.back().range);
  }

  std::string_view message_;
  MimeTree tree_;
  std::vector<OpenPart> open_;  ///< at most kMimeDepthMax
  bool in_header_ = false;
  bool last_is_recorded_ = false;
  bool rest_is_opaque_ = false;
  std::size_t section_fields_ = 0;
  std::size_t parts_ = 0;
  std::size_t fields_ = 0;
  std::size_t octets_left_ = kMimeHeaderOctetsMax;
  std::uint64_t lines_ = 0;     ///< before the one in hand
  bool last_is_empty_ = false;  ///< the line before
  std::size_t last_end_ = 0;    ///< without its line end
};

}  // namespace

MimeTree parse_mime(std::string_view message) { return MimeParser(message).run(); }

}  // namespace postrider::mail
