// [[domain]], [[alias]], [[alias_file]] and [[route]]: what is said of mail, and whether it can work.
#pragma once

#include "cli/config.hpp"
#include "cli/config_table.hpp"

#include <string>
#include <vector>

namespace postrider::cli {

inline constexpr std::uint64_t kNamedFileOctetsMax = 64ULL * 1024 * 1024;  // of an alias file or a list of recipients

/// Where each section stands, for what is found when all are read.
struct MailSections {
  struct Where {
    std::string file;
    Place place;
  };
  std::vector<Where> domains;       ///< of Config::domains, in order
  std::vector<Where> aliases;       ///< of Config::aliases
  std::vector<Where> alias_files;   ///< of Config::alias_files
  std::vector<Where> route_logins;  ///< `auth` of Config::routes, in order; of the section where it has none
};

void read_domain(TableReader& keys, Config* config, MailSections* sections);
void read_alias(TableReader& keys, Config* config, MailSections* sections);
void read_alias_file(TableReader& keys, Config* config, MailSections* sections);
void read_route(TableReader& keys, Config* config, MailSections* sections);
/// `retry` of [queue] or a route; it stays as it is where there is none.
void read_retry(TableReader& keys, std::vector<Duration>* into);

/// Reads the files that are named, and finds what does not go together.
void check_mail(LoadedConfig* loaded, const MailSections& sections);

}  // namespace postrider::cli
