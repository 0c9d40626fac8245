// Runs one fuzz target over each file of the folder that is its argument, in the order of their names.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry.path());
  std::ranges::sort(files);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(""), 0);
  for (const std::filesystem::path& path : files) {
    std::ostringstream octets;
    octets << std::ifstream(path, std::ios::binary).rdbuf();
    const std::string input = octets.str();
    fmt::print("{}\n", path.filename().string());
    std::fflush(stdout);  // so that a crash is seen at its file
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  }
  fmt::print("{} files\n", files.size());
  return files.empty() ? 1 : 0;
}
