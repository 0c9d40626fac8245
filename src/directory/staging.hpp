// What the changes of the commands have in common: each reads, stages with preconditions on what it read, and commits;
// in a conflict it reads again.
#pragma once

#include "core/result.hpp"
#include "core/task.hpp"
#include "directory/lookup.hpp"
#include "store/store.hpp"

#include <optional>

namespace postrider::directory {

inline constexpr int kTriesMax = 20;  // at one commit, against conflicts

[[nodiscard]] std::unexpected<Error> gave_up();

/// Done, or an error to pass on; nullopt: a conflict, read again.
[[nodiscard]] std::optional<Result<void>> outcome(const Result<store::Version>& committed);

/// Makes the commit depend on the domain and changes its version, so that it is not removed at the same time. Nothing
/// to do for one of the file. Errors  not_found: no such domain.
[[nodiscard]] Task<Result<void>> stage_in_domain(const Lookup* lookup, store::Transaction* transaction,
                                                 mail::Domain name);

/// Makes the commit depend on `name` being a local domain. Errors  not_found; malformed: it is of another kind.
[[nodiscard]] Task<Result<void>> stage_in_local_domain(const Lookup* lookup, store::Transaction* transaction,
                                                       mail::Domain name);

}  // namespace postrider::directory
