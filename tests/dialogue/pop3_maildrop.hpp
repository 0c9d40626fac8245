// The maildrop that tests/dialogue/pop3/*.txt speak of.
#pragma once

#include "pop3/test_driver.hpp"
#include "tests/dialogue/dialogue.hpp"

#include <filesystem>
#include <string>

namespace postrider::dialogue {

/// 1: 79 octets with lines that begin with dots; 2: 19 octets that do not end with a line.
inline pop3::test::Maildrop two_messages() {
  return {
      .contents = {"From: bob@example.test\r\nSubject: one\r\n\r\nHello Ann,\r\n.hidden\r\n..\r\n.\r\nBob\r\n.end\r\n",
                   "Subject: 2\r\n\r\nshort"},
      .chunk_octets = 10};
}

inline pop3::Settings settings_of(const std::string& path, const Script& script) {
  const bool tls_only = std::filesystem::path(path).filename().string().starts_with("tls_only_");
  return {.hostname = "mx.example.test",
          .cleartext = tls_only ? pop3::Cleartext::refused : pop3::Cleartext::allowed,
          .stls = script.tls == Script::Tls::offered};
}

inline pop3::test::Answers answers_of(const Script& script) {
  if (script.rights.mechanisms.empty()) return pop3::test::Answers(two_messages());
  return pop3::test::Answers(two_messages(), script.rights.mechanisms);
}

}  // namespace postrider::dialogue
