#include "server/smtp_deadline.hpp"

#include <algorithm>

namespace postrider::server {

SteadyTime SmtpDeadline::follow(smtp::Wait wait, Content content, Crowd crowd, SteadyTime now) {
  const bool in_content = content == Content::under_way;
  if (in_content && !in_content_) {
    data_begun_ = now;
    window_begun_ = now;
    window_octets_ = 0;
  }
  in_content_ = in_content;
  const Duration usual = wait == smtp::Wait::data ? timeouts_->data_chunk : timeouts_->command;
  until_ = begun_ + (crowd == Crowd::crowded ? timeouts_->crowded_wait : usual);
  if (!in_content) return until_;
  until_ =
      std::min(until_, data_begun_ + (crowd == Crowd::crowded ? timeouts_->crowded_whole_data : timeouts_->whole_data));
  return std::min(until_, window_begun_ + kRateWindow);
}

bool SmtpDeadline::is_over(SteadyTime now) const {
  return now >= until_ || (in_content_ && now >= window_begun_ + kRateWindow);
}

std::optional<Late> SmtpDeadline::passed(SteadyTime now) {
  if (now >= until_) return Late::timed_out;
  if (window_octets_ < kRateWindowOctetsMin) return Late::too_slow;
  window_begun_ = now;
  window_octets_ = 0;
  return std::nullopt;
}

}  // namespace postrider::server
