#include "trust/dkim_sign.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/header_section.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>

namespace postrider::trust {

namespace {

/// How often a field is signed.
enum class Signs : std::uint8_t {
  present,  ///< as often as it is there
  sealed,   ///< where it is there, once more: no second one
  always,   ///< once more, there or not: none at all where there was none
};

struct Signed {
  std::string_view name;
  Signs how;
};
// 6376 §5.4.1. Not here, on purpose: Received, Return-Path, Authentication-Results, ARC-*, DKIM-Signature (others add
// them), Bcc, Keywords, Comments, and all that is not known. Lists add List-* and Sender: those are not kept away.
constexpr auto kSigned = std::to_array<Signed>({
    {"from", Signs::always},
    {"reply-to", Signs::always},
    {"subject", Signs::always},
    {"date", Signs::always},
    {"to", Signs::always},
    {"cc", Signs::always},
    {"message-id", Signs::always},
    {"mime-version", Signs::sealed},
    {"content-type", Signs::sealed},
    {"content-transfer-encoding", Signs::sealed},
    {"content-disposition", Signs::sealed},
    {"content-id", Signs::present},
    {"content-description", Signs::present},
    {"content-language", Signs::present},
    {"sender", Signs::sealed},
    {"in-reply-to", Signs::present},
    {"references", Signs::present},
    {"resent-date", Signs::present},
    {"resent-from", Signs::present},
    {"resent-sender", Signs::present},
    {"resent-to", Signs::present},
    {"resent-cc", Signs::present},
    {"resent-message-id", Signs::present},
    {"auto-submitted", Signs::present},
    {"list-id", Signs::present},
    {"list-help", Signs::present},
    {"list-unsubscribe", Signs::present},
    {"list-unsubscribe-post", Signs::present},
    {"list-subscribe", Signs::present},
    {"list-post", Signs::present},
    {"list-owner", Signs::present},
    {"list-archive", Signs::present},
});

constexpr std::size_t kLineOctetsMax = 76;  // 5322 §2.1.1 wants 78 with its CRLF kept aside

/// The fields of a header section by their names in lower case, as they stand there.
using FieldsByName = std::map<std::string, std::vector<std::string_view>, std::less<>>;

Result<FieldsByName> fields_of(std::string_view header_section) {
  mail::HeaderCollector collector;
  const Result<void> taken = collector.append(header_section);
  if (!taken) return fail(taken);
  const Result<mail::HeaderSection> section = std::move(collector).finish();
  if (!section) return fail(section);
  FieldsByName fields;
  for (const mail::HeaderField& field : section->fields)
    fields[lowered_ascii(field.name)].push_back(header_section.substr(field.range.offset, field.range.size_octets));
  const auto from = fields.find("from");
  if (from == fields.end() || from->second.size() != 1)
    return error(Error::malformed, "dkim.sign", from == fields.end() ? "there is no From" : "there are several From");
  return fields;
}

std::string canonical_of(FieldsByName fields, const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    const auto found = fields.find(name);
    if (found == fields.end() || found->second.empty()) continue;  // 6376 §5.4: the null string
    out += relaxed_field(found->second.back());                    // §5.4.2: from the last one up
    found->second.pop_back();
  }
  return out;
}

/// 6376 §3.5: hdr-name; a semicolon would end the tag.
bool is_field_name(std::string_view name) {
  const auto is_name_octet = [](char c) { return c > ' ' && c <= '~' && c != ':' && c != ';'; };
  return !name.empty() && std::ranges::all_of(name, is_name_octet);
}

/// Writes a header field and folds it where a line would become too long.
class FoldedField {
 public:
  explicit FoldedField(std::string_view begin) : out_(begin), column_(begin.size()) {}
  /// A word of its own: behind a blank, or on a line of its own.
  void word(std::string_view text) {
    if (column_ + 1 + text.size() > kLineOctetsMax) {
      fold("\r\n\t");
    } else {
      add(" ");
    }
    add(text);
  }
  void line(std::string_view text) {
    fold("\r\n\t");
    add(text);
  }
  /// Text that goes on where the last one ended, where blanks mean nothing.
  void more(std::string_view text) {
    if (column_ + text.size() > kLineOctetsMax) fold("\r\n\t ");
    add(text);
  }
  [[nodiscard]] std::size_t room() const { return kLineOctetsMax - std::min(column_, kLineOctetsMax); }
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  void add(std::string_view text) {
    out_ += text;
    column_ += text.size();
  }
  void fold(std::string_view text) {
    out_ += text;
    column_ = text.size() - 2;
  }
  std::string out_;
  std::size_t column_;
};

/// All but what b= has.
FoldedField unfinished_field(const DkimHeader& header, std::string_view body_hash, const DkimSigning& what,
                             DkimAlgorithm algorithm) {
  const auto since_epoch = std::chrono::floor<std::chrono::seconds>(what.at.time_since_epoch()).count();
  FoldedField field("DKIM-Signature:");
  field.word("v=1;");
  field.word("a=" + std::string(name_of(algorithm)) + ";");
  field.word("c=relaxed/relaxed;");
  field.word("d=" + what.domain.text() + ";");
  field.word("s=" + what.selector + ";");
  field.word("q=dns/txt;");
  field.word("t=" + std::to_string(since_epoch) + ";");
  for (std::size_t i = 0; i < header.names().size(); ++i) {
    const std::string text = header.names()[i] + (i + 1 == header.names().size() ? ";" : ":");
    if (i == 0) {
      field.word("h=" + text);
    } else {
      field.more(text);
    }
  }
  field.word("bh=" + to_base64(body_hash) + ";");
  field.line("b=");
  return field;
}

}  // namespace

