// tests/dialogue/smtp/*.txt the third way: through the server's driver, over the simulated network; those with TLS over
// real TLS too.
#include "tests/dialogue/scripted_answers.hpp"

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/smtp";

std::string name_of(const testing::TestParamInfo<std::string>& row) {
  return std::filesystem::path(row.param).stem().string();
}

class SmtpOverNetwork : public testing::TestWithParam<std::string> {};
TEST_P(SmtpOverNetwork, SaysTheSame) { play_over_network(GetParam(), &serve_smtp); }
INSTANTIATE_TEST_SUITE_P(Files, SmtpOverNetwork, testing::ValuesIn(script_files(kFolder)), &name_of);

class SmtpOverTls : public testing::TestWithParam<std::string> {};
TEST_P(SmtpOverTls, SaysTheSame) { play_over_network(GetParam(), &serve_smtp, true); }
INSTANTIATE_TEST_SUITE_P(Files, SmtpOverTls, testing::ValuesIn(tls_files(kFolder)), &name_of);

}  // namespace
}  // namespace postrider::dialogue
