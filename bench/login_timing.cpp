// Does the time of an answer tell whether a login exists? Tries a wrong password with an account that there is and with
// one that there is not, in turns, through server::Login on a real store, with the guard's delays off, and prints the
// medians. The aim is a difference below 1 ms (SECURITY R10). Words: how often each (1000).
#include "core/numbers.hpp"
#include "core/test_run.hpp"
#include "server/login.hpp"
#include "store/rocks_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace {

using namespace postrider;

struct Bench {
  explicit Bench(std::string where) : folder(std::move(where)) {}
  template <class T>
  T run(Task<T> task) {
    return test::run(world, std::move(task), test::Threads::some);
  }
  /// Milliseconds from the password to its refusal.
  double try_once(const std::string& account) {
    server::Login login(&service,
                        net::Endpoint{.address = *net::Address::parse("192.0.2.1"), .port = 1, .unix_path = {}});
    const SteadyTime before = clock.steady();
    const server::Login::Step step = run(login.with_password(account, Secret("not the password")));
    const Duration took = clock.steady() - before;
    check(std::holds_alternative<server::Login::Refused>(step), "bench: it is refused");
    return std::chrono::duration<double, std::milli>(took).count();
  }

  std::string folder;
  SystemClock clock;
  SystemRandom random;
  test::World world;
  std::unique_ptr<Workers> workers = make_thread_workers(2);
  std::unique_ptr<store::Store> store = std::move(store::open_rocks_store({.directory = folder,
                                                                           .workers = workers.get(),
                                                                           .random = &random,
                                                                           .events = &world.events,
                                                                           .min_free_octets = 0})
                                                      .value());
  directory::Directory directory{store.get(), workers.get(), &random, &clock, {}};
  gate::LoginGuard guard{&clock, {.delays = false}};
  Metrics metrics;
  server::LoginService service{.directory = &directory,
                               .guard = &guard,
                               .events = &world.events,
                               .clock = &clock,
                               .random = &random,
                               .service = "bench",
                               .scope = directory::Scope::submission,
                               .plaintext_auth = true,
                               .metrics = server::LoginMetrics(&metrics, "bench")};
};

void print(std::string_view name, std::vector<double>& times) {
  std::ranges::sort(times);
  const auto at = [&](std::size_t part) { return times[(times.size() - 1) * part / 100]; };
  fmt::print("{:14} median {:.3f} ms, quartiles {:.3f} {:.3f}, 1 % {:.3f}, 99 % {:.3f}\n", name, at(50), at(25), at(75),
             at(1), at(99));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t tries =
      argc > 1 ? parse_number<std::size_t>(argv[1], {.min = 1, .max = 1'000'000}).value_or(1000) : 1000;
  std::string folder = std::filesystem::temp_directory_path() / "postrider-login-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  std::vector<double> known;
  std::vector<double> unknown;
  {
    Bench bench(folder + "/store");
    check(bench
              .run(bench.directory.add_domain(
                  {.name = *mail::Domain::parse("here.test"), .catch_all = {}, .postmaster = {}}))
              .has_value(),
          "bench: domain");
    for (const std::string_view account : {"ann@here.test", "bob@here.test", "cid@here.test"})
      check(bench.run(bench.directory.add_account(*mail::Address::parse(account), Secret("the password"))).has_value(),
            "bench: account");
    for (std::size_t i = 0; i < tries; ++i) {  // who comes first takes turns too
      if (i % 2 == 0) known.push_back(bench.try_once("bob@here.test"));
      unknown.push_back(bench.try_once("nobody@here.test"));
      if (i % 2 != 0) known.push_back(bench.try_once("bob@here.test"));
    }
  }
  std::filesystem::remove_all(folder);
  print("wrong password", known);
  print("unknown user", unknown);
  fmt::print("difference of the medians {:.3f} ms\n", known[known.size() / 2] - unknown[unknown.size() / 2]);
  return 0;
}
