// rooms: directory
// Alias files in both formats: what was read is written out and read again, and is the same; limits hold; nothing that
// would be executed comes through.
#include "directory/alias_file.hpp"

#include "core/check.hpp"
#include "directory/recipient_list.hpp"

#include <algorithm>
#include <cstdint>

using namespace postrider;
using directory::AliasFormat;

namespace {

const mail::Domain& domain() {
  static const mail::Domain kDomain = mail::Domain::parse("here.test").value();
  return kDomain;
}

directory::ParsedAliases parse(std::string text, AliasFormat format) {
  // One file is there to be included, and includes itself.
  const directory::ReadIncluded read = [](const std::string&, std::string_view path) -> Result<directory::AliasText> {
    if (path != "x") return error(Error::not_found, "fuzz", "no such file");
    return directory::AliasText{.path = "x", .text = "a, b@c.test\n:include:x\n"};
  };
  return directory::parse_alias_file({.path = "aliases", .text = std::move(text)}, format, domain(), read);
}

/// What begins like a comment, a program or a file is quoted.
std::string text_of(const mail::Address& address) {
  const std::string text = address.text();
  return text.find_first_of("#/|") == 0 ? '"' + address.local_part() + "\"@" + address.domain().text() : text;
}

std::string written(const directory::ParsedAliases& parsed) {
  std::string out;
  const auto line = [&](const std::string& name, const std::vector<mail::Address>& targets) {
    out += name;
    for (std::size_t i = 0; i < targets.size(); ++i) out += (i == 0 ? " " : ", ") + text_of(targets[i]);
    out += '\n';
  };
  for (const directory::AliasRecord& alias : parsed.aliases) line(text_of(alias.address), alias.targets);
  for (const directory::CatchAll& all : parsed.catch_alls) line('@' + all.domain.text(), all.targets);
  return out;
}

void check_one(const std::string& text, AliasFormat format) {
  const directory::ParsedAliases first = parse(text, format);
  check(first.mistakes.size() <= directory::kFileMistakesMax, "mistakes are limited");
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  for (const directory::FileMistake& mistake : first.mistakes) {
    check(mistake.line >= 1 && mistake.column >= 1, "a mistake has its place");
    check(mistake.file == "x" || mistake.line <= lines, "in the file");
  }
  for (const directory::AliasRecord& alias : first.aliases) {
    check(!alias.targets.empty() && alias.targets.size() <= directory::kFileAliasTargetsMax, "targets are limited");
    for (const mail::Address& target : alias.targets) check(target != alias.address, "no alias is its own target");
  }
  const directory::ParsedAliases again = parse(written(first), AliasFormat::postfix_virtual);
  check(again.mistakes.empty(), "what was read can be written");
  check(written(again) == written(first), "and read again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_one(text, AliasFormat::aliases);
  check_one(text, AliasFormat::postfix_virtual);
  std::vector<directory::FileMistake> mistakes;
  const directory::RecipientList list = directory::RecipientList::parse(text, domain(), "list", mistakes);
  check(list.size() <= size, "an address has an octet");
  return 0;
}
