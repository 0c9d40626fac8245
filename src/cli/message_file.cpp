#include "cli/message_file.hpp"

#include <array>
#include <fstream>
#include <iostream>

namespace postrider::cli {

Result<std::string> read_message_file(const std::string& name) {
  std::ifstream file;
  if (name != "-") file.open(name, std::ios::binary);
  std::istream& in = name == "-" ? std::cin : file;
  std::string text;
  std::array<char, 65'536> buffer{};
  while (in.read(buffer.data(), buffer.size()) || in.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > kDiagnosedOctetsMax) return error(Error::too_long, "message", name + " is over 256 MiB");
  }
  if (in.bad() || !in.eof()) return error(Error::not_found, "message", name + " cannot be read");
  return text;
}

std::string_view without_mbox_line(std::string_view file) {
  if (!file.starts_with("From ")) return file;
  const std::size_t end = file.find_first_of("\r\n");
  if (end == std::string_view::npos) return file;
  return file.substr(end + (file.substr(end).starts_with("\r\n") ? 2 : 1));
}

}  // namespace postrider::cli
