// For tests of logins: a connection that says it is protected, and a log that is kept.
#pragma once

#include "core/events.hpp"
#include "core/random.hpp"
#include "directory/directory.hpp"
#include "net/net.hpp"
#include "sasl/mechanism.hpp"
#include "store/sim_store.hpp"

#include <string>
#include <utility>

namespace postrider::server::test {

class KeptLog final : public LogOutput {
 public:
  void write_line(std::string_view line) override { (text += line) += '\n'; }
  std::string text;
};

/// Nothing goes over it.
class SecuredStream final : public net::Stream {
 public:
  SecuredStream(sasl::Bindings bindings, std::string client_name)
      : bindings_(std::move(bindings)), client_name_(std::move(client_name)) {}

  Task<Result<net::Ready>> wait_readable(SteadyTime /*until*/, Signal* /*signal*/) override {
    co_return error(Error::closed, "test.stream");
  }
  Result<std::size_t> read_some(std::span<char> /*into*/) override { return error(Error::closed, "test.stream"); }
  Task<Result<void>> write(std::string_view /*octets*/, SteadyTime /*until*/) override {
    co_return error(Error::closed, "test.stream");
  }
  Result<std::size_t> write_some(std::string_view /*octets*/) override { return error(Error::closed, "test.stream"); }
  Task<Result<void>> wait_writable(SteadyTime /*until*/) override { co_return error(Error::closed, "test.stream"); }
  void close() override {}
  [[nodiscard]] const net::Endpoint& local() const override { return here_; }
  [[nodiscard]] const net::Endpoint& peer() const override { return here_; }
  [[nodiscard]] std::optional<std::uint32_t> peer_user() const override { return std::nullopt; }
  [[nodiscard]] std::optional<net::TlsFacts> tls() const override {
    return net::TlsFacts{.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"};
  }
  [[nodiscard]] Result<std::string> channel_binding(net::ChannelBinding kind) const override {
    const std::string& data =
        kind == net::ChannelBinding::tls_exporter ? bindings_.tls_exporter : bindings_.tls_server_end_point;
    if (data.empty()) return error(Error::unsupported, "test.stream");
    return data;
  }
  [[nodiscard]] std::string client_name() const override { return client_name_; }

 private:
  sasl::Bindings bindings_;
  std::string client_name_;
  net::Endpoint here_;
};

}  // namespace postrider::server::test
