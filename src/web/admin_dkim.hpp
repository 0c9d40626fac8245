// What the commands on domains share about their keys and records.
#pragma once

#include "trust/dkim_key.hpp"
#include "web/admin.hpp"
#include "web/dns_records.hpp"

#include <vector>

namespace postrider::web {

/// Which keys `--dkim` or `--algorithm` asks for. Errors  malformed.
[[nodiscard]] Result<std::vector<trust::DkimAlgorithm>> parse_algorithms(std::string_view word);

/// Makes a key of each algorithm on the workers, under selectors of today's date that the domain does not have.
/// Gives   the keys, without their private parts. Errors  exhausted: has kDkimKeysMax; of the store.
[[nodiscard]] Task<Result<std::vector<directory::DkimKey>>> add_dkim_keys(AdminRooms rooms, mail::Domain domain,
                                                                          std::vector<trust::DkimAlgorithm> algorithms,
                                                                          bool active);

/// Adds what to publish for the domain, as lines of a zone file. Nothing where no desk is.
void add_zone_lines(AdminReply& reply, const AdminRooms& rooms, const mail::Domain& domain, directory::DomainKind kind,
                    const std::vector<directory::DkimKey>& keys);

}  // namespace postrider::web
