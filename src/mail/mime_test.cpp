#include "mail/mime.hpp"

#include "core/text.hpp"
#include "mail/header_section.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace postrider::mail {
namespace {

using namespace std::literals;

/// `multipart/mixed(text/plain"body";text/html"…")`, bodies of leaves with line ends as `|`.
std::string shown(std::string_view message, const MimePart& part) {
  std::string out = part.type;
  if (part.children.empty()) {
    std::string body(octets_of(message, part.body));
    std::erase(body, '\r');
    std::ranges::replace(body, '\n', '|');
    return out + '"' + body + '"';
  }
  out += '(';
  for (const MimePart& child : part.children)
    out += (&child == &part.children.front() ? "" : ";") + shown(message, child);
  return out + ')';
}

std::string shown(std::string_view message) {
  const MimeTree tree = parse_mime(message);
  std::string out = shown(message, tree.root);
  for (const std::string& word : tree.defects) out += ' ' + word;
  return out;
}

/// Parts lie inside their parents, in order; what is between them is a boundary line, before them a preamble.
void expect_tiled(std::string_view message, const MimePart& part, std::uint64_t begin, std::uint64_t end) {
  EXPECT_EQ(part.header.offset, begin);
  EXPECT_EQ(part.body.offset, part.header.offset + part.header.size_octets);
  EXPECT_LE(part.body.offset + part.body.size_octets, end);
  std::uint64_t at = part.body.offset;
  const std::uint64_t last = part.body.offset + part.body.size_octets;
  for (const MimePart& child : part.children) {
    EXPECT_GE(child.header.offset, at);
    const bool message_within = part.type.starts_with("message/");
    expect_tiled(message, child, child.header.offset, message_within ? last : end);
    if (message_within) EXPECT_EQ(child.header.offset, at);
    at = child.body.offset + child.body.size_octets;
  }
}

/// CRLF for each LF of a literal.
std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n"s : std::string(1, c);
  return out;
}

constexpr std::string_view kMixed = "Content-Type: multipart/mixed; boundary=b\n\n";

