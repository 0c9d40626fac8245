#include "store/compactor.hpp"

#include <algorithm>
#include <utility>

namespace postrider::store {

namespace {

/// Whether a range up to `to` reaches `from`.
bool reaches(const Key& to, const Key& from) { return to.empty() || from <= to; }

}  // namespace

Compactor::~Compactor() {
  cancelled_.store(true);
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return !running_; });
}

void Compactor::add(KeyRange range) {
  {
    const std::scoped_lock lock(mutex_);
    const auto overlapping = std::ranges::find_if(ranges_, [&range](const KeyRange& waiting) {
      return reaches(waiting.to, range.from) && reaches(range.to, waiting.from);
    });
    if (overlapping != ranges_.end()) {
      overlapping->from = std::min(overlapping->from, range.from);
      if (!overlapping->to.empty() && reaches(range.to, overlapping->to)) overlapping->to = std::move(range.to);
    } else if (ranges_.size() < kCompactRangesMax) {
      ranges_.push_back(std::move(range));
    }
  }
  start_if_due();
}

void Compactor::deleted(std::uint64_t count) {
  if (count == 0) return;
  {
    const std::scoped_lock lock(mutex_);
    deletes_ += count;
  }
  start_if_due();
}

void Compactor::start_if_due() {
  std::vector<KeyRange> ranges;
  {
    const std::scoped_lock lock(mutex_);
    if (running_ || ranges_.empty() || deletes_ < kCompactAfterDeletes || cancelled_.load()) return;
    if (std::chrono::steady_clock::now() < not_before_) return;
    ranges.swap(ranges_);
    deletes_ = 0;
    running_ = true;
  }
  const auto end = [this] {
    const std::scoped_lock lock(mutex_);
    running_ = false;
    not_before_ = std::chrono::steady_clock::now() + kCompactPause;
    ended_.notify_all();  // under the lock: the destructor may go on right after
  };
  const auto job = [this, end, held = std::move(ranges)] {
    for (const KeyRange& range : held) db_->compact(range, &cancelled_);
    end();
  };
  if (!workers_->post(job)) end();  // the hints are lost; the next ones come
}

}  // namespace postrider::store
