// LIMITS.md "A session's memory", by counting what operator new gives out.
#include "mail/header_section.hpp"
#include "smtp/server_session.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define POSTRIDER_COUNTS_MEMORY 0
#endif
#endif
#ifndef POSTRIDER_COUNTS_MEMORY
#define POSTRIDER_COUNTS_MEMORY 1
#endif

namespace {

std::size_t octets_now = 0;   // one thread
std::size_t octets_peak = 0;  // since last set

}  // namespace

#if POSTRIDER_COUNTS_MEMORY
void* operator new(std::size_t size) {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  octets_now += malloc_usable_size(memory);
  octets_peak = std::max(octets_peak, octets_now);
  return memory;
}
void operator delete(void* memory) noexcept {
  octets_now -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept { operator delete(memory); }
#endif

namespace postrider::attack {
namespace {

constexpr std::size_t kIdleOctetsMax = 4 * 1024;          // LIMITS.md "A session's memory"
constexpr std::size_t kTransactionOctetsMax = 64 * 1024;  // the same, beside collector and chunk
constexpr std::size_t kQueueOctets = 2 * 1024;            // a deque of actions that is in use

class SessionMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (!POSTRIDER_COUNTS_MEMORY) GTEST_SKIP() << "a sanitizer has its own operator new";
  }
};

/// An engine, and what is kept of it. Accepts everything; contents are forgotten as they come.
class Engine {
 public:
  explicit Engine(smtp::PeerRights rights = {}) : rights_(std::move(rights)) {
    before_ = octets_peak = octets_now;
    session_.emplace(&settings_);
    smtp::Actions todo;
    session_->start(todo);
    perform(todo);
  }
  void receive(std::string_view octets) {
    octets_peak = octets_now;
    while (!octets.empty() && !session_->closed()) {
      const std::string_view piece = octets.substr(0, smtp::kContentChunkOctetsMax);
      octets.remove_prefix(piece.size());
      smtp::Actions todo;
      session_->step(smtp::Received{piece}, todo);
      perform(todo);
    }
  }
  [[nodiscard]] std::size_t held() const { return octets_now - before_ + sizeof(smtp::ServerSession); }
  /// The most since the beginning, actions that wait to be done included.
  [[nodiscard]] std::size_t most() const { return most_; }
  [[nodiscard]] const smtp::ServerSession& session() const { return *session_; }

 private:
  void perform(smtp::Actions& todo) {
    most_ = std::max(most_, octets_peak - before_);
    while (!todo.empty()) {
      octets_peak = octets_now;
      const bool logs_in = std::holds_alternative<smtp::AskAuth>(todo.front()) ||
                           std::holds_alternative<smtp::AskAuthResponse>(todo.front());
      const bool begins = logs_in && std::holds_alternative<smtp::AskAuth>(todo.front());
      const bool asks = std::holds_alternative<smtp::AskConnect>(todo.front()) ||
                        std::holds_alternative<smtp::AskHello>(todo.front()) ||
                        std::holds_alternative<smtp::AskSender>(todo.front()) ||
                        std::holds_alternative<smtp::AskRecipient>(todo.front()) ||
                        std::holds_alternative<smtp::AskFlushed>(todo.front()) ||
                        std::holds_alternative<smtp::BeginContent>(todo.front()) ||
                        std::holds_alternative<smtp::EndContent>(todo.front());
      todo.pop_front();
      if (asks) {
        session_->step(smtp::Answered{.reply = {.code = 250, .enhanced = "2.0.0", .text = "ok"}, .rights = rights_},
                       todo);
      } else if (begins) {
        session_->step(smtp::Challenged{.octets = std::string(200, 'c')}, todo);
      } else if (logs_in) {
        session_->step(smtp::Answered{.reply = {.code = 535, .enhanced = "5.7.8", .text = "no"}}, todo);
      }
      most_ = std::max(most_, octets_peak - before_);
    }
  }
  smtp::ServerSettings settings_{.hostname = "mx.example.test",
                                 .own_domain = mail::Domain::parse("example.test").value()};
  smtp::PeerRights rights_;
  std::size_t before_ = 0;
  std::size_t most_ = 0;
  std::optional<smtp::ServerSession> session_;
};

const std::string kEnvelope = "MAIL FROM:<x@client.example>\r\nRCPT TO:<ann@example.test>\r\n";

std::string lines(std::size_t octets) {
  std::string out;
  out.reserve(octets);
  while (out.size() + 16 <= octets) out += "0123456789abcd\r\n";
  return out;
}

TEST_F(SessionMemory, AnIdleSessionIsSmallAndHoldsNoBuffer) {
  Engine engine;
  EXPECT_LE(engine.held(), kIdleOctetsMax) << "after the greeting";
  const std::size_t greeted = engine.held();
  engine.receive("EHLO client.example\r\n");
  EXPECT_LE(engine.held(), kIdleOctetsMax) << "after EHLO";
  engine.receive(kEnvelope + "DATA\r\n" + lines(300'000) + ".\r\n");
  EXPECT_LE(engine.held(), greeted + 64) << "after a message";
  engine.receive(kEnvelope + "BDAT 160000 LAST\r\n" + lines(160'000));
  EXPECT_LE(engine.held(), greeted + 64) << "after a message in chunks";
  engine.receive("NOOP " + std::string(5000, 'x') + "\r\n");
  EXPECT_LE(engine.held(), greeted + 64) << "after a line that was too long";
  engine.receive(kEnvelope);
  EXPECT_LE(engine.held(), kIdleOctetsMax) << "in a transaction";
  EXPECT_FALSE(engine.session().closed());
}

TEST_F(SessionMemory, AnExchangeOfAuthLeavesNothingBehind) {
  Engine engine({.mechanisms = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}});
  engine.receive("EHLO client.example\r\n");
  const std::size_t idle = engine.held();
  EXPECT_LE(idle, kIdleOctetsMax);
  engine.receive("AUTH SCRAM-SHA-256 " + std::string(12'000, 'A') + "\r\n");
  EXPECT_LE(engine.held(), idle) << "while a response is waited for";
  engine.receive(std::string(12'284, 'A') + "\r\n");
  EXPECT_LE(engine.held(), idle) << "after the login";
  engine.receive("AUTH PLAIN\r\n" + std::string(12'300, 'A') + "\r\n");
  EXPECT_LE(engine.held(), idle) << "after a response that was too long";
  EXPECT_LE(engine.most(), kIdleOctetsMax + std::size_t{8} * smtp::kAuthLineOctetsMax);
  EXPECT_FALSE(engine.session().closed());
}

TEST_F(SessionMemory, ATransactionHoldsItsInputAndOneChunkAtMost) {
  const std::string whole_read(smtp::kContentChunkOctetsMax, 'x');
  const std::string streams[] = {
      kEnvelope + "DATA\r\n" + lines(400'000) + ".\r\n",                   // one read behind a question
      kEnvelope + "BDAT 300000\r\n" + lines(300'000) + "BDAT 0 LAST\r\n",  // the same in a chunk
      kEnvelope + "DATA\r\n" + std::string(300'000, 'x') + "\r\n.\r\n",    // a line over its limit
      "NOOP " + whole_read + "\r\n",                                       // a command line over its limit
      "MAIL FROM:<x@client.example>\r\n" +
          [] {
            std::string out;
            for (int i = 0; i < 4000; ++i) out += "RCPT TO:<ann@example.test>\r\n";
            return out;
          }(),
      kEnvelope +
          [] {
            std::string out;
            for (int i = 0; i < 20'000; ++i) out += "BDAT 1\r\nQ";
            return out;
          }(),
  };
  for (const std::string& stream : streams) {
    const std::string octets = "EHLO client.example\r\n" + stream;
    Engine engine;
    engine.receive(octets);
    EXPECT_LE(engine.most(), kTransactionOctetsMax + smtp::kContentChunkOctetsMax + kIdleOctetsMax + kQueueOctets)
        << stream.substr(0, 100);
  }
}

TEST_F(SessionMemory, TheHeaderCollectorEndsAtItsLimit) {
  const std::size_t before = octets_now;
  octets_peak = octets_now;
  mail::HeaderCollector collector;
  const std::string field = "X-Field: " + std::string(4000, 'x') + "\r\n";
  Result<void> taken;
  std::size_t octets = 0;
  while (taken && octets < 8UL * 1024 * 1024) {
    taken = collector.append(field);
    octets += field.size();
  }
  EXPECT_FALSE(taken);
  EXPECT_LE(octets, mail::kHeaderSectionOctetsMax + field.size());
  EXPECT_LE(octets_peak - before, 3 * mail::kHeaderSectionOctetsMax) << "a string that grows is there twice";
  EXPECT_LE(octets_now - before, 2 * mail::kHeaderSectionOctetsMax);
}

}  // namespace
}  // namespace postrider::attack
