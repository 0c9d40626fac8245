#include "dns/sim_resolver.hpp"

#include "core/await.hpp"
#include "core/signal.hpp"

namespace postrider::dns {

template <class Answer>
Task<Result<Answer>> SimResolver::ask(Name name, Result<Answer> (Records::*question)(const Name&) const) {
  ++questions_;
  Shard* const shard = co_await this_shard();
  const SteadyTime asked = shard->clock().steady();
  const auto spread = static_cast<std::uint64_t>((weather_.latency_max - weather_.latency_min).count());
  Duration takes =
      weather_.latency_min + Duration(spread == 0 ? 0 : static_cast<std::int64_t>(random_->below(spread + 1)));
  const bool is_lost = weather_.timeout_per_1000 > 0 && random_->below(1000) < weather_.timeout_per_1000;
  const bool fails = weather_.servfail_per_1000 > 0 && random_->below(1000) < weather_.servfail_per_1000;
  Result<Answer> answer = (records_.*question)(name);
  if (fails) answer = error(Error::transient, "dns", "servfail");
  const bool is_timeout = !answer && answer.error().code == Error::timeout;
  if (is_lost || is_timeout || takes >= kQuestionTimeout) {
    takes = kQuestionTimeout;
    answer = error(Error::timeout, "dns", name.text());
  }
  Signal nobody;
  if (takes > Duration{}) {
    [[maybe_unused]] const Result<void> waited = co_await nobody.wait(asked + takes);  // never set: its end is the time
  }
  co_return answer;
}

Task<Result<MxAnswer>> SimResolver::mx(Name name) { return ask(std::move(name), &Records::mx); }
Task<Result<AddressAnswer>> SimResolver::a(Name name) { return ask(std::move(name), &Records::a); }
Task<Result<AddressAnswer>> SimResolver::aaaa(Name name) { return ask(std::move(name), &Records::aaaa); }
Task<Result<TxtAnswer>> SimResolver::txt(Name name) { return ask(std::move(name), &Records::txt); }
Task<Result<SrvAnswer>> SimResolver::srv(Name name) { return ask(std::move(name), &Records::srv); }
Task<Result<TlsaAnswer>> SimResolver::tlsa(Name name) { return ask(std::move(name), &Records::tlsa); }

}  // namespace postrider::dns
