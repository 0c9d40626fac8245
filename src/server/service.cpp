#include "server/service.hpp"

namespace postrider::server {

std::string_view name_of(Service service) {
  switch (service) {
    case Service::smtp: return "smtp";
    case Service::submission: return "submission";
    case Service::submissions: return "submissions";
    case Service::submit: return "submit";
    case Service::lmtp: return "lmtp";
    case Service::pop3: return "pop3";
    case Service::pop3s: return "pop3s";
    case Service::http: return "http";
    case Service::https: return "https";
  }
  return "unknown";
}

Service without_tls(Service service) {
  switch (service) {
    case Service::submissions: return Service::submission;
    case Service::pop3s: return Service::pop3;
    case Service::https: return Service::http;
    case Service::smtp:
    case Service::submission:
    case Service::submit:
    case Service::lmtp:
    case Service::pop3:
    case Service::http: break;
  }
  return service;
}

bool brings_mail(Service service) {
  const Service plain = without_tls(service);
  return plain == Service::smtp || plain == Service::submission || plain == Service::submit || plain == Service::lmtp;
}

net::UnixAccess access_of(Service service) {
  if (service == Service::submit) return net::UnixAccess::everyone;
  return service == Service::lmtp ? net::UnixAccess::group : net::UnixAccess::owner;
}

gate::ListenerRole role_of(Service service) {
  if (service == Service::lmtp) return gate::ListenerRole::lmtp;
  return service == Service::smtp ? gate::ListenerRole::relay_in : gate::ListenerRole::submission;
}

std::optional<directory::Scope> scope_of(Service service) {
  switch (without_tls(service)) {
    case Service::submission: return directory::Scope::submission;
    case Service::pop3: return directory::Scope::pop3;
    case Service::smtp:
    case Service::submissions:
    case Service::submit:
    case Service::lmtp:
    case Service::pop3s:
    case Service::http:
    case Service::https: break;
  }
  return std::nullopt;
}

std::string_view refusal_of(Service service, Error::Code why) {
  switch (service) {
    case Service::smtp:
    case Service::submission:
    case Service::submit:
    case Service::lmtp:
      return why == Error::denied ? "421 4.7.0 too many connections from your address\r\n"
                                  : "421 4.3.2 too many connections, try again later\r\n";
    case Service::pop3: return "-ERR [SYS/TEMP] too many connections, try again later\r\n";
    case Service::http: return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    case Service::submissions:
    case Service::pop3s:
    case Service::https: break;  // nothing can be said before the handshake
  }
  return {};
}

bool offers_starttls(Service service) {
  return service == Service::smtp || service == Service::submission || service == Service::pop3;
}

std::string_view alpn_of(Service service) {
  const Service plain = without_tls(service);
  if (plain == Service::pop3) return "pop3";
  return plain == Service::http ? "http/1.1" : "smtp";
}

}  // namespace postrider::server
