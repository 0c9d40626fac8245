#include "dns/unbound_resolver.hpp"

#include "core/await.hpp"
#include "core/clock.hpp"
#include "core/numbers.hpp"
#include "dns/rdata.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace postrider::dns {

namespace {

constexpr int kTypeA = 1;  // 1035 §3.2.2
constexpr int kTypeMx = 15;
constexpr int kTypeTxt = 16;
constexpr int kTypeAaaa = 28;  // 3596 §2.1
constexpr int kTypeSrv = 33;   // 2782
constexpr int kTypeTlsa = 52;  // 6698 §7.1
constexpr int kClassIn = 1;    // 1035 §3.2.4
constexpr int kRcodeServfail = 2;
constexpr std::size_t kAnswerOctetsMax = 64 * 1024;           // what a DNS message can hold at most
constexpr Duration kAtOnce = std::chrono::milliseconds(100);  // nobody was asked, or a cache answered
constexpr Duration kContextAgeLeast = std::chrono::seconds(1);

/// Record data of one answer.
struct Reply {
  std::vector<std::string> rdata;
  Security security = Security::insecure;
};

/// What an answer of libunbound means.
Result<Reply> to_reply(const ub_result& result) {
  // Records may stand in a bogus answer too: this is looked at first. 4035 §5.5: it is answered as a failure.
  if (result.bogus != 0)
    return error(Error::transient, "dns",
                 std::string("bogus: ") + (result.why_bogus != nullptr ? result.why_bogus : ""));
  if (result.nxdomain != 0) return error(Error::not_found, "dns", "nxdomain");
  if (result.rcode != 0)
    return error(Error::transient, "dns",
                 result.rcode == kRcodeServfail ? "servfail" : "rcode " + std::to_string(result.rcode));
  if (result.havedata == 0) return error(Error::not_found, "dns", "nodata");
  Reply reply;
  reply.security = result.secure != 0 ? Security::secure : Security::insecure;
  std::size_t octets = 0;
  for (std::size_t i = 0; result.data[i] != nullptr; ++i) {
    reply.rdata.emplace_back(result.data[i], static_cast<std::size_t>(result.len[i]));
    octets += reply.rdata.back().size();
    if (octets > kAnswerOctetsMax) return error(Error::too_long, "dns", "an answer over 64 KiB");
  }
  return reply;
}

class UnboundResolver;

struct ContextDeleter {
  void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};
using Context = std::unique_ptr<ub_ctx, ContextDeleter>;

/// A context of libunbound with what it went through.
struct Asked {
  Context context;
  SteadyTime since{};
  std::size_t late = 0;  ///< questions that it did not answer in time
};

/// One question on its way. Belongs to the resolver's thread once it is taken from the inbox. libunbound's callback
/// points to it.
struct Question {
  UnboundResolver* owner = nullptr;
  std::shared_ptr<Asked> with;
  std::uint64_t key = 0;
  std::string name;
  int type = 0;
  Completion<Result<Reply>> answer;
  SteadyTime since{};
  SteadyTime until{};
  int async_id = 0;
};

std::unexpected<Error> unbound_error(int code, const std::string& doing) {
  const bool is_input = code == UB_SYNTAX || code == UB_READFILE;
  return error(is_input ? Error::malformed : Error::exhausted, "dns.unbound", doing + ": " + ub_strerror(code));
}

/// `host:port` as libunbound writes it. Errors  malformed.
Result<std::string> to_forwarder(const std::string& server) {
  const std::size_t colon = server.rfind(':');
  if (colon == std::string::npos) return error(Error::malformed, "dns.servers", "want host:port: " + server);
  std::string host = server.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const Result<std::uint16_t> port = parse_number<std::uint16_t>(server.substr(colon + 1), {.min = 1, .max = 65'535});
  if (!port || host.empty()) return error(Error::malformed, "dns.servers", "want host:port: " + server);
  return host + "@" + std::to_string(*port);
}

Result<Context> make_context(const UnboundOptions& options) {
  Context context(ub_ctx_create());
  if (!context) return error(Error::exhausted, "dns.unbound", "no context");
  ub_ctx_debugout(context.get(), nullptr);  // our events say what matters
  struct Option {
    const char* name;
    const char* value;
  };
  static constexpr auto kOptions = std::to_array<Option>({
      {"msg-cache-size:", "64m"},
      {"rrset-cache-size:", "128m"},
      {"max-query-restarts:", "8"},  // kCnameChainMax
      {"outgoing-range:",
       "1024"},  // sockets, one a question that waits: 16 by default, so that 16 dead domains stop all
      {"num-queries-per-thread:", "4096"},
      {"do-not-query-localhost:", "no"},  // a forwarder on this host is usual
  });
  for (const Option& option : kOptions) {
    const int failed = ub_ctx_set_option(context.get(), option.name, option.value);
    if (failed != 0) return unbound_error(failed, option.name);
  }
  for (const std::string& server : options.servers) {
    const Result<std::string> forwarder = to_forwarder(server);
    if (!forwarder) return fail(forwarder);
    const int failed = ub_ctx_set_fwd(context.get(), forwarder->c_str());
    if (failed != 0) return error(Error::malformed, "dns.servers", "not an address: " + server);
  }
  // Without the system's list it asks the root servers itself, which is right too.
  if (options.servers.empty()) static_cast<void>(ub_ctx_resolvconf(context.get(), nullptr));
  if (!options.trust_anchor.empty()) {
    if (::access(options.trust_anchor.c_str(), R_OK) != 0) {
      return error(Error::malformed, "dns.trust_anchor", options.trust_anchor + " cannot be read");
    }
    const int failed = ub_ctx_add_ta_file(context.get(), options.trust_anchor.c_str());
    if (failed != 0) return unbound_error(failed, options.trust_anchor);
  }
  int failed = ub_ctx_async(context.get(), 1);  // with a thread, not a process
  if (failed != 0) return unbound_error(failed, "async");
  // libunbound denies "test." by itself (6761 §6.2 lets the operator decide): servers that were named are asked. Last,
  // because it ends the setting of options.
  if (!options.servers.empty()) failed = ub_ctx_zone_add(context.get(), "test.", "transparent");
  if (failed != 0) return unbound_error(failed, "test.");
  return context;
}

class UnboundResolver final : public Resolver {
 public:
  UnboundResolver(UnboundOptions options, Context context, int wake)
      : options_(std::move(options)), wake_(wake), timeout_(options_.timeout) {
    renew(std::move(context));
    thread_ = std::thread([this] { run(); });
  }
  UnboundResolver(const UnboundResolver&) = delete;
  UnboundResolver& operator=(const UnboundResolver&) = delete;
  ~UnboundResolver() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_up();
    thread_.join();
    for (const std::shared_ptr<Asked>& one : all_) one->context.reset();  // ends its thread: no callback comes any more
    for (auto& [key, question] : asked_) question->answer.set(error(Error::cancelled, "dns"));
    for (auto& question : inbox_) question->answer.set(error(Error::cancelled, "dns"));
    ::close(wake_);
  }

  Task<Result<MxAnswer>> mx(Name name) override {
    const Result<Reply> reply = co_await ask(std::move(name), kTypeMx);
    co_return to_answer<MxAnswer>(reply, &MxAnswer::records, &parse_mx_rdata);
  }
  Task<Result<AddressAnswer>> a(Name name) override {
    const Result<Reply> reply = co_await ask(std::move(name), kTypeA);
    co_return to_answer<AddressAnswer>(reply, &AddressAnswer::addresses, &parse_a_rdata);
  }
  Task<Result<AddressAnswer>> aaaa(Name name) override {
    const Result<Reply> reply = co_await ask(std::move(name), kTypeAaaa);
    co_return to_answer<AddressAnswer>(reply, &AddressAnswer::addresses, &parse_aaaa_rdata);
  }
  Task<Result<TxtAnswer>> txt(Name name) override {
    const Result<Reply> reply = co_await ask(std::move(name), kTypeTxt);
    Result<TxtAnswer> answer = to_answer<TxtAnswer>(reply, &TxtAnswer::records, &parse_txt_rdata);
    std::size_t octets = 0;
    if (answer) {
      for (const std::string& record : answer->records) octets += record.size();
    }
    if (octets > kTxtOctetsMax) co_return error(Error::too_long, "dns", "TXT over 16 KiB");
    co_return answer;
  }

  Task<Result<SrvAnswer>> srv(Name name) override {
    const Result<Reply> reply = co_await ask(std::move(name), kTypeSrv);
    co_return to_answer<SrvAnswer>(reply, &SrvAnswer::records, &parse_srv_rdata);
  }
  Task<Result<TlsaAnswer>> tlsa(Name name) override {
    const Result<Reply> reply = co_await ask(std::move(name), kTypeTlsa);
    co_return to_answer<TlsaAnswer>(reply, &TlsaAnswer::records, &parse_tlsa_rdata);
  }

 private:
  Task<Result<Reply>> ask(Name name, int type) {
    auto question = std::make_unique<Question>();
    question->name = name.text() + ".";
    question->type = type;
    const Completion<Result<Reply>> answer = question->answer;
    const Result<void> handed = hand_over(std::move(question));
    if (!handed) co_return fail(handed);
    co_return co_await answer.wait();
  }

  Result<void> hand_over(std::unique_ptr<Question> question) {
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return error(Error::cancelled, "dns");
      if (under_way_ >= kQuestionsMax) return error(Error::transient, "dns", "too many questions at once");
      ++under_way_;
      inbox_.push_back(std::move(question));
    }
    wake_up();
    return {};
  }

  template <class Answer, class Record>
  static Result<Answer> to_answer(const Result<Reply>& reply, std::vector<Record> Answer::* records,
                                  Result<Record> (*parse)(std::string_view)) {
    if (!reply) return fail(reply);
    Answer answer;
    answer.security = reply->security;
    for (const std::string& rdata : reply->rdata) {
      Result<Record> record = parse(rdata);
      if (!record) return error(Error::transient, "dns", "malformed answer: " + record.error().detail);
      (answer.*records).push_back(std::move(*record));
    }
    return answer;
  }

  void wake_up() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);  // full means that it is awake already
  }

  // From here on: the resolver's thread.

  void run() {
    while (take_inbox()) {
      std::vector<pollfd> waits{pollfd{wake_, POLLIN, 0}};
      for (const std::shared_ptr<Asked>& one : all_) waits.push_back({ub_fd(one->context.get()), POLLIN, 0});
      ::poll(waits.data(), waits.size(), wait_ms());
      if (waits[0].revents != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
      }
      for (std::size_t i = 1; i < waits.size(); ++i) {  // a callback may add a context, at the end
        if (waits[i].revents != 0) ub_process(all_[i - 1]->context.get());
      }
      expire();
      // Those that were taken over from go when nobody waits for them.
      std::erase_if(all_, [this](const std::shared_ptr<Asked>& one) { return one != now_ && one.use_count() == 1; });
    }
  }

  void renew(Context context) {
    now_ = std::make_shared<Asked>(Asked{.context = std::move(context), .since = clock_.steady()});
    all_.push_back(now_);
  }

  /// libunbound takes a server for dead, and fails whatever it would have asked it, when a few dozen questions in a row
  /// got no answer; a resolver of many domains, some of which are dead, has that every day. It cannot be told otherwise
  /// (1.17: infra-keep-probing lets one question through), so a new context, which knows nothing of it, takes over.
  /// True: the question is on its way again.
  bool ask_again(Question* question) {
    const SteadyTime now = clock_.steady();
    if (question->with == now_) {
      const bool blames_server = now - question->since <= kAtOnce && now_->late > 0;
      if (!blames_server || now - now_->since < kContextAgeLeast) return false;
      Result<Context> context = make_context(options_);
      if (!context) return false;
      renew(std::move(*context));
    }
    return resolve(question) == 0;
  }

  int resolve(Question* question) {
    question->with = now_;
    question->since = clock_.steady();
    return ub_resolve_async(now_->context.get(), question->name.c_str(), question->type, kClassIn, question,
                            &UnboundResolver::on_result, &question->async_id);
  }

  /// Asks what came in. False: stop.
  bool take_inbox() {
    std::deque<std::unique_ptr<Question>> taken;
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return false;
      taken.swap(inbox_);
    }
    for (std::unique_ptr<Question>& question : taken) begin(std::move(question));
    return true;
  }

  void begin(std::unique_ptr<Question> question) {
    question->until = clock_.steady() + timeout_;
    question->owner = this;
    question->key = ++last_key_;
    Question& kept = *(asked_[last_key_] = std::move(question));
    const int failed = resolve(&kept);
    if (failed != 0) settle(kept.key, error(Error::transient, "dns", ub_strerror(failed)));
  }

  /// How long nothing is due: questions are kept in the order of their deadlines.
  [[nodiscard]] int wait_ms() const {
    if (asked_.empty()) return -1;
    const Duration left = asked_.begin()->second->until - clock_.steady();
    return static_cast<int>(std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }

  void expire() {
    const SteadyTime now = clock_.steady();
    while (!asked_.empty() && asked_.begin()->second->until <= now) {
      const Question& late = *asked_.begin()->second;
      ++late.with->late;
      const bool cancelled = ub_cancel(late.with->context.get(), late.async_id) == 0;
      std::unique_ptr<Question> settled = settle(late.key, error(Error::timeout, "dns", late.name));
      if (!cancelled) uncancelled_.push_back(std::move(settled));  // the callback may come yet
    }
  }

  /// Gives the answer to the one who waits for it; gives null when that was done before.
  std::unique_ptr<Question> settle(std::uint64_t key, Result<Reply> reply) {
    auto node = asked_.extract(key);
    if (node.empty()) return nullptr;
    {
      const std::scoped_lock lock(mutex_);
      --under_way_;
    }
    node.mapped()->answer.set(std::move(reply));
    return std::move(node.mapped());
  }

  static void on_result(void* data, int failed, ub_result* result) {
    const std::unique_ptr<ub_result, void (*)(ub_result*)> owned(result, &ub_resolve_free);
    auto* const question = static_cast<Question*>(data);
    UnboundResolver& resolver = *question->owner;
    const bool has_failed = failed == 0 && result != nullptr && result->rcode == kRcodeServfail && result->bogus == 0;
    if (has_failed && resolver.asked_.contains(question->key) && resolver.ask_again(question)) return;
    Result<Reply> reply = error(Error::transient, "dns", ub_strerror(failed));
    if (failed == 0 && result != nullptr) reply = to_reply(*result);
    if (resolver.settle(question->key, std::move(reply))) return;
    std::erase_if(resolver.uncancelled_, [question](const auto& late) { return late.get() == question; });
  }

  const UnboundOptions options_;
  std::vector<std::shared_ptr<Asked>> all_;
  std::shared_ptr<Asked> now_;  // the last of them: who is asked
  const int wake_;
  const Duration timeout_;
  SystemClock clock_;
  std::map<std::uint64_t, std::unique_ptr<Question>> asked_;
  std::vector<std::unique_ptr<Question>> uncancelled_;
  std::uint64_t last_key_ = 0;

  std::mutex mutex_;
  std::deque<std::unique_ptr<Question>> inbox_;  // mutex_
  std::size_t under_way_ = 0;                    // mutex_
  bool stopping_ = false;                        // mutex_
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_unbound_resolver(UnboundOptions options) {
  Result<Context> context = make_context(options);
  if (!context) return fail(context);
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return error(Error::exhausted, "dns.unbound", "no descriptor");
  return std::make_unique<UnboundResolver>(std::move(options), std::move(*context), wake);
}

}  // namespace postrider::dns
