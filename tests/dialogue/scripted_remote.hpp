// For tests of the client engine: a remote that answers from a table, a transaction, outcomes as text.
#pragma once

#include "tests/dialogue/client_runner.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::dialogue {

inline constexpr std::string_view kAllOffers = "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n";

/// Answers each command line by the first row whose prefix it has; contents by the row of ".". The octets of a BDAT
/// chunk are kept in `chunks`.
struct Remote {
  std::vector<std::pair<std::string, std::string>> rows;
  std::string line;
  bool in_data = false;
  bool gone = false;
  std::size_t chunk_left = 0;
  std::string chunks = {};
  std::string chunk_reply = {};

  std::string operator()(std::string_view sent) {
    std::string said;
    for (const char c : sent) {
      if (chunk_left > 0) {
        chunks += c;
        if (--chunk_left == 0) said += std::exchange(chunk_reply, {});
        continue;
      }
      line += c;
      if (!line.ends_with("\r\n")) continue;
      const std::string whole = std::exchange(line, {});
      if (in_data && whole != ".\r\n") continue;
      const std::string reply = answer(whole);
      if (whole.starts_with("BDAT ")) chunk_left = std::stoul(whole.substr(5));
      if (chunk_left > 0) {
        chunk_reply = reply;
        continue;
      }
      in_data = reply.starts_with("354");
      said += reply;
    }
    return said;
  }
  std::string answer(const std::string& command) {
    for (const auto& [prefix, reply] : rows) {
      if (!command.starts_with(prefix)) continue;
      if (reply == "drop") gone = true;
      return gone ? "" : reply;
    }
    if (gone) return "";
    if (command.starts_with("EHLO") || command.starts_with("LHLO")) return std::string(kAllOffers);
    if (command.starts_with("DATA")) return "354 go\r\n";
    return "250 2.0.0 ok\r\n";
  }
};

inline mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }

inline smtp::ClientTransaction transaction(std::size_t recipients) {
  smtp::ClientTransaction t{.reverse_path = mail::Path(address("x@client.example")),
                            .recipients = {},
                            .size_octets = 3,
                            .request = {},
                            .recipient_requests = {}};
  for (std::size_t i = 0; i < recipients; ++i) t.recipients.push_back(address(fmt::format("r{}@mx.test", i)));
  return t;
}

inline std::string shown(const std::vector<smtp::RecipientOutcome>& outcomes) {
  std::string out;
  for (const smtp::RecipientOutcome& o : outcomes) {
    out += fmt::format("{}{} {}@{}", out.empty() ? "" : ", ", o.reply.code, o.reply.enhanced, smtp::name_of(o.phase));
  }
  return out;
}

}  // namespace postrider::dialogue
