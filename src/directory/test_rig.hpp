// For tests: a directory on a simulated store, asked in texts.
#pragma once

#include "core/test_run.hpp"
#include "directory/directory.hpp"
#include "store/sim_store.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::directory::test {

using postrider::test::run;
using postrider::test::World;

inline mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }
inline mail::Domain domain(std::string_view text) { return mail::Domain::parse(text).value(); }
inline DomainRecord domain_record(std::string_view name) {
  return {.name = domain(name), .catch_all = {}, .subaddress = "+", .postmaster = {}, .source = Source::store};
}
inline std::vector<mail::Address> addresses(std::initializer_list<std::string_view> texts) {
  std::vector<mail::Address> all;
  for (const std::string_view text : texts) all.push_back(address(text));
  return all;
}

/// Runs jobs at once and counts them.
class CountingWorkers final : public Workers {
 public:
  Result<void> post(std::move_only_function<void()> job) override {
    ++jobs;
    job();
    return {};
  }
  std::size_t jobs = 0;
};

/// The error's name, or "ok".
template <class T>
std::string outcome_of(const Result<T>& result) {
  return result ? "ok" : std::string(name_of(result.error().code));
}

struct Rig {
  explicit Rig(Settings settings = {}) : directory(&store, &workers, &random, &world.clock, std::move(settings)) {}

  std::string add_domain(DomainRecord record) {
    return outcome_of(run(world, directory.add_domain(std::move(record))));
  }
  std::string add_account(std::string_view text) {
    return outcome_of(run(world, directory.add_account(address(text), Secret("pw"))));
  }
  std::string add_alias(std::string_view text, std::initializer_list<std::string_view> targets) {
    return outcome_of(run(world, directory.add_alias(address(text), addresses(targets))));
  }
  std::string remove_alias(std::string_view text, std::initializer_list<std::string_view> targets = {}) {
    return outcome_of(run(world, directory.remove_alias(address(text), addresses(targets))));
  }
  std::string set_enabled(std::string_view text, bool enabled) {
    return outcome_of(run(world, directory.set_enabled(address(text), enabled)));
  }
  Result<std::shared_ptr<const Grant>> grant_of(std::string login, std::string password, Scope scope = Scope::pop3) {
    return run(world, directory.log_in(std::move(login), Secret(std::move(password)), scope));
  }
  std::string log_in(std::string login, std::string password, Scope scope = Scope::pop3) {
    return outcome_of(grant_of(std::move(login), std::move(password), scope));
  }
  std::string import_account(std::string_view text, std::string hash) {
    return outcome_of(run(world, directory.import_account(address(text), std::move(hash))));
  }
  std::string set_password(std::string_view text, std::string password) {
    return outcome_of(run(world, directory.set_password(address(text), Secret(std::move(password)))));
  }
  std::string remove_account(std::string_view text) {
    return outcome_of(run(world, directory.remove_account(address(text))));
  }
  Directory::NewAppPassword add_app_password(std::string_view text, std::string name, std::vector<Scope> scopes) {
    return run(world, directory.add_app_password(address(text), std::move(name), std::move(scopes))).value();
  }
  std::string revoke(std::string_view text, std::string id) {
    return outcome_of(run(world, directory.revoke_app_password(address(text), std::move(id))));
  }
  bool may_send_as(const std::shared_ptr<const Grant>& grant, std::string_view text) {
    return run(world, directory.may_send_as(grant, address(text))).value();
  }
  /// "ann@x(1) far@y<owner-list@x>", "not ours", "relayed any", or the reason.
  std::string resolve(std::string_view text) {
    const Result<Resolution> got = run(world, directory.resolve(address(text)));
    if (!got) return outcome_of(got);
    if (std::holds_alternative<NotOurs>(*got)) return "not ours";
    if (const auto* const relayed = std::get_if<Relayed>(&*got)) {
      using By = RelayRecipients::By;
      return relayed->by == By::any ? "relayed any" : relayed->by == By::verify ? "relayed verify" : "relayed file";
    }
    if (const auto* const unknown = std::get_if<Unknown>(&*got)) return unknown->reason;
    std::string out;
    for (const Target& target : std::get<Deliverable>(*got).targets) {
      if (!out.empty()) out += ' ';
      out += target.address.text();
      if (target.account) out += "(" + std::to_string(static_cast<std::uint64_t>(*target.account)) + ")";
      if (target.owner) out += "<" + target.owner->text() + ">";
    }
    return out;
  }

  World world;
  SeededRandom random{1};
  store::SimDisk disk;
  store::SimStore store{store::SimStoreOptions{.disk = &disk, .random = &random}};
  CountingWorkers workers;
  Directory directory;
};

}  // namespace postrider::directory::test
