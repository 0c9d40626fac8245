#include "directory/staging.hpp"

#include "core/await.hpp"
#include "directory/keys.hpp"

#include <utility>

namespace postrider::directory {

std::unexpected<Error> gave_up() { return error(Error::transient, "directory.commit", "conflicts without end"); }

std::optional<Result<void>> outcome(const Result<store::Version>& committed) {
  if (committed) return Result<void>();
  if (committed.error().code == Error::conflict) return std::nullopt;
  return Result<void>(fail(committed));
}

Task<Result<void>> stage_in_domain(const Lookup* lookup, store::Transaction* transaction, mail::Domain name) {
  if (lookup->file_domains().contains(name)) co_return Result<void>();
  const Result<std::optional<Versioned<DomainRecord>>> domain = co_await lookup->stored_domain(name);
  if (!domain) co_return fail(domain);
  if (!*domain) co_return error(Error::not_found, "directory.domain", "no such domain");
  transaction->require_version(keys::domain(name), (*domain)->version);
  transaction->put(keys::domain(name), encode_domain((*domain)->value));
  co_return Result<void>();
}

Task<Result<void>> stage_in_local_domain(const Lookup* lookup, store::Transaction* transaction, mail::Domain name) {
  const Result<std::optional<DomainRecord>> domain = co_await lookup->domain(name);
  if (!domain) co_return fail(domain);
  if (*domain && (*domain)->kind != DomainKind::local)
    co_return error(Error::malformed, "directory.domain", name.text() + " is not a local domain");
  co_return co_await stage_in_domain(lookup, transaction, std::move(name));
}

}  // namespace postrider::directory
