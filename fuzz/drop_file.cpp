// rooms: server
// Drop files: what is read has addresses and lines only, and written again it is the same file.
#include "server/drop_file.hpp"

#include "core/check.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const Result<server::DropFile> file = server::decode_drop(octets);
  if (!file) return 0;
  check(!file->envelope.recipients.empty() && file->envelope.recipients.size() <= server::kDropRecipientsMax, "limit");
  check(file->content.empty() || file->content.ends_with("\r\n"), "whole lines");
  const Result<server::DropFile> again = server::decode_drop(server::encode_drop(file->envelope, file->content));
  check(again && again->content == file->content, "the same content");
  check(again->envelope.recipients == file->envelope.recipients && again->envelope.request == file->envelope.request &&
            again->envelope.reverse_path == file->envelope.reverse_path,
        "the same envelope");
  return 0;
}
