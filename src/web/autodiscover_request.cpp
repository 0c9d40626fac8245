// The one file that includes libxml2.
#include "core/text.hpp"
#include "web/mail_settings.hpp"

#include <libxml/xmlreader.h>

#include <memory>

namespace postrider::web {

namespace {

constexpr std::string_view kPlace = "web.autodiscover";
constexpr std::string_view kBlanks = " \t\r\n";
constexpr int kDepth = 2;  // Autodiscover, Request, EMailAddress

struct FreeReader {
  void operator()(xmlTextReader* reader) const { ::xmlFreeTextReader(reader); }
};

std::string_view text_of(const xmlChar* text) {
  return text == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(text));
}

/// Reads to the end, so that what is not well-formed is refused wherever it is not.
Result<std::string> read_address(xmlTextReader* reader) {
  std::optional<std::string> address;
  bool inside = false;
  int more = ::xmlTextReaderRead(reader);
  for (; more == 1; more = ::xmlTextReaderRead(reader)) {
    const int type = ::xmlTextReaderNodeType(reader);
    if (type == XML_READER_TYPE_ENTITY_REFERENCE) return error(Error::malformed, kPlace, "an entity");
    const bool is_text = type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA;
    if (inside && is_text) address->append(text_of(::xmlTextReaderConstValue(reader)));
    const bool is_name =
        ::xmlTextReaderDepth(reader) == kDepth && text_of(::xmlTextReaderConstLocalName(reader)) == "EMailAddress";
    if (!is_name) continue;
    if (type == XML_READER_TYPE_ELEMENT) {
      if (address) return error(Error::malformed, kPlace, "two addresses");
      address.emplace();
      inside = ::xmlTextReaderIsEmptyElement(reader) == 0;
    } else if (type == XML_READER_TYPE_END_ELEMENT) {
      inside = false;
    }
  }
  if (more != 0) return error(Error::malformed, kPlace, "not well-formed");
  if (!address) return error(Error::malformed, kPlace, "no EMailAddress");
  return *address;
}

}  // namespace

Result<mail::Address> parse_autodiscover_request(std::string_view body) {
  if (body.size() > kAutodiscoverOctetsMax) return error(Error::too_long, kPlace, "over 64 KiB");
  // UTF-8 only, which libxml2 is told whatever the document says: what is looked for here cannot hide in another one.
  if (!is_utf8(body) || body.find('\0') != std::string_view::npos) return error(Error::malformed, kPlace, "not UTF-8");
  if (body.find("<!DOCTYPE") != std::string_view::npos || body.find("<!ENTITY") != std::string_view::npos) {
    return error(Error::malformed, kPlace, "a DTD");
  }
  constexpr int kOptions = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
  const std::unique_ptr<xmlTextReader, FreeReader> reader(
      ::xmlReaderForMemory(body.data(), static_cast<int>(body.size()), nullptr, "UTF-8", kOptions));
  if (!reader) return error(Error::exhausted, kPlace, "no memory");
  const Result<std::string> text = read_address(reader.get());
  if (!text) return fail(text);
  const std::size_t begin = text->find_first_not_of(kBlanks);
  if (begin == std::string::npos) return error(Error::malformed, kPlace, "no address");
  const std::size_t octets = text->find_last_not_of(kBlanks) + 1 - begin;
  return mail::Address::parse(std::string_view(*text).substr(begin, octets), mail::Utf8::yes);
}

}  // namespace postrider::web
