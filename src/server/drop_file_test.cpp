#include "server/drop_file.hpp"

#include "smtp/server_session.hpp"

#include <gtest/gtest.h>

namespace postrider::server {
namespace {

mail::Address address(std::string_view text) { return mail::Address::parse(text).value(); }

DropEnvelope envelope() {
  DropEnvelope made;
  made.reverse_path = mail::Path(address("ann@here.test"));
  made.recipients = {address("bob@far.test"), address("\"a b\"@here.test")};
  made.request.utf8 = mail::Utf8::yes;
  made.request.body = mail::BodyType::eight_bit_mime;
  made.request.returned = mail::ReturnContent::full;
  made.request.envelope_id = "id 1";
  made.notify = mail::NotifyOn{.success = true, .failure = false, .delay = true};
  return made;
}

TEST(DropFile, ComesBackAsItWas) {
  const Result<DropFile> file = decode_drop(encode_drop(envelope(), "Subject: x\r\n\r\nhi\r\n"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->content, "Subject: x\r\n\r\nhi\r\n");
  EXPECT_EQ(file->envelope.reverse_path.text(), "ann@here.test");
  EXPECT_EQ(file->envelope.recipients, envelope().recipients);
  EXPECT_EQ(file->envelope.request, envelope().request);
  EXPECT_EQ(file->envelope.notify, envelope().notify);
  DropEnvelope null = envelope();
  null.reverse_path = mail::Path::null();
  null.notify.reset();
  const Result<DropFile> from_nobody = decode_drop(encode_drop(null, ""));
  ASSERT_TRUE(from_nobody);
  EXPECT_TRUE(from_nobody->envelope.reverse_path.is_null());
  EXPECT_FALSE(from_nobody->envelope.notify);
}

TEST(DropFile, RefusesWhatIsNotWhole) {
  const std::string good = encode_drop(envelope(), "hi\r\n");
  for (std::size_t cut = 0; cut < good.size(); ++cut) EXPECT_FALSE(decode_drop(good.substr(0, cut))) << cut;
  EXPECT_FALSE(decode_drop(good + "x"));
  for (std::size_t at = 0; at < good.size() - 4; ++at) {  // the content has no checksum: it is anybody's text
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    EXPECT_FALSE(decode_drop(flipped)) << at;
  }
  EXPECT_EQ(decode_drop(std::string("\xff\xff\xff\xff", 4)).error().code, Error::too_long);
}

TEST(DropFile, RefusesAContentThatNoSessionCouldHaveBrought) {
  const std::string longest(smtp::kDataLineOctetsMax, 'x');
  EXPECT_TRUE(decode_drop(encode_drop(envelope(), longest + "\r\n")));
  for (const std::string& content : {std::string("a\nb\r\n"), std::string("a\rb\r\n"), std::string("a\0b\r\n", 5),
                                     std::string("a"), std::string("a\r"), std::string("a\r\n\n"), longest + "x\r\n"})
    EXPECT_FALSE(decode_drop(encode_drop(envelope(), content)));
}

TEST(DropFile, RefusesTooManyRecipientsAndNone) {
  DropEnvelope none = envelope();
  none.recipients.clear();
  EXPECT_FALSE(decode_drop(encode_drop(none, "hi\r\n")));
  DropEnvelope most = envelope();
  most.recipients.assign(kDropRecipientsMax, address("bob@far.test"));
  EXPECT_TRUE(decode_drop(encode_drop(most, "hi\r\n")));
  most.recipients.push_back(address("bob@far.test"));
  EXPECT_FALSE(decode_drop(encode_drop(most, "hi\r\n")));
}

}  // namespace
}  // namespace postrider::server
