// rooms: dns
// `--dns FILE`: any text is either records or an error with its line, and no answer is over its limit.
#include "core/check.hpp"
#include "core/text.hpp"
#include "dns/file_records.hpp"

#include <cstddef>
#include <cstdint>

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<dns::Records> records = dns::Records::parse(text);
  if (!records) {
    check(records.error().code == Error::malformed && records.error().detail.starts_with("line "),
          "an error says its line");
    return 0;
  }
  for (const std::string_view line : split(text, '\n')) {
    const Result<dns::Name> name = dns::Name::parse(trimmed(line).substr(0, trimmed(line).find_first_of(" \t;")));
    if (!name) continue;
    check(name->text().size() <= 253, "a name fits");
    const Result<dns::Name> again = dns::Name::parse(name->text());
    check(again && *again == *name, "parse(text(n)) == n");
    const Result<dns::TxtAnswer> txt = records->txt(*name);
    std::size_t octets = 0;
    if (txt) {
      for (const std::string& record : txt->records) octets += record.size();
    }
    check(octets <= dns::kTxtOctetsMax, "a TXT answer fits");
    const Result<dns::MxAnswer> mx = records->mx(*name);
    check(!mx || !mx->records.empty(), "an MX answer has records");
    const Result<dns::SrvAnswer> srv = records->srv(*name);
    check(!srv || !srv->records.empty(), "an SRV answer has records");
    const Result<dns::TlsaAnswer> tlsa = records->tlsa(*name);
    check(!tlsa || !tlsa->records.front().data.empty(), "a TLSA answer has data");
    const Result<dns::AddressAnswer> a = records->a(*name);
    check(!a || !a->addresses.empty(), "an A answer has addresses");
  }
  return 0;
}