TEST(Mime, ReadsTreesAndNamesWhatIsWrong) {
  const std::string mixed(kMixed);
  const std::pair<std::string, std::string> rows[] = {
      {"", "text/plain\"\""},
      {"\n", "text/plain\"\""},
      {"no header\n", "text/plain\"no header|\""},
      {"A: b\n", "text/plain\"\""},
      {"A: b\nno field\nC: d\n\nx", "text/plain\"no field|C: d||x\" missing_header_end"},
      {"From x@y Mon May  4 07:11:04 2026\nA: b\n\nx", "text/plain\"From x@y Mon May  4 07:11:04 2026|A: b||x\""},
      {"Content-Type: TEXT/Html; charset=UTF-8\n\n<p>", "text/html\"<p>\""},
      {"Content-Type: text\n\nx", "text/plain\"x\" bad_content_type"},
      {"Content-Type:\n\nx", "text/plain\"x\" bad_content_type"},
      {"Content-Type: text/\n\nx", "text/plain\"x\" bad_content_type"},
      {"Content-Type: text/html charset=utf-8\n\nx", "text/html\"x\" missing_semicolon"},
      {"Content-Type: text/html\nContent-Type: image/png\n\nx", "text/html\"x\" duplicate_field"},
      {mixed + "--b\n\none\n--b--\n", "multipart/mixed(text/plain\"one\")"},
      {mixed + "--b\n\none\n\n--b\n\ntwo\n--b--", "multipart/mixed(text/plain\"one|\";text/plain\"two\")"},
      {mixed + "preamble\n--b\n\none\n--b--\nepilogue\n--b\n\nno\n", "multipart/mixed(text/plain\"one\")"},
      {mixed + "--b \t\n\none\n--b-- \n", "multipart/mixed(text/plain\"one\")"},
      {mixed + "--b\none\n--b--\n", "multipart/mixed(text/plain\"one\")"},
      {mixed + "--b\nA: b\n--b--\n", "multipart/mixed(text/plain\"\")"},
      {mixed + "--b\nA: b\n\n--b--\n", "multipart/mixed(text/plain\"\")"},
      {mixed + "--b\n--b\n\n--b--\n", "multipart/mixed(text/plain\"\";text/plain\"\")"},
      {mixed + "--b\n\none\n", "multipart/mixed(text/plain\"one|\") missing_close_boundary"},
      {mixed + "--bb\n--b-\n--b---\n -- b\n", "multipart/mixed\"--bb|--b-|--b---| -- b|\" no_parts"},
      {mixed + "nothing\n", "multipart/mixed\"nothing|\" no_parts"},
      {"Content-Type: multipart/mixed\n\n--b\n\nx\n", "multipart/mixed\"--b||x|\" missing_boundary"},
      {"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n", "multipart/mixed\"--||x|\" missing_boundary"},
      {"Content-Type: multipart/mixed; boundary=b\n--b\n\nx\n--b--\n",
       "multipart/mixed(text/plain\"x\") missing_header_end"},
      {"Content-Type: multipart/mixed; boundary=\"a \\\"b\\\" (c)  \"\n\n--a \"b\" (c)\n\nx\n--a \"b\" (c)--\n",
       "multipart/mixed(text/plain\"x\")"},
      {"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nx\n--b--\n",
       "multipart/mixed(text/plain\"x\") multipart_encoded"},
      // one boundary begins with the other, both ways round
      {mixed + "--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\nin\n--b1--\n--b\n\nout\n--b--\n",
       "multipart/mixed(multipart/mixed(text/plain\"in\");text/plain\"out\")"},
      {"Content-Type: multipart/mixed; boundary=b1\n\n--b1\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nin\n"
       "--b1\n\nout\n--b1--\n",
       "multipart/mixed(multipart/mixed(text/plain\"in\");text/plain\"out\") missing_close_boundary"},
      {mixed + "--b\nContent-Type: multipart/mixed; boundary=\"b--\"\n\n--b--\n\nin\n--b----\n--b--\n",
       "multipart/mixed(multipart/mixed(text/plain\"in\"))"},
      // the same boundary as its parent
      {mixed + "--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nin\n--b--\n--b\n\nout\n--b--\n",
       "multipart/mixed(multipart/alternative(text/plain\"in\");text/plain\"out\")"},
      {mixed + "--b\nContent-Type: message/rfc822\n\nSubject: s\n\nin\n--b--\n",
       "multipart/mixed(message/rfc822(text/plain\"in\"))"},
      {mixed + "--b\nContent-Type: message/rfc822\n--b\nContent-Type: message/global\n\n--b--\n",
       "multipart/mixed(message/rfc822(text/plain\"\");message/global(text/plain\"\"))"},
      {mixed + "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n--b--\n",
       "multipart/mixed(message/rfc822\"QQ==\") message_encoded"},
      {mixed + "--b\nContent-Type: message/delivery-status\n\nA: b\n--b--\n",
       "multipart/mixed(message/delivery-status\"A: b\")"},
      {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nin\n--b\nContent-Type: "
       "text/plain\n\nx\n--b--\n",
       "multipart/digest(message/rfc822(text/plain\"in\");text/plain\"x\")"},
  };
  for (const auto& [message, want] : rows) {
    EXPECT_EQ(shown(message), want) << message;
    EXPECT_EQ(shown(crlf(message)), want) << "with CRLF: " << message;
    std::string cr = message;
    std::ranges::replace(cr, '\n', '\r');
    std::string bodies_with_cr = want;
    std::erase(bodies_with_cr, '|');
    EXPECT_EQ(shown(cr), bodies_with_cr) << "with CR: " << message;
    const MimeTree tree = parse_mime(message);
    expect_tiled(message, tree.root, 0, message.size());
  }
}

