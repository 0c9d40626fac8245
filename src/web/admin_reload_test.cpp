#include "web/test_bench.hpp"

#include <gtest/gtest.h>

namespace postrider::web {
namespace {

class ReloadCommand : public test::AdminCommands {};

TEST_F(ReloadCommand, WantsARunningServer) {
  const AdminReply reply = ask("reload");
  EXPECT_EQ(reply.exit_code, 69);
  EXPECT_EQ(reply.error, "reload: no server runs (the next start reads everything)");
  EXPECT_EQ(ask("reload", {"now"}).exit_code, 2);
}

}  // namespace
}  // namespace postrider::web
