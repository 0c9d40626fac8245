// rooms: queue directory store mail core
// Stored records, and those of the queue and of the directory in all formats: any octets are read without harm, and
// what was read is written and read again the same.
#include "core/check.hpp"
#include "core/record.hpp"
#include "core/text.hpp"
#include "directory/records.hpp"
#include "queue/records.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace postrider;

namespace {

constexpr std::uint8_t kFormat = 7;

/// The fields of a record, as a decoder that is told by `plan` what to expect reads them; written again on the way.
void read_by_plan(std::string_view plan, const std::string& octets) {
  RecordReader in(octets, kFormat);
  RecordWriter out(kFormat);
  for (const char kind : plan) {
    switch (static_cast<unsigned char>(kind) % 5) {
      case 0: out.number(in.number()); break;
      case 1: out.signed_number(in.signed_number()); break;
      case 2: out.text(in.text()); break;
      case 3: out.flag(in.flag()); break;
      case 4: {
        const std::size_t count = in.count();
        check(count <= octets.size(), "a count is never more than the octets left");
        out.number(count);
        break;
      }
    }
  }
  if (!in.end()) return;
  const std::string again = std::move(out).finish();
  RecordReader second(again, kFormat);
  for (const char kind : plan) {
    switch (static_cast<unsigned char>(kind) % 5) {
      case 0: static_cast<void>(second.number()); break;
      case 1: static_cast<void>(second.signed_number()); break;
      case 2: static_cast<void>(second.text()); break;
      case 3: static_cast<void>(second.flag()); break;
      case 4: static_cast<void>(second.number()); break;
    }
  }
  check(second.end().has_value(), "what was written is read");
  check(again.size() <= octets.size(), "numbers are written in their shortest form");
}

std::string sealed(std::uint8_t format, std::string_view fields) {  // with a checksum that fits
  std::string out(1, static_cast<char>(format));
  out += fields;
  append_u32(out, crc32c(out));
  return out;
}

template <class Record, class Read>
void check_again(const Result<Record>& first, Read read) {
  if (!first) return;
  const std::string written = queue::to_record(*first);
  const Result<Record> second = read(store::Entry{.value = written, .version = 1});
  check(second.has_value(), "a record that was read is written so that it can be read");
  check(queue::to_record(*second) == written, "and it is the same");
}

void read_queue_records(std::string_view fields) {
  const queue::QueueId id = queue::QueueId::parse("000000000000000000").value();
  const auto entry = [&](const store::Entry& stored) { return queue::read_entry(id, stored); };
  const auto recipient = [](const store::Entry& stored) { return queue::read_recipient(0, stored); };
  for (const std::uint8_t format : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
    const store::Entry stored{.value = sealed(format, fields), .version = 1};
    const Result<queue::Entry> first = entry(stored);
    check_again(first, entry);
    if (first) {
      for (const char c : first->request.envelope_id) check(c >= ' ' && c <= '~', "ENVID is printable ASCII");
    }
    const Result<queue::Recipient> one = recipient(stored);
    check_again(one, recipient);
    if (one) {
      check(one->request.original.find_first_of("\r\n") == std::string::npos, "ORCPT is within a line");
      check(is_ascii(one->last_remote), "a remote is ASCII");
    }
  }
}

template <class Record>
void check_directory_record(const std::string& value, Result<Record> (*decode)(std::string_view),
                            std::string (*encode)(const Record&)) {
  const Result<Record> first = decode(value);
  if (!first) return;
  const std::string written = encode(*first);
  const Result<Record> second = decode(written);
  check(second.has_value(), "a record that was read is written so that it can be read");
  check(encode(*second) == written, "and it is the same");
}

void read_directory_records(std::string_view fields) {
  for (const std::uint8_t format : {std::uint8_t{1}, std::uint8_t{2}}) {
    const std::string value = sealed(format, fields);
    check_directory_record(value, &directory::decode_account, &directory::encode_account);
    check_directory_record(value, &directory::decode_app_password, &directory::encode_app_password);
    check_directory_record(value, &directory::decode_domain, &directory::encode_domain);
    check_directory_record(value, &directory::decode_alias, &directory::encode_alias);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view plan =
      input.substr(0, input.empty() ? 0 : std::min<std::size_t>(static_cast<unsigned char>(input.front()) % 16, size));
  const std::string_view rest = input.substr(plan.size());
  read_by_plan(plan, std::string(rest));
  read_by_plan(plan, sealed(kFormat, rest));
  read_queue_records(input);
  read_directory_records(input);
  return 0;
}
