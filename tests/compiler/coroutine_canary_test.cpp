// The coroutine shapes that STYLE 2.3 tells us to avoid, because some compiler broke them. They are written here on
// purpose: under ASan this file fails on a compiler that destroys a temporary twice, skips a destructor or evaluates
// twice (Debian's g++ 12.2 does). Nothing else in the project may look like this.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
template <class T>
using Task = asio::awaitable<T>;

/// Counts its living copies, and owns heap memory so that a second destruction is seen by ASan.
class Counted {
 public:
  explicit Counted(int* living) : living_(living) { ++*living_; }
  Counted(const Counted& other) : living_(other.living_), octets_(std::make_unique<std::string>(*other.octets_)) {
    ++*living_;
  }
  Counted(Counted&& other) noexcept : living_(other.living_), octets_(std::move(other.octets_)) { ++*living_; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*living_; }

  [[nodiscard]] int size() const { return octets_ ? static_cast<int>(octets_->size()) : 0; }

 private:
  int* living_;
  std::unique_ptr<std::string> octets_ = std::make_unique<std::string>(40, 'x');
};

struct Message {
  Counted body;
  int recipients = 0;
};

/// Suspends for real: the rest runs from the loop, after the caller's full expression would have ended elsewhere.
Task<void> pause() { co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable); }

Task<int> number(int value) {
  co_await pause();
  co_return value;
}
Task<int> take_message(Message message) {
  co_await pause();
  co_return message.body.size() + message.recipients;
}
Task<int> take_message_by_reference(const Message& message) {  // lives as long as the caller's full expression
  co_await pause();
  co_return message.body.size() + message.recipients;
}
template <class F>
Task<int> take_function(F function) {
  co_await pause();
  co_return function();
}
Task<int> take_texts(std::vector<std::string> texts) {
  co_await pause();
  co_return static_cast<int>(texts.size());
}
Task<int> take_text(std::string text) {
  co_await pause();
  co_return static_cast<int>(text.size());
}
Task<Message> make_message(int* living) {
  co_await pause();
  co_return Message{Counted(living), 3};
}
Task<void> fail() {
  co_await pause();
  throw std::runtime_error("meant");
}

/// Runs a shape to its end; no Counted may outlive it, none may die twice.
template <class Shape>
int run(Shape shape) {
  asio::io_context context(1);
  int living = 0;
  int result = -1;
  std::exception_ptr thrown;
  asio::co_spawn(context, shape(&living), [&](std::exception_ptr failure, int value) {
    thrown = failure;
    result = value;
  });
  context.run();
  EXPECT_EQ(thrown, nullptr);
  EXPECT_EQ(living, 0) << "a temporary was destroyed twice or not at all";
  return result;
}

// A capturing lambda as a temporary in a statement with co_await (GCC 99576, 100611, 107288; asio #858, #1027).
Task<int> lambda_temporary(int* living) {
  const Counted counted(living);
  co_return co_await take_function([counted] { return counted.size(); });
}
TEST(CoroutineCanary, CapturingLambdaAsATemporary) { EXPECT_EQ(run(lambda_temporary), 40); }

// The same as a coroutine that is spawned and awaited.
Task<int> spawned_lambda(int* living) {
  const Counted counted(living);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  co_return co_await asio::co_spawn(
      executor, [counted]() -> Task<int> { co_return co_await number(counted.size()); }, asio::use_awaitable);
}
TEST(CoroutineCanary, CapturingLambdaCoroutineSpawned) { EXPECT_EQ(run(spawned_lambda), 40); }

// Aggregates, braced lists and literals that convert, built in the co_await expression (GCC 107288).
Task<int> aggregate_by_value(int* living) { co_return co_await take_message(Message{Counted(living), 2}); }
TEST(CoroutineCanary, AggregateByValue) { EXPECT_EQ(run(aggregate_by_value), 42); }

Task<int> aggregate_by_reference(int* living) {
  co_return co_await take_message_by_reference(Message{Counted(living), 2});
}
TEST(CoroutineCanary, AggregateByReference) { EXPECT_EQ(run(aggregate_by_reference), 42); }

