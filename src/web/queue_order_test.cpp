#include "web/queue_order.hpp"

#include "core/random.hpp"

#include <gtest/gtest.h>

namespace postrider::web {
namespace {

using std::chrono::hours;

constexpr WallTime kNow{std::chrono::days(20'000)};

AdminRequest request_of(std::vector<std::pair<std::string, std::string>> options) {
  AdminRequest request;
  request.name = "queue.list";
  request.options = std::move(options);
  return request;
}

TEST(QueueOrder, TakesEachSelector) {
  const AdminRequest request = request_of({{"from", "Ann@Example.test"},
                                           {"to", "@b.test"},
                                           {"domain",
                                            "B\xC3\xBC"
                                            "cher.test"},
                                           {"mx", "mx.b.test"},
                                           {"status", "held:route"},
                                           {"older-than", "2h"},
                                           {"reply", "full"},
                                           {"limit", "7"},
                                           {"dry-run", ""},
                                           {"yes", ""}});
  QueueOrder order;
  ASSERT_FALSE(read_order(request, kNow, order));
  EXPECT_EQ(order.selection.from, "Ann@example.test");
  EXPECT_EQ(order.selection.to, "@b.test");
  EXPECT_EQ(order.selection.domain, "xn--bcher-kva.test");
  EXPECT_EQ(order.selection.mx, "mx.b.test");
  EXPECT_EQ(order.selection.state, queue::RecipientState::held);
  EXPECT_EQ(order.selection.held_why, std::vector{queue::HeldWhy::route});
  EXPECT_EQ(order.selection.arrived_before, kNow - hours(2));
  ASSERT_TRUE(order.selection.reply);
  EXPECT_TRUE(order.selection.reply("452 full"));
  EXPECT_EQ(order.limit, 7U);
  EXPECT_TRUE(order.dry_run && order.yes && order.by_selector && !order.by_id && !order.everything);
}

TEST(QueueOrder, UnderstandsFormsOfAddressesAndStates) {
  struct Row {
    std::string name;
    std::string value;
    std::optional<std::string> queue::Selection::* into;
    std::string want;
  };
  for (const Row& row :
       {Row{"from", "<>", &queue::Selection::from, "<>"}, Row{"from", "", &queue::Selection::from, "<>"},
        Row{"from", "A.test", &queue::Selection::from, "@a.test"},
        Row{"to", "a.test", &queue::Selection::to, "@a.test"},
        Row{"to", "\"a b\"@c.test", &queue::Selection::to, "\"a b\"@c.test"},
        Row{"domain", "@C.test", &queue::Selection::domain, "c.test"},
        Row{"domain", "[192.0.2.1]", &queue::Selection::domain, "[192.0.2.1]"}}) {
    QueueOrder order;
    ASSERT_FALSE(read_order(request_of({{row.name, row.value}}), kNow, order)) << row.value;
    EXPECT_EQ(order.selection.*row.into, row.want);
  }
  QueueOrder due;
  ASSERT_FALSE(read_order(request_of({{"status", "due"}}), kNow, due));
  EXPECT_TRUE(due.selection.only_fresh && !due.selection.only_deferred);
  QueueOrder deferred;
  ASSERT_FALSE(read_order(request_of({{"status", "deferred"}}), kNow, deferred));
  EXPECT_TRUE(deferred.selection.only_deferred && !deferred.selection.only_fresh);
  QueueOrder held;
  ASSERT_FALSE(read_order(request_of({{"status", "held"}}), kNow, held));
  EXPECT_EQ(held.selection.state, queue::RecipientState::held);
  EXPECT_TRUE(held.selection.held_why.empty());
}

TEST(QueueOrder, SaysWhatIsWrong) {
  struct Row {
    std::string name;
    std::string value;
    std::string_view why;
  };
  for (const Row& row :
       {Row{"from", "a b@c", "neither an address"}, Row{"from", "@", "neither an address"},
        Row{"to", "", "neither an address"}, Row{"to", "<>", "neither an address"}, Row{"domain", "", "not a domain"},
        Row{"domain", "a..b", "not a domain"}, Row{"mx", "", "not the name"},
        Row{"mx", std::string(257, 'a'), "not the name"}, Row{"status", "", "not a status"},
        Row{"status", "held:", "not a status"}, Row{"status", "Due", "not a status"},
        Row{"older-than", "5", "not a time span"}, Row{"older-than", "-5m", "not a time span"},
        Row{"older-than", "", "not a time span"}, Row{"reply", "(", "not a regular expression"},
        Row{"reply", std::string(1025, 'a'), "not a regular expression"}, Row{"limit", "0", "not a number"},
        Row{"limit", "-1", "not a number"}, Row{"limit", "1x", "not a number"}}) {
    QueueOrder order;
    const std::optional<AdminReply> wrong = read_order(request_of({{row.name, row.value}}), kNow, order);
    ASSERT_TRUE(wrong) << row.name << " " << row.value;
    EXPECT_EQ(wrong->exit_code, 2);
    EXPECT_NE(wrong->error.find(row.why), std::string::npos) << wrong->error;
  }
  QueueOrder order;
  EXPECT_TRUE(read_order(request_of({{"all", ""}, {"from", "a@b.test"}}), kNow, order));
}

TEST(QueueOrder, KeepsWordsThatAreNoIdsApart) {
  SimClock clock(kNow);
  SeededRandom random(1);
  queue::QueueIds ids(&clock, &random);
  AdminRequest request = request_of({});
  const std::string id = ids.next().text();
  request.words = {id, "nonsense", ""};
  QueueOrder order;
  ASSERT_FALSE(read_order(request, kNow, order));
  ASSERT_EQ(order.selection.ids.size(), 1U);
  EXPECT_EQ(order.selection.ids[0].text(), id);
  EXPECT_EQ(order.bad, (std::vector<std::string>{"nonsense", ""}));
  EXPECT_TRUE(order.by_id && order.chooses());
}

TEST(QueueCursor, IsReadAsItIsWritten) {
  SimClock clock(kNow);
  SeededRandom random(1);
  queue::QueueIds ids(&clock, &random);
  for (const QueueCursor& cursor :
       {QueueCursor{},
        QueueCursor{.phase = QueueCursor::Phase::ask, .after = ids.next(), .messages = 3, .recipients = 5},
        QueueCursor{.phase = QueueCursor::Phase::act, .after = {}, .messages = 0, .recipients = UINT64_MAX}}) {
    const Result<QueueCursor> back = parse_cursor(to_text(cursor));
    ASSERT_TRUE(back) << to_text(cursor);
    EXPECT_EQ(*back, cursor);
  }
  for (const std::string_view bad : {"", "act", "act - 0", "act - 0 0 0", "go - 0 0", "act x 0 0", "act - -1 0",
                                     "act - 0 18446744073709551616", "act -  0"}) {
    EXPECT_FALSE(parse_cursor(bad)) << bad;
  }
}

}  // namespace
}  // namespace postrider::web
