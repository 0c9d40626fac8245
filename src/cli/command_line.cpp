// The only file that includes CLI11.
#include "cli/command_line.hpp"

#include "cli/config.hpp"
#include "cli/config_secret.hpp"
#include "cli/diagnose_mail.hpp"
#include "cli/init.hpp"
#include "cli/instance.hpp"
#include "cli/message_file.hpp"
#include "cli/print.hpp"
#include "cli/sandbox.hpp"
#include "cli/send.hpp"
#include "cli/sendmail.hpp"
#include "cli/sign_mail.hpp"
#include "cli/version.hpp"
#include "core/random.hpp"

#include <CLI/CLI.hpp>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <list>

namespace postrider::cli {

namespace {

/// What one subcommand does once all words are read.
using Run = std::function<int()>;

struct AdminShape {
  std::string_view path;  ///< "domain add"
  std::string_view help;
  std::string_view words;  ///< name of the positional arguments, empty: none
  bool wants_secret = false;
};

constexpr auto kAdminCommands = std::to_array<AdminShape>({
    {"domain add", "take mail for a domain", "DOMAIN"},
    {"domain remove", "stop taking mail for a domain", "DOMAIN"},
    {"domain list", "show the domains", ""},
    {"domain dkim", "show, make and change the keys that a domain's mail is signed with",
     "DOMAIN [list|add|activate|retire|remove] [SELECTOR]"},
    {"domain dns", "show the DNS records to publish for a domain, or --check them", "DOMAIN"},
    {"account add", "make an account; its password is asked for, or read from stdin", "ADDRESS", true},
    {"account remove", "remove an account and its mail", "ADDRESS"},
    {"account list", "show the accounts", ""},
    {"account passwd", "change a password; asked for, or read from stdin", "ADDRESS", true},
    {"account enable", "let an account receive and log in again", "ADDRESS"},
    {"account disable", "refuse an account's mail and logins", "ADDRESS"},
    {"account class", "whether a person or an application has it: person, app", "ADDRESS CLASS"},
    {"account app-password add", "make a password for one program; it is shown once", "ADDRESS"},
    {"account app-password list", "show the app passwords of an account", "ADDRESS"},
    {"account app-password revoke", "end an app password and the sessions that use it", "ADDRESS ID"},
    {"account send-as add", "let an account send as another address, or as all of @DOMAIN", "ADDRESS WHAT"},
    {"account send-as remove", "take that back", "ADDRESS WHAT"},
    {"account send-as list", "show whom an account may send as, beside itself", "ADDRESS"},
    {"alias add", "send an address's mail to others", "ADDRESS TARGET..."},
    {"alias remove", "remove targets, or the whole alias", "ADDRESS [TARGET...]"},
    {"alias list", "show the aliases", ""},
    {"ban list", "show who is slowed or banned for failed logins", ""},
    {"ban lift", "let somebody log in again: an address, a network or an account", "ADDRESS|ACCOUNT..."},
    {"queue list", "show what is in the queue", "[ID...]"},
    {"queue show", "show messages of the queue, and what happened to them", "[ID...]"},
    {"queue summary", "count the queue by destination, age and last reply", "[ID...]"},
    {"queue retry", "try now, held recipients too", "[ID...]"},
    {"queue hold", "keep from being tried until it is released", "[ID...]"},
    {"queue release", "try again what is held", "[ID...]"},
    {"queue remove", "remove from the queue without a report", "[ID...]"},
    {"queue bounce", "send back to the sender as failed", "[ID...]"},
    {"queue redirect", "send to other addresses instead", "[ID...] TARGET..."},
    {"queue freeze", "hold what matches, now or later; without a choice: show the freezes", "[ID...]"},
    {"queue thaw", "lift a freeze, and release what it held", "[ID...]"},
});

struct QueueOption {
  std::string_view name;
  std::string_view help;
  enum class On : std::uint8_t { all, lists, changes } on;
  bool is_flag = false;
};
constexpr auto kQueueOptions = std::to_array<QueueOption>({
    {"login", "submitted by this address, @domain or uid:N", QueueOption::On::all},
    {"from", "whose reverse-path is this address, @domain or <>", QueueOption::On::all},
    {"to", "recipients of this address or @domain", QueueOption::On::all},
    {"domain", "recipients in this domain", QueueOption::On::all},
    {"mx", "tried last at the host of this name or address", QueueOption::On::all},
    {"status", "due (not tried yet), deferred, held, or held:WHY (undeliverable, command, route, frozen, burst)",
     QueueOption::On::all},
    {"older-than", "accepted longer ago than 5m, 2h, 3d", QueueOption::On::all},
    {"reply", "last reply matches this regular expression (RE2; (?i) first: in any case)", QueueOption::On::all},
    {"all", "everything", QueueOption::On::all, true},
    {"limit", "at most so many: messages shown, rows of a summary's table, recipients changed", QueueOption::On::all},
    {"after", "begin behind this ID", QueueOption::On::lists},
    {"dry-run", "show what would be changed, and change nothing", QueueOption::On::changes, true},
    {"yes", "do not ask, also where many are chosen", QueueOption::On::changes, true},
});

/// A line from stdin; from a terminal without echo.
Result<Secret> read_secret() {
  termios before{};
  const bool terminal = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (terminal) {
    std::cerr << "Password: " << std::flush;
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);  // shown at worst on the user's own screen
  }
  std::string line;
  std::getline(std::cin, line);
  if (terminal) {
    (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    std::cerr << '\n';
  }
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty()) return error(Error::malformed, "password", "none was given (type it, or give it on stdin)");
  return Secret(std::move(line));
}

std::string find_config(const std::string& asked) {
  if (!asked.empty()) return asked;
  if (const char* const named = std::getenv("POSTRIDER_CONFIG"); named != nullptr && *named != '\0') return named;
  if (std::filesystem::exists("postrider.toml")) return "postrider.toml";
  return "/etc/postrider/postrider.toml";
}

/// Loads the configuration and calls `use`; mistakes are shown instead.
int with_config(const std::string& asked,
                const std::function<int(const Config&, const std::vector<ConfigMistake>& notes)>& use) {
  const std::string file = find_config(asked);
  if (!std::filesystem::exists(file)) {
    print_error("config: " + file + " does not exist (postrider init makes one; -c names another)");
    return kExitNotFound;
  }
  const LoadedConfig loaded = load_config(file);
  for (const ConfigMistake& mistake : loaded.mistakes) print_error(to_text(mistake));
  return loaded.mistakes.empty() ? use(loaded.config, loaded.notes) : kExitFailed;
}

int with_config(const std::string& asked, const std::function<int(const Config&)>& use) {
  return with_config(asked,
                     [&](const Config& config, const std::vector<ConfigMistake>& /*notes*/) { return use(config); });
}

/// Holds what the options are read into, and what to run then.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.add_option("-c,--config", config_, "configuration file")->type_name("FILE");
    app_.fallthrough();
    add_server_commands();
    add_admin_commands();
    add_send();
    add_sandbox();
    add_mail_diagnosis();
    add_report_diagnosis();
    add_sign();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& done) {
      return app_.exit(done);  // --help
    } catch (const CLI::ParseError& mistake) {
      print_error(std::string(mistake.what()) + " (postrider --help shows the commands)");
      return kExitUsage;
    }
    return run_();
  }

 private:
  void add_server_commands() {
    CLI::App* const serve = app_.add_subcommand("serve", "run the server");
    serve->add_option("--dns", dns_file_, "answer every DNS question from this file")->type_name("FILE");
    serve->callback([this] {
      run_ = [this] {
        return with_config(config_, [this](const Config& config) {
          return run_server(config, {.dns_file = dns_file_, .end_with_stdin = false, .on_ready = {}});
        });
      };
    });
    CLI::App* const config = app_.add_subcommand("config", "check or show the configuration");
    config->require_subcommand(1);
    config->add_subcommand("check", "show every mistake as file:line:column")->callback([this] {
      run_ = [this] {
        return with_config(config_, [](const Config& good, const std::vector<ConfigMistake>& notes) {
          for (const ConfigMistake& note : notes) print_line("note: " + to_text(note));
          const std::vector<ConfigMistake> wrong = check_certificates(good);
          for (const ConfigMistake& mistake : wrong) print_error(to_text(mistake));
          if (!wrong.empty()) return kExitFailed;
          const LoadedLogins logins = load_logins(good);
          for (const ConfigMistake& mistake : logins.mistakes) print_error(to_text(mistake));
          if (!logins.mistakes.empty()) return kExitFailed;
          print_line(good.file + ": no mistakes");
          return kExitDone;
        });
      };
    });
    config->add_subcommand("show", "show all settings, defaults included")->callback([this] {
      run_ = [this] {
        return with_config(config_, [](const Config& good) {
          fmt::print("{}", show_config(good));
          return kExitDone;
        });
      };
    });
    CLI::App* const reload =
        app_.add_subcommand("reload", "read configuration and certificates again; show what changed");
    Admin& again = admins_.emplace_back();
    again.request.name = "reload";
    reload->add_flag("--json", again.json, "one JSON object a line");
    reload->callback([this, &again] { run_ = [this, &again] { return run_one(again, false); }; });
    CLI::App* const init = app_.add_subcommand("init", "make a directory that serve can start from");
    init->add_option("DIR", init_.directory)->required();
    init->add_option("--domain", init_.domain, "the first domain")->required();
    init->add_option("--hostname", init_.hostname, "how this host names itself (mx.DOMAIN)");
    init->add_option("--account", init_.accounts, "an account to make; may be repeated")->allow_extra_args(false);
    init->add_flag("--if-missing", init_.if_missing, "complete what is there already");
    init->callback([this] { run_ = [this] { return run_init(init_); }; });
    app_.add_subcommand("version", "show the version")->callback([this] {
      run_ = [] {
        print_line(fmt::format("postrider {}", kVersion));
        return kExitDone;
      };
    });
  }

  void add_admin_commands() {
    for (const AdminShape& shape : kAdminCommands) {
      const std::string path(shape.path);
      const std::string group = path.substr(0, path.find(' '));
      const std::size_t last = path.rfind(' ');
      CLI::App* const command =
          admin_group(path.substr(0, last))->add_subcommand(path.substr(last + 1), std::string(shape.help));
      Admin& admin = admins_.emplace_back();
      admin.request.name = path;
      std::ranges::replace(admin.request.name, ' ', '.');
      command->add_flag("--json", admin.json, "one JSON object a line");
      if (!shape.words.empty()) {
        CLI::Option* const words = command->add_option(name_of_words(shape.words), admin.request.words);
        words->required(!shape.words.starts_with('[') || shape.words.ends_with("TARGET..."))->type_name("");
        words->description(std::string(shape.words));
      }
      if (path == "domain add") {
        add_value(*command, admin, "catch-all", "address that takes mail for unknown users");
        add_value(*command, admin, "postmaster", "address that takes postmaster's mail");
        add_value(*command, admin, "kind", "local, relay (gateway, backup MX) or alias");
        add_value(*command, admin, "of", "alias: the local domain that it stands for");
        add_value(*command, admin, "recipients", "relay: verify (ask the next hop) or any");
        add_value(*command, admin, "dkim", "keys to make: both, rsa, ed25519 or none");
      }
      if (path == "domain dkim") add_value(*command, admin, "algorithm", "add: rsa, ed25519 or both");
      if (path == "domain dns") {
        add_switch(*command, admin, "check", "ask the DNS for each, and say what is missing or different");
        add_value(*command, admin, "dns", "with --check: answer every question from this file");
      }
      if (path == "account add") {
        add_value(*command, admin, "class", "person, or app: without the caps on sending");
        add_switch(*command, admin, "password-hash-stdin", "stdin has a hash of the password, from another system");
      }
      if (path == "account app-password add") {
        add_value(*command, admin, "name", "which program it is for");
        add_value(*command, admin, "scope", "what it opens: submission,pop3,imap (all of them)");
      }
      if (group == "queue") add_queue_options(*command, admin, path);
      const bool wants_secret = shape.wants_secret;
      command->callback([this, &admin, wants_secret] {
        run_ = [this, &admin, wants_secret] { return run_one(admin, wants_secret); };
      });
    }
  }

  /// "account", "account app-password": made when it is first asked for.
  CLI::App* admin_group(const std::string& path) {
    if (const auto found = groups_.find(path); found != groups_.end()) return found->second;
    const std::size_t last = path.rfind(' ');
    const bool is_first = last == std::string::npos;
    CLI::App* const parent = is_first ? &app_ : admin_group(path.substr(0, last));
    const std::string name = is_first ? path : path.substr(last + 1);
    const std::string many = name == "alias" ? "aliases" : name == "queue" || name == "send-as" ? name : name + "s";
    CLI::App* const made = parent->add_subcommand(name, "look after the " + many);
    made->require_subcommand(1);
    groups_[path] = made;
    return made;
  }

  struct AdminOption {
    std::string name;
    std::string value;
    CLI::Option* given = nullptr;
  };
  struct Admin {
    web::AdminRequest request;
    bool json = false;
    std::list<AdminOption> options;
  };

  static void add_value(CLI::App& command, Admin& admin, std::string_view name, std::string_view help) {
    AdminOption& option = admin.options.emplace_back();
    option.name = name;
    option.given = command.add_option("--" + option.name, option.value, std::string(help));
  }

  static void add_switch(CLI::App& command, Admin& admin, std::string_view name, std::string_view help) {
    AdminOption& option = admin.options.emplace_back();
    option.name = name;
    const std::string text(help);
    option.given = command.add_flag("--" + option.name, text);
  }

  static void add_queue_options(CLI::App& command, Admin& admin, std::string_view path) {
    using On = QueueOption::On;
    const bool lists = path == "queue list" || path == "queue show" || path == "queue summary";
    for (const QueueOption& shape : kQueueOptions) {
      if (shape.on != On::all && (shape.on == On::lists) != lists) continue;
      if (!shape.is_flag) {
        add_value(command, admin, shape.name, shape.help);
        continue;
      }
      add_switch(command, admin, shape.name, shape.help);
    }
  }

  /// CLI11's name of positional arguments that are shown as "[ID...] TARGET...": of the first that may not be missing.
  static std::string name_of_words(std::string_view words) {
    const bool may_be_missing = words.starts_with('[') && !words.ends_with(']');
    const std::size_t begin = may_be_missing ? words.find(' ') + 1 : words.starts_with('[') ? 1 : 0;
    const std::size_t end = words.find_first_of(" .]", begin);
    return std::string(words.substr(begin, end - begin));
  }

  int run_one(Admin& admin, bool wants_secret) {
    return with_config(config_, [&](const Config& config) {
      if (wants_secret) {
        Result<Secret> secret = read_secret();
        if (!secret) return report(secret.error());
        admin.request.secret = std::move(*secret);
      }
      admin.request.format = admin.json ? web::OutputFormat::json : web::OutputFormat::text;
      for (const AdminOption& option : admin.options) {
        if (option.given->count() == 0) continue;
        std::string value = option.value;
        if (option.name == "dns") {  // the server may not be able to read it, and need not know where it is
          Result<std::string> text = read_message_file(value);
          if (!text) {
            print_error("--dns: " + value + " cannot be read");
            return kExitUsage;
          }
          value = std::move(*text);
        }
        admin.request.options.emplace_back(option.name, std::move(value));
      }
      return run_admin(config, std::move(admin.request));
    });
  }

  void add_send() {
    CLI::App* const send = app_.add_subcommand("send", "send a message by SMTP");
    send->add_option("--server", send_.server, "host or address, and port (127.0.0.1:25)");
    send->add_option("--tls", send_.tls, "none, starttls (required) or implicit")
        ->check(CLI::IsMember({"none", "starttls", "implicit"}));
    send->add_flag("--verify", send_.verify, "the certificate must be trusted, and for the server's name");
    send->add_option("--ca", send_.ca, "trusted authorities in PEM (the system's)");
    send->add_option("--tls-name", send_.tls_name, "the name to verify (that of --server)");
    CLI::Option* const auth = send->add_option("--auth", send_.auth, "log in as");
    send->add_option("--password-file", send_.password_file, "with the password in this file")->needs(auth);
    auth->needs(send->get_option("--password-file"));
    send->add_option("--from", send_.from, "reverse-path; <> for none")->required();
    send->add_option("--to", send_.to, "recipient; may be repeated")->required();
    send->add_option("--helo", send_.hello, "what to say in EHLO");
    send->add_option("--count", send_.count, "send it so many times")
        ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}));
    send->add_option("--connections", send_.connections, "over so many connections")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1000}));
    send->add_flag("-v,--verbose", send_.verbose, "show the dialogue");
    send->add_flag("--json", send_.json, "the outcome as JSON");
    send->add_option("FILE", send_.file, "the message; - is stdin; without it a short one is made up");
    send->get_option("--to")->allow_extra_args(false);
    send->callback([this] { run_ = [this] { return run_send(send_); }; });
  }

  void add_sandbox() {
    CLI::App* const sandbox =
        app_.add_subcommand("sandbox", "a server in a throw-away directory that catches all mail");
    sandbox->add_option("--dir", sandbox_.directory, "use and keep this directory");
    sandbox->add_option("--user", sandbox_.users, "NAME:PASS; may be repeated")->allow_extra_args(false);
    sandbox->add_option("--domain", sandbox_.domains, "a local domain; may be repeated")->allow_extra_args(false);
    sandbox->add_option("--ports", ports_, "auto: any free ports")->check(CLI::IsMember({"auto", "default"}));
    sandbox->add_option("--dns", sandbox_.dns_file, "answer every DNS question from this file");
    sandbox->add_option("--deliver-to", sandbox_.deliver_to,
                        "host:port that gets all mail not for a user here, or personas");
    sandbox->add_flag("--plaintext-auth", plaintext_auth_, "logins without TLS: always allowed here, on loopback");
    sandbox->callback([this] {
      run_ = [this] {
        sandbox_.auto_ports = ports_ == "auto";
        return run_sandbox(sandbox_);
      };
    });
  }

  void add_mail_diagnosis() {
    CLI::App* const address = app_.add_subcommand("address", "what is thought of addresses");
    address->require_subcommand(1);
    CLI::App* const check = address->add_subcommand("check", "judge addresses: words, or lines of stdin");
    add_cases(check);
    CLI::Option* const smtp =
        check->add_flag("--smtp", smtp_grammar_, "valid means: SMTP can carry it (RFC 5321); the default");
    check->add_flag("--header", header_grammar_, "valid means: a header field may have it (RFC 5322)")->excludes(smtp);
    check->add_flag("--utf8", diagnose_.utf8, "UTF-8 is allowed (RFC 6531, 6532)");
    check->callback([this, check] {
      take_cases(*check);
      run_ = [this] {
        if (header_grammar_) diagnose_.grammar = mail::AddressGrammar::header;
        return check_addresses(diagnose_);
      };
    });
    CLI::App* const list = address->add_subcommand("list", "read the value of an address field");
    list->add_option("--header", diagnose_.words, "the value")->required()->expected(1)->allow_extra_args(false);
    list->add_flag("--json", diagnose_.json, "one JSON object");
    list->callback([this] { run_ = [this] { return list_addresses(diagnose_); }; });

    CLI::App* const mime = app_.add_subcommand("mime", "what is thought of messages");
    mime->require_subcommand(1);
    CLI::App* const dump = mime->add_subcommand("dump", "show the parts of messages");
    dump->add_option("FILE", diagnose_.words, "messages; - is stdin")->required();
    dump->add_flag("--imap", diagnose_.imap, "with ENVELOPE and BODYSTRUCTURE");
    dump->add_flag("--bodies", diagnose_.bodies, "with the text of text parts, as UTF-8");
    dump->add_flag("--json", diagnose_.json, "one JSON object a line");
    dump->callback([this] { run_ = [this] { return dump_messages(diagnose_); }; });
    CLI::App* const decode =
        mime->add_subcommand("decode-header", "decode the values of header fields: words, or lines of stdin");
    add_cases(decode);
    decode->callback([this, decode] {
      take_cases(*decode);
      run_ = [this] { return decode_headers(diagnose_); };
    });
  }

  void add_report_diagnosis() {
    CLI::App* const dsn = app_.add_subcommand("dsn", "what is thought of reports: bounces, notifications, complaints");
    dsn->require_subcommand(1);
    CLI::App* const parse = dsn->add_subcommand("parse", "show whom a report is about, and why");
    parse->add_option("FILE", diagnose_.words, "messages; - is stdin")->required();
    parse->add_flag("--json", diagnose_.json, "one JSON object a line");
    parse->callback([this] { run_ = [this] { return parse_reports(diagnose_); }; });
  }

  void add_sign() {
    CLI::App* const sign = app_.add_subcommand("sign", "sign messages");
    sign->require_subcommand(1);
    CLI::App* const dkim = sign->add_subcommand("dkim", "print a message with its DKIM signatures");
    dkim->add_option("FILE", sign_.file, "the message; - is stdin")->required();
    dkim->add_option("--domain", sign_.domain, "who signs (d=)")->required();
    dkim->add_option("--selector", sign_.selectors, "the key's name (s=); one for each --key")
        ->required()
        ->allow_extra_args(false);
    dkim->add_option("--key", sign_.keys, "the private key, a file in PEM; may be repeated")
        ->required()
        ->allow_extra_args(false);
    dkim->add_option("--headers", sign_.headers, "the fields to sign, as in h=: from:to:subject");
    dkim->add_option("--time", sign_.time, "when it is signed (t=), in seconds since 1970")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40));
    dkim->add_flag("--json", sign_.json, "one JSON object a signature, without the message");
    dkim->callback([this] { run_ = [this] { return sign_by_dkim(sign_); }; });
  }

  void add_cases(CLI::App* command) {
    command->allow_extras()->fallthrough(false);
    command->add_flag("--stdin", diagnose_.from_stdin, "one case a line of stdin");
    command->add_flag("--json", diagnose_.json, "one JSON object a case");
  }

  /// The cases are what CLI11 does not know: as an option's values it would take brackets around them away.
  void take_cases(const CLI::App& command) {
    diagnose_.words = command.remaining();
    for (const std::string& word : diagnose_.words)
      if (word.starts_with("--")) throw CLI::ExtrasError({word});
  }

  CLI::App app_{"Postrider: a whole mail service in one program", "postrider"};
  std::string config_;
  std::string dns_file_;
  InitOptions init_;
  SendOptions send_;
  SandboxOptions sandbox_;
  DiagnoseOptions diagnose_;
  SignOptions sign_;
  bool smtp_grammar_ = true;
  bool header_grammar_ = false;
  std::string ports_ = "default";
  bool plaintext_auth_ = false;
  std::list<Admin> admins_;  // options point into them
  std::map<std::string, CLI::App*> groups_;
  Run run_;
};

}  // namespace

