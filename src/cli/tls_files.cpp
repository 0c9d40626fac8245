#include "cli/tls_files.hpp"

#include "core/clock.hpp"
#include "core/secret.hpp"
#include "net/tls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace postrider::cli {

Result<void> write_new_file(const std::string& path, std::string_view text, unsigned mode) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (descriptor < 0) return error(Error::denied, "init", path + ": " + std::generic_category().message(errno));
  const bool written =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(descriptor) == 0;
  ::close(descriptor);
  if (!written) return error(Error::exhausted, "init", path + " could not be written");
  return {};
}

Result<std::string> make_first_certificate(const std::string& directory, std::vector<std::string> names) {
  const std::filesystem::path folder = std::filesystem::path(directory) / "tls";
  const std::string certificate = folder / "fullchain.pem";
  const std::string key = folder / "key.pem";
  if (std::filesystem::exists(certificate) || std::filesystem::exists(key)) return certificate;
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return error(Error::denied, "init", folder.string() + ": " + failed.message());
  Result<net::SelfSigned> made = net::make_self_signed(std::move(names), SystemClock().wall());
  if (!made) return fail(made);
  const Secret secret(std::move(made->private_key));
  const Result<void> key_written = write_new_file(key, secret.reveal(), 0600);
  if (!key_written) return fail(key_written);
  const Result<void> written = write_new_file(certificate, made->certificate, 0644);
  if (!written) return fail(written);
  return certificate;
}

}  // namespace postrider::cli
