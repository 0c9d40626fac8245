// rooms: mail core
// Header sections: the same however the content is cut; the ranges of the fields tile the section.
#include "mail/header_section.hpp"

#include "core/check.hpp"
#include "core/random.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

Result<mail::HeaderSection> collect(std::string_view content, Random* cuts) {
  mail::HeaderCollector collector;
  while (!content.empty()) {
    const std::size_t size = cuts == nullptr ? content.size() : 1 + cuts->below(7);
    const Result<void> added = collector.append(content.substr(0, size));
    if (!added) return fail(added);
    content.remove_prefix(std::min(size, content.size()));
  }
  return std::move(collector).finish();
}

bool same(const mail::HeaderField& a, const mail::HeaderField& b) {
  return a.name == b.name && a.value == b.value && a.range == b.range;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  SeededRandom cuts(size);
  const Result<mail::HeaderSection> whole = collect(content, nullptr);
  const Result<mail::HeaderSection> cut = collect(content, &cuts);
  check(whole.has_value() == cut.has_value(), "cuts change nothing");
  if (!whole) return 0;
  check(whole->size_octets == cut->size_octets && std::ranges::equal(whole->fields, cut->fields, &same),
        "cuts change nothing");
  std::uint64_t at = 0;
  for (const mail::HeaderField& field : whole->fields) {
    check(field.range.offset == at, "ranges tile");
    at += field.range.size_octets;
    check(content.substr(field.range.offset, field.range.size_octets).starts_with(field.name),
          "a field begins with its name");
    check(!field.name.empty() && field.value.find("\r\n") == std::string::npos, "values are unfolded");
  }
  check(at == whole->size_octets && at <= content.size() && at <= mail::kHeaderSectionOctetsMax,
        "ranges tile the section");
  check(whole->fields.size() <= mail::kHeaderFieldsMax, "field limit");
  return 0;
}
