// rooms: mail
// What sendmail makes of a text: whole lines without bare CR or LF, and made again it is the same.
#include "mail/local_message.hpp"

#include "core/check.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const mail::Domain origin = mail::Domain::parse("here.test").value();
  const std::string once = mail::with_domains(text, origin);
  check(once.size() >= text.size(), "nothing is taken away");
  const mail::LocalMessageForm form{.origin = origin,
                                    .from_user = (data[0] & 1) != 0 ? "cron" : "",
                                    .full_name = (data[0] & 2) != 0 ? "Cron, \"D\"" : "",
                                    .recipients_from_header = (data[0] & 4) != 0,
                                    .dot_ends = (data[0] & 8) != 0,
                                    .completes = (data[0] & 16) != 0};
  const Result<mail::LocalMessage> made = mail::make_local_message(text, form);
  if (!made) return 0;
  check(made->content.ends_with("\r\n"), "whole lines");
  for (std::size_t i = 0; i < made->content.size(); ++i) {
    const char c = made->content[i];
    if (c == '\n') check(i > 0 && made->content[i - 1] == '\r', "no bare LF");
    if (c == '\r') check(i + 1 < made->content.size() && made->content[i + 1] == '\n', "no bare CR");
  }
  if (made->content.starts_with("From ")) return 0;  // the next reading drops a mailbox file's line
  mail::LocalMessageForm plain = form;
  plain.completes = false;
  plain.dot_ends = false;
  plain.recipients_from_header = false;
  const Result<mail::LocalMessage> again = mail::make_local_message(made->content, plain);
  check(again && again->content == made->content, "made again it is the same");
  return 0;
}
