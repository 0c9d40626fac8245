#include "trust/dkim_sign.hpp"

#include "core/text.hpp"
#include "trust/dkim_body.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace postrider::trust {
namespace {

// 8463 appendix A: keys, message, and what its signatures have in b=.
constexpr std::string_view kEd25519Seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
constexpr std::string_view kEd25519Public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
constexpr std::string_view kRsaPem =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
    "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
    "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
    "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
    "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
    "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
    "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
    "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
    "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
    "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
    "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
    "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
    "-----END RSA PRIVATE KEY-----\n";
constexpr std::string_view kRsaPublic =
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3"
    "FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
constexpr std::string_view kHeader =
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
constexpr std::string_view kBody = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
constexpr std::string_view kUnfinishedEd25519 =
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    " subject : date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=";
constexpr std::string_view kUnfinishedRsa =
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    " date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=";
constexpr std::string_view kSignatureEd25519 =
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
constexpr std::string_view kSignatureRsa =
    "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2"
    "JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";

Secret ed25519_pem() {
  // 8410 §7: PKCS #8 is these octets and the seed.
  const std::string der = "\x30\x2E\x02\x01" + std::string(1, '\0') + "\x30\x05\x06\x03\x2B\x65\x70\x04\x22\x04\x20" +
                          from_base64(kEd25519Seed).value();
  return Secret("-----BEGIN PRIVATE KEY-----\n" + to_base64(der) + "\n-----END PRIVATE KEY-----\n");
}

std::string body_hash(std::string_view body) {
  DkimBodyHash hash;
  hash.append(body);
  return std::move(hash).finish();
}

std::vector<std::string> names_of_example() {
  return {"from", "to", "subject", "date", "message-id", "from", "subject", "date"};
}

TEST(DkimSign, GivesTheSignaturesOfRfc8463) {
  const Result<DkimHeader> header = DkimHeader::of(kHeader, names_of_example());
  ASSERT_TRUE(header) << describe(header.error());
  const Result<DkimPrivateKey> ed25519 = DkimPrivateKey::parse(ed25519_pem());
  ASSERT_TRUE(ed25519) << describe(ed25519.error());
  EXPECT_EQ(ed25519->public_key().value(), kEd25519Public);
  EXPECT_EQ(ed25519->sign(header->digest(kUnfinishedEd25519)).value(), kSignatureEd25519);

  const Result<DkimPrivateKey> rsa = DkimPrivateKey::parse(Secret(std::string(kRsaPem)));
  ASSERT_TRUE(rsa) << describe(rsa.error());
  EXPECT_EQ(rsa->public_key().value(), kRsaPublic);
  EXPECT_EQ(rsa->sign(header->digest(kUnfinishedRsa)).value(), kSignatureRsa);
}

TEST(DkimSign, RelaxesAField) {
  struct Case {
    std::string_view field;
    std::string_view want;
  };
  const auto cases = std::to_array<Case>({
      {"A: X\r\n", "a:X\r\n"},                          // 6376 §3.4.5
      {"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},            // 6376 §3.4.5
      {"SubjeCT:  a \t b \r\n", "subject:a b\r\n"},     //
      {"Subject:a\r\n \r\n b\r\n", "subject:a b\r\n"},  // a fold of blanks only
      {"Subject:\r\n", "subject:\r\n"},
      {"Subject: \t \r\n", "subject:\r\n"},
      {"Subject:\r\n a\r\n", "subject:a\r\n"},
      {"Subject: a", "subject:a\r\n"},
      {"Subject: a: b\r\n", "subject:a: b\r\n"},
      {"Subject: a\rb\nc\r\n", "subject:a\rb\nc\r\n"},
      {"Subject: \xC3\xBC\r\n", "subject:\xC3\xBC\r\n"},
      {"", ":\r\n"},
  });
  for (const Case& one : cases) EXPECT_EQ(relaxed_field(one.field), one.want) << one.field;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ":") + name;
  return out;
}

TEST(DkimSign, ChoosesWhatSaysWhoWritesWhatToWhomAndSealsIt) {
  const Result<DkimHeader> header = DkimHeader::choose(
      "Return-Path: <a@a.test>\r\nReceived: by x\r\nAuthentication-Results: x; none\r\nDKIM-Signature: v=1\r\n"
      "Bcc: secret@b.test\r\nX-Mailer: y\r\nLIST-ID: <l.test>\r\nTo: b@b.test\r\nTo: c@b.test\r\nfrom : a@a.test\r\n"
      "References: <1@a.test>\r\nContent-Type: text/plain\r\n\r\nSubject: this is body\r\n");
  ASSERT_TRUE(header) << describe(header.error());
  EXPECT_EQ(joined(header->names()),
            "from:from:reply-to:subject:date:to:to:to:cc:message-id:content-type:content-type:references:list-id");
}

TEST(DkimSign, WantsExactlyOneFrom) {
  for (const std::string_view header :
       std::to_array<std::string_view>({"", "To: a@a.test\r\n", "From: a@a.test\r\nFROM: b@a.test\r\n",
                                        "\r\nFrom: a@a.test\r\n", "no field\r\nFrom: a@a.test\r\n"})) {
    const Result<DkimHeader> got = DkimHeader::choose(header);
    ASSERT_FALSE(got) << header;
    EXPECT_EQ(got.error().code, Error::malformed) << header;
  }
  for (const std::string_view names : std::to_array<std::string_view>({"to", "from;x", "from:a b", "from:", ""})) {
    std::vector<std::string> list;
    for (const std::string_view name : split(names, ':')) list.emplace_back(name);
    const Result<DkimHeader> got = DkimHeader::of(kHeader, list);
    ASSERT_FALSE(got) << names;
    EXPECT_EQ(got.error().code, Error::malformed) << names;
  }
}

/// A change in a field that is signed changes the digest; from the last field of a name up, and beyond them.
TEST(DkimSign, TakesFieldsFromTheLastOneUp) {
  const std::string fields = "From: a@a.test\r\nTo: 1\r\nTo: 2\r\n";
  const auto digest = [](const std::string& header, const std::vector<std::string>& names) {
    return DkimHeader::of(header, names).value().digest("DKIM-Signature: b=");
  };
  const std::string one = digest(fields, {"from", "to"});
  EXPECT_EQ(digest("To: 3\r\n" + fields, {"from", "to"}), one);
  EXPECT_NE(digest(fields + "To: 3\r\n", {"from", "to"}), one);
  const std::string sealed = digest(fields, {"from", "to", "to", "to"});
  EXPECT_NE(digest("To: 3\r\n" + fields, {"from", "to", "to", "to"}), sealed);
  EXPECT_EQ(digest("Subject: x\r\n" + fields, {"from", "to", "to", "to"}), sealed);
  EXPECT_NE(digest(fields, {"to", "from", "to", "to"}), sealed) << "the order is signed";
}

TEST(DkimSign, WritesAFieldThatFoldsAndIsSignedAsItStands) {
  const Result<DkimHeader> header = DkimHeader::choose(kHeader);
  ASSERT_TRUE(header);
  const DkimSigning what{.domain = mail::Domain::parse("b\xC3\xBC"
                                                       "cher.example",
                                                       mail::Utf8::yes)
                                       .value(),
                         .selector = "2026b-rsa",
                         .at = WallTime(std::chrono::seconds(1528637909))};
  for (const std::string& pem : {std::string(kRsaPem), std::string(ed25519_pem().reveal())}) {
    const Result<DkimPrivateKey> key = DkimPrivateKey::parse(Secret(pem));
    const Result<std::string> field = sign_dkim(*header, body_hash(kBody), what, *key);
    ASSERT_TRUE(field);
    ASSERT_TRUE(field->ends_with("\r\n"));
    EXPECT_TRUE(field->starts_with("DKIM-Signature: v=1; a=" + std::string(name_of(key->algorithm())) +
                                   "; c=relaxed/relaxed;"));
    EXPECT_NE(field->find("d=xn--bcher-kva.example;"), std::string::npos);  // 8616
    EXPECT_NE(field->find("t=1528637909;"), std::string::npos);
    for (const std::string_view line : split(std::string_view(*field).substr(0, field->size() - 2), '\n')) {
      EXPECT_LE(line.size(), 78U);
      EXPECT_FALSE(trimmed(line).empty());
      EXPECT_TRUE(line.data() == field->data() || line.front() == '\t');
    }
    // What was signed is what stands there with an empty b=, whose blanks inside do not count (6376 §3.7).
    const std::size_t b = field->rfind("b=") + 2;
    std::string signature;
    std::ranges::copy_if(field->substr(b), std::back_inserter(signature),
                         [](char c) { return c != '\r' && c != '\n' && c != '\t' && c != ' '; });
    EXPECT_EQ(key->sign(header->digest(field->substr(0, b))).value(), signature);
  }
}

TEST(DkimSign, KnowsSelectors) {
  for (const std::string_view good : std::to_array<std::string_view>({"a", "2026b-rsa", "x.y-z.1"}))
    EXPECT_TRUE(check_selector(good)) << good;
  for (const std::string_view bad : std::to_array<std::string_view>(
           {"", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a;b", "a_b", "\xC3\xBC", "a\r\n"}))
    EXPECT_FALSE(check_selector(bad)) << bad;
  EXPECT_FALSE(check_selector(std::string(64, 'a')));
}

TEST(DkimKey, IsMadeAndReadAgain) {
  for (const DkimAlgorithm algorithm : {DkimAlgorithm::rsa_sha256, DkimAlgorithm::ed25519_sha256}) {
    const Result<NewDkimKey> made = make_dkim_key(algorithm);
    ASSERT_TRUE(made) << describe(made.error());
    EXPECT_TRUE(made->private_key.reveal().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const Result<DkimPrivateKey> key = DkimPrivateKey::parse(made->private_key);
    ASSERT_TRUE(key) << describe(key.error());
    EXPECT_EQ(key->algorithm(), algorithm);
    EXPECT_EQ(key->public_key().value(), made->public_key);
    EXPECT_EQ(from_base64(made->public_key).value().size(), algorithm == DkimAlgorithm::rsa_sha256 ? 294U : 32U);
    const Result<NewDkimKey> other = make_dkim_key(algorithm);
    EXPECT_NE(other->public_key, made->public_key);
  }
}

TEST(DkimKey, RefusesWhatIsNone) {
  constexpr std::string_view kP256 =
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGhRANCAARrF9Hy4SxCR/i8"
      "5uVjpEDydwN9gS3rM6D0oTlF2JjClk/jQuL+Gn+bjufrSnwPnhYrzjNXazFezsu2QGg3v1H1\n"
      "-----END PRIVATE KEY-----\n";
  struct Case {
    std::string_view pem;
    Error::Code want;
  };
  for (const Case& one : std::to_array<Case>({{"", Error::malformed},
                                              {"hello", Error::malformed},
                                              {kRsaPem.substr(0, 400), Error::malformed},
                                              {kP256, Error::unsupported}})) {
    const Result<DkimPrivateKey> key = DkimPrivateKey::parse(Secret(std::string(one.pem)));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, one.want) << one.pem;
  }
}

}  // namespace
}  // namespace postrider::trust
