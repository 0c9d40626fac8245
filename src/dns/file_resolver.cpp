#include "dns/file_resolver.hpp"

#include "core/await.hpp"
#include "dns/file_records.hpp"

namespace postrider::dns {

namespace {

class FileResolver final : public Resolver {
 public:
  explicit FileResolver(Records records) : records_(std::move(records)) {}
  Task<Result<MxAnswer>> mx(Name name) override { co_return records_.mx(name); }
  Task<Result<AddressAnswer>> a(Name name) override { co_return records_.a(name); }
  Task<Result<AddressAnswer>> aaaa(Name name) override { co_return records_.aaaa(name); }
  Task<Result<TxtAnswer>> txt(Name name) override { co_return records_.txt(name); }
  Task<Result<SrvAnswer>> srv(Name name) override { co_return records_.srv(name); }
  Task<Result<TlsaAnswer>> tlsa(Name name) override { co_return records_.tlsa(name); }

 private:
  const Records records_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_file_resolver(std::string_view text) {
  Result<Records> records = Records::parse(text);
  if (!records) return fail(records);
  return std::make_unique<FileResolver>(std::move(*records));
}

}  // namespace postrider::dns
