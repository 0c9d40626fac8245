// What was wrong with something that could be read all the same.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

/// Adds a stable lower-case word unless it is there.
inline void note_defect(std::vector<std::string>& defects, std::string_view word) {
  if (std::ranges::find(defects, word) == defects.end()) defects.emplace_back(word);
}

}  // namespace postrider::mail