TEST(Mime, GivesExactOffsets) {
  const std::string message = crlf(
      "Subject: s\nContent-Type: multipart/mixed;\n boundary=\"b\"\n\npre\n--b\nContent-Type: message/rfc822\n\n"
      "Subject: in\n\nbody\n\n--b\n\nlast\nline\n--b--\nend\n");
  const MimeTree tree = parse_mime(message);
  const auto text = [&](const OctetRange& range) { return std::string(octets_of(message, range)); };
  EXPECT_TRUE(tree.defects.empty());
  ASSERT_EQ(tree.root.fields.size(), 2U);
  EXPECT_EQ(text(tree.root.fields[1].range), "Content-Type: multipart/mixed;\r\n boundary=\"b\"\r\n");
  EXPECT_EQ(text(tree.root.fields[1].value), " multipart/mixed;\r\n boundary=\"b\"");
  EXPECT_EQ(tree.root.body.offset + tree.root.body.size_octets, message.size());
  EXPECT_EQ(tree.root.lines, 14U);
  ASSERT_EQ(tree.root.children.size(), 2U);
  const MimePart& inner = tree.root.children[0];
  EXPECT_EQ(text(inner.header), "Content-Type: message/rfc822\r\n\r\n");
  EXPECT_EQ(text(inner.body), "Subject: in\r\n\r\nbody\r\n");
  EXPECT_EQ(inner.lines, 3U);
  EXPECT_EQ(text(inner.children.at(0).header), "Subject: in\r\n\r\n");
  EXPECT_EQ(text(inner.children.at(0).body), "body\r\n");
  EXPECT_EQ(inner.children.at(0).lines, 1U);
  EXPECT_EQ(text(tree.root.children[1].header), "\r\n");
  EXPECT_EQ(text(tree.root.children[1].body), "last\r\nline");
  EXPECT_EQ(tree.root.children[1].lines, 2U);
}

TEST(Mime, ReadsWhatAPartSaysOfItself) {
  const std::string message =
      "Content-Type: text/plain; charset=\"ISO-8859-1\"; name=\"other.txt\"\n"
      "Content-Disposition: ATTACHMENT; filename*0*=utf-8''C%3A%5Cdir%5Cn; filename*1*=%C3%A4me.txt\n"
      "Content-Transfer-Encoding: Quoted-Printable (yes)\n"
      "Content-ID: <id@x.test>\n"
      "Content-Description: =?utf-8?Q?=C3=A4?= b\n\nn=E4me\n";
  const MimeTree tree = parse_mime(message);
  EXPECT_EQ(tree.root.type, "text/plain");
  EXPECT_EQ(tree.root.charset, "iso-8859-1");
  EXPECT_EQ(tree.root.disposition, "attachment");
  EXPECT_EQ(tree.root.filename, "n\u00e4me.txt");
  EXPECT_EQ(tree.root.encoding, TransferEncoding::quoted_printable);
  EXPECT_EQ(tree.root.encoding_name, "quoted-printable");
  EXPECT_EQ(tree.root.content_id, "id@x.test");
  EXPECT_EQ(tree.root.description, "\u00e4 b");
  EXPECT_EQ(decoded_body(message, tree.root).octets, "n\xe4me\n");
  EXPECT_EQ(text_of(message, tree.root), "n\u00e4me\n");
  const MimeTree bare = parse_mime("Content-Type: image/png; name=\"/etc/x.png\"\n\n");
  EXPECT_EQ(bare.root.filename, "x.png");
  EXPECT_EQ(bare.root.charset, "");
  EXPECT_EQ(bare.root.encoding_name, "7bit");
}

bool has(const MimeTree& tree, std::string_view defect) {
  return std::ranges::find(tree.defects, defect) != tree.defects.end();
}

std::size_t count_parts(const MimePart& part) {
  std::size_t count = 1;
  for (const MimePart& child : part.children) count += count_parts(child);
  return count;
}
std::size_t depth_of(const MimePart& part) {
  std::size_t depth = 0;
  for (const MimePart& child : part.children) depth = std::max(depth, depth_of(child));
  return depth + 1;
}

TEST(Mime, DepthIsLimited) {
  for (const bool messages : {false, true}) {
    std::string message;
    for (std::size_t i = 0; i < 5'000; ++i) {
      message += messages ? "Content-Type: message/rfc822\n\n"s
                          : fmt::format("Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n", i);
    }
    const MimeTree tree = parse_mime(message);
    EXPECT_EQ(depth_of(tree.root), kMimeDepthMax);
    EXPECT_TRUE(has(tree, "depth_exceeded"));
    const MimePart* last = &tree.root;
    while (!last->children.empty()) last = &last->children.back();
    EXPECT_EQ(last->body.offset + last->body.size_octets, message.size());
  }
}

