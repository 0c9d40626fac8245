// tests/dialogue/pop3/*.txt the third way: through the server's driver, over the simulated network; those with TLS over
// real TLS too.
#include "tests/dialogue/scripted_answers.hpp"

#include <filesystem>

namespace postrider::dialogue {
namespace {

const std::string kFolder = std::string(POSTRIDER_SOURCE_DIR) + "/tests/dialogue/pop3";

std::string name_of(const testing::TestParamInfo<std::string>& row) {
  return std::filesystem::path(row.param).stem().string();
}

class Pop3OverNetwork : public testing::TestWithParam<std::string> {};
TEST_P(Pop3OverNetwork, SaysTheSame) { play_over_network(GetParam(), &serve_pop3); }
INSTANTIATE_TEST_SUITE_P(Files, Pop3OverNetwork, testing::ValuesIn(script_files(kFolder)), &name_of);

class Pop3OverTls : public testing::TestWithParam<std::string> {};
TEST_P(Pop3OverTls, SaysTheSame) { play_over_network(GetParam(), &serve_pop3, true); }
INSTANTIATE_TEST_SUITE_P(Files, Pop3OverTls, testing::ValuesIn(tls_files(kFolder)), &name_of);

}  // namespace
}  // namespace postrider::dialogue
