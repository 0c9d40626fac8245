// The door to time. Two clocks, two types: they do not convert.
#pragma once

#include "core/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider {

using Duration = std::chrono::nanoseconds;

/// A point on a clock that never jumps: for deadlines and rates. Means nothing outside this process.
struct SteadyTime {
  Duration since_start{};
  friend auto operator<=>(const SteadyTime&, const SteadyTime&) = default;
  friend SteadyTime operator+(SteadyTime at, Duration d) { return {at.since_start + d}; }
  friend Duration operator-(SteadyTime a, SteadyTime b) { return a.since_start - b.since_start; }
  [[nodiscard]] static constexpr SteadyTime never() { return {Duration::max()}; }
};

/// Civil time in UTC, to the microsecond: for Date fields, expiry, retry times and all that is stored.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime steady() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override;
  [[nodiscard]] WallTime wall() const override;
};

/// A clock that moves only when told to.
class SimClock final : public Clock {
 public:
  explicit SimClock(WallTime start) : wall_start_(start) {}
  [[nodiscard]] SteadyTime steady() const override { return now_; }
  [[nodiscard]] WallTime wall() const override {
    return wall_start_ + std::chrono::duration_cast<std::chrono::microseconds>(now_.since_start);
  }
  void advance(Duration by) { now_ = now_ + by; }
  void advance_to(SteadyTime at) { now_ = std::max(now_, at); }

 private:
  WallTime wall_start_;
  SteadyTime now_{};
};

/// `2026-05-04T07:11:04.300Z`
[[nodiscard]] std::string to_rfc3339(WallTime at);
/// `Mon, 4 May 2026 07:11:04 +0000` (5322 §3.3)
[[nodiscard]] std::string to_rfc5322_date(WallTime at);

[[nodiscard]] inline std::int64_t to_micros(WallTime at) { return at.time_since_epoch().count(); }
[[nodiscard]] inline WallTime from_micros(std::int64_t micros) { return WallTime(std::chrono::microseconds(micros)); }

}  // namespace postrider