TEST(Mime, PartsAreLimitedAndTheRestIsOne) {
  std::string message(kMixed);
  std::string whole;
  for (std::size_t i = 0; i < 100'000; ++i) {
    message += "--b\n\nx\n";
    if (i == kMimePartsMax - 2) whole = message + "--b--\n";
  }
  const MimeTree tree = parse_mime(message);
  EXPECT_EQ(count_parts(tree.root), kMimePartsMax);
  EXPECT_TRUE(has(tree, "parts_exceeded"));
  const MimePart& rest = tree.root.children.back();
  EXPECT_EQ(rest.type, "application/octet-stream");
  EXPECT_EQ(rest.body.offset + rest.body.size_octets, message.size());
  EXPECT_TRUE(octets_of(message, rest.body).starts_with("\nx\n--b\n"));

  std::string digest = "Content-Type: multipart/digest; boundary=b\n\n";
  for (std::size_t i = 0; i < kMimePartsMax; ++i) digest += "--b\n\nA: b\n\nx\n";
  const MimeTree messages = parse_mime(digest);
  EXPECT_LE(count_parts(messages.root), kMimePartsMax);
  EXPECT_TRUE(has(messages, "parts_exceeded"));
}

TEST(Mime, FieldsAreLimitedInOneSectionAndInAll) {
  std::string header;
  for (std::size_t i = 0; i <= kHeaderFieldsMax; ++i) header += "A: b\n";
  const MimeTree one = parse_mime(header + "\nbody");
  EXPECT_EQ(one.root.fields.size(), kHeaderFieldsMax);
  EXPECT_TRUE(has(one, "header_exceeded"));
  EXPECT_EQ(one.root.header.size_octets, header.size() + 1);

  std::string message(kMixed);
  for (std::size_t i = 0; i < 50; ++i) message += "--b\n" + header + "\n";
  const MimeTree all = parse_mime(message);
  std::size_t fields = 0;
  for (const MimePart& part : all.root.children) fields += part.fields.size();
  EXPECT_EQ(fields, kMimeFieldsMax - 1);

  std::string names(kMixed);
  for (std::size_t i = 0; i < 50; ++i) names += "--b\n" + std::string(100'000, 'n') + ": x\n\n";
  std::size_t octets = 0;
  for (const MimePart& part : parse_mime(names).root.children)
    for (const MimeField& field : part.fields) octets += field.name.size();
  EXPECT_LE(octets, kMimeHeaderOctetsMax);
}

TEST(Mime, ManyLinesThatLookLikeBoundariesAreOnlyLines) {
  std::string message;
  const std::string common(60, 'b');
  for (std::size_t i = 0; i + 1 < kMimeDepthMax; ++i)
    message += fmt::format("Content-Type: multipart/mixed; boundary={1}{0}\n\n--{1}{0}\n", i, common);
  message += '\n';
  for (std::size_t i = 0; i < 20'000; ++i) message += fmt::format("--{}x\n", common);
  const MimeTree tree = parse_mime(message);
  EXPECT_EQ(depth_of(tree.root), kMimeDepthMax);
  const MimePart* last = &tree.root;
  while (!last->children.empty()) last = &last->children.back();
  EXPECT_EQ(last->lines, 20'000U);
}

TEST(Mime, FieldsOfTheRootAreThoseOfTheHeaderCollector) {
  for (const std::string text :
       {"A: b\n c\nD : e\n\nx", "A: b\nno\n", " a\nA: b\n\n", "A:\n\t\n\n", ": x\n", "A b: c\n\n", "A: b"}) {
    const std::string message = crlf(text);
    HeaderCollector collector;
    ASSERT_TRUE(collector.append(message));
    const Result<HeaderSection> section = std::move(collector).finish();
    ASSERT_TRUE(section);
    const MimeTree tree = parse_mime(message);
    ASSERT_EQ(tree.root.fields.size(), section->fields.size()) << text;
    for (std::size_t i = 0; i < section->fields.size(); ++i) {
      EXPECT_EQ(tree.root.fields[i].range, section->fields[i].range) << text;
      EXPECT_EQ(tree.root.fields[i].name, section->fields[i].name) << text;
    }
  }
}

}  // namespace
}  // namespace postrider::mail
