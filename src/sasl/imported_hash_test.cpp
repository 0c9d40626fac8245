#include "sasl/imported_hash.hpp"

#include "core/text.hpp"
#include "sasl/imported_scheme.hpp"
#include "sasl/password.hpp"

#include <gtest/gtest.h>

namespace postrider::sasl {
namespace {

// All of the password "secret", by `doveadm pw`, crypt(3) and `openssl passwd`.
const std::string kOfSecret[] = {
    "$1$salt$ez2vlPGdaLYkJam5pWs/Y1",
    "$5$rounds=1000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7",
    "$6$rounds=1000$salt$HNxBeBnDfSfUrTj6KiLnmd7tGCvHEmcExh8kl/S0cZ5WrCciNZgfhbpkeFQ4JfkHX.8vPq45lY0iINnCx1Lkm.",
    "$6$xyz$.93lutCQh7gdmqGUmc0pqsyIV6oV.yg/JdutjxPyVxVRhfQnlOaWqbPLlVr.r.CkGAEbx50p7atJLgFxm972z0",
    "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.",
    "$y$j75$abcdefghijklmnop$vZlXu1XtxOBWRxjOpQqONp1WYfMO0dN.H4xeSMU2ZvC",
    "$argon2id$v=19$m=65536,t=3,p=1$7XPMcgEOPg37aXSt7ufcwQ$0NBG/iqk/5YC3j6Pb+w31xMU/1tfSBec8gEXgp6r2so",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "{SSHA}ODlm7Mu7eBFn9Y9WZk8mzeOOiKYmYB8o",
    "{SSHA.HEX}bf0265ac40bd88e217e6ee74351e3f6c620c857591e8367b",
    "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SHA256.B64}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "{SSHA256}d/uwJMtVygXzir4pWPfTAQe7yiaxFQQTaauQ1A3IqNlAUbum",
    "{SSHA256.b64}yhxtqmDM7y1bWRMCvd+DBDTC/TGy6+0IVSRju3DaF+mdHmrr",
    "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
    "{SSHA512}x/l4vKgt5jTf+aFQ2CBR1rxzsJP3NoaiZKLiCmmW0PRjh33WPX6gnq/OEiZkkg2CIK4uO/vDYcORRoLvxvN/AboGr0M=",
    "{PBKDF2}$1$LAjl2358TXasbMza$5000$add8f0dec1bad3c0b5678539f8bb9357fd1c9277",
    "{PBKDF2.HEX}2431244c416a6c3233353854586173624d7a61243530303024616464386630646563316261643363"
    "30623536373835333966386262393335376664316339323737",
    "{SCRAM-SHA-1}4096,7+6Y5od8LuysYkYQUqtrbA==,h5lOxgHObFjlcxNPbWqpcNMoRtQ=,NB5UEc0LEduQdeH0sF+2t5uDV+U=",
    "{SCRAM-SHA-256}4096,2RrgeHfor+4wOFwUCt/JCw==,8SHAqDs0TNJGSEOwcT4GbGM6ncPu6YFiBM4a4sLfIbM=,"
    "d+VdukYqO/PlVKUvyY32Bsk7Jz2JCV4qIXTnwjZHoNY=",
    "{SHA512-CRYPT}$6$Tp3hy3wbkREq8Euu$CJhyOJuMap3YTgXzlfY.PcYSTyvnZsxKGmmKN2Etqd6OV0EwWAEwk1PgWS2eK0BO5BZNAVReD3iiomT3"
    "JX0wg1",
    "{SHA512-CRYPT.B64}JDYkYTVtTmxncmhjY1JWOThuQSQxYXV2MHcwOGhiYWtLTHByQUk5cFVLSUhITTdWTExOYmJYMDIzeWFiSWY2ZUpsNzMxdGY4"
    "YWIxRkYzWTNmRmpxVnM4bkhtcWdVR0hOWEQxMjFhdHFxLg==",
    "{SHA256-CRYPT}$5$ad5qs0mhU0UwQKaP$S2F0Cns8zQB1Z/6wZ33TqWNi6AUVyfvoLrDswqrG8G4",
    "{MD5-CRYPT}$1$.g.kAf.q$YOehH0Tt2qvym35Fm6ZTT.",
    "{BLF-CRYPT}$2y$05$EkmhHHXwVQ1TxVXFlIQvkeRs/K105Yu3HzlVJvYmGBx8BdcN7KuDu",
    "{CRYPT}$2y$05$wej4AHkkrHHwBb.r80p0/e.fcqvRGerFBMEGf7vXHMXINpI//O2Dq",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$iG99NYS5cGYoASq5v2Ep/Q$jNXFgkrXjaJoY9Hgwx003GompMlf5IB+tFrZyAu6vRw",
};

TEST(ImportedHash, VerifiesItsPasswordAndNoOther) {
  for (const std::string& text : kOfSecret) {
    EXPECT_TRUE(check_imported_hash(text)) << text;
    const Result<void> right = verify_imported_hash(text, Secret("secret"));
    EXPECT_TRUE(right) << text << describe(right.error());
  }
}

TEST(ImportedHash, DeniesAnotherPassword) {
  for (const std::string& text : kOfSecret) {
    const Result<void> wrong = verify_imported_hash(text, Secret("Secret"));
    ASSERT_FALSE(wrong) << text;
    EXPECT_EQ(wrong.error().code, Error::denied) << text;
  }
}

TEST(ImportedHash, APasswordIsNotCutAtItsNul) {
  for (const std::string& text : kOfSecret) {
    const Result<void> wrong = verify_imported_hash(text, Secret(std::string("secret\0x", 8)));
    ASSERT_FALSE(wrong) << text;
    EXPECT_EQ(wrong.error().code, Error::denied) << text;
    EXPECT_EQ(verify_imported_hash(text, Secret(std::string(kPasswordOctetsMax + 1, 'x'))).error().code,
              Error::too_long);
  }
  EXPECT_EQ(verify_imported_hash(kOfSecret[0], Secret(std::string(kPasswordOctetsMax, 'x'))).error().code,
            Error::denied);
}

TEST(ImportedHash, ChangedAnywhereItIsRefused) {
  for (const std::string& text : kOfSecret) {
    if (text.starts_with("$argon2") || text.starts_with("{ARGON2") || text.starts_with("$y$")) continue;  // slow
    for (const std::size_t cut : {text.size() - 1, text.size() / 2, std::size_t{3}}) {
      EXPECT_FALSE(verify_imported_hash(text.substr(0, cut), Secret("secret"))) << text << cut;
    }
    EXPECT_FALSE(verify_imported_hash(text + "x", Secret("secret"))) << text;
  }
}

TEST(ImportedHash, SaysWhichSchemeItDoesNotKnow) {
  for (const auto& [text, detail] : {std::pair<std::string, std::string>{"{PLAIN}secret", "scheme PLAIN"},
                                     {"{CLEARTEXT}x", "scheme CLEARTEXT"},
                                     {"{CRAM-MD5}x", "scheme CRAM-MD5"},
                                     {"{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "scheme PLAIN-MD5"},
                                     {"{}x", "scheme "},
                                     {"{SHA.ROT13}x", "scheme SHA.ROT13"},
                                     {"{CRYPT}abJnggxhB/yWI", "scheme CRYPT without a $method$"},
                                     {"{CRYPT}$7$x", "method $7"},
                                     {"$apr1$xyz$HXgo9gtz4gpj4JWTLYmjB0", "method $apr1"},
                                     {"$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "method $argon2d"},
                                     {"$argon2id$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "argon2 before version 1.3"}}) {
    const Result<void> got = check_imported_hash(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code, Error::unsupported) << text;
    EXPECT_EQ(got.error().detail, detail);
  }
}

TEST(ImportedHash, RefusesWhatIsNone) {
  for (const std::string& text : {std::string(),
                                  std::string("secret"),
                                  std::string("abJnggxhB/yWI"),
                                  std::string("{SHA"),
                                  std::string("{SHA}"),
                                  std::string("{SHA}!"),
                                  std::string("{SHA}AAAA"),
                                  std::string("{SHA.HEX}e5e"),
                                  std::string("{SHA.HEX}zz"),
                                  std::string("{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),  // no salt
                                  std::string("{MD5-CRYPT}$6$xyz$x"),
                                  std::string("{SHA512-CRYPT}$1$salt$ez2vlPGdaLYkJam5pWs/Y1"),
                                  std::string("$1$salt$ez2vlPGdaLYkJam5pWs/Y"),
                                  std::string("$1$123456789$ez2vlPGdaLYkJam5pWs/Y1"),
                                  std::string("$1$sa lt$ez2vlPGdaLYkJam5pWs/Y1"),
                                  std::string("$5$rounds=x$salt$") + std::string(43, 'a'),
                                  std::string("$5$rounds=999$salt$") + std::string(43, 'a'),
                                  std::string("$6$12345678901234567$") + std::string(86, 'a'),
                                  std::string("$2b$xx$") + std::string(53, 'a'),
                                  std::string("$2b$03$") + std::string(53, 'a'),
                                  std::string("$2b$04$") + std::string(52, 'a'),
                                  std::string("$2b$04$") + std::string(52, 'a') + "*",
                                  std::string("$y$j9$abcdefgh$") + std::string(43, 'a'),
                                  std::string("$y$k9T$abcdefgh$") + std::string(43, 'a'),
                                  std::string("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ"),
                                  std::string("$argon2id$v=19$m=64,p=1,t=1$c2FsdHNhbHQ$x"),
                                  std::string("$argon2id$v=19$m=0,t=1,p=1$c2Fs$x"),
                                  std::string("{PBKDF2}$1$salt$0$") + std::string(40, 'a'),
                                  std::string("{PBKDF2}$1$$1$") + std::string(40, 'a'),
                                  std::string("{PBKDF2}$2$salt$1$") + std::string(40, 'a'),
                                  std::string("{PBKDF2}$1$salt$1$aa"),
                                  std::string("{SCRAM-SHA-1}4096,AAAA,AAAA,AAAA"),
                                  std::string("{SCRAM-SHA-1}0,AAAA,AAAA,AAAA"),
                                  std::string("{SHA}\0", 6),
                                  std::string("{SHA512-CRYPT.HEX}24362400")}) {
    const Result<void> got = check_imported_hash(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code, Error::malformed) << text;
  }
}

TEST(ImportedHash, WhatCostsMoreThanALoginMayIsExhausted) {
  const std::string hash43(43, 'a');
  const std::string zeros28 = to_base64(std::string(20, '\0'));
  struct Row {
    std::string most;  // taken
    std::string over;
  };
  const Row rows[] = {
      {"$2b$14$" + std::string(53, 'a'), "$2b$15$" + std::string(53, 'a')},
      {"$5$rounds=1000000$salt$" + hash43, "$5$rounds=1000001$salt$" + hash43},
      {"$6$rounds=1000000$salt$" + hash43 + hash43, "$6$rounds=999999999$salt$" + hash43 + hash43},
      {"$y$jDT$abcdefghijklmnop$" + hash43, "$y$jET$abcdefghijklmnop$" + hash43},
      {"$argon2id$v=19$m=262144,t=4,p=1$c2FsdHNhbHQ$x", "$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$x"},
      {"$argon2id$v=19$m=1024,t=1024,p=1$c2FsdHNhbHQ$x", "$argon2id$v=19$m=1024,t=1025,p=1$c2FsdHNhbHQ$x"},
      {"$argon2i$v=19$m=1024,t=3,p=64$c2FsdHNhbHQ$x", "$argon2i$v=19$m=1024,t=3,p=65$c2FsdHNhbHQ$x"},
      {"{PBKDF2}$1$salt$1000000$" + std::string(40, 'a'), "{PBKDF2}$1$salt$1000001$" + std::string(40, 'a')},
      {"{SCRAM-SHA-1}1000000,AAAA," + zeros28 + "," + zeros28, "{SCRAM-SHA-1}1000001,AAAA," + zeros28 + "," + zeros28},
  };
  for (const Row& row : rows) {
    const Result<void> most = check_imported_hash(row.most);
    EXPECT_TRUE(most) << row.most << describe(most.error());
    for (const Result<void>& over : {check_imported_hash(row.over), verify_imported_hash(row.over, Secret("x"))}) {
      ASSERT_FALSE(over) << row.over;
      EXPECT_EQ(over.error().code, Error::exhausted) << row.over;
    }
  }
  const std::string longest = "{SSHA}" + to_base64(std::string(761, 'a'));  // 1,022 octets
  EXPECT_TRUE(check_imported_hash(longest)) << longest.size();
  EXPECT_EQ(check_imported_hash("{SSHA}" + to_base64(std::string(765, 'a'))).error().code, Error::malformed);
}

}  // namespace
}  // namespace postrider::sasl
