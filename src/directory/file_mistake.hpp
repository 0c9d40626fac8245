// What is wrong in a file that the configuration names.
#pragma once

#include <cstddef>
#include <string>

namespace postrider::directory {

inline constexpr std::size_t kFileMistakesMax = 100;  // of one file; then it is read no further

struct FileMistake {
  std::string file;
  std::size_t line = 0;    ///< from 1
  std::size_t column = 0;  ///< from 1, in octets
  std::string what;
};

}  // namespace postrider::directory
