#include "trust/dkim_body.hpp"

#include "core/check.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace postrider::trust {

namespace {

constexpr std::size_t kHashedOctetsMin = 4096;  // collected before they are hashed: short lines make short pieces

bool is_plain(char c) { return c != '\r' && c != ' ' && c != '\t'; }

struct DigestDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

/// What came in and is not hashed yet is either in `collected`, or one of: ends of lines (empty lines at the end do not
/// count), a run of blanks (at the end of a line it does not count), and a CR whose LF may follow.
struct DkimBodyHash::State {
  std::unique_ptr<EVP_MD_CTX, DigestDeleter> digest{EVP_MD_CTX_new()};
  std::array<char, 2 * kHashedOctetsMin> collected{};
  std::size_t filled = 0;
  std::uint64_t line_ends = 0;
  bool has_blank = false;
  bool has_cr = false;
  bool empty = true;

  void hash_collected() {
    check(EVP_DigestUpdate(digest.get(), collected.data(), filled) == 1, "SHA-256 takes octets");
    filled = 0;
  }

  void hash(std::string_view octets) {
    if (octets.size() > collected.size() - filled) hash_collected();
    if (octets.size() > collected.size()) {
      check(EVP_DigestUpdate(digest.get(), octets.data(), octets.size()) == 1, "SHA-256 takes octets");
      return;
    }
    std::ranges::copy(octets, collected.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += octets.size();
  }

  /// What counts, now that more of the body follows on this line.
  void hash_held() {
    for (; line_ends > 0; --line_ends) hash("\r\n");
    if (has_blank) hash(" ");  // 6376 §3.4.4: a run of blanks is one
    has_blank = false;
    if (has_cr) hash("\r");  // alone: an octet as any other
    has_cr = false;
    empty = false;
  }

  void append(std::string_view octets) {
    while (!octets.empty()) {
      if (has_cr && octets.front() == '\n') {
        has_cr = has_blank = false;  // §3.4.4: blanks at the end of a line are ignored
        ++line_ends;
        octets.remove_prefix(1);
        continue;
      }
      const char first = octets.front();
      if (is_plain(first)) {
        const auto* const end = std::ranges::find_if_not(octets, is_plain);
        const auto run = static_cast<std::size_t>(end - octets.begin());
        hash_held();
        hash(octets.substr(0, run));
        octets.remove_prefix(run);
        continue;
      }
      if (has_cr) hash_held();
      if (first == '\r') {
        has_cr = true;
      } else {
        has_blank = true;
      }
      octets.remove_prefix(1);
    }
  }
};

DkimBodyHash::DkimBodyHash() : state_(std::make_unique<State>()) {
  check(state_->digest != nullptr && EVP_DigestInit_ex(state_->digest.get(), EVP_sha256(), nullptr) == 1,
        "there is SHA-256");
}
DkimBodyHash::DkimBodyHash(DkimBodyHash&&) noexcept = default;
DkimBodyHash& DkimBodyHash::operator=(DkimBodyHash&&) noexcept = default;
DkimBodyHash::~DkimBodyHash() = default;

void DkimBodyHash::append(std::string_view octets) { state_->append(octets); }

std::string DkimBodyHash::finish() && {
  if (state_->has_cr) state_->hash_held();
  if (!state_->empty) state_->hash("\r\n");  // §3.4.4: a body has an end of line, whether it was sent or not
  state_->hash_collected();
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(EVP_sha256())), '\0');
  check(EVP_DigestFinal_ex(state_->digest.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1,
        "SHA-256 ends");
  return out;
}

}  // namespace postrider::trust
