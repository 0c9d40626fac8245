// Counters and gauges, shown at /metrics in the Prometheus text format.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace postrider {

/// One number that goes up (counter) or up and down (gauge). Thread-safe; lives as long as its registry.
class Metric {
 public:
  void add(std::int64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  void set(std::int64_t to) { value_.store(to, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_ = 0;
};

class Metrics {
 public:
  /// The metric of that name and labels, made on first use. `name` as `postrider_smtp_sessions_total`; `labels` as
  /// `service="smtp"` or empty. Thread-safe; keep the pointer, the look-up locks.
  [[nodiscard]] Metric* counter(std::string_view name, std::string_view help, std::string_view labels = {});
  [[nodiscard]] Metric* gauge(std::string_view name, std::string_view help, std::string_view labels = {});
  /// All of them, sorted by name.
  [[nodiscard]] std::string render() const;

 private:
  struct Family {
    std::string help;
    std::string_view type;
    std::map<std::string, std::unique_ptr<Metric>, std::less<>> by_labels;
  };
  [[nodiscard]] Metric* find(std::string_view name, std::string_view help, std::string_view labels,
                             std::string_view type);
  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace postrider
