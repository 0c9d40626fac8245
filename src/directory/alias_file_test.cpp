#include "directory/alias_file.hpp"

#include "directory/recipient_list.hpp"

#include <gtest/gtest.h>

#include <map>

namespace postrider::directory {
namespace {

mail::Domain domain(std::string_view text) { return mail::Domain::parse(text).value(); }

using Files = std::map<std::string, std::string, std::less<>>;

ParsedAliases parse(std::string text, AliasFormat format = AliasFormat::aliases, const Files& files = {}) {
  const ReadIncluded read = [&](const std::string& /*from*/, std::string_view path) -> Result<AliasText> {
    const auto found = files.find(path);
    if (found == files.end()) return error(Error::not_found, "test", "cannot be read");
    return AliasText{.path = found->first, .text = found->second};
  };
  return parse_alias_file({.path = "aliases", .text = std::move(text)}, format, domain("here.test"), read);
}

/// "name@x: a@y b@z; @x: c@y".
std::string shown(const ParsedAliases& parsed) {
  std::string out;
  const auto line = [&](const std::string& name, const std::vector<mail::Address>& targets) {
    out += (out.empty() ? "" : "; ") + name + ":";
    for (const mail::Address& target : targets) out += ' ' + target.text();
  };
  for (const AliasRecord& alias : parsed.aliases) line(alias.address.text(), alias.targets);
  for (const CatchAll& all : parsed.catch_alls) line("@" + all.domain.text(), all.targets);
  return out;
}

std::string shown(const std::vector<FileMistake>& mistakes) {
  std::string out;
  for (const FileMistake& mistake : mistakes)
    out += mistake.file + ":" + std::to_string(mistake.line) + ":" + std::to_string(mistake.column) + ": " +
           mistake.what + "\n";
  return out;
}

struct Row {
  const char* text;
  const char* want;
};

TEST(AliasFile, TakesWhatIsWrittenInAliasFiles) {
  const Row rows[] = {
      {"", ""},
      {"# nothing\n\n   \n\t# here\n", ""},
      {"root: ann", "root@here.test: ann@here.test"},
      {"root:ann\n", "root@here.test: ann@here.test"},
      {"root : ann\r\n", "root@here.test: ann@here.test"},
      {"root: ann, bob@away.test,carol\n", "root@here.test: ann@here.test bob@away.test carol@here.test"},
      {"root: ann,\n  bob,\n\tcarol\n", "root@here.test: ann@here.test bob@here.test carol@here.test"},
      {"root: ann\n# between\n\n , bob\nx: y", "root@here.test: ann@here.test bob@here.test; x@here.test: y@here.test"},
      {"root: ann # the boss\n", "root@here.test: ann@here.test"},
      {"root: ann#1\n", "root@here.test: ann#1@here.test"},
      {"root: ann,,bob,\n", "root@here.test: ann@here.test bob@here.test"},
      {"root: ann, ANN, ann@HERE.test\n", "root@here.test: ann@here.test"},
      {"\"a b\": ann\n", "\"a b\"@here.test: ann@here.test"},
      {"\"a:b\": \"c,d\"\n", "\"a:b\"@here.test: \"c,d\"@here.test"},
      {"\"a # b\": ann\n", "\"a # b\"@here.test: ann@here.test"},
      {"root: \\ann\n", "root@here.test: ann@here.test"},
      {"root: \"ann@away.test\"\n", "root@here.test: ann@away.test"},
      {"team@other.test: ann\n", "team@other.test: ann@here.test"},
      {"MAILER-DAEMON: postmaster\npostmaster: root\nnobody: root\n",
       "MAILER-DAEMON@here.test: postmaster@here.test; postmaster@here.test: root@here.test; "
       "nobody@here.test: root@here.test"},
      {"# See man 5 aliases for format\npostmaster:    root\n", "postmaster@here.test: root@here.test"},
      {"list: :include:members\n", "list@here.test: ann@here.test bob@away.test carol@away.test dora@here.test"},
      {"list: \":include:members\", eve\n",
       "list@here.test: ann@here.test bob@away.test carol@away.test dora@here.test eve@here.test"},
      {"list: :include:outer\n",
       "list@here.test: zoe@here.test ann@here.test bob@away.test carol@away.test dora@here.test"},
  };
  const Files files = {{"members", "# of the list\nann\n\nbob@away.test, carol@away.test\n  dora # new\n"},
                       {"outer", "zoe\n:include:members\n"}};
  for (const Row& row : rows) {
    const ParsedAliases parsed = parse(row.text, AliasFormat::aliases, files);
    EXPECT_EQ(shown(parsed), row.want) << row.text;
    EXPECT_EQ(shown(parsed.mistakes), "") << row.text;
  }
}

TEST(AliasFile, TakesWhatIsWrittenInVirtualAliasMaps) {
  const Row rows[] = {
      {"info@here.test ann\n", "info@here.test: ann@here.test"},
      {"info@here.test\tann, bob@away.test\n", "info@here.test: ann@here.test bob@away.test"},
      {"info@here.test ann bob\n", "info@here.test: ann@here.test bob@here.test"},
      {"info@here.test ann,\n   bob\n", "info@here.test: ann@here.test bob@here.test"},
      {"root ann@away.test\n", "root@here.test: ann@away.test"},
      {"first.last ann@away.test\n", "first.last@here.test: ann@away.test"},
      {"\"a b\"@here.test ann\n", "\"a b\"@here.test: ann@here.test"},
      {"@here.test ann\n", "@here.test: ann@here.test"},
      {"@here.test ann bob@away.test\n@other.test ann\n",
       "@here.test: ann@here.test bob@away.test; @other.test: "
       "ann@here.test"},
      {"other.test anything\nx@other.test ann\n", "x@other.test: ann@here.test"},
      {"here.test VIRTUAL domain\n", ""},
  };
  for (const Row& row : rows) {
    const ParsedAliases parsed = parse(row.text, AliasFormat::postfix_virtual);
    EXPECT_EQ(shown(parsed), row.want) << row.text;
    EXPECT_EQ(shown(parsed.mistakes), "") << row.text;
  }
  const ParsedAliases noted = parse("a@here.test b\nother.test anything\n", AliasFormat::postfix_virtual);
  ASSERT_EQ(noted.notes.size(), 1U);
  EXPECT_EQ(noted.notes[0].line, 2U);
}

struct BadRow {
  const char* text;
  const char* want;  // begins the first mistake
  AliasFormat format = AliasFormat::aliases;
};

TEST(AliasFile, EachMistakeHasItsPlace) {
  const BadRow rows[] = {
      {"root ann\n", "aliases:1:1: a line is \"name: target, target\""},
      {"a: b\nroot\n", "aliases:2:1: a line is"},
      {"root:\n", "aliases:1:1: \"root\" has no target"},
      {"root: ,\n", "aliases:1:1: \"root\" has no target"},
      {"root: # nobody\n", "aliases:1:1: \"root\" has no target"},
      {": ann\n", "aliases:1:1: \"\" is no name"},
      {"a b: ann\n", "aliases:1:1: \"a b\" is no name"},
      {"\"a: ann\n", "aliases:1:1: a line is"},
      {"x@: ann\n", "aliases:1:1: \"x@\" is no name"},
      {"root: \"|/usr/bin/procmail -d ann\"\n", "aliases:1:7: \"\"|/usr/bin/procmail -d ann\"\" runs a program"},
      {"root: |/bin/sh\n", "aliases:1:7: \"|/bin/sh\" runs a program"},
      {"root: ann, \"|x\"\n", "aliases:1:12: \"\"|x\"\" runs a program"},
      {"devnull: /dev/null\n", "aliases:1:10: \"/dev/null\" is a file"},
      {"root: \"/var/mail/root\"\n", "aliases:1:7: \"\"/var/mail/root\"\" is a file"},
      {"root: ann,\n   /var/mail/x\n", "aliases:2:4: \"/var/mail/x\" is a file"},
      {"root: \\/var/mail/x\n", "aliases:1:7: \"\\/var/mail/x\" is a file"},
      {"root: \\|x\n", "aliases:1:7: \"\\|x\" runs a program"},
      {"root: :fail: no\n", "aliases:1:7: \":fail: no\" is not known here"},
      {"root: :blackhole:\n", "aliases:1:7: \":blackhole:\" is not known here"},
      {"root: :include:\n", "aliases:1:7: :include: wants the path"},
      {"root: :include:missing\n", "aliases:1:7: \"missing\": cannot be read"},
      {"root: :include:bad\n", "bad:2:3: \"|x\" runs a program"},
      {"root: :include:itself\n", "itself:1:1: files are included more than 10 deep"},
      {"root: a b\n", "aliases:1:7: \"a b\" is no address"},
      {"root: a@b@c\n", "aliases:1:7: \"a@b@c\" is no address"},
      {"root: a@b c@d\n", "aliases:1:7: \"a@b c@d\" is no address"},
      {"root: @away.test\n", "aliases:1:7: \"@away.test\" is a whole domain"},
      {"root: Ann <ann@away.test>\n", "aliases:1:7: "},
      {"root: a\x01"
       "b\n",
       "aliases:1:7: \"a?b\" is no address"},
      {"root: j\xC3\xB6rg\n", "aliases:1:7: "},
      {"root: \"j\xC3\xB6rg\"\n", "aliases:1:7: "},
      {"root: ann\nx: y\nROOT: bob\n", "aliases:3:1: \"ROOT\" is there already, in line 1"},
      {"root: root\n", "aliases:1:1: an alias cannot be its own target"},
      {"root: ann, \\root\n", "aliases:1:1: an alias cannot be its own target"},
      {"root: Root@Here.test\n", "aliases:1:1: an alias cannot be its own target"},
      {"a@here.test\n", "aliases:1:1: a line is \"address target", AliasFormat::postfix_virtual},
      {"a@here.test |x\n", "aliases:1:13: \"|x\" runs a program", AliasFormat::postfix_virtual},
      {"a@here.test /x\n", "aliases:1:13: \"/x\" is a file", AliasFormat::postfix_virtual},
      {"a@here.test :include:members\n", "aliases:1:13: \":include:members\" is not known",
       AliasFormat::postfix_virtual},
      {"a@here.test @away.test\n", "aliases:1:13: \"@away.test\" is a whole domain", AliasFormat::postfix_virtual},
      {"@[192.0.2.1] ann\n", "aliases:1:1: \"@[192.0.2.1]\" is no domain", AliasFormat::postfix_virtual},
      {"@ ann\n", "aliases:1:1: \"@\" is no domain", AliasFormat::postfix_virtual},
      {"@here.test a\n@HERE.test b\n", "aliases:2:1: \"@HERE.test\" is there already", AliasFormat::postfix_virtual},
      {"a@@here.test ann\n", "aliases:1:1: \"a@@here.test\" is no address", AliasFormat::postfix_virtual},
      {"a@here.test a\n", "aliases:1:1: an alias cannot be its own target", AliasFormat::postfix_virtual},
  };
  const Files files = {{"bad", "ann\n  |x\n"}, {"itself", ":include:itself\n"}};
  for (const BadRow& row : rows) {
    const std::string got = shown(parse(row.text, row.format, files).mistakes);
    EXPECT_TRUE(got.starts_with(row.want)) << row.text << got;
    EXPECT_EQ(std::ranges::count(got, '\n'), 1) << row.text << got;
  }
}

TEST(AliasFile, AllMistakesAreFoundAndTheRestIsRead) {
  const ParsedAliases parsed = parse("a: |x\nb: ann\nc\nd: /x, bob\n");
  EXPECT_EQ(parsed.mistakes.size(), 3U);
  EXPECT_EQ(shown(parsed), "b@here.test: ann@here.test; d@here.test: bob@here.test");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "no colon\n";
  EXPECT_EQ(parse(many).mistakes.size(), kFileMistakesMax);
}

TEST(AliasFile, AnAliasHasFiveThousandTargetsAndNoMore) {
  std::string members;
  for (std::size_t i = 0; i < kFileAliasTargetsMax; ++i) members += "u" + std::to_string(i) + "\n";
  ParsedAliases parsed = parse("list: :include:members", AliasFormat::aliases, {{"members", members}});
  EXPECT_TRUE(parsed.mistakes.empty());
  ASSERT_EQ(parsed.aliases.size(), 1U);
  EXPECT_EQ(parsed.aliases[0].targets.size(), kFileAliasTargetsMax);
  parsed = parse("list: one, :include:members\nx: y", AliasFormat::aliases, {{"members", members}});
  ASSERT_EQ(parsed.mistakes.size(), 1U);
  EXPECT_NE(parsed.mistakes[0].what.find("at most 5000"), std::string::npos);
}

TEST(RecipientList, HoldsTheAddressesOfItsDomain) {
  std::vector<FileMistake> mistakes;
  const RecipientList list =
      RecipientList::parse("# ours\nann@here.test\r\nBob@HERE.test # the boss\n\n carol\n\"a b\"@here.test\nann\n",
                           domain("here.test"), "list", mistakes);
  EXPECT_EQ(shown(mistakes), "");
  EXPECT_EQ(list.size(), 4U);
  for (const char* const name : {"ann", "ANN", "bob", "carol", "a b"}) EXPECT_TRUE(list.contains(name)) << name;
  for (const char* const name : {"", "an", "annn", "dora", "a", "#"}) EXPECT_FALSE(list.contains(name)) << name;
  EXPECT_EQ(RecipientList().size(), 0U);
  EXPECT_FALSE(RecipientList().contains("ann"));
}

TEST(RecipientList, EachMistakeHasItsPlace) {
  const Row rows[] = {
      {"ann\n@here.test\n", "list:2:1: a whole domain is recipients = \"any\""},
      {"ann@away.test\n", "list:1:1: not an address in here.test"},
      {"  ann bob\n", "list:1:3: not an address (one a line)"},
      {"ann@here.test OK\n", "list:1:1: not an address (one a line)"},
      {"ann,bob\n", "list:1:1: not an address"},
      {"a@@here.test\n", "list:1:1: not an address"},
      {"<ann@here.test>\n", "list:1:1: not an address"},
      {"\n\nj\xC3\xB6rg\n", "list:3:1: not an address"},
  };
  for (const Row& row : rows) {
    std::vector<FileMistake> mistakes;
    const RecipientList list = RecipientList::parse(row.text, domain("here.test"), "list", mistakes);
    EXPECT_LE(list.size(), 1U);
    ASSERT_EQ(mistakes.size(), 1U) << row.text;
    EXPECT_TRUE(shown(mistakes).starts_with(row.want)) << row.text << shown(mistakes);
  }
}

TEST(RecipientList, HasAsManyAddressesAsTheLimitAndNoMore) {
  static_assert(kRecipientListMax == 1'000'000);
  std::string text;
  for (std::size_t i = 0; i < 100; ++i) text += "u" + std::to_string(i) + "\n";
  std::vector<FileMistake> mistakes;
  EXPECT_EQ(RecipientList::parse(text, domain("here.test"), "list", mistakes, 100).size(), 100U);
  EXPECT_TRUE(mistakes.empty());
  text += "one\ntwo\n";
  EXPECT_EQ(RecipientList::parse(text, domain("here.test"), "list", mistakes, 100).size(), 100U);
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_EQ(mistakes[0].line, 101U);
}

}  // namespace
}  // namespace postrider::directory
