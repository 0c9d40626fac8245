// When a peer has taken too long: per command, per chunk, per message, and by the minimum rate (LIMITS.md "SMTP").
#pragma once

#include "core/clock.hpp"
#include "smtp/server_session.hpp"

#include <cstddef>
#include <optional>

namespace postrider::server {

struct SmtpTimeouts {
  Duration command = std::chrono::seconds(300);  ///< 5321 §4.5.3.2.7
  Duration data_chunk = std::chrono::seconds(300);
  Duration whole_data = std::chrono::hours(1);
  Duration crowded_wait = std::chrono::seconds(10);  ///< command and chunk, when most sessions are used
  Duration crowded_whole_data = std::chrono::seconds(60);
  Duration write = std::chrono::seconds(300);
  Duration handshake = std::chrono::seconds(60);    ///< of TLS, once the client was told to begin
  Duration after_errors = std::chrono::seconds(1);  ///< smtp::Pause
};

inline constexpr Duration kRateWindow = std::chrono::seconds(60);
inline constexpr std::size_t kRateWindowOctetsMin = 60 * 1024;  // 1 KiB/s over the window

enum class Crowd : std::uint8_t { calm, crowded };
enum class Content : std::uint8_t { none, under_way };
enum class Late : std::uint8_t { timed_out, too_slow };

/// Octets that trickle in do not renew a command's deadline; only what the engine made of them does.
class SmtpDeadline {
 public:
  /// `timeouts` outlives it.
  SmtpDeadline(const SmtpTimeouts* timeouts, SteadyTime now) : timeouts_(timeouts), begun_(now) {}

  /// The engine went on (it had something to do): the next wait is a new one.
  void progressed(SteadyTime now) { begun_ = now; }
  /// Octets of content came in.
  void received(std::size_t octets) { window_octets_ += octets; }
  /// To be called before each wait; gives when it ends. `content`: one has begun and has not ended, also between the
  /// chunks of BDAT: its whole time and its rate go on.
  [[nodiscard]] SteadyTime follow(smtp::Wait wait, Content content, Crowd crowd, SteadyTime now);
  /// Whether the wait that `follow` gave the end of is over.
  [[nodiscard]] bool is_over(SteadyTime now) const;
  /// The wait ended without octets at `now`. nullopt: only the rate window ended, and the rate is good: wait on.
  [[nodiscard]] std::optional<Late> passed(SteadyTime now);

 private:
  const SmtpTimeouts* timeouts_;
  SteadyTime begun_;
  SteadyTime until_{};
  bool in_content_ = false;
  SteadyTime data_begun_{};
  SteadyTime window_begun_{};
  std::size_t window_octets_ = 0;
};

}  // namespace postrider::server
