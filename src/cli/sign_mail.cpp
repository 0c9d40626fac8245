#include "cli/sign_mail.hpp"

#include "cli/message_file.hpp"
#include "cli/print.hpp"
#include "core/text.hpp"
#include "mail/header_section.hpp"
#include "mail/local_message.hpp"
#include "trust/dkim_body.hpp"
#include "trust/dkim_sign.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace postrider::cli {

namespace {

struct Signer {
  std::string selector;
  trust::DkimPrivateKey key;
};

Result<trust::DkimPrivateKey> read_key(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const Secret pem(std::string((std::istreambuf_iterator<char>(in)), {}));
  if (!in.good() && pem.empty()) return error(Error::not_found, "sign", file + " cannot be read");
  Result<trust::DkimPrivateKey> key = trust::DkimPrivateKey::parse(pem);
  if (!key) return error(key.error().code, "sign", file + ": " + key.error().detail);
  return key;
}

Result<std::vector<Signer>> read_signers(const SignOptions& options) {
  if (options.selectors.size() != options.keys.size())
    return error(Error::malformed, "sign", "each --key wants its --selector");
  std::vector<Signer> signers;
  for (std::size_t i = 0; i < options.keys.size(); ++i) {
    const Result<void> selector = trust::check_selector(options.selectors[i]);
    if (!selector) return fail(selector);
    Result<trust::DkimPrivateKey> key = read_key(options.keys[i]);
    if (!key) return fail(key);
    signers.push_back({.selector = options.selectors[i], .key = std::move(*key)});
  }
  return signers;
}

/// A message in its two parts; both point into it.
struct Parts {
  std::string_view header_section;
  std::string_view body;
};

/// Errors  malformed: the fields do not end in an empty line, so that others may see their end elsewhere; too_long.
Result<Parts> parts_of(std::string_view message) {
  mail::HeaderCollector collector;
  const Result<void> taken = collector.append(message);
  if (!taken) return fail(taken);
  const Result<mail::HeaderSection> section = std::move(collector).finish();
  if (!section) return fail(section);
  Parts parts{.header_section = message.substr(0, section->size_octets), .body = message.substr(section->size_octets)};
  if (parts.body.empty()) return parts;
  if (!parts.body.starts_with("\r\n"))
    return error(Error::malformed, "sign", "a line among the header fields is none, and no empty line");
  parts.body.remove_prefix(2);
  return parts;
}

std::string json_of(const SignOptions& options, const Signer& signer, const trust::DkimHeader& header,
                    const std::string& body_hash, const std::string& field) {
  std::string names;
  for (const std::string& name : header.names()) names += (names.empty() ? "" : ",") + json_quoted(name);
  return fmt::format(R"({{"v":1,"d":{},"s":{},"a":{},"h":[{}],"bh":{},"field":{}}})", json_quoted(options.domain),
                     json_quoted(signer.selector), json_quoted(name_of(signer.key.algorithm())), names,
                     json_quoted(to_base64(body_hash)), json_quoted(field));
}

Result<trust::DkimHeader> header_of(const SignOptions& options, std::string_view header_section) {
  if (options.headers.empty()) return trust::DkimHeader::choose(header_section);
  std::vector<std::string> names;
  for (const std::string_view name : split(options.headers, ':')) names.emplace_back(trimmed(name));
  return trust::DkimHeader::of(header_section, std::move(names));
}

int failed(const Error& why, int exit) {
  print_error("sign: " + describe(why));
  return exit;
}

}  // namespace

int sign_by_dkim(const SignOptions& options) {
  const Result<mail::Domain> domain = mail::Domain::parse(options.domain, mail::Utf8::yes);
  if (!domain || domain->is_literal()) {
    print_error("sign: --domain is not a domain name of the form example.com");
    return kExitUsage;
  }
  const Result<std::vector<Signer>> signers = read_signers(options);
  if (!signers) return failed(signers.error(), kExitUsage);
  const Result<std::string> file = read_message_file(options.file);
  if (!file) return failed(file.error(), kExitUsage);
  const std::string message = mail::with_crlf(without_mbox_line(*file));
  const Result<Parts> parts = parts_of(message);
  if (!parts) return failed(parts.error(), kExitFailed);
  const Result<trust::DkimHeader> header = header_of(options, parts->header_section);
  if (!header) return failed(header.error(), kExitFailed);

  trust::DkimBodyHash hash;
  hash.append(parts->body);
  const std::string body_hash = std::move(hash).finish();
  const WallTime at = options.time ? WallTime(std::chrono::seconds(*options.time)) : SystemClock().wall();
  std::string fields;
  for (const Signer& signer : *signers) {
    const trust::DkimSigning what{.domain = *domain, .selector = signer.selector, .at = at};
    const Result<std::string> field = trust::sign_dkim(*header, body_hash, what, signer.key);
    if (!field) return failed(field.error(), kExitFailed);
    fields += *field;
    if (options.json) print_line(json_of(options, signer, *header, body_hash, *field));
  }
  if (options.json) return kExitDone;
  const std::string out = fields + message;
  const bool written = std::fwrite(out.data(), 1, out.size(), stdout) == out.size() && std::fflush(stdout) == 0;
  return written ? kExitDone : kExitFailed;
}

}  // namespace postrider::cli
