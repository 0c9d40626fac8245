#include "queue/keys.hpp"
#include "queue/queue.hpp"

#include <mutex>

namespace postrider::queue {

namespace {

// Without vowels (no words come out) and in the order of ASCII, so that texts sort as the numbers do. Nine characters
// hold 44 bits: half an id is milliseconds since 1970, the other half a counter and what this process drew at its
// start.
constexpr std::string_view kAlphabet = "0123456789bcdfghjklmnpqrstvwxyz";
constexpr std::size_t kHalfOctets = kIdOctets / 2;
constexpr unsigned kProcessBits = 28;
constexpr std::uint64_t kCountMax = (std::uint64_t{1} << 16U) - 1;

void append_half(std::string& out, std::uint64_t value) {
  std::string half(kHalfOctets, kAlphabet.front());
  for (std::size_t i = kHalfOctets; i-- > 0; value /= kAlphabet.size()) half[i] = kAlphabet[value % kAlphabet.size()];
  out += half;
}

}  // namespace

Result<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() != kIdOctets || text.find_first_not_of(kAlphabet) != std::string_view::npos) {
    return error(Error::malformed, "queue.id", "want 18 digits and lower-case consonants");
  }
  return QueueId(std::string(text));
}

struct QueueIds::State {
  Clock* clock;
  std::uint64_t process;
  std::mutex mutex;
  std::uint64_t last_millis = 0;
  std::uint64_t count = 0;
};

QueueIds::QueueIds(Clock* clock, Random* random)
    : state_(std::make_unique<State>(clock, random->below(std::uint64_t{1} << kProcessBits))) {}
QueueIds::~QueueIds() = default;

QueueId QueueIds::next() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(state_->clock->wall()).time_since_epoch().count();
  const std::scoped_lock lock(state_->mutex);
  const auto millis = static_cast<std::uint64_t>(now);
  if (millis > state_->last_millis) {
    state_->last_millis = millis;
    state_->count = 0;
  } else if (state_->count < kCountMax) {  // the clock stands still or stepped back: go on from the last id
    ++state_->count;
  } else {
    ++state_->last_millis;
    state_->count = 0;
  }
  std::string text;
  append_half(text, state_->last_millis);
  append_half(text, (state_->count << kProcessBits) | state_->process);
  return QueueId(std::move(text));
}

}  // namespace postrider::queue
