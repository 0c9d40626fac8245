// Near names of the configuration.
#include "cli/config.hpp"

#include <algorithm>

namespace postrider::cli {

std::string nearest(std::string_view text, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = i;
    for (std::size_t i = 1; i <= text.size(); ++i) {  // Levenshtein, one row
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t substituted = diagonal + (text[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    // Half a name ("password" of "password_file") is near, whatever is missing.
    const bool is_half = text.size() >= 4 && candidate.starts_with(text);
    const std::size_t distance = is_half ? std::min<std::size_t>(row.back(), 2) : row.back();
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

}  // namespace postrider::cli
