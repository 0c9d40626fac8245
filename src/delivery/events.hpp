// What delivery says in the log.
#pragma once

#include "core/events.hpp"

#include <string>
#include <string_view>

namespace postrider::delivery {

/// One attempt for one recipient has ended and its outcome is on disk.
struct AttemptEnded {
  static constexpr std::string_view kName = "delivery.attempt";
  static constexpr Level kLevel = Level::info;
  std::string_view id;
  std::string_view outcome;  ///< delivered, relayed, deferred, failed
  std::string recipient;
  std::string_view remote;
  std::string_view tls;  ///< "TLSv1.3 TLS_AES_256_GCM_SHA384, verified"; empty: none, or nothing went over the network
  std::string_view reply;
  void fields(FieldSink& sink) const {
    sink.add("id", id);
    sink.add("outcome", outcome);
    sink.add("to", recipient);
    sink.add("remote", remote);
    if (!tls.empty()) sink.add("tls", tls);
    sink.add("reply", reply);
  }
};

/// An outcome could not be written; the recipient stays in the queue.
struct SettleFailed {
  static constexpr std::string_view kName = "delivery.settle_failed";
  static constexpr Level kLevel = Level::warn;
  std::string_view id;
  std::string error;
  void fields(FieldSink& sink) const {
    sink.add("id", id);
    sink.add("error", error);
  }
};

/// Nobody connects to it any more, but one probe at a time.
struct DestinationDown {
  static constexpr std::string_view kName = "delivery.destination_down";
  static constexpr Level kLevel = Level::warn;
  std::string_view destination;
  std::string_view reply;
  void fields(FieldSink& sink) const {
    sink.add("destination", destination);
    sink.add("reply", reply);
  }
};

struct DestinationUp {
  static constexpr std::string_view kName = "delivery.destination_up";
  static constexpr Level kLevel = Level::info;
  std::string_view destination;
  void fields(FieldSink& sink) const { sink.add("destination", destination); }
};

}  // namespace postrider::delivery