namespace {

int flush_queue(const Config& config, const std::string& what) {
  web::AdminRequest request{.name = "queue.retry", .words = {}, .options = {{"yes", ""}}, .secret = {}};
  if (what.empty()) {
    request.options.emplace_back("all", "");
  } else if (what.front() == 'I') {
    request.words.push_back(what.substr(1));
  } else {
    request.options.emplace_back(what.front() == 'S' ? "from" : "domain", what.substr(1));
  }
  return run_admin(config, std::move(request));
}

/// A link named sendmail, mailq or newaliases.
int run_as_sendmail(std::string_view program, const std::vector<std::string>& words) {
  const Result<SendmailCall> call = parse_sendmail(program, words);
  if (!call) {
    print_error(call.error().detail.empty() ? describe(call.error()) : "sendmail: " + call.error().detail);
    return call.error().code == Error::unsupported ? kSendmailUnavailable : kSendmailUsage;
  }
  const SendmailOthers others{
      .list_queue =
          [](const std::string& file) {
            return with_config(file, [](const Config& config) {
              return run_admin(config, {.name = "queue.list", .words = {}, .options = {}, .secret = {}});
            });
          },
      .flush_queue =
          [](const std::string& file, const std::string& what) {
            return with_config(file, [&](const Config& config) { return flush_queue(config, what); });
          },
      .check_aliases =
          [](const std::string& file) {
            return with_config(file, [](const Config& config) {
              print_line(fmt::format("{} aliases in files; a running server has those of its start",
                                     config.file_aliases.size()));
              return kExitDone;
            });
          },
      .find_config = [](const std::string& asked) { return find_config(asked); }};
  return run_sendmail(*call, others);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  try {
    if (argc > 0 && is_sendmail(argv[0]))
      return run_as_sendmail(argv[0], std::vector<std::string>(argv + 1, argv + argc));
    return CommandLine().run(argc, argv);
  } catch (const std::exception& failure) {  // nothing is expected to come here: a bug is told, not a core dumped
    print_error(std::string("internal error: ") + failure.what());
    return kExitFailed;
  }
}

}  // namespace postrider::cli
