#include "core/metrics.hpp"

#include <fmt/format.h>

namespace postrider {

Metric* Metrics::counter(std::string_view name, std::string_view help, std::string_view labels) {
  return find(name, help, labels, "counter");
}

Metric* Metrics::gauge(std::string_view name, std::string_view help, std::string_view labels) {
  return find(name, help, labels, "gauge");
}

Metric* Metrics::find(std::string_view name, std::string_view help, std::string_view labels, std::string_view type) {
  const std::scoped_lock lock(mutex_);
  Family& family = families_.try_emplace(std::string(name), Family{std::string(help), type, {}}).first->second;
  std::unique_ptr<Metric>& metric = family.by_labels[std::string(labels)];
  if (!metric) metric = std::make_unique<Metric>();
  return metric.get();
}

std::string Metrics::render() const {
  const std::scoped_lock lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, family.type);
    for (const auto& [labels, metric] : family.by_labels) {
      out += labels.empty() ? fmt::format("{} {}\n", name, metric->value())
                            : fmt::format("{}{{{}}} {}\n", name, labels, metric->value());
    }
  }
  return out;
}

}  // namespace postrider