Task<int> braced_aggregate(int* living) { co_return co_await take_message({Counted(living), 2}); }
TEST(CoroutineCanary, BracedAggregate) { EXPECT_EQ(run(braced_aggregate), 42); }

Task<int> braced_list(int*) {
  co_return co_await take_texts({"a text that is too long for the small buffer", "and another one of that kind"});
}
TEST(CoroutineCanary, BracedListOfLiterals) { EXPECT_EQ(run(braced_list), 2); }

Task<int> literal(int*) { co_return co_await take_text("a text that is too long for the small buffer"); }
TEST(CoroutineCanary, LiteralThatConverts) { EXPECT_EQ(run(literal), 44); }

Task<int> list_of_awaits(int*) {
  const std::vector<int> both{co_await number(1), co_await number(2)};
  co_return both[0] * 10 + both[1];
}
TEST(CoroutineCanary, ListOfAwaits) { EXPECT_EQ(run(list_of_awaits), 12); }

Task<int> aggregate_of_an_await(int* living) {
  const Message message{Counted(living), co_await number(2)};
  co_return message.body.size() + message.recipients;
}
TEST(CoroutineCanary, AggregateOfAnAwait) { EXPECT_EQ(run(aggregate_of_an_await), 42); }

// co_await in conditions (GCC 104050, 106713).
Task<int> conditions(int* living) {
  int sum = 0;
  if (co_await take_message(Message{Counted(living), 2}) == 42) sum += 1;
  while (co_await number(sum) < 3) ++sum;
  for (int i = co_await number(0); i < co_await number(2); ++i) sum += 10;
  if (sum == 23 && co_await number(1) == 1) sum += 100;
  if (sum == 0 || co_await number(0) == 1) sum = -1;
  co_return sum;
}
TEST(CoroutineCanary, AwaitInConditions) { EXPECT_EQ(run(conditions), 123); }

Task<int> either(int* living, bool first) {
  const Counted counted = first ? (co_await make_message(living)).body : (co_await make_message(living)).body;
  co_return counted.size();
}
Task<int> ternary_first(int* living) { co_return co_await either(living, true); }
Task<int> ternary_second(int* living) { co_return co_await either(living, false); }
TEST(CoroutineCanary, AwaitInATernary) {
  EXPECT_EQ(run(ternary_first), 40);
  EXPECT_EQ(run(ternary_second), 40);
}

// A structured binding of an awaited value: its destructor was skipped (GCC 124584).
Task<int> structured_binding(int* living) {
  int sum = 0;
  for (int i = 0; i < 2; ++i) {
    const auto [body, recipients] = co_await make_message(living);
    sum += body.size() + recipients;
  }
  co_return sum;
}
TEST(CoroutineCanary, StructuredBindingOfAnAwait) { EXPECT_EQ(run(structured_binding), 86); }

// An await as a macro's or function's argument was evaluated twice (Catch2 #2925).
Task<int> counting(int* calls) {
  ++*calls;
  co_await pause();
  co_return *calls;
}
Task<int> awaited_argument(int*) {
  int calls = 0;
  EXPECT_EQ(co_await counting(&calls), 1);
  co_return calls;
}
TEST(CoroutineCanary, AwaitAsAnArgumentRunsOnce) { EXPECT_EQ(run(awaited_argument), 1); }

// A statement expression with an await in it (GCC 104872, 115851): the reason why there is no TRY macro.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-statement-expression"  // the shape itself
#pragma clang diagnostic ignored "-Wgnu-statement-expression-from-macro-expansion"
Task<int> statement_expression(int* living) {
  const int size = ({
    const Message message = co_await make_message(living);
    message.body.size();
  });
  co_return size;
}
#pragma clang diagnostic pop
TEST(CoroutineCanary, StatementExpression) { EXPECT_EQ(run(statement_expression), 40); }

// co_await is ill-formed in a catch block; this is the shape to write.
Task<int> await_after_catch(int* living) {
  bool failed = false;
  try {
    const Counted counted(living);
    co_await fail();
  } catch (const std::runtime_error&) {
    failed = true;
  }
  if (!failed) co_return 0;
  const int value = co_await number(7);
  co_return value;
}
TEST(CoroutineCanary, AwaitAfterACatch) { EXPECT_EQ(run(await_after_catch), 7); }

}  // namespace
