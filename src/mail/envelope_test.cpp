#include "mail/envelope.hpp"

#include <gtest/gtest.h>

namespace postrider::mail {
namespace {

TEST(NotifyOn, TwoAskingsComeToAllThatEitherWants) {
  constexpr NotifyOn never;
  constexpr NotifyOn success{.success = true, .failure = false, .delay = false};
  constexpr NotifyOn failure{.success = false, .failure = true, .delay = false};
  constexpr NotifyOn delay{.success = false, .failure = false, .delay = true};
  const struct {
    std::optional<NotifyOn> a, b, want;
  } rows[] = {
      {std::nullopt, std::nullopt, std::nullopt},
      {never, never, never},
      {never, std::nullopt, failure},
      {std::nullopt, never, failure},
      {never, failure, failure},
      {success, std::nullopt, NotifyOn{.success = true, .failure = true, .delay = false}},
      {success, delay, NotifyOn{.success = true, .failure = false, .delay = true}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(either(row.a, row.b), row.want);
    EXPECT_EQ(either(row.b, row.a), row.want);
  }
}

}  // namespace
}  // namespace postrider::mail
