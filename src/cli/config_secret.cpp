#include "cli/config_secret.hpp"

#include "core/text.hpp"
#include "sasl/mechanism.hpp"
#include "sasl/password.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace postrider::cli {

namespace {

/// A name that is a part of a path, and no way out of its directory.
bool is_file_name(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.find('/') == std::string_view::npos &&
         name == printable_ascii(name, name.size());
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

std::unexpected<Error> wrong(Error::Code code, std::string detail) {
  return error(code, "config.secret", std::move(detail));
}

Result<Secret> read_credential(const std::string& name) {
  const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0')
    return wrong(Error::not_found, "$CREDENTIALS_DIRECTORY is not set (systemd sets it: LoadCredential=)");
  return read_password_file(std::string(directory) + '/' + name);
}

}  // namespace

void read_secret(std::string_view name, TableReader& keys, Config* config) {
  SecretKeys secret;
  keys.string("username", &secret.username);
  keys.string("password_file", &secret.password_file);
  keys.string("credential", &secret.credential);
  secret.at = {keys.file(), keys.place().line, keys.place().column, {}};
  if (secret.username.empty() || std::ranges::any_of(secret.username, &is_control) ||
      secret.username.size() > sasl::kNameOctetsMax)
    return keys.mistake(keys.place_of("username"), fmt::format("[secret.{}] wants a username", name));
  if (secret.password_file.empty() == secret.credential.empty())
    return keys.mistake_here(fmt::format("[secret.{}] wants password_file = \"FILE\" or credential = \"NAME\"", name));
  if (!secret.credential.empty() && !is_file_name(secret.credential))
    return keys.mistake(keys.place_of("credential"), fmt::format("[secret.{}] credential wants a name", name));
  if (!secret.password_file.empty()) secret.password_file = keys.beside(secret.password_file);
  if (!config->secrets.emplace(std::string(name), std::move(secret)).second)
    keys.mistake_here(fmt::format("[secret.{}] is there already", name));
}

Result<Secret> read_password_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() < 0) {
    return errno == ENOENT ? wrong(Error::not_found, path + ": there is no such file")
                           : wrong(Error::denied, path + ": cannot be read");
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return wrong(Error::malformed, path + ": is not a regular file");
  if ((status.st_mode & S_IRWXO) != 0)
    return wrong(Error::conflict, path + ": everybody may read or write it (chmod o= " + path + ")");
  std::array<char, sasl::kPasswordOctetsMax + 3> buffer;  // with a line end, and one over
  std::size_t octets = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data() + octets, buffer.size() - octets);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return wrong(Error::denied, path + ": cannot be read");
    octets += static_cast<std::size_t>(got);
    if (got == 0 || octets == buffer.size()) break;
  }
  std::string_view text(buffer.data(), octets);
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  Secret password{std::string(text)};
  ::explicit_bzero(buffer.data(), buffer.size());
  const std::string_view line = password.reveal();
  if (line.empty()) return wrong(Error::malformed, path + ": is empty");
  if (line.size() > sasl::kPasswordOctetsMax) return wrong(Error::too_long, path + ": is over 1,024 octets");
  if (std::ranges::any_of(line, &is_control))
    return wrong(Error::malformed, path + ": is more than a password on one line");
  return password;
}

LoadedLogins load_logins(const Config& config) {
  LoadedLogins out;
  for (const auto& [name, keys] : config.secrets) {
    Result<Secret> password =
        keys.credential.empty() ? read_password_file(keys.password_file) : read_credential(keys.credential);
    if (password) {
      out.logins.emplace(name, delivery::Login{.name = keys.username, .password = std::move(*password)});
    } else {
      ConfigMistake mistake = keys.at;
      mistake.what = fmt::format("[secret.{}] {}", name, password.error().detail);
      out.mistakes.push_back(std::move(mistake));
    }
  }
  for (const route::StaticRoute& route : config.routes) {
    const route::Credentials& with = route.credentials;
    for (const auto& [key, path] :
         {std::pair("tls_ca", &with.tls_authorities), std::pair("client_certificate", &with.client_certificate),
          std::pair("client_key", &with.client_key)}) {
      if (path->empty() || ::access(path->c_str(), R_OK) == 0) continue;
      out.mistakes.push_back(
          {config.file, 0, 0, fmt::format("[[route]] {} {}: {} cannot be read", route.domain, key, *path)});
    }
  }
  return out;
}

}  // namespace postrider::cli
