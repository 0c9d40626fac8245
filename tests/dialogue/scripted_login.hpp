// The mechanisms of the transcripts. PLAIN: a message that ends with the password, after an empty challenge where there
// is no initial response. LOGIN: two challenges. EXTERNAL: who is named, or "nobody". The password is "secret".
#pragma once

#include "core/secret.hpp"
#include "smtp/server_session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postrider::dialogue {

inline const smtp::Reply kWrongPassword{.code = 535, .enhanced = "5.7.8", .text = "wrong"};
inline const smtp::PeerRights kRightsAfterLogin{.trusted = true};

class ScriptedLogin {
 public:
  struct Challenge {
    std::string octets;
  };
  struct Right {
    std::string login;  ///< whose right password it was
  };
  struct Wrong {};
  using Step = std::variant<Challenge, Right, Wrong>;

  Step begin(std::string_view mechanism, const std::optional<Secret>& initial) {
    mechanism_ = mechanism;
    login_.clear();
    if (initial) return respond(*initial);
    return Challenge{mechanism == "LOGIN" ? "Username:" : ""};
  }
  Step respond(const Secret& response) {
    const std::string_view octets = response.reveal();
    if (mechanism_ == "EXTERNAL") return Right{.login = octets.empty() ? "nobody" : std::string(octets)};
    if (mechanism_ == "LOGIN") {
      if (login_.empty()) {
        login_ = octets.empty() ? "?" : octets;
        return Challenge{"Password:"};
      }
      if (octets != "secret") return Wrong{};
      return Right{.login = login_};
    }
    constexpr std::string_view kEnd("\0secret", 7);
    if (!octets.ends_with(kEnd)) return Wrong{};
    const std::string_view names = octets.substr(0, octets.size() - kEnd.size());
    return Right{.login = std::string(names.substr(names.find('\0') + 1))};
  }

 private:
  std::string mechanism_;
  std::string login_;
};

}  // namespace postrider::dialogue
