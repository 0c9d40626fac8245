#include "cli/submit_door.hpp"

#include "cli/instance.hpp"
#include "server/drop_directory.hpp"

#include <filesystem>
#include <fstream>

namespace postrider::cli {

namespace {

std::string origin_of(const Config& config, const std::vector<directory::DomainRecord>& domains) {
  if (!config.submit_origin.empty()) return config.submit_origin;
  std::string first;
  for (const directory::DomainRecord& domain : domains) {
    if (domain.kind != directory::DomainKind::local) continue;
    const std::string& name = domain.name.text();
    if (config.hostname == name || config.hostname.ends_with("." + name)) return name;
    if (first.empty()) first = name;
  }
  return first.empty() ? config.hostname : first;
}

}  // namespace

std::string submit_socket_in(const std::string& data_dir) { return data_dir + "/submit.sock"; }
std::string drop_directory_in(const std::string& data_dir) { return data_dir + "/drop"; }

Result<void> prepare_submit_door(const Config& config) {
  namespace fs = std::filesystem;
  std::error_code failed;
  fs::create_directories(store_directory_of(config), failed);
  if (!failed) fs::permissions(store_directory_of(config), fs::perms::owner_all, failed);
  if (!failed)
    fs::permissions(config.data_dir, fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add, failed);
  if (failed) return error(Error::denied, "serve", config.data_dir + ": " + failed.message());
  return server::prepare_drop_directory(drop_directory_in(config.data_dir));
}

Result<void> write_origin(const Config& config, const std::vector<directory::DomainRecord>& domains) {
  const std::string file = config.data_dir + "/" + std::string(kOriginFile);
  const std::string half = file + ".new";
  std::ofstream out(half, std::ios::trunc);
  out << origin_of(config, domains) << '\n';
  out.close();
  std::error_code failed;
  using std::filesystem::perms;
  std::filesystem::permissions(half, perms::owner_read | perms::owner_write | perms::group_read | perms::others_read,
                               failed);
  if (!failed) std::filesystem::rename(half, file, failed);
  if (!out || failed) return error(Error::denied, "serve", file + " cannot be written");
  return {};
}

}  // namespace postrider::cli
