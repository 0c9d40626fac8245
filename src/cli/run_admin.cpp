// Commands that look after a server's state, from the command line.
#include "cli/instance.hpp"
#include "cli/print.hpp"
#include "cli/privileges.hpp"
#include "cli/run_task.hpp"
#include "net/asio_network.hpp"
#include "web/http.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

namespace postrider::cli {

namespace {

constexpr Duration kConnectTimeout = std::chrono::seconds(5);
constexpr Duration kPageTimeout = std::chrono::minutes(5);  // `queue summary` goes through the whole queue for one

/// How a command ended, once all its pages are shown.
struct End {
  int exit_code = kExitDone;  ///< of the first page that failed
  std::string question = {};
};

/// Shows a page. Gives whether the next one is to be asked for.
bool show(const web::AdminReply& reply, End& end) {
  std::string text;
  for (const std::string& line : reply.lines) {
    text += line;
    text += '\n';
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (end.exit_code == kExitDone) end.exit_code = written ? reply.exit_code : kExitFailed;
  end.question = reply.question;
  const bool asked = !reply.question.empty() && ::isatty(STDIN_FILENO) != 0;
  if (!reply.error.empty() && !asked) print_error(reply.error);
  return written && !reply.next.empty();
}

Task<Result<web::AdminReply>> ask_server(net::Network* network, Clock* clock, std::string socket,
                                         web::AdminRequest request) {
  const net::Endpoint at{.address = {}, .port = 0, .unix_path = std::move(socket)};
  const Result<std::unique_ptr<net::Stream>> stream =
      co_await network->dial(at, std::nullopt, clock->steady() + kConnectTimeout);
  if (!stream) co_return error(Error::closed, "control", "no server answers");
  co_return co_await web::call_admin(stream->get(), std::move(request), clock->steady() + kPageTimeout);
}

web::AdminRequest copy_of(const web::AdminRequest& request) {
  web::AdminRequest copy;
  copy.name = request.name;
  copy.words = request.words;
  copy.options = request.options;
  copy.secret = Secret(std::string(request.secret.reveal()));
  copy.format = request.format;
  copy.cursor = request.cursor;
  return copy;
}

/// All pages from a server. Errors  closed: none answers, and nothing was shown.
Task<Result<End>> all_pages_of_server(net::Network* network, Clock* clock, std::string socket,
                                      const web::AdminRequest* asked) {
  End end;
  web::AdminRequest request = copy_of(*asked);
  for (bool more = true; more;) {
    const Result<web::AdminReply> reply = co_await ask_server(network, clock, socket, copy_of(request));
    if (!reply && request.cursor.empty()) co_return fail(reply);
    if (!reply) co_return error(Error::transient, "control", "the server has gone before the end");
    more = show(*reply, end);
    request.cursor = reply->next;
  }
  co_return end;
}

Task<End> all_pages_of_store(web::Admin* admin, const web::AdminRequest* asked) {
  End end;
  web::AdminRequest request = copy_of(*asked);
  for (bool more = true; more;) {
    const web::AdminReply reply = co_await admin->run(copy_of(request));
    more = show(reply, end);
    request.cursor = reply.next;
  }
  co_return end;
}

Result<End> run_on_server(const std::string& socket, const web::AdminRequest& request) {
  SystemClock clock;
  Events events(&clock, LogFormat::text, Level::error, nullptr);
  Shard shard(&clock, &events, Shard::Mode::real);
  const std::unique_ptr<net::Network> network = net::make_asio_network(&events);
  return run_task(&shard, all_pages_of_server(network.get(), &clock, socket, &request));
}

Result<End> run_on_store(const Config& config, const std::string& socket, const web::AdminRequest& request) {
  const Result<void> owner = become_owner_of(config.data_dir);
  if (!owner) return fail(owner);
  End end;
  const Result<void> done = with_store(
      config, [&](Shard* shard, web::Admin* admin) { end = run_task(shard, all_pages_of_store(admin, &request)); });
  if (done) return end;
  if (done.error().code != Error::conflict) return fail(done);
  print_error("store: another process has it, but no server answers on " + socket + " (try again)");
  return End{.exit_code = kExitTryAgain};
}

Result<End> run_anywhere(const Config& config, const web::AdminRequest& request) {
  const std::string socket = control_socket_of(config);
  std::error_code unknown;
  if (std::filesystem::exists(socket, unknown)) {
    Result<End> end = run_on_server(socket, request);
    if (end || end.error().code != Error::closed) return end;
  }
  if (request.name.starts_with("ban.")) {
    print_error("ban: no server runs, and only a running one knows of bans (start it: postrider serve)");
    return End{.exit_code = kExitServerNeeded};
  }
  return run_on_store(config, socket, request);
}

bool agrees(const std::string& question) {
  std::cerr << question << ". Go on? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

int run_admin(const Config& config, web::AdminRequest request) {
  Result<End> end = run_anywhere(config, request);
  if (end && !end->question.empty() && ::isatty(STDIN_FILENO) != 0) {
    if (!agrees(end->question)) {
      print_error("nothing was changed");
      return kExitFailed;
    }
    request.options.emplace_back("yes", "");
    end = run_anywhere(config, request);
  }
  return end ? end->exit_code : report(end.error());
}

}  // namespace postrider::cli
