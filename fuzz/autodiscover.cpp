// rooms: web mail core
// What comes with a request for settings: the body is Outlook's document, or the whole is `query NUL host`. What is
// made of it in either form is well-formed as far as markup goes: the answer has exactly the tags that it has for a
// plain address.
#include "core/check.hpp"
#include "core/text.hpp"
#include "web/mail_settings.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace postrider;

namespace {

web::MailSettings settings() {
  using Service = web::MailService;
  return {.hostname = "mx.example.test",
          .services = {{Service::Kind::submission, Service::Tls::implicit, 465},
                       {Service::Kind::pop3, Service::Tls::implicit, 995}},
          .autodiscover_url = "https://mx.example.test/autodiscover/autodiscover.xml"};
}

/// Whether both have the same markup and quotes.
bool same_markup(std::string_view a, std::string_view b) {
  return std::ranges::all_of(std::string_view("<>\"'"),
                             [&](char c) { return std::ranges::count(a, c) == std::ranges::count(b, c); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const mail::Address plain = *mail::Address::parse("ann@example.test");
  if (const Result<mail::Address> address = web::parse_autodiscover_request(text)) {
    check(text.size() <= web::kAutodiscoverOctetsMax, "bounded");
    check(same_markup(web::to_autodiscover(settings(), *address), web::to_autodiscover(settings(), plain)), "escaped");
  }
  const auto [query, host] = split_once(text, '\0');
  if (const Result<web::SettingsWanted> wanted = web::parse_settings_wanted(query, host)) {
    const web::SettingsWanted usual{.domain = plain.domain(), .address = plain};
    check(same_markup(web::to_client_config(settings(), *wanted, true), web::to_client_config(settings(), usual, true)),
          "escaped");
  }
  return 0;
}
