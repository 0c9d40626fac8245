// rooms: trust mail core
// Signing any header section: what is made is header fields, and they say what was asked for. The first octet says how
// many names of the first field's kind are asked for by hand.
#include "trust/dkim_sign.hpp"

#include "core/check.hpp"
#include "core/text.hpp"
#include "mail/header_section.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

const trust::DkimPrivateKey& key() {
  static const trust::DkimPrivateKey made =
      trust::DkimPrivateKey::parse(trust::make_dkim_key(trust::DkimAlgorithm::ed25519_sha256).value().private_key)
          .value();
  return made;
}

void check_signature(const trust::DkimHeader& header) {
  const trust::DkimSigning what{.domain = mail::Domain::parse("example.test").value(), .selector = "s", .at = {}};
  const Result<std::string> field = trust::sign_dkim(header, std::string(32, 'x'), what, key());
  check(field.has_value() && field->ends_with("\r\n"), "it is signed");
  mail::HeaderCollector collector;
  check(collector.append(*field).has_value(), "the field is one");
  const mail::HeaderSection section = std::move(collector).finish().value();
  check(section.fields.size() == 1 && section.size_octets == field->size(), "one field and nothing else");
  check(section.fields[0].name == "DKIM-Signature", "by its name");
  std::string names;
  for (const std::string_view tag : split(section.fields[0].value, ';')) {
    if (trimmed(tag).starts_with("h=")) names = trimmed(tag).substr(2);
  }
  std::erase_if(names, [](char c) { return c == ' ' || c == '\t'; });
  std::string want;
  for (const std::string& name : header.names()) want += (want.empty() ? "" : ":") + name;
  check(names == want, "h= has the names");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string field = trust::relaxed_field(octets);
  check(field.ends_with("\r\n"), "a whole line");
  // A CR alone, which no stored message has, may stand before a fold that goes, and make another.
  if (!octets.contains("\r\r")) check(trust::relaxed_field(field) == field, "the canonical form is its own");
  const Result<trust::DkimHeader> chosen = trust::DkimHeader::choose(octets);
  if (!chosen) return 0;
  check(std::ranges::count(chosen->names(), "from") == 2, "From is signed, and that it is the only one");
  check_signature(*chosen);
  std::vector<std::string> names(1U + data[0], std::string(mail::field_name_of(octets).value_or("x")));
  names.emplace_back("from");
  const Result<trust::DkimHeader> asked = trust::DkimHeader::of(octets, std::move(names));
  if (asked) check_signature(*asked);
  return 0;
}
