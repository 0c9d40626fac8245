#include "cli/sendmail_call.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace postrider::cli {
namespace {

using Mode = SendmailCall::Mode;

SendmailCall parsed(const std::vector<std::string>& words, std::string_view program = "sendmail") {
  const Result<SendmailCall> call = parse_sendmail(program, words);
  EXPECT_TRUE(call) << (call ? "" : call.error().detail);
  return call ? *call : SendmailCall{};
}

TEST(SendmailCall, TakesWhatProgramsGive) {
  const SendmailCall cron = parsed({"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"});
  EXPECT_EQ(cron.full_name, "CronDaemon");
  EXPECT_TRUE(cron.dots_are_text);
  EXPECT_EQ(cron.request.body, mail::BodyType::eight_bit_mime);
  EXPECT_EQ(cron.recipients, std::vector<std::string>{"root"});
  const SendmailCall php = parsed({"-t", "-i", "-fwww@example.test"});
  EXPECT_TRUE(php.recipients_from_header);
  EXPECT_EQ(php.from, "www@example.test");
  const SendmailCall mutt = parsed({"-oem", "-oi", "-f", "ann@example.test", "--", "bob@far.test", "-odd"});
  EXPECT_TRUE(mutt.dots_are_text);
  EXPECT_EQ(mutt.from, "ann@example.test");
  EXPECT_EQ(mutt.recipients, (std::vector<std::string>{"bob@far.test", "-odd"}));
  const SendmailCall clustered = parsed({"-tiv", "-N", "success,delay", "-Rhdrs", "-V", "id 1"});
  EXPECT_TRUE(clustered.recipients_from_header && clustered.dots_are_text && clustered.verbose);
  ASSERT_TRUE(clustered.notify);
  EXPECT_TRUE(clustered.notify->success && clustered.notify->delay && !clustered.notify->failure);
  EXPECT_EQ(clustered.request.returned, mail::ReturnContent::headers);
  EXPECT_EQ(clustered.request.envelope_id, "id 1");
  EXPECT_TRUE(parsed({"-G"}).is_gateway);
  EXPECT_EQ(parsed({"-f", ""}).from, "");
  EXPECT_EQ(parsed({"-r<>"}).from, "<>");
  ASSERT_TRUE(parsed({"-N", "never"}).notify);
}

TEST(SendmailCall, KnowsItsModesAndNames) {
  EXPECT_EQ(parsed({}).mode, Mode::deliver);
  EXPECT_EQ(parsed({"-bm"}).mode, Mode::deliver);
  EXPECT_EQ(parsed({"-bs"}).mode, Mode::smtp);
  EXPECT_EQ(parsed({"-bv", "ann"}).mode, Mode::verify);
  EXPECT_EQ(parsed({"-bp"}).mode, Mode::list);
  EXPECT_EQ(parsed({"-bi"}).mode, Mode::aliases);
  EXPECT_EQ(parsed({"-I"}).mode, Mode::aliases);
  EXPECT_EQ(parsed({"-q"}).mode, Mode::flush);
  EXPECT_EQ(parsed({"-qRfar.test"}).flush_what, "Rfar.test");
  EXPECT_EQ(parsed({}, "/usr/bin/mailq").mode, Mode::list);
  EXPECT_EQ(parsed({}, "newaliases").mode, Mode::aliases);
  for (const char* const name : {"sendmail", "/usr/sbin/sendmail", "mailq", "/usr/bin/newaliases"})
    EXPECT_TRUE(is_sendmail(name)) << name;
  for (const char* const name : {"postrider", "/sendmail/postrider", "sendmail.postfix", ""})
    EXPECT_FALSE(is_sendmail(name)) << name;
}

TEST(SendmailCall, PassesOverWhatMeansNothingHere) {
  const SendmailCall call = parsed({"-n", "-m", "-U", "-Ltag", "-h", "5", "-odq", "-Am", "-O", "x=y", "-d0.1", "-p",
                                    "smtp", "-em", "-X", "/tmp/x", "ann"});
  EXPECT_EQ(call.recipients, std::vector<std::string>{"ann"});
  EXPECT_EQ(call.mode, Mode::deliver);
}

TEST(SendmailCall, RefusesWhatIsWrong) {
  struct Row {
    std::vector<std::string> words;
    Error::Code code;
  };
  const std::vector<Row> rows = {
      {{"-f"}, Error::malformed},
      {{"-t", "-N"}, Error::malformed},
      {{"-Nsometimes"}, Error::malformed},
      {{"-N", ""}, Error::malformed},
      {{"-Nnever,delay"}, Error::malformed},
      {{"-Rbody"}, Error::malformed},
      {{"-B9BIT"}, Error::malformed},
      {{"-V", std::string(101, 'x')}, Error::malformed},
      {{"-V", "a\nb"}, Error::malformed},
      {{"-bz"}, Error::malformed},
      {{"-bd"}, Error::unsupported},
      {{"-bd", "-q30m"}, Error::unsupported},
      {{"-q30m"}, Error::unsupported},
      {{"-qR"}, Error::unsupported},
      {{"-Z"}, Error::malformed},
      {{"-tZ"}, Error::malformed},
      {{"-b"}, Error::malformed},
  };
  for (const Row& row : rows) {
    const Result<SendmailCall> call = parse_sendmail("sendmail", row.words);
    ASSERT_FALSE(call) << row.words.front();
    EXPECT_EQ(call.error().code, row.code) << row.words.front();
    EXPECT_FALSE(call.error().detail.empty());
  }
}

}  // namespace
}  // namespace postrider::cli