std::string relaxed_field(std::string_view field) {
  const std::size_t colon = std::min(field.find(':'), field.size());
  std::string out = lowered_ascii(trimmed(field.substr(0, colon))) + ":";
  const std::size_t begin = out.size();
  bool has_blank = false;
  std::string_view value = field.substr(std::min(colon + 1, field.size()));
  while (!value.empty()) {
    if (value.starts_with("\r\n")) {  // a fold, or the end
      value.remove_prefix(2);
      continue;
    }
    const char c = value.front();
    value.remove_prefix(1);
    if (c == ' ' || c == '\t') {
      has_blank = true;
      continue;
    }
    if (has_blank && out.size() > begin) out += ' ';
    has_blank = false;
    out += c;
  }
  return out + "\r\n";
}

Result<DkimHeader> DkimHeader::choose(std::string_view header_section) {
  Result<FieldsByName> fields = fields_of(header_section);
  if (!fields) return fail(fields);
  std::vector<std::string> names;
  for (const Signed& row : kSigned) {
    const auto found = fields->find(row.name);
    const std::size_t there = found == fields->end() ? 0 : found->second.size();
    const bool once_more = row.how == Signs::always || (row.how == Signs::sealed && there > 0);
    names.insert(names.end(), there + (once_more ? 1 : 0), std::string(row.name));
  }
  std::string canonical = canonical_of(std::move(*fields), names);
  return DkimHeader(std::move(names), std::move(canonical));
}

Result<DkimHeader> DkimHeader::of(std::string_view header_section, std::vector<std::string> names) {
  Result<FieldsByName> fields = fields_of(header_section);
  if (!fields) return fail(fields);
  for (std::string& name : names) {
    if (!is_field_name(name)) return error(Error::malformed, "dkim.sign", "not the name of a header field: " + name);
    name = lowered_ascii(name);
  }
  if (std::ranges::find(names, "from") == names.end())  // 6376 §5.4
    return error(Error::malformed, "dkim.sign", "From must be signed");
  std::string canonical = canonical_of(std::move(*fields), names);
  return DkimHeader(std::move(names), std::move(canonical));
}

std::string DkimHeader::digest(std::string_view unfinished) const {
  std::string last = relaxed_field(unfinished);
  last.resize(last.size() - 2);  // 6376 §3.7: without its CRLF
  const std::string all = canonical_ + last;
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(EVP_sha256())), '\0');
  check(EVP_Digest(all.data(), all.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr, EVP_sha256(),
                   nullptr) == 1,
        "there is SHA-256");
  return out;
}

Result<void> check_selector(std::string_view selector) {
  const auto is_selector_octet = [](char c) { return is_alnum_ascii(c) || c == '-'; };
  const auto is_label = [&](std::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, is_selector_octet);
  };
  const bool good = selector.size() <= kSelectorOctetsMax && std::ranges::all_of(split(selector, '.'), is_label);
  if (!good) return error(Error::malformed, "dkim.selector", "a selector has letters, digits and hyphens");
  return {};
}

Result<std::string> sign_dkim(const DkimHeader& header, std::string_view body_hash, const DkimSigning& what,
                              const DkimPrivateKey& key) {
  FoldedField field = unfinished_field(header, body_hash, what, key.algorithm());
  const Result<std::string> signature = key.sign(header.digest(field.text()));
  if (!signature) return fail(signature);
  std::string_view left = *signature;
  while (!left.empty()) {
    const std::size_t octets = field.room() > 0 ? field.room() : kLineOctetsMax - 2;
    field.more(left.substr(0, octets));
    left.remove_prefix(std::min(octets, left.size()));
  }
  return field.text() + "\r\n";
}

}  // namespace postrider::trust
