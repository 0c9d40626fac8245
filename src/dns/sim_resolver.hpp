// The door to names, simulated: records as told, latency and failures from a seed, time from the shard's clock.
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "dns/file_records.hpp"

#include <cstdint>
#include <string_view>

namespace postrider::dns {

/// How questions fare. All values 0: answers come at once and never fail by themselves.
struct SimDnsWeather {
  Duration latency_min{};
  Duration latency_max{};
  std::uint32_t servfail_per_1000 = 0;
  std::uint32_t timeout_per_1000 = 0;
};

/// One thread. Nothing is cached: what `add` and `forget` change is seen by the next question.
class SimResolver final : public Resolver {
 public:
  /// `random` outlives the resolver.
  explicit SimResolver(Random* random) : random_(random) {}

  /// Adds a record, a made answer or `AD yes`, as a line of file_records.hpp. Errors  malformed.
  [[nodiscard]] Result<void> add(std::string_view line) { return records_.add_line(line); }
  void forget(const Name& name) { records_.remove(name); }
  void set_weather(const SimDnsWeather& weather) { weather_ = weather; }
  /// Questions that were asked so far.
  [[nodiscard]] std::uint64_t questions() const { return questions_; }

  [[nodiscard]] Task<Result<MxAnswer>> mx(Name name) override;
  [[nodiscard]] Task<Result<AddressAnswer>> a(Name name) override;
  [[nodiscard]] Task<Result<AddressAnswer>> aaaa(Name name) override;
  [[nodiscard]] Task<Result<TxtAnswer>> txt(Name name) override;
  [[nodiscard]] Task<Result<SrvAnswer>> srv(Name name) override;
  [[nodiscard]] Task<Result<TlsaAnswer>> tlsa(Name name) override;

 private:
  template <class Answer>
  Task<Result<Answer>> ask(Name name, Result<Answer> (Records::*question)(const Name&) const);

  Random* random_;
  Records records_;
  SimDnsWeather weather_;
  std::uint64_t questions_ = 0;
};

}  // namespace postrider::dns
