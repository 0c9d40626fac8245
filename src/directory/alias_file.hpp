// Alias files ([[alias_file]]): what Sendmail, Postfix and Exim call /etc/aliases, and Postfix's virtual alias maps.
// Pure: who reads the octets gives them.
#pragma once

#include "core/result.hpp"
#include "directory/directory.hpp"
#include "directory/file_mistake.hpp"
#include "mail/address.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::directory {

inline constexpr std::size_t kIncludeDepthMax = 10;  // of `:include:` in files that were included

struct AliasText {
  std::string path;  ///< for mistakes, and to find what it includes
  std::string text;
};

/// Gives the file that `from` names as `path` (relative to it). Errors  says why it cannot be read.
using ReadIncluded = std::function<Result<AliasText>(const std::string& from, std::string_view path)>;

struct ParsedAliases {
  std::vector<AliasRecord> aliases;   ///< each address once, each with a target
  std::vector<CatchAll> catch_alls;   ///< "@domain target"
  std::vector<FileMistake> mistakes;  ///< at most kFileMistakesMax
  std::vector<FileMistake> notes;     ///< what was passed over rightly, for `config check`; at most kFileMistakesMax
};

/// `domain` is that of names without one.
///
/// aliases: `name: target, target`. A line that begins with a blank continues the one before; `#` begins a comment at
/// the start of a line or behind a blank; names and targets may be quoted; `\name` is `name`; `:include:PATH` stands
/// for the targets that the file lists, as many a line as commas part.
/// postfix_virtual: `address target, target`, `name target`, `@domain target`; "domain anything" says in Postfix that
/// there is such a domain, and is passed over with a note.
/// Programs (`|command`) and files (`/path`) are mistakes: nothing is executed, and mail goes to mailboxes only. So are
/// an address that is there twice, an alias that is its own target, and more than kFileAliasTargetsMax targets of one.
[[nodiscard]] ParsedAliases parse_alias_file(const AliasText& file, AliasFormat format, const mail::Domain& domain,
                                             const ReadIncluded& read_included);

}  // namespace postrider::directory
