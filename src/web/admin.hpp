// The commands that read or change a server's state, as one function: called over HTTP on the control socket while a
// server runs, and directly by the command line when none does.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/task.hpp"
#include "directory/directory.hpp"
#include "mailbox/mailbox.hpp"
#include "queue/queue.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postrider::web {

enum class OutputFormat : std::uint8_t { text, json };

/// One command: `name` "domain.add", `words` its positional arguments, `options` its --options without the dashes.
struct AdminRequest {
  std::string name;
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> options;
  Secret secret;  ///< the password of account.add and account.passwd
  OutputFormat format = OutputFormat::text;
};

/// INTERFACE §2: exit 0 done, 1 failed, 2 used wrongly, 3 not found, 75 try again.
struct AdminReply {
  int exit_code = 0;
  std::vector<std::string> lines;  ///< for stdout; JSON: one object a line, each with "v":1
  std::string error;               ///< for stderr, without "postrider: "; empty when exit_code is 0
};

/// What the commands work on. All outlive the Admin.
struct AdminRooms {
  directory::Directory* directory;
  mailbox::Mailboxes* mailboxes;
  queue::Queue* queue;
  Clock* clock;
};

class Admin {
 public:
  explicit Admin(AdminRooms rooms) : rooms_(rooms) {}

  /// domain.add D [catch-all=A] [postmaster=A] · domain.remove D · domain.list
  /// account.add A (secret) · account.remove A · account.list · account.passwd A (secret) · account.enable A ·
  /// account.disable A alias.add A T… · alias.remove A [T…] · alias.list queue.list [limit=N] [after=ID] · queue.show
  /// ID · queue.retry ID… · queue.remove ID… Never fails as a task: what goes wrong is in the reply.
  [[nodiscard]] Task<AdminReply> run(AdminRequest request);

 private:
  AdminRooms rooms_;
};

}  // namespace postrider::web
