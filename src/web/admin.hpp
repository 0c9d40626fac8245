// The commands that read or change a server's state, as one function: called over HTTP on the control socket while a
// server runs, and directly by the command line when none does.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/server_control.hpp"
#include "core/task.hpp"
#include "core/workers.hpp"
#include "directory/directory.hpp"
#include "directory/dkim_keys.hpp"
#include "gate/login_guard.hpp"
#include "mailbox/mailbox.hpp"
#include "queue/queue.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::web {

class DnsDesk;  // dns_records.hpp

enum class OutputFormat : std::uint8_t { text, json };

/// One command: `name` "domain.add", `words` its positional arguments, `options` its --options without the dashes.
struct AdminRequest {
  std::string name;
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> options;
  Secret secret;  ///< the password of account.add and account.passwd
  OutputFormat format = OutputFormat::text;
  std::string cursor = {};  ///< `next` of the reply before: the same request goes on there
};

/// INTERFACE §2: exit 0 done, 1 failed, 2 used wrongly, 3 not found, 69 server needed, 75 try again.
struct AdminReply {
  int exit_code = 0;
  std::vector<std::string> lines;  ///< for stdout; JSON: one object a line, each with "v":1
  std::string error;               ///< for stderr, without "postrider: "; empty when exit_code is 0
  std::string next = {};           ///< not empty: there is more, to be had by the same request with this `cursor`
  std::string question = {};       ///< not empty: nothing was done yet; with the option "yes" it will be
};

/// What the commands work on. All outlive the Admin.
struct AdminRooms {
  directory::Directory* directory;
  mailbox::Mailboxes* mailboxes;
  queue::Queue* queue;
  Clock* clock;
  gate::LoginGuard* login_guard = nullptr;  ///< nullptr: no server runs
  directory::DkimKeys* dkim_keys = nullptr;
  Workers* workers = nullptr;             ///< make keys
  DnsDesk* dns_desk = nullptr;            ///< nullptr: no records are shown
  core::ServerControl* server = nullptr;  ///< null: none runs
};

class Admin {
 public:
  explicit Admin(AdminRooms rooms) : rooms_(rooms) {}

  /// The table in admin.cpp has the commands with their words and options. Never fails as a task: what goes wrong is
  /// in the reply. A reply holds a page: what is long goes on with `next`, and nothing is kept here in between.
  [[nodiscard]] Task<AdminReply> run(AdminRequest request);

 private:
  AdminRooms rooms_;
};

}  // namespace postrider::web
