#include "mail/charset.hpp"

#include "core/text.hpp"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

namespace postrider::mail {
namespace {

constexpr std::size_t kCharsetNameOctetsMax = 60;
constexpr std::size_t kPivotUnits = 1024;
constexpr std::size_t kOutputOctets = 4096;
constexpr std::string_view kReplacement = "\uFFFD";

/// Names that mail gives another meaning than ICU does: what is written is the superset that vendors ship under the
/// name, as browsers read it (WHATWG Encoding §4.2). Compared without blanks, `-` and `_`; sorted.
struct Meaning {
  std::string_view name;
  std::string_view converter;
};
constexpr auto kMeanings = std::to_array<Meaning>({
    {"ansix3.41968", "us-ascii"},
    {"ascii", "us-ascii"},
    {"big5hkscs", "big5-hkscs"},
    {"chinese", "gb18030"},
    {"cp932", "ibm-943_P15A-2003"},
    {"cp936", "gb18030"},
    {"cp949", "windows-949"},
    {"cp1252", "windows-1252"},
    {"eucCN", "gb18030"},
    {"euccn", "gb18030"},
    {"euckr", "windows-949"},
    {"gb2312", "gb18030"},
    {"gb231280", "gb18030"},
    {"gbk", "gb18030"},
    {"ibm819", "windows-1252"},
    {"iso646us", "us-ascii"},
    {"iso88591", "windows-1252"},
    {"iso88599", "windows-1254"},
    {"isoir100", "windows-1252"},
    {"isoir149", "windows-949"},
    {"korean", "windows-949"},
    {"ksc56011987", "windows-949"},
    {"ksc56011989", "windows-949"},
    {"ksc5601", "windows-949"},
    {"l1", "windows-1252"},
    {"latin1", "windows-1252"},
    {"latin5", "windows-1254"},
    {"ms932", "ibm-943_P15A-2003"},
    {"ms949", "windows-949"},
    {"mskanji", "ibm-943_P15A-2003"},
    {"shiftjis", "ibm-943_P15A-2003"},
    {"sjis", "ibm-943_P15A-2003"},
    {"tis620", "windows-874"},
    {"uhc", "windows-949"},
    {"unicode11utf7", "utf-7"},
    {"unicode11utf8", "utf-8"},
    {"us", "us-ascii"},
    {"usascii", "us-ascii"},
    {"utf8", "utf-8"},
    {"windows31j", "ibm-943_P15A-2003"},
    {"xgbk", "gb18030"},
    {"xsjis", "ibm-943_P15A-2003"},
});

/// The name for ICU, or empty where it cannot be one: ICU would take options behind a comma and search for files.
std::string converter_of(std::string_view charset) {
  std::string name = lowered_ascii(trimmed(charset));
  while (!name.empty() && name.front() == '_') name.erase(0, 1);                        // `_iso-2022-jp`
  if (const std::size_t at = name.find('$'); at != std::string::npos) name.resize(at);  // `iso-2022-jp$sio`
  if (name.size() > kCharsetNameOctetsMax) return {};
  std::string key;
  for (const char c : name) {
    if (!is_alnum_ascii(c) && std::string_view("-_.:+() ").find(c) == std::string_view::npos) return {};
    if (c != '-' && c != '_' && c != ' ') key += c;
  }
  const auto found = std::ranges::find(kMeanings, key, &Meaning::name);
  return found == kMeanings.end() ? name : std::string(found->converter);
}

void append_windows_1252(std::string& out, std::uint8_t octet) {
  // What 0x80 to 0x9f mean; the five that mean nothing stay C1 controls.
  static constexpr std::array<std::string_view, 32> kUpper = {
      "\u20AC",   "\xC2\x81", "\u201A", "\u0192", "\u201E", "\u2026",   "\u2020", "\u2021",
      "\u02C6",   "\u2030",   "\u0160", "\u2039", "\u0152", "\xC2\x8D", "\u017D", "\xC2\x8F",
      "\xC2\x90", "\u2018",   "\u2019", "\u201C", "\u201D", "\u2022",   "\u2013", "\u2014",
      "\u02DC",   "\u2122",   "\u0161", "\u203A", "\u0153", "\xC2\x9D", "\u017E", "\u0178"};
  if (octet < 0x80) {
    out += static_cast<char>(octet);
  } else if (octet < 0xA0) {
    out += kUpper[octet - 0x80U];
  } else {
    out += static_cast<char>(0xC0U | (octet >> 6U));
    out += static_cast<char>(0x80U | (octet & 0x3FU));
  }
}

enum class BadOctets : std::uint8_t { replace, windows_1252 };

/// Copies well-formed UTF-8; other octets become U+FFFD or what windows-1252 has for them.
ConvertedText from_utf8(std::string_view octets, BadOctets bad) {
  ConvertedText out;
  if (is_utf8(octets)) {
    out.text = octets;
    return out;
  }
  const char* const text = octets.data();
  std::size_t at = 0;
  while (at < octets.size()) {
    const std::size_t begin = at;
    std::int32_t character = 0;
    U8_NEXT(text, at, octets.size(), character);
    if (character >= 0) {
      out.text.append(octets.substr(begin, at - begin));
    } else if (bad == BadOctets::replace) {
      out.text += kReplacement;
      out.replaced = true;
    } else {
      append_windows_1252(out.text, static_cast<std::uint8_t>(octets[begin]));
      at = begin + 1;
    }
  }
  return out;
}

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

Converter open_converter(const std::string& name) {
  UErrorCode status = U_ZERO_ERROR;
  if (name.empty() || ucnv_countAliases(name.c_str(), &status) == 0 || U_FAILURE(status) != 0) return nullptr;
  Converter converter(ucnv_open(name.c_str(), &status));
  return U_FAILURE(status) != 0 ? nullptr : std::move(converter);
}

extern "C" void replace_octets(const void* context, UConverterToUnicodeArgs* args, const char* /*octets*/,
                               std::int32_t /*length*/, UConverterCallbackReason reason, UErrorCode* status) {
  if (reason > UCNV_IRREGULAR) return;  // reset, close, clone
  *status = U_ZERO_ERROR;
  if (reason == UCNV_IRREGULAR) return;  // two shifts of ISO-2022 in a row, as between two encoded-words: lost nothing
  *const_cast<bool*>(static_cast<const bool*>(context)) = true;  // ICU hands our own pointer back as const
  static constexpr char16_t kCharacter = u'\uFFFD';
  ucnv_cbToUWriteUChars(args, &kCharacter, 1, 0, status);
}

bool has_byte_order_mark(const std::string& name) { return name.starts_with("utf-16") || name.starts_with("utf-32"); }

/// In one pass, through a pivot of fixed size.
ConvertedText convert(std::string_view octets, UConverter* from) {
  ConvertedText out;
  UErrorCode status = U_ZERO_ERROR;
  ucnv_setToUCallBack(from, &replace_octets, &out.replaced, nullptr, nullptr, &status);
  const Converter to(ucnv_open("UTF-8", &status));
  if (U_FAILURE(status) != 0) return from_utf8(octets, BadOctets::windows_1252);
  std::array<char16_t, kPivotUnits> pivot{};
  char16_t* pivot_source = pivot.data();
  char16_t* pivot_target = pivot.data();
  std::array<char, kOutputOctets> output{};
  const char* source = octets.data();
  const char* const source_end = source + octets.size();
  bool first = true;
  do {
    status = U_ZERO_ERROR;
    char* target = output.data();
    ucnv_convertEx(to.get(), from, &target, output.data() + output.size(), &source, source_end, pivot.data(),
                   &pivot_source, &pivot_target, pivot.data() + pivot.size(), first ? 1 : 0, 1, &status);
    out.text.append(output.data(), target);
    first = false;
  } while (status == U_BUFFER_OVERFLOW_ERROR);
  if (U_FAILURE(status) != 0) {
    out.text += kReplacement;
    out.replaced = true;
  }
  return out;
}

}  // namespace

ConvertedText to_utf8(std::string_view octets, std::string_view charset) {
  const std::string name = converter_of(charset);
  if (trimmed(charset).empty() || name == "us-ascii") return from_utf8(octets, BadOctets::windows_1252);
  if (name == "utf-8") return from_utf8(octets, BadOctets::replace);
  const Converter converter = open_converter(name);
  if (!converter) {
    ConvertedText out = from_utf8(octets, BadOctets::windows_1252);
    out.known = false;
    return out;
  }
  ConvertedText out = convert(octets, converter.get());
  if (has_byte_order_mark(name) && out.text.starts_with("\uFEFF")) out.text.erase(0, 3);
  return out;
}

}  // namespace postrider::mail
