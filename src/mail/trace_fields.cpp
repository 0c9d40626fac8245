#include "mail/trace_fields.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postrider::mail {

namespace {

constexpr std::size_t kNameOctetsMax = 255;  // 5321 §4.5.3.1.2

/// Nothing that ends a comment or a clause gets through (SECURITY R2).
std::string harmless(std::string_view text, std::string_view also) {
  std::string out(text.substr(0, kNameOctetsMax));
  std::ranges::replace_if(out, [&](char c) { return !is_alnum_ascii(c) && !also.contains(c); }, '?');
  return out;
}

/// What the client called itself.
std::string harmless_name(std::string_view name) { return harmless(name, ".-_:[]"); }
/// Of a version and a cipher, which are our library's words.
std::string harmless_words(std::string_view text) { return harmless(text, ".-_ "); }

/// 5321 §4.1.3
std::string address_literal(std::string_view ip) {
  return ip.contains(':') ? fmt::format("[IPv6:{}]", ip) : fmt::format("[{}]", ip);
}

/// From-domain (5321 §4.4) with its white space; empty for a local submission.
std::string from_clause(const ReceivedClause& clause) {
  if (clause.client_ip.empty() && clause.hello.empty()) return {};
  std::string literal = clause.client_ip.empty() ? std::string() : address_literal(clause.client_ip);
  if (clause.local_user) literal = fmt::format("local user {}", *clause.local_user);
  if (!literal.empty() && !clause.hello.empty() && !clause.client_name.empty())  // TCP-info, 5321 §4.4
    literal = fmt::format("{} {}", harmless_name(clause.client_name), literal);
  if (clause.hello.empty()) return fmt::format("from {}\r\n\t", literal);
  if (literal.empty()) return fmt::format("from {}\r\n\t", harmless_name(clause.hello));
  return fmt::format("from {} ({})\r\n\t", harmless_name(clause.hello), literal);
}

}  // namespace

std::string protocol_keyword(const Carriage& carriage) {
  if (!carriage.is_lmtp && !carriage.is_utf8 && !carriage.is_extended) return "SMTP";
  std::string out = carriage.is_utf8 ? "UTF8" : carriage.is_lmtp ? "" : "E";
  out += carriage.is_lmtp ? "LMTP" : "SMTP";
  if (carriage.is_secured) out += 'S';
  if (carriage.is_authenticated) out += 'A';
  return out;
}

std::string received_field(const ReceivedClause& clause) {
  std::string for_clause;
  if (!clause.for_address.empty()) {
    for_clause =
        fmt::format("\r\n\tfor <{}>", clause.utf8 == Utf8::yes ? clause.for_address
                                                               : printable_ascii(clause.for_address, kPathOctetsMax));
  }
  const std::string tls = clause.tls.empty() ? " " : fmt::format(" ({})\r\n\t", harmless_words(clause.tls));
  return fmt::format("Received: {}by {} with {}{}id {}{};\r\n\t{}\r\n", from_clause(clause), clause.by, clause.protocol,
                     tls, clause.queue_id, for_clause, to_rfc5322_date(clause.at));
}

std::string return_path_field(const Path& reverse_path) {
  return fmt::format("Return-Path: <{}>\r\n", reverse_path.text());
}

std::string delivered_to_field(const Address& address) { return fmt::format("Delivered-To: {}\r\n", address.text()); }

}  // namespace postrider::mail
