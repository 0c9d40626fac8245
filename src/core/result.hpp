// The outcome of everything that can fail. The only file that names std::expected.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace postrider {

/// Why something failed. `code` answers what the caller may do; `place` is a literal ("dkim.key"); `detail` is for
/// people and may quote outside text, so it is escaped wherever it is shown.
struct Error {
  enum class Code : unsigned char {
    malformed,    ///< the input is not what the grammar wants
    too_long,     ///< over a limit of LIMITS.md
    unsupported,  ///< well formed, but not something we do
    not_found,    ///< no such thing
    denied,       ///< not permitted
    conflict,     ///< a precondition failed and nothing changed: read again
    transient,    ///< try again later; whether it happened may be unknown
    timeout,      ///< the deadline passed
    cancelled,    ///< we are shutting down, or the caller gave up
    closed,       ///< the other side ended the connection
    exhausted,    ///< a resource is used up (disk, queue, descriptors)
    corrupt,      ///< stored octets fail their checksum or format
  };
  using enum Code;

  Code code;
  std::string_view place;  // always a string literal
  std::string detail;
};

template <class T>
using Result = std::expected<T, Error>;

/// Makes the failure that a function returns: `return error(Error::malformed, "smtp.path", "no '<'")`.
[[nodiscard]] inline std::unexpected<Error> error(Error::Code code, std::string_view place, std::string detail = {}) {
  return std::unexpected<Error>(Error{code, place, std::move(detail)});
}

/// Passes a failure on unchanged: `if (!x) return fail(x);`.
template <class T>
[[nodiscard]] std::unexpected<Error> fail(Result<T>& failed) {
  return std::unexpected<Error>(std::move(failed.error()));
}
template <class T>
[[nodiscard]] std::unexpected<Error> fail(const Result<T>& failed) {
  return std::unexpected<Error>(failed.error());
}

/// The stable name of a code, as logs and JSON show it.
[[nodiscard]] std::string_view name_of(Error::Code code);

/// One line for people: "place: detail (code)".
[[nodiscard]] std::string describe(const Error& failure);

/// True where trying the same again later can succeed (4yz rather than 5yz).
[[nodiscard]] bool is_transient(Error::Code code);

}  // namespace postrider
