#include "pop3/session.hpp"

#include "core/text.hpp"
#include "pop3/test_driver.hpp"

#include <gtest/gtest.h>

namespace postrider::pop3 {
namespace {

using test::Driver;
using test::Maildrop;

const Settings kOpen{.hostname = "mx.example.test", .cleartext = Cleartext::allowed};
const Settings kTlsOnly{.hostname = "mx.example.test", .cleartext = Cleartext::refused};
const std::string kFirst = "Subject: one\r\nTo: ann\r\n\r\nline 1\r\n.line 2\r\n..\r\nline 4\r\n";
const std::string kSecond = "Subject: two\r\n\r\nno end";
const std::string kLogin = "USER ann\r\nPASS secret\r\n";
const std::string kLoggedIn =
    "+OK send PASS\r\n+OK 2 messages (" + std::to_string(kFirst.size() + kSecond.size()) + " octets)\r\n";

Maildrop two_messages() { return {.contents = {kFirst, kSecond}}; }

Driver logged_in(Maildrop drop = two_messages()) {
  Driver driver(kOpen, std::move(drop));
  driver.feed(kLogin);
  driver.said();
  return driver;
}

Driver driver_with_commands(unsigned commands) {
  Driver driver(kOpen, two_messages());
  for (unsigned i = 0; i < commands; ++i) driver.feed(i % 2 == 0 ? "CAPA\r\n" : "USER ann\r\n");
  driver.said();
  return driver;
}

TEST(Session, GreetsWithoutATimestamp) {
  Driver driver(kOpen, {});
  EXPECT_EQ(driver.waits_for(), Wait::before_login);
  EXPECT_EQ(driver.said(), "+OK mx.example.test POP3 server ready\r\n");
}

TEST(Session, AnswersEachCommandInItsState) {
  struct Row {
    std::string command;
    std::string want;
  };
  const std::string all = std::to_string(kFirst.size() + kSecond.size());
  const std::string first = std::to_string(kFirst.size());
  const std::string second = std::to_string(kSecond.size());
  const Row rows[] = {
      {"STAT", "+OK 2 " + all},
      {"stat", "+OK 2 " + all},
      {"LIST", "+OK 2 messages\r\n1 " + first + "\r\n2 " + second + "\r\n."},
      {"LIST 2", "+OK 2 " + second},
      {"LIST 2 ", "+OK 2 " + second},
      {"LIST 0", "-ERR no such message"},
      {"LIST 3", "-ERR no such message"},
      {"LIST 99999999999999999999999", "-ERR no such message"},
      {"LIST -1", "-ERR not a message number"},
      {"LIST 1 2", "-ERR not a message number"},
      {"LIST one", "-ERR not a message number"},
      {"UIDL", "+OK 2 messages\r\n1 uid.1\r\n2 uid.2\r\n."},
      {"UIDL 1", "+OK 1 uid.1"},
      {"UIDL 9", "-ERR no such message"},
      {"NOOP", "+OK"},
      {"RSET", "+OK 2 messages (" + all + " octets)"},
      {"RETR 1", "+OK " + first + " octets\r\nSubject: one\r\nTo: ann\r\n\r\nline 1\r\n..line 2\r\n...\r\nline 4\r\n."},
      {"RETR 2", "+OK " + second + " octets\r\nSubject: two\r\n\r\nno end\r\n."},
      {"RETR", "-ERR not a message number"},
      {"RETR 7", "-ERR no such message"},
      {"DELE 3", "-ERR no such message"},
      {"TOP 1 0", "+OK " + first + " octets\r\nSubject: one\r\nTo: ann\r\n\r\n."},
      {"TOP 1 2", "+OK " + first + " octets\r\nSubject: one\r\nTo: ann\r\n\r\nline 1\r\n..line 2\r\n."},
      {"TOP 1 99",
       "+OK " + first + " octets\r\nSubject: one\r\nTo: ann\r\n\r\nline 1\r\n..line 2\r\n...\r\nline 4\r\n."},
      {"TOP 1", "-ERR TOP needs a message number and a count of lines"},
      {"TOP 1 x", "-ERR TOP needs a message number and a count of lines"},
      {"TOP 5 1", "-ERR no such message"},
      {"USER ann", "-ERR logged in already"},
      {"PASS secret", "-ERR logged in already"},
      {"AUTH PLAIN", "-ERR logged in already"},
      {"APOP ann 0123", "-ERR APOP is not supported"},
      {"XYZZY", "-ERR unknown command"},
      {"", "-ERR unknown command"},
      {" STAT", "-ERR unknown command"},
      {"STAT\rSTAT", "-ERR control character in a command"},
      {"STAT\nSTAT", "-ERR control character in a command"},
      {"QUIT", "+OK bye"},
  };
  for (const Row& row : rows) {
    Driver driver = logged_in();
    EXPECT_EQ(driver.waits_for(), Wait::command);
    driver.feed(row.command + "\r\n");
    EXPECT_EQ(driver.said(), row.want + "\r\n") << row.command;
    EXPECT_EQ(driver.closed(), row.command == "QUIT") << row.command;
    EXPECT_TRUE(driver.deleted().empty());
  }
}

TEST(Session, RefusesTransactionCommandsBeforeLogin) {
  for (const std::string command : {"STAT", "LIST", "RETR 1", "DELE 1", "NOOP", "RSET", "TOP 1 0", "UIDL"}) {
    Driver driver(kOpen, two_messages());
    driver.said();
    driver.feed(command + "\r\n");
    EXPECT_EQ(driver.said(), "-ERR log in first\r\n") << command;
  }
}

TEST(Session, LogsInWithUserAndPass) {
  Driver driver(kOpen, two_messages());
  driver.said();
  driver.feed("PASS secret\r\n");
  EXPECT_EQ(driver.said(), "-ERR USER first\r\n");
  driver.feed("USER\r\n");
  EXPECT_EQ(driver.said(), "-ERR USER needs a name\r\n");
  driver.feed("USER ann@example.test\r\nPASS wrong\r\n");
  EXPECT_EQ(driver.said(), "+OK send PASS\r\n-ERR [AUTH] wrong login or password\r\n");
  driver.feed("PASS secret\r\n");  // the name is forgotten
  EXPECT_EQ(driver.said(), "-ERR USER first\r\n");
  driver.feed("user ann@example.test\r\npass secret\r\n");
  EXPECT_EQ(driver.said(), kLoggedIn);
  EXPECT_EQ(driver.last_login(), "ann@example.test");
}

TEST(Session, PassIsTheWholeRestOfTheLine) {  // 1939 §7
  Session session(kOpen);
  Actions out;
  session.step(Received{"USER ann\r\nPASS  two words \r\n"}, out);
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(std::get<AskLogin>(out.back()).password.reveal(), " two words ");
}

TEST(Session, LogsInWithAuthPlain) {  // 5034
  const std::string right = to_base64(std::string_view("\0ann\0secret", 11));
  struct Row {
    std::string lines;
    std::string want;
  };
  const std::string ok = kLoggedIn.substr(kLoggedIn.find("\r\n") + 2);
  const Row rows[] = {
      {"AUTH PLAIN " + right, ok},
      {"auth plain " + right, ok},
      {"AUTH PLAIN\r\n" + right, "+ \r\n" + ok},
      {"AUTH PLAIN\r\n*", "+ \r\n-ERR authentication cancelled\r\n"},
      {"AUTH PLAIN\r\n*\r\nUSER x", "+ \r\n-ERR authentication cancelled\r\n+OK send PASS\r\n"},
      {"AUTH PLAIN\r\n!!!!", "+ \r\n-ERR not base64\r\n"},
      {"AUTH PLAIN\r\n\x01\r\nUSER x", "+ \r\n-ERR control character in a command\r\n+OK send PASS\r\n"},
      {"AUTH PLAIN =", "-ERR [AUTH] wrong login or password\r\n"},
      {"AUTH PLAIN AGFubgB3cm9uZw==", "-ERR [AUTH] wrong login or password\r\n"},
      {"AUTH", "+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n"},
      {"AUTH CRAM-MD5", "-ERR no such mechanism here\r\n"},
  };
  for (const Row& row : rows) {
    Driver driver(kOpen, two_messages());
    driver.said();
    driver.feed(row.lines + "\r\n");
    EXPECT_EQ(driver.said(), row.want) << row.lines;
  }
}

TEST(Session, TakesNoPasswordWithoutTls) {
  for (const std::string command : {"USER ann", "PASS secret", "AUTH PLAIN", "AUTH PLAIN AGFubgBzZWNyZXQ="}) {
    Driver driver(kTlsOnly, two_messages());
    driver.said();
    driver.feed(command + "\r\n");
    EXPECT_EQ(driver.said(), "-ERR login needs TLS\r\n") << command;
  }
}

TEST(Session, AnnouncesOnlyWhatItDoes) {  // 2449
  const std::string rest =
      "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nIMPLEMENTATION Postrider\r\n.\r\n";
  Driver open(kOpen, {});
  open.said();
  open.feed("CAPA\r\n");
  EXPECT_EQ(open.said(), "+OK capability list follows\r\nUSER\r\nSASL PLAIN LOGIN\r\n" + rest);
  Driver tls_only(kTlsOnly, {});
  tls_only.said();
  tls_only.feed("CAPA\r\n");
  EXPECT_EQ(tls_only.said(), "+OK capability list follows\r\n" + rest);
}

TEST(Session, DeletesAtQuitAndOnlyThen) {  // 1939 §6
  Driver driver = logged_in();
  driver.feed("DELE 1\r\nDELE 1\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\n");
  EXPECT_EQ(driver.said(), "+OK message 1 deleted\r\n-ERR no such message\r\n+OK 1 " + std::to_string(kSecond.size()) +
                               "\r\n+OK 1 messages\r\n2 " + std::to_string(kSecond.size()) +
                               "\r\n.\r\n+OK 1 messages\r\n2 uid.2\r\n.\r\n-ERR no such message\r\n");
  EXPECT_TRUE(driver.deleted().empty());
  driver.feed("RSET\r\nDELE 2\r\nQUIT\r\nNOOP\r\n");
  EXPECT_EQ(driver.deleted(), std::vector<std::size_t>{1});
  EXPECT_TRUE(driver.said().ends_with("+OK message 2 deleted\r\n+OK bye\r\n"));
  EXPECT_TRUE(driver.hung_up());
}

TEST(Session, SaysWhenDeletionsRemain) {
  Driver driver(kOpen, two_messages());
  driver.feed("USER stuck\r\nPASS secret\r\n");
  driver.said();
  driver.feed("DELE 2\r\nQUIT\r\n");
  EXPECT_EQ(driver.said(), "+OK message 2 deleted\r\n-ERR [SYS/TEMP] some deleted messages are not removed\r\n");
  EXPECT_TRUE(driver.hung_up());
}

TEST(Session, EndsWithoutDeletingAndWithoutAWordOnTimeoutAndClose) {  // 1939 §3
  for (const Event& event : {Event(TimedOut{}), Event(PeerClosed{})}) {
    Driver driver = logged_in();
    driver.feed("DELE 1\r\n");
    driver.said();
    driver.step(event);
    EXPECT_TRUE(driver.hung_up());
    EXPECT_EQ(driver.said(), "");
    EXPECT_TRUE(driver.deleted().empty());
  }
}

TEST(Session, DrainsAtOnceWhenIdleAndAfterTheCommandWhenNot) {
  Driver idle = logged_in();
  idle.step(Draining{});
  EXPECT_EQ(idle.said(), "-ERR [SYS/TEMP] the server is shutting down\r\n");
  EXPECT_TRUE(idle.hung_up());

  Session busy(kOpen);
  Actions out;
  busy.step(Received{"USER ann\r\nPASS secret\r\nSTAT\r\n"}, out);
  out.clear();
  busy.step(Draining{}, out);
  EXPECT_TRUE(out.empty());  // the question is open
  LoggedIn answer;
  busy.step(answer, out);
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(std::get<Send>(out.front()).octets,
            "+OK 0 messages (0 octets)\r\n-ERR [SYS/TEMP] the server is shutting down\r\n");
  EXPECT_TRUE(busy.closed());
}

TEST(Session, PipelinedInputWaitsForTheAnswer) {
  Session session(kOpen);
  Actions out;
  session.step(Received{"USER ann\r\nPASS secret\r\nSTAT\r\n"}, out);
  ASSERT_EQ(out.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<AskLogin>(out.back()));
  out.clear();
  session.step(LoginRefused{"IN-USE", "another session\r\nhas it"}, out);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(std::get<Send>(out.front()).octets, "-ERR [IN-USE] another session??has it\r\n-ERR log in first\r\n");
}

TEST(Session, EndsAtTheFifthFailedLogin) {
  Driver driver(kOpen, {});
  for (unsigned i = 0; i < kFailedLoginsMax; ++i) {
    EXPECT_FALSE(driver.closed());
    driver.feed(i % 2 == 0 ? "USER a\r\nPASS b\r\n" : "AUTH PLAIN AGEAYg==\r\n");
  }
  EXPECT_TRUE(driver.hung_up());
}

TEST(Session, EndsAtTheTwentiethError) {
  Driver driver = logged_in();
  for (unsigned i = 0; i < kErrorsMax; ++i) {
    EXPECT_FALSE(driver.closed());
    driver.feed("XYZZY\r\n");
  }
  EXPECT_TRUE(driver.said().ends_with("-ERR unknown command\r\n-ERR too many errors\r\n"));
  EXPECT_TRUE(driver.hung_up());
}

TEST(Session, EndsAtAHundredCommandsWithoutALogin) {
  Driver another = driver_with_commands(kCommandsBeforeLoginMax - 2);
  another.feed(kLogin);
  EXPECT_EQ(another.said(), kLoggedIn) << "a login ends the count";
  another.feed("NOOP\r\n");
  EXPECT_EQ(another.said(), "+OK\r\n");
  Driver idle = driver_with_commands(kCommandsBeforeLoginMax);
  EXPECT_FALSE(idle.closed());
  idle.feed("USER ann\r\n");
  EXPECT_EQ(idle.said(), "-ERR too many commands without a login\r\n");
  EXPECT_TRUE(idle.hung_up());

  Actions out;
  Session behind_stls(kTlsOnly, Secured::by_stls,
                      {.errors = 0, .failed_logins = 0, .commands_before_login = kCommandsBeforeLoginMax});
  behind_stls.start(out);
  behind_stls.step(Offered{}, out);
  behind_stls.step(Received{"CAPA\r\n"}, out);
  EXPECT_TRUE(behind_stls.closed()) << "a handshake forgets no commands";
}

TEST(Session, HangsUpOnHttp) {
  Driver driver(kOpen, {});
  driver.said();
  driver.feed("GET / HTTP/1.1\r\nHost: mx\r\n\r\n");
  EXPECT_EQ(driver.said(), "");
  EXPECT_TRUE(driver.hung_up());
}

TEST(Session, FailedFetchNeverLooksWhole) {
  Maildrop at_once = two_messages();
  at_once.chunks_before_failure = 0;
  Driver first = logged_in(at_once);
  first.feed("RETR 1\r\nNOOP\r\n");
  EXPECT_EQ(first.said(), "-ERR [SYS/TEMP] disk on fire\r\n+OK\r\n");

  Maildrop later = two_messages();
  later.chunks_before_failure = 1;
  later.chunk_octets = 10;
  Driver second = logged_in(later);
  second.feed("RETR 1\r\nNOOP\r\n");
  EXPECT_EQ(second.said(), "+OK " + std::to_string(kFirst.size()) + " octets\r\nSubject: o");
  EXPECT_TRUE(second.hung_up());
}

TEST(Session, TopStopsFetchingWhenItHasEnough) {
  Maildrop drop{.contents = {"A: b\r\n\r\n" + std::string(100'000, 'x') + "\r\n"}, .chunk_octets = 64};
  Driver driver = logged_in(drop);
  driver.feed("TOP 1 0\r\nNOOP\r\n");
  EXPECT_EQ(driver.said(), "+OK 100010 octets\r\nA: b\r\n\r\n.\r\n+OK\r\n");
  EXPECT_EQ(driver.stopped(), 1U);
}

// A conversation with every kind of line, for the properties below.
const std::string kEverything = "CAPA\r\nBAD\r\nUSER a\r\nPASS b\r\nAUTH PLAIN\r\n*\r\n" + kLogin +
                                "STAT\r\nLIST\r\nUIDL\r\nLIST 1\r\nRETR 1\r\nRETR 2\r\nTOP 1 1\r\nTOP 2 0\r\nDELE "
                                "1\r\nRSET\r\nNOOP\r\nDELE 2\r\nLIST 2\r\n"
                                "bare\rcr\r\nbare\nlf\r\n\r\nQUIT\r\nNOOP\r\n";

TEST(Session, DoesTheSameHoweverTheInputIsCut) {
  Driver whole(kOpen, two_messages());
  whole.feed(kEverything);
  const std::string want = whole.said();
  ASSERT_TRUE(whole.hung_up());
  for (std::size_t cut = 1; cut < kEverything.size(); ++cut) {
    Driver driver(kOpen, two_messages());
    driver.feed(std::string_view(kEverything).substr(0, cut));
    driver.feed(std::string_view(kEverything).substr(cut));
    EXPECT_EQ(driver.sent(), want) << cut;
    EXPECT_EQ(driver.deleted(), whole.deleted());
  }
  Driver each(kOpen, two_messages());
  each.feed_each(kEverything);
  EXPECT_EQ(each.said(), want);
}

TEST(Session, DoesTheSameHoweverTheMessageIsCut) {
  for (const std::string& content : {kFirst, kSecond, std::string(), std::string("."), std::string("\r\n.\r\n"),
                                     std::string("a\r\n.\r"), std::string("x\r\r\n\r\n\n.y\r\n.\n")}) {
    for (const std::string command : {"RETR 1\r\n", "TOP 1 0\r\n", "TOP 1 1\r\n", "TOP 1 2\r\n"}) {
      std::string want;
      for (std::size_t octets = content.size() + 1; octets > 0; --octets) {
        Driver driver = logged_in({.contents = {content}, .chunk_octets = octets});
        driver.feed(command);
        if (want.empty()) want = driver.sent();
        EXPECT_EQ(driver.sent(), want) << command << octets;
      }
      EXPECT_TRUE(want.ends_with("\r\n.\r\n"));
    }
  }
}

TEST(Session, EndsOverTheLineLimit) {
  struct Row {
    std::string name;
    bool login;
    std::size_t octets;
    bool closes;
  };
  const Row rows[] = {
      {"before login, at the limit", false, kLineOctetsMaxBeforeLogin, false},
      {"before login, one over", false, kLineOctetsMaxBeforeLogin + 1, true},
      {"after login, at the limit", true, kLineOctetsMax, false},
      {"after login, one over", true, kLineOctetsMax + 1, true},
  };
  for (const Row& row : rows) {
    for (const std::string end : {"\r\n", "\r", ""}) {
      Driver driver = row.login ? logged_in() : Driver(kOpen, {});
      driver.feed(std::string(row.octets - 10, 'x'));
      driver.feed(std::string(10, 'x') + end);
      EXPECT_EQ(driver.closed(), row.closes) << row.name;
      EXPECT_EQ(driver.sent().ends_with("-ERR line too long\r\n"), row.closes) << row.name;
    }
  }
}

TEST(Session, HoldsBoundedInputWhileAQuestionIsOpen) {
  Session session(kOpen);
  Actions out;
  session.step(Received{kLogin}, out);
  const std::string flood(kReceivedOctetsMax, '\n');
  session.step(Received{flood}, out);
  EXPECT_FALSE(session.closed());
  session.step(Received{flood}, out);
  session.step(Received{flood}, out);
  EXPECT_TRUE(session.closed());
}

TEST(Session, BoundsOutputOfListingsAndOfPipelining) {
  Maildrop drop{.contents = std::vector<std::string>(20'000, "x\r\n")};
  Driver driver = logged_in(drop);
  std::string commands;
  for (int i = 0; i < 20; ++i) commands += "UIDL\r\nLIST\r\n";
  for (int i = 0; i < 5000; ++i) commands += "CAPA\r\n";
  driver.feed(commands);
  EXPECT_GT(driver.sent().size(), 10'000'000U);
  EXPECT_LE(driver.octets_unflushed_max(), 2 * kSendOctetsMax);
}

TEST(Session, StreamsALargeMessageInBoundedSends) {
  std::string content = "A: b\r\n\r\n";
  while (content.size() < 1'000'000) content += ".\r\n";  // the worst for stuffing
  Driver driver = logged_in({.contents = {content}, .chunk_octets = 64 * 1024});
  driver.feed("RETR 1\r\n");
  EXPECT_LE(driver.octets_unflushed_max(), 2 * kSendOctetsMax + 64);
  EXPECT_TRUE(driver.sent().ends_with("\r\n..\r\n.\r\n"));
}

}  // namespace
}  // namespace postrider::pop3
