// Whether all accounts have the keys of SCRAM, without reading them all at each question.
#pragma once

#include "core/result.hpp"
#include "core/task.hpp"
#include "directory/records.hpp"
#include "sasl/scram_keys.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <mutex>
#include <string>

namespace postrider::directory {

/// Of one hash. Keeps the place of an account without keys and asks for that one only; when it has keys now, it goes on
/// behind it. Each change of an account in this process must be told. Thread-safe.
class ScramCensus {
 public:
  ScramCensus(store::Store* store, sasl::ScramHash hash) : store_(store), hash_(hash) {}

  /// False also while another is counting. Errors  transient, corrupt from the store.
  [[nodiscard]] Task<Result<bool>> all_have_keys();
  /// After the commit. `now`: as the account is; nullptr: it is gone.
  void changed(const StoredAccount* now);

 private:
  enum class Known : std::uint8_t { nothing, all, lacking };
  struct Count {
    bool exists = false;  ///< an enabled one was seen
    store::Key at;        ///< of the first without keys; empty: none
  };
  [[nodiscard]] Task<Result<Count>> count(store::KeyRange range) const;
  [[nodiscard]] Task<Result<Count>> count_from(store::Key from) const;
  [[nodiscard]] bool lacks(const StoredAccount& account) const;

  store::Store* store_;
  sasl::ScramHash hash_;
  std::mutex mutex_;
  Known known_ = Known::nothing;
  bool counting_ = false;
  std::uint64_t changes_ = 0;
  store::Key at_;  // of the account without keys that was found last; empty: none
};

}  // namespace postrider::directory
